//! The messages of a conversation as an Anthropic client says them.

use crate::{
    dialect::{
        data_uri,
        json::{Kind, ReadError, Reader},
        openai_chat::{cache_control, content},
    },
    ir::{CacheMark, Content, Input, Media, Message, Native, Part, Raw, Role, Text, ToolCall, ToolResult},
};

/// What a client of Anthropic's own tells its biller: for nobody else to read.
const BILLING: &str = "x-anthropic-billing-header";
/// How often blocks may stand in blocks: a text in a document in a result. Deeper ones are not looked into.
const LEVELS_MAX: u8 = 3;

/// Reads `system`; none where nothing is said.
pub(super) fn system<'a>(reader: &mut Reader<'a>) -> Result<Option<Message<'a>>, ReadError> {
    let parts = reader.unless_null(|reader| blocks(reader, LEVELS_MAX))?.unwrap_or_default();
    let is_said = |part: &Part<'_>| !matches!(&part.content, Content::Text(text) if text.as_escaped().starts_with(BILLING));
    let parts: Vec<_> = parts.into_iter().filter(is_said).collect();
    Ok((!parts.is_empty()).then_some(Message { role: Role::System, name: None, parts }))
}

/// Reads one message.
pub(super) fn message<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, ReadError> {
    let (mut role, mut parts) = (None, None);
    reader.object(|name, reader| {
        match name {
            "role" => role = Some(reader.text()?),
            "content" => parts = Some(blocks(reader, 0)?),
            _ => {}
        }
        Ok(())
    })?;
    let role = role.ok_or_else(|| ReadError::missing("role"))?;
    let role = match role.as_escaped() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(ReadError::invalid("must be user, assistant or system").inside("role")),
    };
    let parts = parts.ok_or_else(|| ReadError::missing("content"))?;
    Ok(Message { role, name: None, parts })
}

fn blocks<'a>(reader: &mut Reader<'a>, level: u8) -> Result<Vec<Part<'a>>, ReadError> {
    content(reader, |reader| block(reader, level))
}

/// A block while it is read.
#[derive(Default)]
struct Draft<'a> {
    kind: Option<Text<'a>>,
    /// What is said, thought, or stands for it.
    text: Option<Text<'a>>,
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    source: Option<Reader<'a>>,
    content: Option<Reader<'a>>,
    signature: Option<Text<'a>>,
    input: Option<Raw<'a>>,
    is_error: bool,
    cache: Option<CacheMark<'a>>,
    /// Whether it has members that nothing here stands for.
    says_more: bool,
}

fn block<'a>(reader: &mut Reader<'a>, level: u8) -> Result<Part<'a>, ReadError> {
    let mut draft = Draft::default();
    let mut whole = reader.clone();
    reader.object(|name, reader| {
        let is_there = reader.kind() != Some(Kind::Null);
        match name {
            "type" => draft.kind = Some(reader.text()?),
            "text" | "thinking" | "data" => draft.text = reader.text_unless_null()?,
            "id" | "tool_use_id" | "file_id" => draft.id = reader.text_unless_null()?,
            "name" | "title" => draft.name = reader.text_unless_null()?,
            "source" => draft.source = is_there.then(|| reader.clone()),
            "content" => draft.content = is_there.then(|| reader.clone()),
            "signature" => draft.signature = reader.text_unless_null()?,
            "input" => draft.input = reader.raw_unless_null()?,
            "is_error" => draft.is_error = reader.boolean_unless_null()?.unwrap_or_default(),
            "cache_control" => draft.cache = cache_control(reader)?,
            "citations" if reader.kind() == Some(Kind::Array) => {
                draft.says_more |= are_replayed(&mut reader.clone())?;
            }
            _ => draft.says_more |= is_there,
        }
        Ok(())
    })?;
    let kind = draft.kind.take().ok_or_else(|| ReadError::missing("type"))?;
    let dialect = super::NAME;
    let mut signature = None;
    let content = match kind.as_escaped() {
        "text" => Content::Text(draft.text.ok_or_else(|| ReadError::missing("text"))?),
        "thinking" => {
            signature = draft.signature.filter(|seal| !seal.is_empty()).map(super::seal);
            Content::Reasoning(draft.text.unwrap_or_default())
        }
        "redacted_thinking" => {
            let seal = super::seal(draft.text.ok_or_else(|| ReadError::missing("data"))?);
            Content::RedactedReasoning { origin: seal.origin, data: seal.data }
        }
        "image" => {
            let source = draft.source.ok_or_else(|| ReadError::missing("source"))?;
            let media = source_of(source, level + 1).map_err(|error| error.inside("source"))?;
            Content::Image { media, detail: None }
        }
        "document" if level < LEVELS_MAX => {
            let source = draft.source.ok_or_else(|| ReadError::missing("source"))?;
            let media = source_of(source, level + 1).map_err(|error| error.inside("source"))?;
            Content::File { media, name: draft.name }
        }
        // What is found in a search is read as a document wherever such blocks are not known.
        "search_result" if level < LEVELS_MAX => {
            draft.says_more = true;
            let mut content = draft.content.ok_or_else(|| ReadError::missing("content"))?;
            let text = texts_of(&mut content, level + 1).map_err(|error| error.inside("content"))?;
            Content::File { media: Media::Text(text), name: draft.name }
        }
        "tool_use" => Content::ToolCall(ToolCall {
            id: draft.id.ok_or_else(|| ReadError::missing("id"))?,
            name: draft.name.ok_or_else(|| ReadError::missing("name"))?,
            input: Input::Value(draft.input.unwrap_or_else(|| Raw::new("{}"))),
            is_custom: false,
        }),
        "tool_result" if level == 0 => {
            draft.says_more = false;
            let parts = draft.content.map(|mut reader| blocks(&mut reader, level + 1)).transpose();
            Content::ToolResult(ToolResult {
                id: draft.id.ok_or_else(|| ReadError::missing("tool_use_id"))?,
                name: None,
                parts: parts.map_err(|error| error.inside("content"))?.unwrap_or_default(),
                is_error: draft.is_error,
            })
        }
        _ => {
            draft.says_more = false;
            Content::Opaque { dialect, raw: whole.raw()? }
        }
    };
    let native = if draft.says_more { Some(Native { dialect, raw: whole.raw()? }) } else { None };
    Ok(Part { content, cache: draft.cache, signature, native })
}

/// Whether Claude would take citations again: those that the gateway has made for another model have nothing
/// that it could find them by.
fn are_replayed(reader: &mut Reader<'_>) -> Result<bool, ReadError> {
    let (mut are_any, mut are_real) = (false, true);
    reader.array(|reader| {
        are_any = true;
        reader.object_if_any(|name, reader| {
            if name == "encrypted_index" {
                are_real &= reader.text_if_any()?.is_some_and(|index| !index.is_empty());
            }
            Ok(())
        })
    })?;
    Ok(are_any && are_real)
}

/// Where an image or a document is.
fn source_of<'a>(mut reader: Reader<'a>, level: u8) -> Result<Media<'a>, ReadError> {
    let (mut kind, mut media_type, mut data, mut url, mut id, mut inside) =
        (None, None, None, None, None, None);
    reader.object(|name, reader| {
        match name {
            "type" => kind = Some(reader.text()?),
            "media_type" => media_type = reader.text_unless_null()?,
            "data" => data = reader.text_unless_null()?,
            "url" => url = reader.text_unless_null()?,
            "file_id" => id = reader.text_unless_null()?,
            "content" => inside = Some(reader.clone()),
            _ => {}
        }
        Ok(())
    })?;
    let kind = kind.ok_or_else(|| ReadError::missing("type"))?;
    match kind.as_escaped() {
        "base64" => {
            let data = data.ok_or_else(|| ReadError::missing("data"))?;
            data_uri::checked(media_type.unwrap_or_default(), data).map_err(|error| error.inside("data"))
        }
        "text" => Ok(Media::Text(data.ok_or_else(|| ReadError::missing("data"))?)),
        "url" => {
            let url = url.ok_or_else(|| ReadError::missing("url"))?;
            data_uri::media(url).map_err(|error| error.inside("url"))
        }
        "file" => Ok(Media::Stored(id.ok_or_else(|| ReadError::missing("file_id"))?)),
        "content" => {
            let mut inside = inside.ok_or_else(|| ReadError::missing("content"))?;
            Ok(Media::Text(texts_of(&mut inside, level).map_err(|error| error.inside("content"))?))
        }
        _ => Err(ReadError::invalid("must be base64, text, url, file or content").inside("type")),
    }
}

/// All that is said in a list of blocks, a line each.
fn texts_of<'a>(reader: &mut Reader<'a>, level: u8) -> Result<Text<'a>, ReadError> {
    let parts = blocks(reader, level)?;
    let texts: Vec<_> = parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::Text(text) => Some(text.as_escaped()),
            _ => None,
        })
        .collect();
    Ok(Text::escaped(&texts.join("\\n")).into_owned())
}
