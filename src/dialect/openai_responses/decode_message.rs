//! The items of a conversation as a client of the Responses API says them, put together to messages.

use super::seal::{self, About};
use crate::{
    dialect::{
        data_uri,
        json::{ReadError, Reader},
        openai_chat::{audio, cache_breakpoint, content},
    },
    ir::{CacheMark, Content, Input, Media, Message, Part, Role, Signature, Text, ToolCall, ToolResult},
};

/// Reads one item, and adds what it says to the messages.
pub(super) fn item<'a>(reader: &mut Reader<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), ReadError> {
    let mut whole = reader.clone();
    let (mut kind, mut has_role, mut has_id) = (None, false, false);
    reader.object(|name, reader| {
        match name {
            "type" => kind = reader.text_unless_null()?,
            "role" => has_role = true,
            "id" => has_id = true,
            _ => {}
        }
        Ok(())
    })?;
    let kind = match kind {
        Some(kind) => kind,
        None if has_role => Text::escaped("message"),
        None if has_id => Text::escaped("item_reference"),
        None => return Err(ReadError::missing("type")),
    };
    match kind.as_escaped() {
        "message" => message(&mut whole, messages)?,
        "reasoning" => reasoning(&mut whole, messages)?,
        "function_call" => spoken(messages).push(call(&mut whole, "arguments")?),
        "custom_tool_call" => spoken(messages).push(call(&mut whole, "input")?),
        "function_call_output" | "custom_tool_call_output" => {
            let result = result(&mut whole)?;
            results(messages).push(Part::new(Content::ToolResult(result)));
        }
        "image_generation_call" => spoken(messages).push(generated(&mut whole)?),
        "item_reference" => {
            return Err(ReadError::Refused {
                path: String::new(),
                code: "unsupported_parameter",
                what: "names an item that only OpenAI keeps; send the item itself instead, as SDKs do with \
                       `store: false`"
                    .to_owned(),
            });
        }
        _ => {
            let raw = whole.raw()?;
            spoken(messages).push(Part::new(Content::Opaque { dialect: super::NAME, raw }));
        }
    }
    Ok(())
}

/// What the model says now: items that follow each other are one message.
fn spoken<'m, 'a>(messages: &'m mut Vec<Message<'a>>) -> &'m mut Vec<Part<'a>> {
    parts_of(messages, Role::Assistant, |_| true)
}

/// The results that come in now.
fn results<'m, 'a>(messages: &'m mut Vec<Message<'a>>) -> &'m mut Vec<Part<'a>> {
    parts_of(messages, Role::User, |part| matches!(part.content, Content::ToolResult(_)))
}

/// The parts of the last message if it is one of these, of a new one otherwise.
fn parts_of<'m, 'a>(
    messages: &'m mut Vec<Message<'a>>,
    role: Role,
    goes_on: fn(&Part<'a>) -> bool,
) -> &'m mut Vec<Part<'a>> {
    let last = messages.last().filter(|last| last.role == role && last.parts.iter().all(goes_on));
    if last.is_none() {
        messages.push(Message { role, name: None, parts: Vec::new() });
    }
    let position = messages.len() - 1;
    &mut messages[position].parts
}

fn message<'a>(reader: &mut Reader<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), ReadError> {
    let (mut role, mut parts) = (None, None);
    reader.object(|name, reader| {
        match name {
            "role" => role = Some(reader.text()?),
            "content" => parts = Some(content(reader, part)?),
            _ => {}
        }
        Ok(())
    })?;
    let mut parts = parts.ok_or_else(|| ReadError::missing("content"))?;
    let role = match role.ok_or_else(|| ReadError::missing("role"))?.as_escaped() {
        "assistant" => {
            spoken(messages).append(&mut parts);
            return Ok(());
        }
        "user" => Role::User,
        "system" => Role::System,
        "developer" => Role::Developer,
        _ => {
            let what = "must be user, assistant, system or developer";
            return Err(ReadError::invalid(what).inside("role"));
        }
    };
    messages.push(Message { role, name: None, parts });
    Ok(())
}

/// A part of a message while it is read.
#[derive(Default)]
struct PartDraft<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    image_url: Option<Text<'a>>,
    detail: Option<Text<'a>>,
    file_id: Option<Text<'a>>,
    file_data: Option<Text<'a>>,
    file_url: Option<Text<'a>>,
    file_name: Option<Text<'a>>,
    audio: Option<Reader<'a>>,
    cache: Option<CacheMark<'a>>,
}

fn part<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, ReadError> {
    let mut whole = reader.clone();
    let mut draft = PartDraft::default();
    reader.object(|name, reader| {
        let member = match name {
            "type" => &mut draft.kind,
            "text" | "refusal" => &mut draft.text,
            "image_url" => &mut draft.image_url,
            "detail" => &mut draft.detail,
            "file_id" => &mut draft.file_id,
            "file_data" => &mut draft.file_data,
            "file_url" => &mut draft.file_url,
            "filename" => &mut draft.file_name,
            "input_audio" => {
                draft.audio = Some(reader.clone());
                return Ok(());
            }
            "prompt_cache_breakpoint" => {
                draft.cache = cache_breakpoint(reader)?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        *member = reader.text_unless_null()?;
        Ok(())
    })?;
    let kind = draft.kind.take().ok_or_else(|| ReadError::missing("type"))?;
    let cache = draft.cache.take();
    let content = match kind.as_escaped() {
        "input_text" | "output_text" | "text" => {
            Content::Text(draft.text.ok_or_else(|| ReadError::missing("text"))?)
        }
        "refusal" => Content::Refusal(draft.text.ok_or_else(|| ReadError::missing("refusal"))?),
        "input_image" => draft.image()?,
        "input_file" => draft.file()?,
        "input_audio" => Content::Audio(audio(draft.audio)?),
        _ => Content::Opaque { dialect: super::NAME, raw: whole.raw()? },
    };
    Ok(Part { cache, ..Part::new(content) })
}

impl<'a> PartDraft<'a> {
    fn image(self) -> Result<Content<'a>, ReadError> {
        let media = match (self.image_url, self.file_id) {
            (Some(url), _) => data_uri::media(url).map_err(|error| error.inside("image_url"))?,
            (None, Some(id)) => Media::Stored(id),
            (None, None) => return Err(ReadError::missing("image_url")),
        };
        Ok(Content::Image { media, detail: self.detail })
    }

    fn file(self) -> Result<Content<'a>, ReadError> {
        let name = self.file_name;
        let media = match (self.file_data, self.file_url, self.file_id) {
            (Some(data), ..) => {
                data_uri::file(data, name.as_ref()).map_err(|error| error.inside("file_data"))?
            }
            (None, Some(url), _) => data_uri::media(url).map_err(|error| error.inside("file_url"))?,
            (None, None, Some(id)) => Media::Stored(id),
            (None, None, None) => return Err(ReadError::missing("file_data")),
        };
        Ok(Content::File { media, name })
    }
}

/// A call; `given` names the member that holds its input.
fn call<'a>(reader: &mut Reader<'a>, given: &str) -> Result<Part<'a>, ReadError> {
    let (mut id, mut name, mut input) = (None, None, Text::default());
    reader.object(|member, reader| {
        match member {
            "call_id" => id = reader.text_unless_null()?,
            "name" => name = Some(reader.text()?),
            member if member == given => input = reader.text_unless_null()?.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })?;
    let id = id.ok_or_else(|| ReadError::missing("call_id"))?;
    let name = name.ok_or_else(|| ReadError::missing("name"))?;
    let is_custom = given == "input";
    Ok(Part::new(Content::ToolCall(ToolCall { id, name, input: Input::Text(input), is_custom })))
}

fn result<'a>(reader: &mut Reader<'a>) -> Result<ToolResult<'a>, ReadError> {
    let (mut id, mut name, mut parts) = (None, None, None);
    reader.object(|member, reader| {
        match member {
            "call_id" => id = reader.text_unless_null()?,
            "name" => name = reader.text_unless_null()?,
            "output" => parts = Some(content(reader, part)?),
            _ => {}
        }
        Ok(())
    })?;
    let id = id.ok_or_else(|| ReadError::missing("call_id"))?;
    let parts = parts.ok_or_else(|| ReadError::missing("output"))?;
    Ok(ToolResult { id, name, parts, is_error: false })
}

/// An image that the model has made.
fn generated<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, ReadError> {
    let mut whole = reader.clone();
    let (data, kind) = read_generated(reader)?;
    let content = match data {
        Some(data) => {
            let media = data_uri::checked(kind, data).map_err(|error| error.inside("result"))?;
            Content::Image { media, detail: None }
        }
        None => Content::Opaque { dialect: super::NAME, raw: whole.raw()? },
    };
    Ok(Part::new(content))
}

/// Data and kind of an image that a model has made.
pub(super) fn read_generated<'a>(
    reader: &mut Reader<'a>,
) -> Result<(Option<Text<'a>>, Text<'static>), ReadError> {
    let (mut data, mut format) = (None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "result" => data = reader.text_if_any()?.filter(|data| !data.is_empty()),
            "output_format" => format = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    })?;
    let format = format.map_or_else(|| "png".into(), |format| format.to_plain().into_owned());
    Ok((data, Text::plain(format!("image/{format}"))))
}

/// Reasoning, and signatures that stand beside it for want of another place.
fn reasoning<'a>(reader: &mut Reader<'a>, messages: &mut Vec<Message<'a>>) -> Result<(), ReadError> {
    let (text, encrypted) = read_reasoning(reader)?;
    let Some(encrypted) = encrypted else {
        if !text.is_empty() {
            spoken(messages).push(Part::new(Content::Reasoning(text)));
        }
        return Ok(());
    };
    let (about, signature) = seal::unwrap(encrypted, !text.is_empty());
    let parts = spoken(messages);
    match about {
        About::Reasoning => {
            let mut part = Part::new(Content::Reasoning(text));
            part.signature = Some(signature);
            parts.push(part);
        }
        About::Redacted => {
            let Signature { origin, data } = signature;
            parts.push(Part::new(Content::RedactedReasoning { origin, data }));
        }
        About::Text => match parts.last_mut() {
            Some(part) if matches!(part.content, Content::Text(_)) => part.signature = Some(signature),
            _ => {
                let mut part = Part::text(Text::default());
                part.signature = Some(signature);
                parts.push(part);
            }
        },
        About::Call(id) => {
            let is_it =
                |part: &&mut Part<'a>| matches!(&part.content, Content::ToolCall(call) if call.id.is(&id));
            if let Some(part) = parts.iter_mut().rev().find(is_it) {
                part.signature = Some(signature);
            }
        }
    }
    Ok(())
}

/// What a reasoning item says, and what stands sealed in it.
pub(super) fn read_reasoning<'a>(reader: &mut Reader<'a>) -> Result<(Text<'a>, Option<Text<'a>>), ReadError> {
    let (mut summary, mut content, mut encrypted) = (Vec::new(), Vec::new(), None);
    reader.object_if_any(|name, reader| {
        match name {
            "summary" => thoughts(reader, &mut summary)?,
            "content" => thoughts(reader, &mut content)?,
            "encrypted_content" => encrypted = reader.text_if_any()?.filter(|text| !text.is_empty()),
            _ => {}
        }
        Ok(())
    })?;
    let mut told = if summary.is_empty() { content } else { summary };
    let text = match told.len() {
        0 | 1 => told.pop().unwrap_or_default(),
        _ => {
            let told: Vec<_> = told.iter().map(Text::as_escaped).collect();
            Text::escaped(&told.join(BREAK)).into_owned()
        }
    };
    Ok((text, encrypted))
}

/// What stands between two parts of a summary, as it stands between quotes.
pub(super) const BREAK: &str = "\\n\\n";

fn thoughts<'a>(reader: &mut Reader<'a>, into: &mut Vec<Text<'a>>) -> Result<(), ReadError> {
    reader.array_if_any(|reader| {
        reader.object_if_any(|name, reader| {
            if name == "text" {
                into.extend(reader.text_if_any()?);
            }
            Ok(())
        })
    })
}
