//! What an Anthropic client asks for (`POST /v1/messages`).

use std::borrow::Cow;

use super::{
    decode_message::{message, system},
    decode_tools::{tool, tool_choice},
};
use crate::{
    dialect::{
        json::{ReadError, Reader},
        openai_chat::cache_control,
    },
    ir::{Effort, Format, Raw, Reasoning, Request, Text},
};

/// Reads a request.
pub(super) fn decode_request(body: &str) -> Result<Request<'_>, ReadError> {
    // A stream always tells its usage.
    let mut request = Request { includes_usage: true, ..Request::default() };
    let mut has_messages = false;
    // The system speaks first, wherever it stands.
    let mut rules = None;
    let mut output = OutputConfig::default();
    let mut reader = Reader::new(body);
    reader.object(|name, reader| {
        let sampling = &mut request.sampling;
        match name {
            "model" | "anthropic_version" => reader.skip()?,
            "system" => rules = system(reader)?,
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
            "tool_choice" => {
                let (choice, is_parallel) = tool_choice(reader)?;
                (request.tool_choice, request.parallel_tool_calls) = (choice, is_parallel);
            }
            "max_tokens" => request.max_tokens = reader.count_unless_null()?,
            "temperature" => sampling.temperature = reader.number_unless_null()?,
            "top_p" => sampling.top_p = reader.number_unless_null()?,
            "top_k" => sampling.top_k = reader.number_unless_null()?,
            "stop_sequences" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        request.stop.push(reader.text()?);
                        Ok(())
                    })
                })?;
            }
            "stream" => request.is_streamed = reader.boolean_unless_null()?.unwrap_or_default(),
            "metadata" => {
                reader.unless_null(|reader| {
                    reader.object(|name, reader| {
                        if name == "user_id" {
                            request.user = reader.text_unless_null()?;
                        }
                        Ok(())
                    })
                })?;
            }
            "service_tier" => request.service_tier = reader.text_unless_null()?.map(tier),
            "thinking" => thinking(reader, &mut request.reasoning)?,
            "output_config" => output_config(reader, &mut output, &mut request.extra)?,
            // As it was said before.
            "output_format" => output.format = reader.unless_null(format)?.or_else(|| output.format.take()),
            "cache_control" => request.cache = cache_control(reader)?,
            other => {
                let raw = reader.raw()?;
                if !raw.is_null() {
                    request.extra.push((Cow::Owned(other.to_owned()), raw));
                }
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if !has_messages {
        return Err(ReadError::missing("messages"));
    }
    request.messages.splice(0..0, rules);
    request.format = output.format.unwrap_or_default();
    if let Some(effort) = output.effort {
        // Who does not want it to think at all says so in `thinking`.
        request.reasoning.get_or_insert_default().effort.get_or_insert(effort);
    }
    Ok(request)
}

/// By OpenAI's name.
fn tier(tier: Text<'_>) -> Text<'_> {
    if tier.is("standard_only") { Text::escaped("default") } else { tier }
}

fn thinking(reader: &mut Reader<'_>, reasoning: &mut Option<Reasoning>) -> Result<(), ReadError> {
    let mut kind = None;
    let mut wanted = Reasoning::default();
    let read = reader.unless_null(|reader| {
        reader.object(|name, reader| {
            match name {
                "type" => kind = Some(reader.text()?),
                "budget_tokens" => wanted.budget_tokens = reader.count_unless_null()?,
                "display" => {
                    let display = reader.text_unless_null()?;
                    wanted.is_shown = display.map(|display| !display.is("omitted"));
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    if read.is_none() {
        return Ok(());
    }
    let kind = kind.ok_or_else(|| ReadError::missing("type"))?;
    match kind.as_escaped() {
        "disabled" => wanted = Reasoning { effort: Some(Effort::None), ..Reasoning::default() },
        "enabled" if wanted.budget_tokens.is_some() => {}
        // Whatever else may be said of it: it thinks as it sees fit.
        _ => wanted.is_adaptive = true,
    }
    *reasoning = Some(wanted);
    Ok(())
}

#[derive(Default)]
struct OutputConfig<'a> {
    effort: Option<Effort>,
    format: Option<Format<'a>>,
}

fn output_config<'a>(
    reader: &mut Reader<'a>,
    config: &mut OutputConfig<'a>,
    extra: &mut Vec<(Cow<'a, str>, Raw<'a>)>,
) -> Result<(), ReadError> {
    let read = reader.unless_null(|reader| {
        reader.object(|name, reader| {
            match name {
                "effort" => {
                    let named = |effort: Text<'_>| {
                        let names =
                            || Effort::ALL[2..].iter().map(|effort| effort.name()).collect::<Vec<_>>();
                        let what = || ReadError::invalid(format!("must be one of {}", names().join(", ")));
                        Effort::named(effort.as_escaped()).ok_or_else(what)
                    };
                    config.effort = reader.text_unless_null()?.map(named).transpose()?;
                }
                "format" => config.format = reader.unless_null(format)?,
                other => {
                    let raw = reader.raw()?;
                    if !raw.is_null() {
                        extra.push((Cow::Owned(format!("output_config.{other}")), raw));
                    }
                }
            }
            Ok(())
        })
    });
    read.map(|_| ())
}

fn format<'a>(reader: &mut Reader<'a>) -> Result<Format<'a>, ReadError> {
    let (mut kind, mut schema) = (None, None);
    reader.object(|name, reader| {
        match name {
            "type" => kind = Some(reader.text()?),
            "schema" => schema = reader.raw_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = kind.ok_or_else(|| ReadError::missing("type"))?;
    match kind.as_escaped() {
        "text" => Ok(Format::Text),
        "json_schema" => Ok(Format::JsonSchema {
            name: Text::escaped("output"),
            description: None,
            schema: schema.ok_or_else(|| ReadError::missing("schema"))?,
            is_strict: Some(true),
        }),
        _ => Err(ReadError::invalid("must be json_schema").inside("type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Content, Input, Media, Role, ToolChoice, ToolKind};

    #[test]
    fn what_a_message_holds_keeps_its_order_and_its_bytes() {
        let body = r#"{"model":"m","max_tokens":9,"messages":[
            {"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://h/i.png"}},
                {"type":"document","source":{"type":"text","media_type":"text/plain","data":"D"},"title":"t","context":"c"}]},
            {"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":"s=="},{"type":"redacted_thinking","data":"r"},
                {"type":"text","text":"S\u00e9"},{"type":"tool_use","id":"t1","name":"f","input":{"b": 1e400}},
                {"type":"server_tool_use","id":"x","name":"web_search","input":{}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"bad"}]},
                {"type":"tool_result","tool_use_id":"t2"},{"type":"tool_result","tool_use_id":"t3","content":"ok","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],
            "system":[{"type":"text","text":"x-anthropic-billing-header: a"},{"type":"text","text":"R","cache_control":{"type":"ephemeral"}}]}"#;
        let request = decode_request(body).unwrap();
        assert_eq!(request.messages.len(), 4);
        let [system, asked, said, results] = &request.messages[..] else { panic!() };
        assert!(system.role == Role::System && system.parts.len() == 1 && system.parts[0].cache.is_some());
        assert!(matches!(&asked.parts[0].content, Content::Image { media: Media::Url { .. }, .. }));
        assert!(
            matches!(&asked.parts[1].content, Content::File { media: Media::Text(text), .. } if text.is("D"))
        );
        assert!(asked.parts[1].native.is_some() && said.parts[2].native.is_none());
        let seal = said.parts[0].signature.as_ref().unwrap();
        assert!(seal.origin == crate::ir::Origin::Anthropic && seal.data.is("s=="));
        let Content::ToolCall(call) = &said.parts[3].content else { panic!() };
        assert_eq!(call.input, Input::Value(Raw::new(r#"{"b": 1e400}"#)));
        assert!(matches!(&said.parts[4].content, Content::Opaque { dialect: "anthropic", .. }));
        let found = results.parts.iter().map(|part| match &part.content {
            Content::ToolResult(result) => (result.parts.len(), result.is_error, part.cache.is_some()),
            _ => panic!(),
        });
        assert_eq!(found.collect::<Vec<_>>(), [(1, true, false), (0, false, false), (1, false, true)]);
    }

    #[test]
    fn parameters_are_read_in_all_their_forms() {
        let body = r#"{"messages":[],"system":"R","max_tokens":5,"stop_sequences":["a","b"],"temperature":1.0,"top_k":3,
            "tool_choice":{"type":"any","disable_parallel_tool_use":true},"service_tier":"standard_only",
            "tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}},
                {"type":"custom","name":"g","input_schema":{},"strict":true,"defer_loading":true},
                {"type":"web_search_20250305","name":"web_search"}],
            "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"b":1,"a":2}},"task_budget":{"x":1}},
            "thinking":{"type":"enabled","budget_tokens":2000,"display":"omitted"},"metadata":{"user_id":"u"},
            "stream":true,"container":"c","mcp_servers":null}"#;
        let request = decode_request(body).unwrap();
        assert_eq!(
            (request.tool_choice, request.parallel_tool_calls),
            (Some(ToolChoice::Required), Some(false))
        );
        let reasoning = request.reasoning.unwrap();
        assert_eq!((reasoning.effort, reasoning.budget_tokens), (Some(Effort::Low), Some(2000)));
        assert_eq!(reasoning.is_shown, Some(false));
        assert!(
            matches!(&request.format, Format::JsonSchema { schema, .. } if schema.as_str() == r#"{"b":1,"a":2}"#)
        );
        assert!(request.service_tier.unwrap().is("default") && request.user.unwrap().is("u"));
        assert!(request.tools[0].cache.is_some() && request.tools[0].native.is_none());
        assert!(request.tools[1].native.is_some());
        assert!(matches!(request.tools[2].kind, ToolKind::Native { dialect: "anthropic", .. }));
        let names: Vec<_> = request.extra.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["output_config.task_budget", "container"]);
        assert!(request.is_streamed && request.includes_usage && request.stop.len() == 2);
    }

    #[test]
    fn thinking_that_is_disabled_stays_so_whatever_the_effort() {
        let body = r#"{"messages":[],"output_config":{"effort":"max"},"thinking":{"type":"disabled"}}"#;
        assert_eq!(decode_request(body).unwrap().reasoning.unwrap().effort, Some(Effort::None));
        let body = r#"{"messages":[],"thinking":{"type":"adaptive"}}"#;
        let reasoning = decode_request(body).unwrap().reasoning.unwrap();
        assert!(reasoning.is_adaptive && reasoning.effort.is_none());
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_name() {
        for (body, param) in [
            (r#"{"messages":[{"role":"tool","content":"a"}]}"#, "messages[0].role"),
            (r#"{"messages":[{"content":"a"}]}"#, "messages[0].role"),
            (r#"{"messages":[{"role":"user","content":1}]}"#, "messages[0].content"),
            (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
            (r#"{"messages":[{"role":"user","content":[{"text":"a"}]}]}"#, "messages[0].content[0].type"),
            (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"tool_result","content":"a"}]}]}"#,
                "messages[0].content[0].tool_use_id",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"*"}}]}]}"#,
                "messages[0].content[0].source.data",
            ),
            (r#"{"messages":"a"}"#, "messages"),
            (r#"{}"#, "messages"),
            (r#"{"messages":[],"system":1}"#, "system"),
            (r#"{"messages":[],"temperature":"hot"}"#, "temperature"),
            (r#"{"messages":[],"tools":[{"input_schema":{}}]}"#, "tools[0].name"),
            (r#"{"messages":[],"tool_choice":{"type":"sometimes"}}"#, "tool_choice.type"),
            (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name"),
            (r#"{"messages":[],"output_config":{"effort":"hard"}}"#, "output_config.effort"),
            (r#"{"messages":[],"output_config":{"format":{"type":"x"}}}"#, "output_config.format.type"),
        ] {
            let error = decode_request(body).map(|_| ()).unwrap_err().into_refusal();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
        }
    }
}
