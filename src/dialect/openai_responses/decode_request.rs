//! What a client of the Responses API asks for.

use super::{decode_message::item, decode_tools::tool};
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
    let mut described = reader.clone();
    let mut kind = None;
    reader.object(|name, reader| {
        if name == "type" {
            kind = Some(reader.text()?);
        }
        Ok(())
    })?;
    match kind.ok_or_else(|| ReadError::missing("type"))?.as_escaped() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => json_schema(&mut described),
        _ => Err(ReadError::invalid("must be text, json_object or json_schema").inside("type")),
    }
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
