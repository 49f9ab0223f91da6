//! What an OpenAI client asks for (`POST /v1/chat/completions`).

use super::{
    decode_message::{cache_control, message},
    decode_parameters::{named_effort, parameter, reasoning},
    decode_tools::{function, legacy_choice, tool},
};
use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::{Effort, Format, Raw, Reasoning, Request, Text, Tool, ToolChoice},
};

/// Tools and choices as OpenAI has given up to say them (`functions`, `function_call`).
#[derive(Default)]
struct Legacy<'a> {
    tools: Vec<Tool<'a>>,
    choice: Option<ToolChoice<'a>>,
}

/// Reads a request.
pub(super) fn decode_request(body: &str) -> Result<Request<'_>, ReadError> {
    let mut request = Request::default();
    let mut legacy = Legacy::default();
    let mut max_tokens = None;
    let mut has_messages = false;
    let mut reader = Reader::new(body);
    reader.object(|name, reader| {
        match name {
            "messages" => {
                has_messages = true;
                reader.array(|reader| {
                    request.messages.push(message(reader)?);
                    Ok(())
                })?;
            }
            "tools" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        request.tools.push(tool(reader)?);
                        Ok(())
                    })
                })?;
            }
            "functions" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        legacy.tools.push(Tool::new(function(reader)?));
                        Ok(())
                    })
                })?;
            }
            "function_call" => legacy.choice = legacy_choice(reader)?,
            "max_completion_tokens" => request.max_tokens = reader.count_unless_null()?,
            "max_tokens" => max_tokens = reader.count_unless_null()?,
            "logprobs" => request.sampling.logprobs = reader.boolean_unless_null()?,
            "response_format" => request.format = response_format(reader)?,
            "reasoning_effort" => reasoning_effort(reader, &mut request.reasoning)?,
            "thinking" => thinking(reader, &mut request.reasoning)?,
            "verbosity" => request.verbosity = reader.text_unless_null()?,
            "web_search_options" => request.web_search = reader.raw_unless_null()?,
            "modalities" => request.modalities = reader.raw_unless_null()?,
            "audio" => request.audio = reader.raw_unless_null()?,
            "prediction" => request.prediction = reader.raw_unless_null()?,
            "cache_control" => request.cache = cache_control(reader)?,
            other => parameter(other, reader, &mut request)?,
        }
        Ok(())
    })?;
    reader.end()?;
    if !has_messages {
        return Err(ReadError::missing("messages"));
    }
    request.max_tokens = request.max_tokens.or(max_tokens);
    request.has_legacy_functions = !legacy.tools.is_empty() && request.tools.is_empty();
    request.tools.append(&mut legacy.tools);
    request.tool_choice = request.tool_choice.take().or(legacy.choice);
    Ok(request)
}

fn response_format<'a>(reader: &mut Reader<'a>) -> Result<Format<'a>, ReadError> {
    let (mut kind, mut described) = (None, None);
    let read = reader.unless_null(|reader| {
        reader.object(|name, reader| {
            match name {
                "type" => kind = Some(reader.text()?),
                "json_schema" => described = Some(json_schema(reader)?),
                _ => {}
            }
            Ok(())
        })
    })?;
    if read.is_none() {
        return Ok(Format::Unsaid);
    }
    let kind = kind.ok_or_else(|| ReadError::missing("type"))?;
    match kind.as_escaped() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => described.ok_or_else(|| ReadError::missing("json_schema")),
        _ => Err(ReadError::invalid("must be text, json_object or json_schema").inside("type")),
    }
}

/// A schema and what is said of it.
pub(in crate::dialect) fn json_schema<'a>(reader: &mut Reader<'a>) -> Result<Format<'a>, ReadError> {
    let (mut name, mut description, mut schema, mut is_strict) = (None, None, None, None);
    reader.object(|member, reader| {
        match member {
            "name" => name = reader.text_unless_null()?,
            "description" => description = reader.text_unless_null()?,
            "schema" => schema = reader.raw_unless_null()?,
            "strict" => is_strict = reader.boolean_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Format::JsonSchema {
        name: name.unwrap_or_else(|| Text::escaped("output")),
        description,
        schema: schema.unwrap_or_else(|| Raw::new("{}")),
        is_strict,
    })
}

fn reasoning_effort(reader: &mut Reader<'_>, reasoning: &mut Option<Reasoning>) -> Result<(), ReadError> {
    if reader.kind() == Some(Kind::Object) {
        return self::reasoning(reader, reasoning);
    }
    if let Some(effort) = reader.text_unless_null()? {
        reasoning.get_or_insert_default().effort = Some(named_effort(&effort)?);
    }
    Ok(())
}

/// As Anthropic and DeepSeek say it.
fn thinking(reader: &mut Reader<'_>, reasoning: &mut Option<Reasoning>) -> Result<(), ReadError> {
    let (mut kind, mut budget) = (None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "type" => kind = reader.text_if_any()?,
            "budget_tokens" => budget = reader.count_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    let Some(kind) = kind else { return Ok(()) };
    let wanted = reasoning.get_or_insert_default();
    wanted.budget_tokens = budget;
    match kind.as_escaped() {
        "disabled" => wanted.effort = Some(Effort::None),
        "adaptive" => wanted.is_adaptive = true,
        "enabled" if budget.is_none() => wanted.is_adaptive = true,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::ir::{Content, Input, Media, Part, Role, ToolKind};

    #[test]
    fn what_a_message_holds_keeps_its_order_and_its_bytes() {
        let body = r#"{"model":"m","messages":[
            {"role":"developer","content":[{"type":"text","text":"S\u00e9","cache_control":{"type":"ephemeral","ttl":"1h"}}]},
            {"role":"user","content":[{"type":"text","text":"q"},{"type":"image_url","image_url":{"url":"https://h/i.png","detail":"low"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1e400}"}}]},
            {"role":"tool","tool_call_id":"c1","content":"12"}]}"#;
        let request = decode_request(body).unwrap();
        assert_eq!(request.messages.len(), 4);
        let system = &request.messages[0];
        assert_eq!(
            (system.role, &system.parts[0].content),
            (Role::Developer, &Content::Text(Text::escaped(r"S\u00e9")))
        );
        assert_eq!(system.parts[0].cache.as_ref().unwrap().ttl, Some(Text::escaped("1h")));
        let image = &request.messages[1].parts[1].content;
        assert!(
            matches!(image, Content::Image { media: Media::Url { .. }, detail: Some(detail) } if detail.is("low"))
        );
        let Content::ToolCall(call) = &request.messages[2].parts[0].content else { panic!() };
        assert_eq!(call.input, Input::Text(Text::escaped(r#"{\"a\": 1e400}"#)));
        let Content::ToolResult(result) = &request.messages[3].parts[0].content else { panic!() };
        assert!(result.id.is("c1") && result.parts == [Part::text(Text::escaped("12"))]);
    }

    #[test]
    fn parameters_are_read_in_all_their_forms() {
        let body = r#"{"messages":[],"max_tokens":5,"max_completion_tokens":7,"stop":["a","b"],"n":2,
            "temperature":1.0,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}},
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"custom","custom":{"name":"c"}},{"type":"web_search"}],
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1,"a":2}}},
            "reasoning_effort":"low","stream_options":{"include_usage":true},"unknown":{"x":1},"nothing":null}"#;
        let request = decode_request(body).unwrap();
        assert_eq!((request.max_tokens, request.sampling.choices), (Some(7), Some(2)));
        assert_eq!(request.sampling.temperature, Some(Raw::new("1.0")));
        assert_eq!(request.stop, ["a", "b"].map(Text::escaped));
        assert!(
            matches!(&request.tool_choice, Some(ToolChoice::Allowed { is_required: true, names }) if names.len() == 1)
        );
        assert!(matches!(request.tools[2].kind, ToolKind::Native { .. }));
        assert!(
            matches!(&request.format, Format::JsonSchema { schema, .. } if schema.as_str() == r#"{"b":1,"a":2}"#)
        );
        assert_eq!(request.reasoning.unwrap().effort, Some(Effort::Low));
        assert!(request.includes_usage);
        assert_eq!(request.extra, [(Cow::Borrowed("unknown"), Raw::new(r#"{"x":1}"#))]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        for (body, param) in [
            (r#"{"messages":[{"role":"robot","content":"a"}]}"#, "messages[0].role"),
            (r#"{"messages":[{"content":"a"}]}"#, "messages[0].role"),
            (r#"{"messages":[{"role":"user","content":1}]}"#, "messages[0].content"),
            (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
            (r#"{"messages":[{"role":"tool","content":"a"}]}"#, "messages[0].tool_call_id"),
            (r#"{"messages":"a"}"#, "messages"),
            (r#"{}"#, "messages"),
            (r#"{"messages":[],"temperature":"hot"}"#, "temperature"),
            (r#"{"messages":[],"max_tokens":-1}"#, "max_tokens"),
            (r#"{"messages":[],"tools":[{"type":"function","function":{}}]}"#, "tools[0].function.name"),
            (r#"{"messages":[],"tool_choice":"sometimes"}"#, "tool_choice"),
            (r#"{"messages":[],"reasoning_effort":"hard"}"#, "reasoning_effort"),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,***"}}]}]}"#,
                "messages[0].content[0].image_url.url",
            ),
        ] {
            let error = decode_request(body).map(|_| ()).unwrap_err().into_refusal();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
    }

    #[test]
    fn functions_of_old_are_tools() {
        let body = r#"{"messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
            {"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":{"name":"f"}}"#;
        let request = decode_request(body).unwrap();
        assert!(request.has_legacy_functions && request.tools.len() == 1);
        let Content::ToolResult(result) = &request.messages[1].parts[0].content else { panic!() };
        let Content::ToolCall(call) = &request.messages[0].parts[0].content else { panic!() };
        assert_eq!(result.id, call.id);
    }
}
