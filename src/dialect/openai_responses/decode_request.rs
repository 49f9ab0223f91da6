//! What a client of the Responses API asks for.

use super::{
    decode_message::item,
    decode_tools::{kind_of, tool},
};
use crate::{
    dialect::{
        json::{Kind, ReadError, Reader},
        openai_chat::{json_schema, parameter, wrong},
    },
    ir::{Format, Message, Part, Request, Role, Text},
};

/// Reads a request.
pub(super) fn decode_request(body: &str) -> Result<Request<'_>, ReadError> {
    let mut request = Request::default();
    let mut instructions = None;
    let mut has_input = false;
    let mut reader = Reader::new(body);
    reader.object(|name, reader| {
        match name {
            "input" => {
                has_input = true;
                input(reader, &mut request.messages)?;
            }
            "instructions" => instructions = reader.text_unless_null()?,
            "tools" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        request.tools.push(tool(reader)?);
                        Ok(())
                    })
                })?;
            }
            "max_output_tokens" => request.max_tokens = reader.count_unless_null()?,
            "text" => {
                reader.unless_null(|reader| text(reader, &mut request))?;
            }
            "include" => include(reader, &mut request)?,
            // What OpenAI would keep or look up, no other provider has.
            "previous_response_id" | "conversation" | "prompt" => {
                if reader.raw_unless_null()?.is_some() {
                    return Err(kept("names what only OpenAI keeps; send it all as `input` instead"));
                }
            }
            "background" => {
                if reader.boolean_unless_null()? == Some(true) {
                    return Err(kept("needs a provider that keeps answers; wait for this one, or stream it"));
                }
            }
            // The default.
            "truncation" if reader.clone().raw()?.as_str() == "\"disabled\"" => reader.skip()?,
            other => parameter(other, reader, &mut request)?,
        }
        Ok(())
    })?;
    reader.end()?;
    if !has_input {
        return Err(ReadError::missing("input"));
    }
    request.messages.retain(|message| message.role != Role::Assistant || !message.parts.is_empty());
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        request.messages.insert(0, said(Role::System, text));
    }
    // A stream always tells it.
    request.includes_usage = true;
    ask_for_likelihoods(&mut request);
    Ok(request)
}

/// In a chat the number of others is told only for a list that is asked for.
fn ask_for_likelihoods(request: &mut Request<'_>) {
    let sampling = &mut request.sampling;
    let others = sampling.top_logprobs.as_ref().and_then(|number| number.as_number());
    match others {
        Some(number) if number > 0.0 => sampling.logprobs = Some(true),
        _ if sampling.logprobs.is_none() => sampling.top_logprobs = None,
        _ => {}
    }
}

fn input<'a>(reader: &mut Reader<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), ReadError> {
    match reader.kind() {
        Some(Kind::Text) => {
            messages.push(said(Role::User, reader.text()?));
            Ok(())
        }
        Some(Kind::Array) => reader.array(|reader| item(reader, messages)),
        _ => Err(reader.skip().err().unwrap_or_else(|| wrong("must be a string or a list of items"))),
    }
}

fn said(role: Role, text: Text<'_>) -> Message<'_> {
    Message { role, name: None, parts: vec![Part::text(text)] }
}

/// The member `text`.
fn text<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), ReadError> {
    reader.object(|name, reader| {
        match name {
            "verbosity" => request.verbosity = reader.text_unless_null()?,
            "format" => request.format = reader.unless_null(format)?.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })
}

fn format<'a>(reader: &mut Reader<'a>) -> Result<Format<'a>, ReadError> {
    let format = match kind_of(reader)?.as_escaped() {
        "text" => Format::Text,
        "json_object" => Format::JsonObject,
        "json_schema" => return json_schema(reader),
        _ => return Err(ReadError::invalid("must be text, json_object or json_schema").inside("type")),
    };
    reader.skip().map(|()| format)
}

/// What more the answer tells: signatures always stand in it.
fn include<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), ReadError> {
    let whole = reader.clone().raw()?;
    let mut has_others = false;
    reader.unless_null(|reader| {
        reader.array(|reader| {
            match reader.text()?.as_escaped() {
                "reasoning.encrypted_content" => {}
                "message.output_text.logprobs" => request.sampling.logprobs = Some(true),
                _ => has_others = true,
            }
            Ok(())
        })
    })?;
    if has_others {
        request.extra.push(("include".into(), whole));
    }
    Ok(())
}

fn kept(what: &str) -> ReadError {
    ReadError::Refused { path: String::new(), code: "unsupported_parameter", what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{ProviderDialect, Quirks, Recipient, json::document::json, openai_chat::OpenAiChat},
        ir::{Content, Effort, Input, Media, Origin, Profile, Raw, ToolChoice, ToolKind},
    };

    fn content(request: &Request<'_>, message: usize, part: usize) -> String {
        format!("{:?}", request.messages[message].parts[part].content)
    }

    #[test]
    fn items_become_messages_that_keep_their_order_and_their_bytes() {
        let body = r#"{"model":"m","instructions":"S\u00e9","input":[
            {"role":"user","content":"q"},
            {"type":"message","role":"developer","content":[{"type":"input_text","text":"d","prompt_cache_breakpoint":{"mode":"explicit"}}]},
            {"role":"user","content":[{"type":"input_image","image_url":"https://h/i.png","detail":"low"},
                {"type":"input_image","file_id":"file-1"},
                {"type":"input_file","filename":"a.txt","file_data":"YQ=="},{"type":"new_part","x":1}]},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"E"},
            {"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"t","annotations":[]},{"type":"refusal","refusal":"no"}]},
            {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\": 1e400}"},
            {"type":"custom_tool_call","call_id":"c2","name":"sql","input":"select 1"},
            {"type":"web_search_call","id":"ws_1","status":"completed"},
            {"type":"function_call_output","call_id":"c1","output":"12"},
            {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_image","image_url":"https://h/j.png"}]},
            {"role":"user","content":"and?"}]}"#;
        let request = decode_request(body).unwrap();
        let roles: Vec<_> =
            request.messages.iter().map(|message| (message.role, message.parts.len())).collect();
        let (system, developer) = ((Role::System, 1), (Role::Developer, 1));
        let (asked, seen, said, results) =
            ((Role::User, 1), (Role::User, 4), (Role::Assistant, 6), (Role::User, 2));
        assert_eq!(roles, [system, asked, developer, seen, said, results, asked]);
        assert_eq!(request.messages[0].parts, [Part::text(Text::escaped(r"S\u00e9"))]);
        assert!(request.messages[2].parts[0].cache.is_some());
        assert!(content(&request, 3, 1).contains("Stored"));
        assert!(content(&request, 3, 2).contains("text/plain"));
        assert!(content(&request, 3, 3).contains("openai_responses"));
        let thought = &request.messages[4].parts[0];
        assert_eq!(thought.content, Content::Reasoning(Text::escaped("a\\n\\nb")));
        assert_eq!(thought.signature.as_ref().unwrap().origin, Origin::OpenAi);
        let Content::ToolCall(call) = &request.messages[4].parts[3].content else { panic!() };
        assert_eq!(call.input, Input::Text(Text::escaped(r#"{\"a\": 1e400}"#)));
        let Content::ToolCall(call) = &request.messages[4].parts[4].content else { panic!() };
        assert!(call.is_custom && call.name.is("sql"));
        assert!(matches!(request.messages[4].parts[5].content, Content::Opaque { .. }));
        let Content::ToolResult(result) = &request.messages[5].parts[1].content else { panic!() };
        assert!(matches!(&result.parts[0].content, Content::Image { media: Media::Url { .. }, .. }));
    }

    #[test]
    fn parameters_are_read_in_all_their_forms() {
        let body = r#"{"input":"q","max_output_tokens":7,"temperature":1.0,"top_logprobs":2,"stream":true,"store":true,
            "tools":[{"type":"function","name":"f","parameters":{"b":1,"a":2},"strict":true},
                {"type":"custom","name":"c","format":{"type":"grammar","syntax":"lark","definition":"x"}},{"type":"web_search"}],
            "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]},
            "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"b":1},"strict":true}},
            "reasoning":{"effort":"low","summary":"auto"},"safety_identifier":"u","metadata":{"k":"v"},
            "include":["reasoning.encrypted_content","file_search_call.results"],"truncation":"disabled",
            "previous_response_id":null,"background":false,"prompt_cache_key":"p"}"#;
        let request = decode_request(body).unwrap();
        assert_eq!((request.max_tokens, request.is_streamed, request.is_stored), (Some(7), true, Some(true)));
        assert!(
            matches!(&request.tools[0].kind, ToolKind::Function { parameters: Some(raw), is_strict: Some(true), .. }
            if raw.as_str() == r#"{"b":1,"a":2}"#)
        );
        assert!(matches!(&request.tools[1].kind, ToolKind::Custom { format: Some(raw), .. }
            if raw.as_str() == r#"{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}"#));
        assert!(matches!(&request.tools[2].kind, ToolKind::Native { dialect: "openai_responses", .. }));
        assert!(
            matches!(&request.tool_choice, Some(ToolChoice::Allowed { is_required: true, names }) if names.len() == 1)
        );
        assert!(
            matches!(&request.format, Format::JsonSchema { is_strict: Some(true), name, .. } if name.is("n"))
        );
        let reasoning = request.reasoning.unwrap();
        assert_eq!((reasoning.effort, reasoning.is_shown), (Some(Effort::Low), Some(true)));
        assert!(request.user.unwrap().is("u") && request.verbosity.unwrap().is("low"));
        assert_eq!(request.sampling.logprobs, Some(true));
        let extra: Vec<_> = request.extra.iter().map(|(name, _)| &**name).collect();
        assert_eq!(extra, ["include", "prompt_cache_key"]);
        let plain =
            decode_request(r#"{"input":"q","include":["message.output_text.logprobs"],"top_logprobs":0}"#);
        let plain = plain.unwrap();
        assert!(plain.extra.is_empty() && plain.sampling.top_logprobs == Some(Raw::new("0")));
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        for (body, param) in [
            (r#"{}"#, "input"),
            (r#"{"input":1}"#, "input"),
            (r#"{"input":[{"role":"robot","content":"a"}]}"#, "input[0].role"),
            (r#"{"input":[{"role":"user"}]}"#, "input[0].content"),
            (r#"{"input":[{"role":"user","content":[{"type":"input_text"}]}]}"#, "input[0].content[0].text"),
            (
                r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,***"}]}]}"#,
                "input[0].content[0].image_url",
            ),
            (r#"{"input":[{"type":"function_call","name":"f","arguments":"{}"}]}"#, "input[0].call_id"),
            (r#"{"input":[{"type":"function_call_output","call_id":"c"}]}"#, "input[0].output"),
            (r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#, "input[0]"),
            (r#"{"input":[{"id":"msg_1"}]}"#, "input[0]"),
            (r#"{"input":[{}]}"#, "input[0].type"),
            (r#"{"input":"a","previous_response_id":"resp_1"}"#, "previous_response_id"),
            (r#"{"input":"a","conversation":{"id":"conv_1"}}"#, "conversation"),
            (r#"{"input":"a","prompt":{"id":"pmpt_1"}}"#, "prompt"),
            (r#"{"input":"a","background":true}"#, "background"),
            (r#"{"input":"a","text":{"format":{"type":"xml"}}}"#, "text.format.type"),
            (r#"{"input":"a","tools":[{"type":"function"}]}"#, "tools[0].name"),
            (r#"{"input":"a","tools":[{"name":"f"}]}"#, "tools[0].type"),
            (r#"{"input":"a","max_output_tokens":-1}"#, "max_output_tokens"),
            (r#"{"input":"a","tool_choice":{"type":"function"}}"#, "tool_choice.name"),
        ] {
            let error = decode_request(body).map(|_| ()).unwrap_err().into_refusal();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
    }

    #[test]
    fn seals_of_any_maker_go_back_to_what_they_are_on() {
        let body = r#"{"input":[
            {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"bf1:anthropic:reasoning:QQ=="},
            {"type":"reasoning","summary":[],"encrypted_content":"bf1:anthropic:redacted:Qg=="},
            {"role":"assistant","content":"t"},
            {"type":"reasoning","summary":[],"encrypted_content":"bf1:google:text:Qw=="},
            {"type":"function_call","call_id":"c1","name":"f","arguments":""},
            {"type":"reasoning","summary":[],"encrypted_content":"bf1:google:call.YzE:RA=="},
            {"type":"reasoning","summary":[],"encrypted_content":"gAAAA"}]}"#;
        let request = decode_request(body).unwrap();
        let seals: Vec<_> = request.messages[0]
            .parts
            .iter()
            .map(|part| match (&part.content, &part.signature) {
                (Content::RedactedReasoning { origin, data }, None) => {
                    (*origin, data.to_plain().into_owned())
                }
                (_, Some(seal)) => (seal.origin, seal.data.to_plain().into_owned()),
                (content, None) => panic!("{content:?}"),
            })
            .collect();
        let expected = [
            (Origin::Anthropic, "QQ=="),
            (Origin::Anthropic, "Qg=="),
            (Origin::Google, "Qw=="),
            (Origin::Google, "RA=="),
            (Origin::OpenAi, "gAAAA"),
        ];
        assert_eq!(seals, expected.map(|(origin, data)| (origin, data.to_owned())));
    }
    #[test]
    fn calls_that_stand_side_by_side_are_one_message_of_a_chat() {
        let body = r#"{"input":[{"role":"user","content":"q"},
            {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
            {"type":"reasoning","summary":[],"encrypted_content":"E"},
            {"type":"function_call","call_id":"c2","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":"1"},
            {"type":"function_call_output","call_id":"c2","output":"2"}]}"#;
        let request = decode_request(body).unwrap();
        let (profile, quirks) = (&Profile::default(), &Quirks::OWNER);
        let recipient = Recipient { model: "m", profile, quirks, is_strict: true };
        let mut out = Vec::new();
        OpenAiChat.encode_request(&request, &recipient, &mut out).unwrap();
        let chat: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let call = |id| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let result = |id, text| json!({"role": "tool", "tool_call_id": id, "content": text});
        let expected = json!([
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "tool_calls": [call("c1"), call("c2")]},
            result("c1", "1"),
            result("c2", "2"),
        ]);
        assert_eq!(chat["messages"], expected);
    }
}
