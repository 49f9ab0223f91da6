//! What a client of Google's asks for (`generateContent`); the model and the wish for a stream stand in the
//! path.

use std::borrow::Cow;

use super::{
    camel,
    decode_config::config,
    decode_message::{Calls, content, parts},
    decode_tools::{tool_config, tools},
};
use crate::{
    dialect::json::{Kind, ReadError, Reader, Writer},
    ir::{Message, Part, Raw, Request, Role, Text},
};

/// Reads a request.
pub(super) fn decode_request(body: &str) -> Result<Request<'_>, ReadError> {
    let mut request = Request::default();
    let (mut system, mut contents, mut choice) = (Vec::new(), None, None);
    let mut reader = Reader::new(body);
    reader.object(|name, reader| {
        match &*camel(name) {
            "model" => reader.skip()?,
            "contents" => contents = Some(reader.clone()),
            "systemInstruction" => system = system_parts(reader)?,
            "tools" => {
                reader.unless_null(|reader| tools(reader, &mut request))?;
            }
            "toolConfig" => choice = Some(reader.clone()),
            "generationConfig" => {
                reader.unless_null(|reader| config(reader, &mut request))?;
            }
            "labels" => request.metadata = reader.raw_unless_null()?,
            "serviceTier" => request.service_tier = reader.text_unless_null()?.map(tier),
            "store" => request.is_stored = reader.boolean_unless_null()?,
            _ => {
                let raw = reader.raw()?;
                if !raw.is_null() {
                    request.extra.push((Cow::Owned(name.to_owned()), raw));
                }
            }
        }
        Ok(())
    })?;
    reader.end()?;
    if let Some(mut reader) = choice {
        let read = reader.unless_null(|reader| tool_config(reader, &mut request));
        read.map_err(|error| error.inside("toolConfig"))?;
    }
    if !system.is_empty() {
        request.messages.push(Message { role: Role::System, name: None, parts: system });
    }
    let reader = contents.ok_or_else(|| ReadError::missing("contents"))?;
    read_contents(reader, &mut request.messages).map_err(|error| error.inside("contents"))?;
    Ok(request)
}

/// A list of contents, or what a list of one may be cut short to.
fn read_contents<'a>(mut reader: Reader<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), ReadError> {
    let mut calls = Calls::default();
    match reader.kind() {
        Some(Kind::Object) => messages.push(content(&mut reader, &mut calls)?),
        Some(Kind::Text) => {
            let parts = vec![Part::text(reader.text()?)];
            messages.push(Message { role: Role::User, name: None, parts });
        }
        _ => reader.array(|reader| {
            messages.push(content(reader, &mut calls)?);
            Ok(())
        })?,
    }
    Ok(())
}

/// A content, a list of parts, or a text.
fn system_parts<'a>(reader: &mut Reader<'a>) -> Result<Vec<Part<'a>>, ReadError> {
    match reader.kind() {
        Some(Kind::Null) => reader.skip().map(|()| Vec::new()),
        Some(Kind::Object) => Ok(content(reader, &mut Calls::default())?.parts),
        _ => parts(reader, &mut Calls::default()),
    }
}

/// OpenAI's name of a tier.
fn tier(tier: Text<'_>) -> Text<'_> {
    let name = tier.to_plain().to_ascii_lowercase();
    if name == "standard" { Text::escaped("default") } else { Text::plain(name) }
}

/// An object of members that have no place elsewhere, by Google's names.
pub(super) fn push_extra<'a>(request: &mut Request<'a>, name: &'static str, members: &[(String, Raw<'a>)]) {
    if members.is_empty() {
        return;
    }
    let mut out = Vec::new();
    Writer::new(&mut out).object(|writer| {
        for (name, value) in members {
            writer.member_named(&Text::plain(name.as_str())).raw(value);
        }
    });
    let object = Raw::owned(String::from_utf8_lossy(&out).into_owned());
    request.extra.push((Cow::Borrowed(name), object));
}
