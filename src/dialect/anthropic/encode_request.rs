//! A request to a provider of Claude, for a client that speaks another dialect.

use super::{
    encode_message::{Conversation, lacks_thoughts, write_mark},
    encode_tools::Tools,
    parameters,
};
use crate::{
    dialect::{
        Encoded, Recipient, check_choices,
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
    check_choices(request, "Claude")?;
    parameters::note_lost(request, &mut encoded);
    let most = profile.output_tokens_max.unwrap_or(u64::MAX);
    let bound = request.max_tokens.or(profile.output_tokens_max).map(|tokens| tokens.clamp(1, most));
    let lacks_thoughts = lacks_thoughts(&request.messages);
    let thoughts = Deliberation::of(request.reasoning.as_ref(), profile, bound, lacks_thoughts);
    if thoughts.is_less {
        encoded.drop_param("reasoning_effort");
    }
    let thinks = thoughts.is_on();
    let max_tokens = match (bound, thoughts.mode) {
        (Some(bound), _) => bound,
        (None, Mode::Budget(tokens)) => tokens.saturating_add(OUTPUT_TOKENS),
        (None, _) => OUTPUT_TOKENS,
    };
    let conversation = Conversation::of(request, recipient, thinks, &mut encoded)?;
    if conversation.skipped.iter().any(|skipped| *skipped > 0) {
        encoded.drop_param("cache_control");
    }
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
        conversation.write_system(&tools.instructions, writer);
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

#[cfg(test)]
mod tests {
    use super::super::{Anthropic, tests::asked};
    use super::*;
    use crate::{
        dialect::{ClientDialect, Quirks},
        ir::{Profile, Thinking},
    };

    fn bound(members: &str, profile: &Profile) -> String {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"q"}}]{members}}}"#);
        let request = Anthropic.decode_request(&body).unwrap();
        let recipient = Recipient { model: "m", profile, quirks: &Quirks::OWNER, is_strict: false };
        let mut out = Vec::new();
        encode_request(&request, &recipient, &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        told.split("\"max_tokens\":").nth(1).unwrap().split(',').next().unwrap().to_owned()
    }

    #[test]
    fn an_answer_is_always_bound_and_never_beyond_the_model() {
        let known = Profile { output_tokens_max: Some(64_000), ..Profile::default() };
        assert_eq!(bound("", &known), "64000");
        assert_eq!(bound(r#","max_tokens":99999999"#, &known), "64000");
        assert_eq!(bound(r#","max_tokens":0"#, &known), "1");
        assert_eq!(bound("", &Profile::default()), "4096");
        let budget = Profile { thinking: Thinking::Budget, ..Profile::default() };
        assert_eq!(bound(r#","thinking":{"type":"enabled","budget_tokens":8000}"#, &budget), "12096");
    }

    #[test]
    fn a_host_of_claude_is_asked_in_its_own_way() {
        let quirks =
            Quirks { names_model: false, version_in_body: Some("v-1"), fetches_urls: false, ..Quirks::OWNER };
        let profile = Profile::default();
        let recipient = Recipient { model: "m", profile: &profile, quirks: &quirks, is_strict: false };
        let request = |content: &str| {
            format!(
                r#"{{"max_tokens":1,"anthropic_beta":["b"],"messages":[{{"role":"user","content":[{content}]}}]}}"#
            )
        };
        let body = request(r#"{"type":"text","text":"q"}"#);
        let mut out = Vec::new();
        encode_request(&Anthropic.decode_request(&body).unwrap(), &recipient, &mut out).unwrap();
        let told = String::from_utf8(out).unwrap();
        assert!(told.starts_with(r#"{"anthropic_version":"v-1","max_tokens":1,"#), "{told}");
        assert!(told.ends_with(r#","anthropic_beta":["b"]}"#) && !told.contains("\"model\""), "{told}");
        let body = request(r#"{"type":"image","source":{"type":"url","url":"https://h/i.png"}}"#);
        let request = Anthropic.decode_request(&body).unwrap();
        let error = encode_request(&request, &recipient, &mut Vec::new()).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("unsupported_image_url")));
    }

    #[test]
    fn calls_without_thoughts_are_followed_by_none() {
        let history = |details: &str| {
            format!(
                r#""reasoning_effort":"high","messages":[{{"role":"user","content":"q"}},
                {{"role":"assistant","tool_calls":[{{"id":"a","function":{{"name":"f"}}}}]{details}}},
                {{"role":"tool","tool_call_id":"a","content":"1"}}],"tools":[{{"type":"function","function":{{"name":"f"}}}}]"#
            )
        };
        let profile = Profile { thinking: Thinking::Adaptive, ..Profile::default() };
        let (told, encoded) = asked(&history(""), &profile).unwrap();
        assert!(
            told.contains(r#""thinking":{"type":"disabled"}"#) && encoded.dropped == ["reasoning_effort"]
        );
        let details = r#","reasoning_details":[{"type":"reasoning.encrypted","data":"r","format":"anthropic-claude-v1"}]"#;
        let (told, encoded) = asked(&history(details), &profile).unwrap();
        assert!(told.contains(r#""thinking":{"type":"adaptive""#) && encoded.dropped.is_empty(), "{told}");
    }
}
