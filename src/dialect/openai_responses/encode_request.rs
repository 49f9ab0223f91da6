//! A request to a model that is reached by the Responses API, for a client that asks in another dialect.

use super::{
    decode_tools::grammar,
    encode_message::{ItemWriter, check_messages, tool_name},
};
use crate::{
    dialect::{
        Encoded, Recipient,
        json::{Reader, Writer},
        openai_chat,
    },
    ir::{ApiError, Effort, Format, Raw, Request, Text, Thinking, Tool, ToolChoice, ToolKind},
};

/// Members that only the client knows, and that this API takes as they are.
const KNOWN: [&str; 7] = [
    "context_management",
    "max_tool_calls",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "truncation",
];

/// Writes a request.
pub(super) fn encode_request(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    out: &mut Vec<u8>,
) -> Result<Encoded, ApiError> {
    check_messages(request)?;
    if request.sampling.choices.is_some_and(|choices| choices > 1) {
        let message = "This model is reached by OpenAI's Responses API, which gives one answer. Leave out `n`, \
                       and ask several times.";
        return Err(ApiError::client(400, "unsupported_parameter", message).with_param("n"));
    }
    let mut encoded = Encoded::default();
    Writer::new(out).object(|writer| {
        writer.member("model").string(Text::plain(recipient.model).as_escaped());
        ItemWriter::new(request, recipient, &mut encoded).write_input(&request.messages, writer);
        if request.is_streamed {
            writer.member("stream").boolean(true);
        }
        // OpenAI keeps what nobody told it not to keep.
        writer.member("store").boolean(request.is_stored == Some(true));
        if let Some(max_tokens) = request.max_tokens {
            writer.member("max_output_tokens").count(max_tokens);
        }
        write_sampling(request, recipient, &mut encoded, writer);
        write_tools(request, &mut encoded, writer);
        write_text(request, writer);
        write_reasoning(request, recipient, writer);
        write_include(request, recipient, writer);
        write_rest(request, recipient, &mut encoded, writer);
    });
    Ok(encoded)
}

fn write_sampling(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let sampling = &request.sampling;
    let takes_sampling = recipient.profile.takes_sampling;
    for (name, value, is_taken) in [
        ("temperature", &sampling.temperature, takes_sampling),
        ("top_p", &sampling.top_p, takes_sampling),
        ("top_logprobs", &sampling.top_logprobs, true),
        ("top_k", &sampling.top_k, false),
        ("frequency_penalty", &sampling.frequency_penalty, false),
        ("presence_penalty", &sampling.presence_penalty, false),
        ("seed", &sampling.seed, false),
        ("logit_bias", &sampling.logit_bias, false),
    ] {
        match value {
            Some(value) if is_taken => writer.member(name).raw(value),
            Some(_) => encoded.drop_param(name),
            None => {}
        }
    }
    if request.stop.iter().any(|text| !text.is_empty()) {
        encoded.drop_param("stop");
    }
}

fn write_tools(request: &Request<'_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    if request.tools.iter().any(|tool| !is_known(tool)) {
        encoded.drop_param("tools");
    }
    let tools: Vec<_> = request.tools.iter().filter(|tool| is_known(tool)).collect();
    if tools.is_empty() && request.web_search.is_none() {
        return;
    }
    writer.member("tools").array(|writer| {
        tools.iter().for_each(|tool| write_tool(&tool.kind, encoded, writer));
        if let Some(options) = &request.web_search {
            write_web_search(options, writer);
        }
    });
    if let Some(choice) = &request.tool_choice {
        writer.member("tool_choice");
        write_choice(choice, request, encoded, writer);
    }
    if let Some(is_parallel) = request.parallel_tool_calls {
        writer.member("parallel_tool_calls").boolean(is_parallel);
    }
}

/// Tools that OpenAI runs are said alike by clients of both its dialects.
fn is_known(tool: &Tool<'_>) -> bool {
    !matches!(tool.kind, ToolKind::Native { dialect, .. } if dialect != super::NAME && dialect != openai_chat::NAME)
}

fn write_tool(kind: &ToolKind<'_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    match kind {
        ToolKind::Function { name, description, parameters, is_strict } => writer.object(|writer| {
            writer.member("type").string("function");
            writer.member("name").string(&tool_name(name, encoded));
            if let Some(description) = description {
                writer.member("description").text(description);
            }
            let empty = Raw::new("{\"type\":\"object\",\"properties\":{}}");
            writer.member("parameters").raw(parameters.as_ref().unwrap_or(&empty));
            // Unlike in a chat, a schema of which nothing is said binds here.
            writer.member("strict").boolean(is_strict.unwrap_or_default());
        }),
        ToolKind::Custom { name, description, format } => writer.object(|writer| {
            writer.member("type").string("custom");
            writer.member("name").string(&tool_name(name, encoded));
            if let Some(description) = description {
                writer.member("description").text(description);
            }
            if let Some(format) = format {
                write_custom_format(format, writer.member("format"));
            }
        }),
        ToolKind::Native { raw, .. } => writer.raw(raw),
    }
}

fn write_custom_format(format: &Raw<'_>, writer: &mut Writer<'_>) {
    match grammar(format) {
        Some((syntax, definition)) => writer.object(|writer| {
            writer.member("type").string("grammar");
            writer.member("syntax").text(&syntax);
            writer.member("definition").text(&definition);
        }),
        None => writer.raw(format),
    }
}

/// What stands in `web_search_options` of a chat, as a tool.
fn write_web_search(options: &Raw<'_>, writer: &mut Writer<'_>) {
    let (mut size, mut place) = (None, None);
    let read = Reader::new(options.as_str()).object_if_any(|name, reader| {
        match name {
            "search_context_size" => size = reader.text_if_any()?,
            "user_location" => reader.object_if_any(|name, reader| {
                if name == "approximate" {
                    place = Some(reader.clone());
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    });
    writer.object(|writer| {
        writer.member("type").string("web_search");
        if let Some(size) = size.filter(|_| read.is_ok()) {
            writer.member("search_context_size").text(&size);
        }
        let Some(mut place) = place else { return };
        writer.member("user_location").object(|writer| {
            writer.member("type").string("approximate");
            let _ = place.object_if_any(|name, reader| {
                let value = reader.raw()?;
                writer.member_named(&Text::plain(name)).raw(&value);
                Ok(())
            });
        });
    });
}

fn write_choice(
    choice: &ToolChoice<'_>,
    request: &Request<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let mut named = |name: &Text<'_>, is_custom: bool, writer: &mut Writer<'_>| {
        writer.object(|writer| {
            writer.member("type").string(if is_custom { "custom" } else { "function" });
            writer.member("name").string(&tool_name(name, encoded));
        });
    };
    match choice {
        ToolChoice::Auto => writer.string("auto"),
        ToolChoice::None => writer.string("none"),
        ToolChoice::Required => writer.string("required"),
        ToolChoice::Named { name, is_custom } => named(name, *is_custom, writer),
        ToolChoice::Allowed { is_required, names } => writer.object(|writer| {
            writer.member("type").string("allowed_tools");
            writer.member("mode").string(if *is_required { "required" } else { "auto" });
            writer.member("tools").array(|writer| {
                for name in names {
                    let is_custom = request.tools.iter().any(
                        |tool| matches!(&tool.kind, ToolKind::Custom { name: custom, .. } if custom == name),
                    );
                    named(name, is_custom, writer);
                }
            });
        }),
    }
}

/// The shape of the answer and its length.
fn write_text(request: &Request<'_>, writer: &mut Writer<'_>) {
    if request.format == Format::Unsaid && request.verbosity.is_none() {
        return;
    }
    writer.member("text").object(|writer| {
        if let Some(verbosity) = &request.verbosity {
            writer.member("verbosity").text(verbosity);
        }
        let kind = match &request.format {
            Format::Unsaid => return,
            Format::Text => "text",
            Format::JsonObject => "json_object",
            Format::JsonSchema { .. } => "json_schema",
        };
        writer.member("format").object(|writer| {
            writer.member("type").string(kind);
            if let Format::JsonSchema { name, description, schema, is_strict } = &request.format {
                writer.member("name").text(name);
                if let Some(description) = description {
                    writer.member("description").text(description);
                }
                writer.member("schema").raw(schema);
                writer.member("strict").boolean(is_strict.unwrap_or_default());
            }
        });
    });
}

fn write_reasoning(request: &Request<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    let Some(reasoning) = &request.reasoning else { return };
    let effort = reasoning.degree().map(|degree| recipient.profile.nearest_effort(degree));
    let is_shown = reasoning.is_shown != Some(false) && effort != Some(Effort::None);
    if effort.is_none() && !is_shown {
        return;
    }
    writer.member("reasoning").object(|writer| {
        if let Some(effort) = effort {
            writer.member("effort").string(effort.name());
        }
        if is_shown {
            writer.member("summary").string("auto");
        }
    });
}

/// What more the answer tells. Reasoning that OpenAI does not keep comes sealed; a model that has none refuses
/// to be asked for it.
fn write_include(request: &Request<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    let mut wanted = Vec::new();
    if recipient.profile.thinking != Thinking::Never {
        wanted.push(Text::escaped("reasoning.encrypted_content"));
    }
    let sampling = &request.sampling;
    if sampling.logprobs == Some(true) || sampling.top_logprobs.is_some() {
        wanted.push(Text::escaped("message.output_text.logprobs"));
    }
    if let Some((_, told)) = request.extra.iter().find(|(name, _)| name == "include") {
        let _ = Reader::new(told.as_str()).array_if_any(|reader| {
            let more = reader.text_if_any()?.filter(|more| !wanted.contains(more));
            wanted.extend(more);
            Ok(())
        });
    }
    if !wanted.is_empty() {
        writer.member("include").array(|writer| wanted.iter().for_each(|text| writer.text(text)));
    }
}

fn write_rest(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    if let Some(user) = &request.user {
        writer.member("safety_identifier").text(user);
    }
    if let Some(metadata) = &request.metadata {
        writer.member("metadata").raw(metadata);
    }
    match &request.service_tier {
        Some(tier) if recipient.quirks.takes_service_tier => writer.member("service_tier").text(tier),
        Some(_) => encoded.drop_param("service_tier"),
        None => {}
    }
    let speaks = request.modalities.as_ref().is_some_and(|kinds| kinds.as_str().contains("audio"));
    for (name, is_told) in [
        ("audio", request.audio.is_some()),
        ("modalities", speaks),
        ("prediction", request.prediction.is_some()),
    ] {
        if is_told {
            encoded.drop_param(name);
        }
    }
    for (name, value) in &request.extra {
        if KNOWN.contains(&&**name) {
            writer.member(name).raw(value);
        } else if name != "include" {
            encoded.drop_extra(name);
        }
    }
}
