//! The messages of a conversation as an OpenAI client says them.

use crate::{
    dialect::{
        data_uri,
        json::{Kind, ReadError, Reader},
    },
    ir::{
        CacheMark, Content, Input, Media, Message, Origin, Part, Role, Signature, Text, ToolCall, ToolResult,
    },
};

/// A message while it is read: its parts are put together at its end.
#[derive(Default)]
struct Draft<'a> {
    role: Option<Text<'a>>,
    name: Option<Text<'a>>,
    content: Vec<Part<'a>>,
    refusal: Option<Text<'a>>,
    reasoning: Option<Text<'a>>,
    details: Vec<Part<'a>>,
    calls: Vec<Part<'a>>,
    call_id: Option<Text<'a>>,
    cache: Option<CacheMark<'a>>,
    /// On the last text.
    seal: Option<Signature<'a>>,
}

/// Reads one message.
pub(super) fn message<'a>(reader: &mut Reader<'a>) -> Result<Message<'a>, ReadError> {
    let mut draft = Draft::default();
    reader.object(|name, reader| {
        match name {
            "role" => draft.role = Some(reader.text()?),
            "name" => draft.name = reader.text_unless_null()?,
            "content" => draft.content = content(reader, part)?,
            "refusal" => draft.refusal = reader.text_unless_null()?,
            "reasoning_content" | "reasoning" => {
                draft.reasoning = reader.text_if_any()?.or_else(|| draft.reasoning.take());
            }
            "reasoning_details" => {
                reader.array_if_any(|reader| {
                    draft.details.extend(reasoning_detail(reader)?);
                    Ok(())
                })?;
            }
            "tool_calls" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        draft.calls.push(tool_call(reader)?);
                        Ok(())
                    })
                })?;
            }
            "function_call" => {
                let call = reader.unless_null(|reader| called_function(reader))?;
                draft.calls.extend(call.map(|(name, input)| legacy_call(name, input)));
            }
            "tool_call_id" => draft.call_id = reader.text_unless_null()?,
            "cache_control" => draft.cache = cache_control(reader)?,
            "extra_content" => draft.seal = google_signature(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    draft.into_message()
}

impl<'a> Draft<'a> {
    fn into_message(self) -> Result<Message<'a>, ReadError> {
        let Self { role, name, mut content, refusal, reasoning, details, calls, call_id, cache, seal } = self;
        let role = role.ok_or_else(|| ReadError::missing("role"))?;
        let role = match role.as_escaped() {
            "system" => Role::System,
            "developer" => Role::Developer,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => {
                let is_tool = role.is("tool");
                // Calls of functions as they were before have no names of their own.
                let id = call_id.or_else(|| name.clone().filter(|_| !is_tool));
                let id =
                    id.ok_or_else(|| ReadError::missing(if is_tool { "tool_call_id" } else { "name" }))?;
                let result = ToolResult { id, name, parts: content, is_error: false };
                let part = Part { cache, ..Part::new(Content::ToolResult(result)) };
                return Ok(Message { role: Role::User, name: None, parts: vec![part] });
            }
            _ => {
                let what = "must be system, developer, user, assistant, tool or function";
                return Err(ReadError::invalid(what).inside("role"));
            }
        };
        let mut parts = details;
        if parts.is_empty() {
            parts.extend(reasoning.map(|text| Part::new(Content::Reasoning(text))));
        }
        if let (Some(seal), Some(last)) = (seal, content.last_mut()) {
            last.signature = Some(seal);
        }
        parts.append(&mut content);
        parts.extend(refusal.map(|text| Part::new(Content::Refusal(text))));
        parts.extend(calls);
        if let (Some(cache), Some(last)) = (cache, parts.last_mut()) {
            last.cache.get_or_insert(cache);
        }
        Ok(Message { role, name, parts })
    }
}

/// Reads a text, or a list of parts that `part` reads.
pub(in crate::dialect) fn content<'a>(
    reader: &mut Reader<'a>,
    mut part: impl FnMut(&mut Reader<'a>) -> Result<Part<'a>, ReadError>,
) -> Result<Vec<Part<'a>>, ReadError> {
    let mut parts = Vec::new();
    match reader.kind() {
        Some(Kind::Text) => parts.push(Part::text(reader.text()?)),
        Some(Kind::Array) => reader.array(|reader| {
            parts.push(part(reader)?);
            Ok(())
        })?,
        Some(Kind::Null) => reader.skip()?,
        _ => return Err(reader.skip().err().unwrap_or_else(|| wrong("must be a string or a list of parts"))),
    }
    Ok(parts)
}

/// A part of a message while it is read.
#[derive(Default)]
struct PartDraft<'a> {
    kind: Option<Text<'a>>,
    text: Option<Text<'a>>,
    /// At the member that holds what the part is.
    media: Option<Reader<'a>>,
    detail: Option<Text<'a>>,
    file: FileDraft<'a>,
    cache: Option<CacheMark<'a>>,
}

#[derive(Default)]
struct FileDraft<'a> {
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    data: Option<Text<'a>>,
    url: Option<Text<'a>>,
}

fn part<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, ReadError> {
    if reader.kind() == Some(Kind::Text) {
        return Ok(Part::text(reader.text()?));
    }
    let mut draft = PartDraft::default();
    let mut whole = reader.clone();
    reader.object(|name, reader| {
        match name {
            "type" => draft.kind = Some(reader.text()?),
            "text" | "refusal" => draft.text = reader.text_unless_null()?,
            "image_url" | "input_audio" | "video_url" | "file" | "document_url" => {
                draft.media = (reader.kind() != Some(Kind::Null)).then(|| reader.clone());
            }
            "detail" => draft.detail = reader.text_unless_null()?,
            "file_id" => draft.file.id = reader.text_unless_null()?,
            "filename" => draft.file.name = reader.text_unless_null()?,
            "file_data" => draft.file.data = reader.text_unless_null()?,
            "file_url" => draft.file.url = reader.text_unless_null()?,
            "cache_control" => draft.cache = cache_control(reader)?,
            "prompt_cache_breakpoint" => draft.cache = cache_breakpoint(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = draft.kind.take().ok_or_else(|| ReadError::missing("type"))?;
    let content = match kind.as_escaped() {
        "text" | "input_text" | "output_text" => {
            Content::Text(draft.text.ok_or_else(|| ReadError::missing("text"))?)
        }
        "refusal" => Content::Refusal(draft.text.ok_or_else(|| ReadError::missing("refusal"))?),
        "image_url" | "input_image" => image(draft.media, draft.detail, draft.file.id)?,
        "input_audio" => Content::Audio(audio(draft.media)?),
        "video_url" => {
            let (url, _) = located(draft.media, "video_url")?;
            Content::Video(data_uri::media(url).map_err(|error| error.inside("video_url"))?)
        }
        "file" | "input_file" => file(draft.media, draft.file)?,
        "document_url" => {
            let (url, _) = located(draft.media, "document_url")?;
            Content::File { media: data_uri::media(url)?, name: None }
        }
        _ => Content::Opaque { dialect: super::NAME, raw: whole.raw()? },
    };
    Ok(Part { cache: draft.cache, ..Part::new(content) })
}

fn image<'a>(
    media: Option<Reader<'a>>,
    detail: Option<Text<'a>>,
    id: Option<Text<'a>>,
) -> Result<Content<'a>, ReadError> {
    if let (None, Some(id)) = (&media, id) {
        return Ok(Content::Image { media: Media::Stored(id), detail });
    }
    let (url, inner_detail) = located(media, "image_url")?;
    let media = data_uri::media(url).map_err(|error| error.inside("url").inside("image_url"))?;
    Ok(Content::Image { media, detail: detail.or(inner_detail) })
}

/// The URL that a value is or has, and a `detail` beside it.
fn located<'a>(media: Option<Reader<'a>>, name: &str) -> Result<(Text<'a>, Option<Text<'a>>), ReadError> {
    let mut reader = media.ok_or_else(|| ReadError::missing(name))?;
    if reader.kind() == Some(Kind::Text) {
        return Ok((reader.text()?, None));
    }
    let (mut url, mut detail) = (None, None);
    let read = reader.object(|name, reader| {
        match name {
            "url" => url = Some(reader.text()?),
            "detail" => detail = reader.text_unless_null()?,
            _ => {}
        }
        Ok(())
    });
    read.and_then(|()| url.ok_or_else(|| ReadError::missing("url")))
        .map(|url| (url, detail))
        .map_err(|error| error.inside(name))
}

/// Reads `input_audio`.
pub(in crate::dialect) fn audio(media: Option<Reader<'_>>) -> Result<Media<'_>, ReadError> {
    let mut reader = media.ok_or_else(|| ReadError::missing("input_audio"))?;
    let (mut data, mut format) = (None, None);
    let read = reader.object(|name, reader| {
        match name {
            "data" => data = Some(reader.text()?),
            "format" => format = reader.text_unless_null()?,
            _ => {}
        }
        Ok(())
    });
    let read = read.and_then(|()| {
        let data = data.take().ok_or_else(|| ReadError::missing("data"))?;
        let format = format.take().unwrap_or_else(|| Text::escaped("wav"));
        let media_type = Text::plain(format!("audio/{}", format.to_plain()));
        data_uri::checked(media_type, data).map_err(|error| error.inside("data"))
    });
    read.map_err(|error| error.inside("input_audio"))
}

fn file<'a>(media: Option<Reader<'a>>, beside: FileDraft<'a>) -> Result<Content<'a>, ReadError> {
    let mut draft = beside;
    if let Some(mut reader) = media {
        let read = reader.object(|name, reader| {
            match name {
                "file_id" => draft.id = reader.text_unless_null()?,
                "filename" => draft.name = reader.text_unless_null()?,
                "file_data" => draft.data = reader.text_unless_null()?,
                "file_url" => draft.url = reader.text_unless_null()?,
                _ => {}
            }
            Ok(())
        });
        read.map_err(|error| error.inside("file"))?;
    }
    let FileDraft { id, name, data, url } = draft;
    let media = match (data, url, id) {
        (Some(data), ..) => {
            data_uri::file(data, name.as_ref()).map_err(|error| error.inside("file_data").inside("file"))?
        }
        (None, Some(url), _) => data_uri::media(url)?,
        (None, None, Some(id)) => Media::Stored(id),
        (None, None, None) => return Err(ReadError::missing("file_data").inside("file")),
    };
    Ok(Content::File { media, name })
}

fn tool_call<'a>(reader: &mut Reader<'a>) -> Result<Part<'a>, ReadError> {
    let (mut id, mut function, mut custom, mut seal) = (None, None, None, None);
    reader.object(|name, reader| {
        match name {
            "id" => id = reader.text_unless_null()?,
            "function" => function = Some(called_function(reader)?),
            "custom" => custom = Some(called_custom(reader)?),
            "extra_content" => seal = google_signature(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    let is_custom = function.is_none() && custom.is_some();
    let (name, input) = function.or(custom).ok_or_else(|| ReadError::missing("function"))?;
    let id = id.ok_or_else(|| ReadError::missing("id"))?;
    let content = Content::ToolCall(ToolCall { id, name, input: Input::Text(input), is_custom });
    Ok(Part { signature: seal, ..Part::new(content) })
}

fn called_function<'a>(reader: &mut Reader<'a>) -> Result<(Text<'a>, Text<'a>), ReadError> {
    let (mut name, mut arguments) = (None, Text::default());
    reader.object(|member, reader| {
        match member {
            "name" => name = Some(reader.text()?),
            "arguments" => {
                arguments = match reader.kind() {
                    // Some clients send the object itself.
                    Some(Kind::Object) => Text::plain(reader.raw()?.as_str().to_owned()),
                    _ => reader.text_unless_null()?.unwrap_or_default(),
                };
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok((name.ok_or_else(|| ReadError::missing("name"))?, arguments))
}

fn called_custom<'a>(reader: &mut Reader<'a>) -> Result<(Text<'a>, Text<'a>), ReadError> {
    let (mut name, mut input) = (None, Text::default());
    reader.object(|member, reader| {
        match member {
            "name" => name = Some(reader.text()?),
            "input" => input = reader.text_unless_null()?.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })?;
    Ok((name.ok_or_else(|| ReadError::missing("name"))?, input))
}

fn legacy_call<'a>(name: Text<'a>, input: Text<'a>) -> Part<'a> {
    Part::new(Content::ToolCall(ToolCall {
        id: name.clone(),
        name,
        input: Input::Text(input),
        is_custom: false,
    }))
}

/// `{"google": {"thought_signature": …}}`, as Google's OpenAI-compatible API says it.
pub(super) fn google_signature<'a>(reader: &mut Reader<'a>) -> Result<Option<Signature<'a>>, ReadError> {
    let mut signature = None;
    reader.object_if_any(|name, reader| {
        if name == "google" {
            reader.object_if_any(|name, reader| {
                if name == "thought_signature" {
                    let data = reader.text_if_any()?;
                    signature = data.map(|data| Signature { origin: Origin::Google, data });
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(signature)
}

/// One of `reasoning_details`, as OpenRouter says them.
pub(super) fn reasoning_detail<'a>(reader: &mut Reader<'a>) -> Result<Option<Part<'a>>, ReadError> {
    let (mut kind, mut text, mut signature, mut data, mut format) = (None, None, None, None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "type" => kind = reader.text_if_any()?,
            "text" | "summary" => text = reader.text_if_any()?,
            "signature" => signature = reader.text_if_any()?,
            "data" => data = reader.text_if_any()?,
            "format" => format = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    })?;
    let origin = super::origin_of_format(format.as_ref());
    Ok(match (text, data) {
        (None, Some(data)) => Some(Part::new(Content::RedactedReasoning { origin, data })),
        (None, None) if signature.is_none() => None,
        (text, _) => {
            let mut part = Part::new(Content::Reasoning(text.unwrap_or_default()));
            part.signature = signature.map(|data| Signature { origin, data });
            Some(part)
        }
    })
}

/// A mark as Anthropic says it, which other vendors have taken over.
pub(in crate::dialect) fn cache_control<'a>(
    reader: &mut Reader<'a>,
) -> Result<Option<CacheMark<'a>>, ReadError> {
    reader.unless_null(|reader| {
        let mut mark = CacheMark::default();
        reader.object(|name, reader| {
            if name == "ttl" {
                mark.ttl = reader.text_unless_null()?;
            }
            Ok(())
        })?;
        Ok(mark)
    })
}

/// OpenAI's own mark; its `30m` is the longer of the two lives that others know.
pub(in crate::dialect) fn cache_breakpoint<'a>(
    reader: &mut Reader<'a>,
) -> Result<Option<CacheMark<'a>>, ReadError> {
    let mark = cache_control(reader)?;
    Ok(mark.map(|mark| CacheMark { ttl: mark.ttl.map(|_| Text::escaped("1h")) }))
}

/// A value of the wrong kind; `what` ends a sentence which begins with its path.
pub(in crate::dialect) fn wrong(what: &str) -> ReadError {
    ReadError::Refused { path: String::new(), code: "invalid_type", what: what.to_owned() }
}
