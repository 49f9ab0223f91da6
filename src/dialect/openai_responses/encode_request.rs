//! A request to a model that is reached by the Responses API, for a client that asks in another dialect.

use super::{
    decode_tools::grammar,
    encode_message::{ItemWriter, announces_marks, check_messages, tool_name},
};
use crate::{
    dialect::{
        Encoded, Recipient, check_choices,
        json::{Reader, Writer},
        openai_chat,
    },
    ir::{ApiError, Effort, Format, Raw, Request, Text, Thinking, Tool, ToolChoice, ToolKind},
};

/// Parameters that few providers know and this API does.
const CARRIED: [&str; 8] = [
    "logprobs",
    "top_logprobs",
    "user",
    "metadata",
    "service_tier",
    "verbosity",
    "web_search_options",
    "store",
];

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
    check_choices(request, "OpenAI's Responses API")?;
    check_messages(request)?;
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
        write_reasoning(request, recipient, &mut encoded, writer);
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
    let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.degree());
    let takes_sampling = recipient.profile.takes_sampling_at(effort);
    for (name, value, is_taken) in [
        ("temperature", &sampling.temperature, takes_sampling),
        ("top_p", &sampling.top_p, takes_sampling),
        ("top_logprobs", &sampling.top_logprobs, true),
        ("top_k", &sampling.top_k, false),
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

fn write_reasoning(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let Some(reasoning) = &request.reasoning else { return };
    let effort = reasoning.degree().map(|degree| recipient.profile.nearest_effort(degree));
    if recipient.profile.thinking == Thinking::Never {
        if effort.is_some_and(|effort| effort != Effort::None) {
            encoded.drop_param("reasoning_effort");
        }
        return;
    }
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
    encoded.drop_all_but(request, &CARRIED);
    if request.is_marked_beside_parts() || (request.is_marked() && !announces_marks(request)) {
        encoded.drop_param("cache_control");
    }
    for (name, value) in &request.extra {
        if KNOWN.contains(&&**name) {
            writer.member(name).raw(value);
        } else if name != "include" {
            encoded.drop_extra(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{ClientDialect, Quirks, json::document::json, openai_chat::OpenAiChat},
        ir::Profile,
    };

    fn encoded(request: &Request<'_>, profile: &Profile) -> Result<(String, Encoded), ApiError> {
        let recipient = Recipient { model: "gpt-5-pro", profile, quirks: &Quirks::OWNER, is_strict: false };
        let mut out = Vec::new();
        let encoded = encode_request(request, &recipient, &mut out)?;
        Ok((String::from_utf8(out).unwrap(), encoded))
    }

    fn bridged(chat: &str) -> Result<(serde_json::Value, Encoded), ApiError> {
        let request = OpenAiChat.decode_request(chat).unwrap();
        let (text, encoded) = encoded(&request, &Profile::default())?;
        Ok((serde_json::from_str(&text).unwrap(), encoded))
    }

    #[test]
    fn a_model_that_does_not_reason_is_not_asked_to() {
        let profile = Profile { thinking: Thinking::Never, ..Profile::default() };
        for (effort, dropped) in [("none", &[][..]), ("high", &["reasoning_effort"][..])] {
            let chat =
                format!(r#"{{"messages":[{{"role":"user","content":"a"}}],"reasoning_effort":"{effort}"}}"#);
            let (body, told) = encoded(&OpenAiChat.decode_request(&chat).unwrap(), &profile).unwrap();
            assert!(!body.contains("reasoning") && told.dropped == dropped, "{body}");
        }
    }

    #[test]
    fn marks_for_the_cache_that_nothing_announces_are_named() {
        let part = r#"{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}"#;
        let chat = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]"#);
        assert_eq!(bridged(&format!("{chat}}}")).unwrap().1.dropped, ["cache_control"]);
        let announced = format!(r#"{chat},"prompt_cache_options":{{"mode":"explicit"}}}}"#);
        assert!(bridged(&announced).unwrap().1.dropped.is_empty());
    }

    #[test]
    fn a_chat_is_asked_by_the_responses_api() {
        let (body, encoded) = bridged(
            r#"{"model":"x","stream":true,"max_tokens":5,"reasoning_effort":"low","verbosity":"low","user":"u",
            "service_tier":"flex","metadata":{"k":"v"},"parallel_tool_calls":false,"top_logprobs":2,"logprobs":true,
            "temperature":0.5,"prompt_cache_key":"p","web_search_options":{"search_context_size":"low",
                "user_location":{"type":"approximate","approximate":{"city":"Bonn"}}},
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1,"a":2}}},
            "tool_choice":{"type":"function","function":{"name":"f"}},
            "tools":[{"type":"function","function":{"name":"f"}},
                {"type":"custom","custom":{"name":"sql","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"d"}}}}],
            "messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"q"},
                {"type":"image_url","image_url":{"url":"https://h/i.png"}},{"type":"file","file":{"file_id":"file-1"}}]},
            {"role":"assistant","content":"t","reasoning_details":[
                {"type":"reasoning.text","text":"hm","signature":"E","format":"openai-responses-v1"},
                {"type":"reasoning.encrypted","data":"F","format":"openai-responses-v1"},
                {"type":"reasoning.text","text":"no","signature":"A","format":"anthropic-claude-v1"}],
             "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":""}},
                {"id":"c2","type":"custom","custom":{"name":"sql","input":"select 1"}}]},
            {"role":"tool","tool_call_id":"c1","content":"12"},
            {"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://h/j.png"}}]}]}"#,
        )
        .unwrap();
        assert!(encoded.dropped.is_empty() && encoded.dropped_extra.is_empty());
        let text = |kind, text| json!({"type": kind, "text": text});
        let image = |url| json!({"type": "input_image", "image_url": url, "detail": "auto"});
        let expected = json!({
            "model": "gpt-5-pro",
            "input": [
                {"type": "message", "role": "system", "content": [text("input_text", "S")]},
                {"type": "message", "role": "user", "content": [text("input_text", "q"), image("https://h/i.png"),
                    {"type": "input_file", "file_id": "file-1"}]},
                {"type": "reasoning", "summary": [text("summary_text", "hm")], "encrypted_content": "E"},
                {"type": "reasoning", "summary": [], "encrypted_content": "F"},
                {"type": "message", "role": "assistant", "content": [text("output_text", "t")]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "select 1"},
                {"type": "function_call_output", "call_id": "c1", "output": "12"},
                {"type": "custom_tool_call_output", "call_id": "c2",
                    "output": [text("input_text", "a"), image("https://h/j.png")]},
            ],
            "stream": true,
            "store": false,
            "max_output_tokens": 5,
            "temperature": 0.5,
            "top_logprobs": 2,
            "tools": [
                {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false},
                {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "d"}},
                {"type": "web_search", "search_context_size": "low",
                    "user_location": {"type": "approximate", "city": "Bonn"}},
            ],
            "tool_choice": {"type": "function", "name": "f"},
            "parallel_tool_calls": false,
            "text": {"verbosity": "low",
                "format": {"type": "json_schema", "name": "n", "schema": {"b": 1, "a": 2}, "strict": false}},
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
            "safety_identifier": "u",
            "metadata": {"k": "v"},
            "service_tier": "flex",
            "prompt_cache_key": "p",
        });
        assert_eq!(body, expected, "{body:#}");
    }

    #[test]
    fn what_this_api_does_not_have_is_named() {
        let (body, encoded) = bridged(
            r#"{"messages":[],"stop":"x","seed":1,"logit_bias":{},"frequency_penalty":1,"presence_penalty":1,"top_k":2,
                "prediction":{},"audio":{},"modalities":["text","audio"],"store":true,"n":1,"unheard_of":1}"#,
        )
        .unwrap();
        let mut dropped = encoded.dropped;
        dropped.sort_unstable();
        let expected = [
            "audio",
            "frequency_penalty",
            "logit_bias",
            "modalities",
            "prediction",
            "presence_penalty",
            "seed",
            "stop",
            "top_k",
        ];
        assert_eq!(dropped, expected);
        assert_eq!(encoded.dropped_extra, ["unheard_of"]);
        assert_eq!(body["store"], json!(true));
        assert!(body.get("tools").is_none() && body.get("reasoning").is_none() && body.get("text").is_none());
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let heard = r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"YQ==","format":"wav"}}]}]}"#;
        for (chat, param) in [(r#"{"messages":[],"n":2}"#, "n"), (heard, "messages")] {
            let error = bridged(chat).map(|_| ()).unwrap_err();
            assert_eq!((error.status, error.code), (400, Some("unsupported_parameter")));
            assert_eq!(error.param.as_deref(), Some(param));
        }
    }

    #[test]
    fn a_model_that_does_not_reason_is_not_asked_for_sealed_reasoning() {
        let request = OpenAiChat.decode_request(r#"{"messages":[]}"#).unwrap();
        let profile = Profile { thinking: Thinking::Never, ..Profile::default() };
        assert!(!encoded(&request, &profile).unwrap().0.contains("include"));
    }

    #[test]
    fn a_name_that_openai_does_not_take_is_another_one_everywhere() {
        let (body, encoded) = bridged(
            r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"a.b","arguments":"{}"}}]}],
                "tools":[{"type":"function","function":{"name":"a.b"}}],"tool_choice":{"type":"function","function":{"name":"a.b"}}}"#,
        )
        .unwrap();
        let name = body["tools"][0]["name"].as_str().unwrap();
        assert!(
            !name.contains('.') && body["tool_choice"]["name"] == name && body["input"][0]["name"] == name
        );
        assert!(encoded.emulation.names.original(Text::escaped(name)).is("a.b"));
    }

    #[test]
    fn what_is_read_is_written_and_read_again_as_the_same() {
        let body = r#"{"input":[
            {"role":"system","content":"S\u00e9"},
            {"role":"user","content":[{"type":"input_text","text":"q"},{"type":"input_image","image_url":"https://h/i.png","detail":"low"},
                {"type":"input_file","file_url":"https://h/a.pdf"},{"type":"new_part","x":1}]},
            {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"E"},
            {"type":"reasoning","summary":[],"encrypted_content":"F"},
            {"type":"message","role":"assistant","content":[{"type":"output_text","text":"t"},{"type":"refusal","refusal":"no"}]},
            {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\": 1e400}"},
            {"type":"web_search_call","id":"ws_1"},
            {"type":"custom_tool_call","call_id":"c2","name":"c","input":"x"},
            {"type":"function_call_output","call_id":"c1","output":"12"},
            {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},
            {"role":"developer","content":"d"},{"role":"user","content":"and?"}],
            "max_output_tokens":7,"temperature":1.0,"top_p":0.10,"top_logprobs":2,"stream":true,"store":false,
            "tools":[{"type":"function","name":"f","description":"\n","parameters":{"b":1,"a":2},"strict":true},
                {"type":"custom","name":"c","description":"x","format":{"type":"grammar","syntax":"lark","definition":"x"}},{"type":"web_search"}],
            "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"custom","name":"c"},{"type":"function","name":"f"}]},
            "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"b":1},"strict":true,"description":"s"}},
            "reasoning":{"effort":"low","summary":"auto"},"safety_identifier":"u","metadata":{"k":"v"},"service_tier":"auto",
            "include":["file_search_call.results"],"parallel_tool_calls":true,"prompt_cache_key":"p"}"#;
        let request = super::super::decode_request::decode_request(body).unwrap();
        let (again, told) = encoded(&request, &Profile::default()).unwrap();
        assert!(told.dropped.is_empty() && told.dropped_extra.is_empty());
        let mut read = super::super::decode_request::decode_request(&again).unwrap();
        let mut expected = request.clone();
        // Who asks for more than the client did gets more.
        for request in [&mut read, &mut expected] {
            request.extra.retain(|(name, _)| name != "include");
        }
        assert_eq!(read, expected);
        assert!(again.contains("\"file_search_call.results\""));
    }
}
