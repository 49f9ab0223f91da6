//! A request to a provider of Claude, for a client that speaks another dialect.

use super::{
    encode_message::{Conversation, lacks_thoughts, write_mark},
    encode_tools::Tools,
    parameters,
};
use crate::{
    dialect::{
        Encoded, Recipient,
        claude::{Deliberation, Mode},
        json::Writer,
    },
    ir::{ApiError, Request, Text},
};

/// Tokens of an answer, where neither the client nor what is known of the model tells.
const OUTPUT_TOKENS: u64 = 4096;

/// Writes a request.
pub(super) fn encode_request(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    out: &mut Vec<u8>,
) -> Result<Encoded, ApiError> {
    let mut encoded = Encoded::default();
    let Recipient { profile, quirks, .. } = *recipient;
    parameters::check(request, &mut encoded)?;
    let most = profile.output_tokens_max.unwrap_or(u64::MAX);
    let bound = request.max_tokens.or(profile.output_tokens_max).map(|tokens| tokens.clamp(1, most));
    let lacks_thoughts = lacks_thoughts(&request.messages);
    let thoughts = Deliberation::of(request.reasoning.as_ref(), profile, bound, lacks_thoughts);
    if thoughts.is_less {
        encoded.drop_param("reasoning_effort");
    }
    let thinks = thoughts.is_on();
    let max_tokens = bound.unwrap_or(match thoughts.mode {
        Mode::Budget(tokens) => tokens.saturating_add(OUTPUT_TOKENS),
        _ => OUTPUT_TOKENS,
    });
    let conversation = Conversation::of(request, recipient, thinks, &mut encoded)?;
    let tools = Tools::of(request, recipient, thinks, &mut encoded);
    Writer::new(out).object(|writer| {
        if quirks.names_model {
            writer.member("model").text(&Text::plain(recipient.model));
        }
        if let Some(version) = quirks.version_in_body {
            writer.member("anthropic_version").string(version);
        }
        writer.member("max_tokens").count(max_tokens);
        if request.is_streamed {
            writer.member("stream").boolean(true);
        }
        conversation.write_system(tools.instruction.as_ref(), writer);
        conversation.write_messages(&mut encoded, quirks, writer);
        tools.write(conversation.skipped[0], profile.takes_schema, &mut encoded, writer);
        thoughts.write(writer);
        write_output_config(request, &thoughts, &tools, writer);
        parameters::write_sampling(request, recipient, thinks, &mut encoded, writer);
        parameters::write_caller(request, recipient, &mut encoded, writer);
        write_mark(request.cache.as_ref(), writer);
        parameters::write_own(request, recipient, &mut encoded, writer);
    });
    Ok(encoded)
}

fn write_output_config(
    request: &Request<'_>,
    thoughts: &Deliberation,
    tools: &Tools<'_, '_>,
    writer: &mut Writer<'_>,
) {
    let own = || parameters::in_output_config(request);
    if thoughts.effort.is_none() && tools.bound.is_none() && own().next().is_none() {
        return;
    }
    writer.member("output_config").object(|writer| {
        if let Some(effort) = thoughts.effort {
            writer.member("effort").string(effort.name());
        }
        if let Some(schema) = &tools.bound {
            writer.member("format").object(|writer| {
                writer.member("type").string("json_schema");
                writer.member("schema").raw(schema);
            });
        }
        own().for_each(|(name, value)| writer.member_named(&Text::plain(name)).raw(value));
    });
}
