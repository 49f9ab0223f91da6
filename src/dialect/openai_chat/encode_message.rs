//! The messages of a conversation for a provider that speaks OpenAI's dialect.

use std::borrow::Cow;

use crate::{
    dialect::{Recipient, data_uri, json::Writer},
    ir::{Content, Input, Media, Message, Part, Request, Role, Text, ToolCall, ToolResult},
};

/// Writes the member `messages`.
pub(super) fn write_messages(request: &Request<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    writer.member("messages").array(|writer| {
        for message in &request.messages {
            match message.role {
                Role::Assistant => write_assistant(message, recipient, writer),
                Role::User => write_user(message, recipient, writer),
                Role::System | Role::Developer => {
                    let is_developer = message.role == Role::Developer && recipient.quirks.takes_developer;
                    let role = if is_developer { "developer" } else { "system" };
                    write_said(
                        role,
                        message.name.as_ref(),
                        &message.parts.iter().collect::<Vec<_>>(),
                        recipient,
                        writer,
                    );
                }
            }
        }
    });
}

/// Results come first, since they answer the message before; what a result cannot hold comes behind them.
fn write_user(message: &Message<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    let mut said = Vec::new();
    for part in &message.parts {
        match &part.content {
            Content::ToolResult(result) => {
                write_result(result, writer);
                said.extend(result.parts.iter().filter(|part| text_of(part).is_none()));
            }
            _ => said.push(part),
        }
    }
    let has_results = message.parts.iter().any(|part| matches!(part.content, Content::ToolResult(_)));
    if !said.is_empty() || !has_results {
        write_said("user", message.name.as_ref(), &said, recipient, writer);
    }
}

fn write_result(result: &ToolResult<'_>, writer: &mut Writer<'_>) {
    let texts: Vec<_> = result.parts.iter().filter_map(text_of).collect();
    let has_media = texts.len() < result.parts.len();
    writer.object(|writer| {
        writer.member("role").string("tool");
        writer.member("tool_call_id").text(&result.id);
        let mut pieces = Vec::new();
        if result.is_error {
            pieces.push("Error: ");
        }
        for (position, text) in texts.iter().enumerate() {
            if position > 0 {
                pieces.push("\\n");
            }
            pieces.push(text.as_escaped());
        }
        if texts.is_empty() && has_media {
            pieces.push("See the next message.");
        }
        writer.member("content").joined(pieces);
    });
}

fn text_of<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Text<'a>> {
    match &part.content {
        Content::Text(text) => Some(text),
        _ => None,
    }
}

fn write_assistant(message: &Message<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    let said: Vec<_> = message.parts.iter().filter(|part| is_said(part)).collect();
    let calls = || {
        message.parts.iter().filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call),
            _ => None,
        })
    };
    if said.is_empty() && calls().next().is_none() {
        return;
    }
    writer.object(|writer| {
        writer.member("role").string("assistant");
        write_name(message.name.as_ref(), writer);
        if said.is_empty() {
            writer.member("content").null();
        } else {
            write_content(&said, recipient, writer);
        }
        if calls().next().is_some() {
            writer.member("tool_calls").array(|writer| calls().for_each(|call| write_call(call, writer)));
        }
    });
}

fn is_said(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Text(_) | Content::Refusal(_))
}

fn write_call(call: &ToolCall<'_>, writer: &mut Writer<'_>) {
    let (kind, member) = if call.is_custom { ("custom", "input") } else { ("function", "arguments") };
    let input = match &call.input {
        Input::Text(text) if text.is_blank() && !call.is_custom => Cow::Owned(Text::escaped("{}")),
        Input::Text(text) => Cow::Borrowed(text),
        Input::Value(value) => Cow::Owned(Text::plain(value.as_str())),
    };
    writer.object(|writer| {
        writer.member("id").text(&call.id);
        writer.member("type").string(kind);
        writer.member(kind).object(|writer| {
            writer.member("name").text(&call.name);
            writer.member(member).text(&input);
        });
    });
}

fn write_said(
    role: &str,
    name: Option<&Text<'_>>,
    parts: &[&Part<'_>],
    recipient: &Recipient<'_>,
    writer: &mut Writer<'_>,
) {
    writer.object(|writer| {
        writer.member("role").string(role);
        write_name(name, writer);
        write_content(parts, recipient, writer);
    });
}

fn write_name(name: Option<&Text<'_>>, writer: &mut Writer<'_>) {
    if let Some(name) = name {
        writer.member("name").text(name);
    }
}

/// One text is told as such, which every server understands.
fn write_content(parts: &[&Part<'_>], recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    writer.member("content");
    match parts {
        [] => writer.string(""),
        [Part { content: Content::Text(text), cache, .. }]
            if cache.is_none() || !recipient.quirks.takes_cache_marks =>
        {
            writer.text(text);
        }
        parts => writer.array(|writer| parts.iter().for_each(|part| write_part(part, recipient, writer))),
    }
}

fn write_part(part: &Part<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    let (kind, media): (&str, &dyn Fn(&mut Writer<'_>)) = match &part.content {
        Content::Text(text) => ("text", &|writer| writer.member("text").text(text)),
        Content::Refusal(text) => ("refusal", &|writer| writer.member("refusal").text(text)),
        Content::Image { media, detail } => ("image_url", &move |writer| {
            writer.member("image_url").object(|writer| {
                write_url(media, writer);
                if let Some(detail) = detail {
                    writer.member("detail").text(detail);
                }
            });
        }),
        Content::Audio(media) => ("input_audio", &move |writer| write_audio(media, writer)),
        Content::Video(media) => ("video_url", &move |writer| {
            writer.member("video_url").object(|writer| write_url(media, writer));
        }),
        Content::File { media, name } => ("file", &move |writer| write_file(media, name.as_ref(), writer)),
        Content::Opaque { dialect, raw } if *dialect == super::NAME => return writer.raw(raw),
        // Nobody else can read what another provider alone knows.
        Content::Opaque { .. }
        | Content::Reasoning(_)
        | Content::RedactedReasoning { .. }
        | Content::ToolCall(_)
        | Content::ToolResult(_) => return,
    };
    writer.object(|writer| {
        writer.member("type").string(kind);
        media(writer);
        if let Some(cache) = part.cache.as_ref().filter(|_| recipient.quirks.takes_cache_marks) {
            writer.member("cache_control").object(|writer| {
                writer.member("type").string("ephemeral");
                if let Some(ttl) = &cache.ttl {
                    writer.member("ttl").text(ttl);
                }
            });
        }
    });
}

fn write_url(media: &Media<'_>, writer: &mut Writer<'_>) {
    match media {
        Media::Url { url, .. } | Media::Stored(url) | Media::Text(url) => writer.member("url").text(url),
        Media::Data { media_type, data } => writer.member("url").text(&data_uri::uri(media_type, data)),
    }
}

fn write_audio(media: &Media<'_>, writer: &mut Writer<'_>) {
    writer.member("input_audio").object(|writer| {
        if let Media::Data { media_type, data } = media {
            writer.member("data").text(data);
            let plain = media_type.to_plain();
            writer.member("format").string(&data_uri::ending_of(&plain));
        }
    });
}

fn write_file(media: &Media<'_>, name: Option<&Text<'_>>, writer: &mut Writer<'_>) {
    writer.member("file").object(|writer| {
        match media {
            Media::Stored(id) => writer.member("file_id").text(id),
            Media::Url { url, .. } => writer.member("file_url").text(url),
            Media::Data { media_type, data } => {
                writer.member("file_data").text(&data_uri::uri(media_type, data));
            }
            Media::Text(text) => {
                let data = data_uri::encoded(text);
                writer.member("file_data").text(&data_uri::uri(&Text::escaped("text/plain"), &data));
            }
        }
        match name {
            Some(name) => writer.member("filename").text(name),
            None if matches!(media, Media::Data { .. } | Media::Text(_)) => {
                writer.member("filename").string("document");
            }
            None => {}
        }
    });
}
