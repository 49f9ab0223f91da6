//! The conversation as a client of Google's tells it.

use std::collections::{HashMap, VecDeque};

use super::{
    call_id, camel,
    media::{detail, file, inline},
};
use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::{Content, Input, Message, Native, Origin, Part, Raw, Role, Signature, Text, ToolCall, ToolResult},
};

/// The calls that wait for their results. Calls of older models have no names of their own.
#[derive(Default)]
pub(super) struct Calls<'a> {
    /// Names of the calls, until their results come.
    waiting: Vec<Option<Text<'a>>>,
    by_id: Places<'a>,
    by_tool: Places<'a>,
    /// Calls and results that got their names here.
    named: usize,
    /// Whether somebody else has spoken since the last call.
    is_over: bool,
}

/// Where calls of one name wait, the first one first.
#[derive(Default)]
struct Places<'a>(HashMap<Text<'a>, VecDeque<usize>>);

impl<'a> Places<'a> {
    fn push(&mut self, name: Text<'a>, place: usize) {
        self.0.entry(name).or_default().push_back(place);
    }

    /// The first that still waits.
    fn take(&mut self, name: &Text<'a>, waiting: &mut [Option<Text<'a>>]) -> Option<Text<'a>> {
        let places = self.0.get_mut(name)?;
        while let Some(place) = places.pop_front() {
            if let Some(id) = waiting.get_mut(place).and_then(Option::take) {
                return Some(id);
            }
        }
        None
    }
}

impl<'a> Calls<'a> {
    /// A call begins to wait: its name.
    fn begin(&mut self, id: Option<Text<'a>>, tool: &Text<'a>) -> Text<'a> {
        if self.is_over {
            *self = Self { named: self.named, ..Self::default() };
        }
        let id = id.unwrap_or_else(|| self.name(tool));
        self.by_id.push(id.clone(), self.waiting.len());
        self.by_tool.push(tool.clone(), self.waiting.len());
        self.waiting.push(Some(id.clone()));
        id
    }

    /// The call that a result is of: the one it names, or the first of that tool that waits.
    fn end(&mut self, id: Option<Text<'a>>, tool: &Text<'a>) -> Text<'a> {
        let Self { waiting, by_id, by_tool, .. } = self;
        let named = id.as_ref().and_then(|id| by_id.take(id, waiting));
        let found = named.or_else(|| by_tool.take(tool, waiting));
        found.or(id).unwrap_or_else(|| self.name(tool))
    }

    fn name(&mut self, tool: &Text<'_>) -> Text<'static> {
        self.named += 1;
        call_id(tool.as_escaped(), self.named)
    }
}

/// Reads one of `contents`.
pub(super) fn content<'a>(reader: &mut Reader<'a>, calls: &mut Calls<'a>) -> Result<Message<'a>, ReadError> {
    let (mut role, mut list) = (None, None);
    reader.object(|name, reader| {
        match name {
            "role" => role = reader.text_unless_null()?,
            "parts" => list = Some(reader.clone()),
            _ => {}
        }
        Ok(())
    })?;
    let role = match role.as_ref().map(Text::as_escaped) {
        None | Some("user" | "function" | "tool" | "") => Role::User,
        Some("model" | "assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some(_) => return Err(ReadError::invalid("must be user or model").inside("role")),
    };
    calls.is_over |= role != Role::Assistant;
    let parts = list.map(|mut reader| parts(&mut reader, calls)).transpose();
    let parts = parts.map_err(|error| error.inside("parts"))?.unwrap_or_default();
    Ok(Message { role, name: None, parts })
}

/// Reads `parts`, a list or what a list of one may be cut short to.
pub(super) fn parts<'a>(reader: &mut Reader<'a>, calls: &mut Calls<'a>) -> Result<Vec<Part<'a>>, ReadError> {
    let mut parts = Vec::new();
    match reader.kind() {
        Some(Kind::Array) => reader.array(|reader| {
            parts.extend(part(reader, calls)?);
            Ok(())
        })?,
        Some(Kind::Null) => reader.skip()?,
        _ => parts.extend(part(reader, calls)?),
    }
    Ok(parts)
}

/// A part; none where it holds nothing.
fn part<'a>(reader: &mut Reader<'a>, calls: &mut Calls<'a>) -> Result<Option<Part<'a>>, ReadError> {
    if reader.kind() == Some(Kind::Text) {
        return Ok(Some(Part::text(reader.text()?)));
    }
    let mut whole = reader.clone();
    let (mut text, mut is_thought, mut seal, mut look) = (None, false, None, None);
    let (mut held, mut is_other, mut says_more) = (None, false, false);
    reader.object(|name, reader| {
        match &*camel(name) {
            "text" => text = reader.text_unless_null()?,
            "thought" => is_thought = reader.boolean_unless_null()?.unwrap_or_default(),
            "thoughtSignature" => seal = reader.text_unless_null()?.filter(|seal| !seal.is_empty()),
            "mediaResolution" => look = detail(reader)?,
            _ if reader.kind() == Some(Kind::Null) => {}
            "inlineData" => held = Some(inline(reader)?),
            "fileData" => held = Some(file(reader)?),
            "functionCall" => held = Some(call(reader, calls)?),
            "functionResponse" => held = Some(result(reader, calls)?),
            "videoMetadata" | "partMetadata" => says_more = true,
            _ => is_other = true,
        }
        Ok(())
    })?;
    let content = match (held, text) {
        (Some(Content::Image { media, .. }), _) => Content::Image { media, detail: look },
        (Some(held), _) => held,
        (None, Some(text)) if is_thought => Content::Reasoning(text),
        (None, Some(text)) => Content::Text(text),
        (None, None) if is_other => {
            let content = Content::Opaque { dialect: super::NAME, raw: whole.raw()? };
            return Ok(Some(Part::new(content)));
        }
        (None, None) if seal.is_some() => Content::Text(Text::default()),
        (None, None) => return Ok(None),
    };
    let signature = seal.map(|data| Signature { origin: Origin::Google, data });
    let native = if says_more { Some(Native { dialect: super::NAME, raw: whole.raw()? }) } else { None };
    Ok(Some(Part { content, cache: None, signature, native }))
}

fn call<'a>(reader: &mut Reader<'a>, calls: &mut Calls<'a>) -> Result<Content<'a>, ReadError> {
    let (mut id, mut name, mut input) = (None, None, Raw::new("{}"));
    reader.object(|member, reader| {
        match member {
            "id" => id = reader.text_unless_null()?,
            "name" => name = Some(reader.text()?),
            "args" => input = reader.raw_unless_null()?.unwrap_or(Raw::new("{}")),
            _ => {}
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| ReadError::missing("name"))?;
    let id = calls.begin(id.filter(|id| !id.is_empty()), &name);
    Ok(Content::ToolCall(ToolCall { id, name, input: Input::Value(input), is_custom: false }))
}

fn result<'a>(reader: &mut Reader<'a>, calls: &mut Calls<'a>) -> Result<Content<'a>, ReadError> {
    let (mut id, mut name, mut response, mut media) = (None, None, None, Vec::new());
    reader.object(|member, reader| {
        match member {
            "id" => id = reader.text_unless_null()?,
            "name" => name = Some(reader.text()?),
            "response" => response = reader.raw_unless_null()?,
            "parts" => media = parts(reader, &mut Calls::default())?,
            _ => {}
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| ReadError::missing("name"))?;
    let id = calls.end(id.filter(|id| !id.is_empty()), &name);
    let (said, is_error) = response.map(|response| said(&response)).unwrap_or_default();
    let mut parts: Vec<_> = said.map(Part::text).into_iter().collect();
    parts.append(&mut media);
    Ok(Content::ToolResult(ToolResult { id, name: Some(name), parts, is_error }))
}

/// What a response says, and whether that is an error: a text where it says only that, else the object.
fn said<'a>(response: &Raw<'a>) -> (Option<Text<'a>>, bool) {
    let (mut output, mut error, mut count) = (None, None, 0);
    let whole = response.as_str().to_owned();
    let read = Reader::new(&whole).object_if_any(|name, reader| {
        count += 1;
        match name {
            "output" => output = reader.text_if_any()?.map(Text::into_owned),
            "error" => {
                let raw = reader.raw()?;
                let text = raw.as_text().map(Text::into_owned);
                error = Some(text.unwrap_or_else(|| Text::plain(raw.as_str().to_owned())));
            }
            _ => {}
        }
        Ok(())
    });
    debug_assert!(read.is_ok());
    match (output, error) {
        (Some(output), None) if count == 1 => (Some(output).filter(|output| !output.is_empty()), false),
        (None, Some(error)) if count == 1 => (Some(error), true),
        _ => (Some(Text::plain(whole)), false),
    }
}
