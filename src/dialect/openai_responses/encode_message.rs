//! The items of a conversation for a provider that speaks the Responses API.

use std::borrow::Cow;

use super::seal::{About, wrap};
use crate::{
    dialect::{Encoded, NameRule, Recipient, data_uri, json::Writer},
    ir::{
        ApiError, Content, Input, Media, Message, Origin, Part, Request, Role, Signature, Text, ToolCall,
        ToolResult,
    },
};

/// What OpenAI takes as the name of a tool.
const NAMES: NameRule = NameRule::words(64);

/// The name of a tool as OpenAI takes it.
pub(super) fn tool_name<'n>(name: &'n Text<'_>, encoded: &mut Encoded) -> Cow<'n, str> {
    encoded.emulation.names.replace(name, NAMES)
}

/// Refuses what the model cannot hear or watch: without it another question would be answered.
pub(super) fn check_messages(request: &Request<'_>) -> Result<(), ApiError> {
    let unheard = request.messages.iter().flat_map(|message| &message.parts).find_map(unheard);
    match unheard {
        None => Ok(()),
        Some(kind) => {
            let message = format!(
                "This model is reached by OpenAI's Responses API, which takes no {kind}. Leave it out of \
                 `messages`, or ask another model."
            );
            Err(ApiError::client(400, "unsupported_parameter", message).with_param("messages"))
        }
    }
}

fn unheard(part: &Part<'_>) -> Option<&'static str> {
    match &part.content {
        Content::Audio(_) => Some("audio"),
        Content::Video(_) => Some("video"),
        Content::ToolResult(result) => result.parts.iter().find_map(unheard),
        _ => None,
    }
}

/// Writes items one after another.
pub(super) struct ItemWriter<'r> {
    recipient: &'r Recipient<'r>,
    encoded: &'r mut Encoded,
    /// Names of the calls of tools that take a text.
    custom_calls: Vec<&'r Text<'r>>,
    /// Whether the client marks by itself what is to be cached.
    writes_marks: bool,
}

/// Whether the client marks by itself what is to be cached: older models refuse a mark that these options do not
/// announce.
pub(super) fn announces_marks(request: &Request<'_>) -> bool {
    request.extra.iter().any(|(name, _)| name == "prompt_cache_options")
}

impl<'r> ItemWriter<'r> {
    /// For one request.
    pub(super) fn new(
        request: &'r Request<'r>,
        recipient: &'r Recipient<'r>,
        encoded: &'r mut Encoded,
    ) -> Self {
        let parts = request.messages.iter().flat_map(|message| &message.parts);
        let custom_calls = parts.filter_map(|part| match &part.content {
            Content::ToolCall(call) if call.is_custom => Some(&call.id),
            _ => None,
        });
        let writes_marks = announces_marks(request);
        Self { recipient, encoded, custom_calls: custom_calls.collect(), writes_marks }
    }

    /// Writes the member `input`.
    pub(super) fn write_input(&mut self, messages: &'r [Message<'r>], writer: &mut Writer<'_>) {
        writer.member("input").array(|writer| {
            for message in messages {
                match message.role {
                    Role::Assistant => self.write_assistant(message, writer),
                    Role::User => self.write_user(message, writer),
                    Role::System => self.write_message("system", &message.parts, writer),
                    Role::Developer => {
                        let takes_it = self.recipient.quirks.takes_developer;
                        let role = if takes_it { "developer" } else { "system" };
                        self.write_message(role, &message.parts, writer);
                    }
                }
            }
        });
    }

    /// Results come first, since they answer the message before.
    fn write_user(&mut self, message: &'r Message<'r>, writer: &mut Writer<'_>) {
        let mut has_results = false;
        for part in &message.parts {
            if let Content::ToolResult(result) = &part.content {
                has_results = true;
                self.write_result(result, writer);
            }
        }
        let is_said = |part: &&Part<'_>| !matches!(part.content, Content::ToolResult(_));
        if !has_results || message.parts.iter().any(|part| is_said(&part)) {
            self.write_message("user", message.parts.iter().filter(is_said), writer);
        }
    }

    fn write_message<'p, 'a: 'p>(
        &mut self,
        role: &str,
        parts: impl IntoIterator<Item = &'p Part<'a>>,
        writer: &mut Writer<'_>,
    ) {
        writer.object(|writer| {
            writer.member("type").string("message");
            writer.member("role").string(role);
            writer.member("content").array(|writer| {
                parts.into_iter().for_each(|part| self.write_part(part, "input_text", writer));
            });
        });
    }

    /// What is said between calls and thoughts is a message each time.
    fn write_assistant(&mut self, message: &'r Message<'r>, writer: &mut Writer<'_>) {
        let mut rest = &message.parts[..];
        while let Some((part, behind)) = rest.split_first() {
            let said = rest.iter().take_while(|part| is_said(part)).count();
            if said > 0 {
                let (said, behind) = rest.split_at(said);
                rest = behind;
                writer.object(|writer| {
                    writer.member("type").string("message");
                    writer.member("role").string("assistant");
                    writer.member("content").array(|writer| {
                        said.iter().for_each(|part| self.write_part(part, "output_text", writer));
                    });
                });
                continue;
            }
            rest = behind;
            match &part.content {
                Content::ToolCall(call) => self.write_call(call, writer),
                Content::Reasoning(text) => write_reasoning(text, part.signature.as_ref(), writer),
                Content::RedactedReasoning { origin: Origin::OpenAi, data } => {
                    write_sealed(&Text::default(), &About::Redacted, data, writer);
                }
                Content::Opaque { dialect, raw } if *dialect == super::NAME => writer.raw(raw),
                // What only another provider's models can read.
                Content::RedactedReasoning { .. } | Content::Opaque { .. } => {}
                Content::ToolResult(result) => self.write_result(result, writer),
                // A model's own images come back as images that it is shown.
                _ => self.write_message("user", [part], writer),
            }
        }
    }

    fn write_call(&mut self, call: &ToolCall<'_>, writer: &mut Writer<'_>) {
        let (kind, member) =
            if call.is_custom { ("custom_tool_call", "input") } else { ("function_call", "arguments") };
        let input = match &call.input {
            Input::Text(text) if text.is_blank() && !call.is_custom => Text::escaped("{}"),
            Input::Text(text) => text.reborrow(),
            Input::Value(value) => Text::plain(value.as_str()),
        };
        writer.object(|writer| {
            writer.member("type").string(kind);
            writer.member("call_id").text(&call.id);
            writer.member("name").string(&tool_name(&call.name, self.encoded));
            writer.member(member).text(&input);
        });
    }

    fn write_result(&mut self, result: &ToolResult<'_>, writer: &mut Writer<'_>) {
        let is_custom = self.custom_calls.iter().any(|id| **id == result.id);
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        writer.object(|writer| {
            writer.member("type").string(kind);
            writer.member("call_id").text(&result.id);
            writer.member("output");
            let mark = if result.is_error { "Error: " } else { "" };
            match &result.parts[..] {
                [] => writer.string(mark),
                [Part { content: Content::Text(text), cache: None, .. }] => {
                    writer.joined([mark, text.as_escaped()]);
                }
                parts => writer.array(|writer| {
                    if result.is_error {
                        write_text("input_text", &Text::escaped(mark), writer);
                    }
                    parts.iter().for_each(|part| self.write_part(part, "input_text", writer));
                }),
            }
        });
    }

    /// A part of a message; `text_kind` is the type of a text there.
    fn write_part(&mut self, part: &Part<'_>, text_kind: &str, writer: &mut Writer<'_>) {
        let mark = part.cache.as_ref().filter(|_| self.writes_marks && text_kind == "input_text");
        let (kind, members): (&str, &dyn Fn(&mut Writer<'_>)) = match &part.content {
            Content::Text(text) => (text_kind, &|writer| writer.member("text").text(text)),
            Content::Refusal(text) if text_kind == "output_text" => {
                ("refusal", &|writer| writer.member("refusal").text(text))
            }
            Content::Refusal(text) => (text_kind, &|writer| writer.member("text").text(text)),
            Content::Image { media, detail } => ("input_image", &move |writer| {
                match media {
                    Media::Url { url, .. } | Media::Text(url) => writer.member("image_url").text(url),
                    Media::Data { media_type, data } => {
                        writer.member("image_url").text(&data_uri::uri(media_type, data));
                    }
                    Media::Stored(id) => writer.member("file_id").text(id),
                }
                writer.member("detail").text(detail.as_ref().unwrap_or(&Text::escaped("auto")));
            }),
            Content::File { media, name } => {
                ("input_file", &move |writer| write_file(media, name.as_ref(), writer))
            }
            Content::Opaque { dialect, raw } if *dialect == super::NAME => return writer.raw(raw),
            Content::Opaque { .. } => return self.encoded.drop_param("messages"),
            // None of these stands in a message or a result.
            Content::Audio(_)
            | Content::Video(_)
            | Content::Reasoning(_)
            | Content::RedactedReasoning { .. }
            | Content::ToolCall(_)
            | Content::ToolResult(_) => return,
        };
        writer.object(|writer| {
            writer.member("type").string(kind);
            members(writer);
            if let Some(mark) = mark {
                writer.member("prompt_cache_breakpoint").object(|writer| {
                    writer.member("mode").string("explicit");
                    if mark.ttl.is_some() {
                        writer.member("ttl").string("30m");
                    }
                });
            }
        });
    }
}

const fn is_said(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Text(_) | Content::Refusal(_))
}

fn write_text(kind: &str, text: &Text<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string(kind);
        writer.member("text").text(text);
    });
}

/// Reasoning that OpenAI has not sealed, it cannot take back.
fn write_reasoning(text: &Text<'_>, signature: Option<&Signature<'_>>, writer: &mut Writer<'_>) {
    if let Some(Signature { origin: Origin::OpenAi, data }) = signature {
        write_sealed(text, &About::Reasoning, data, writer);
    }
}

fn write_sealed(text: &Text<'_>, about: &About, data: &Text<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("reasoning");
        writer.member("summary").array(|writer| {
            if !text.is_empty() {
                write_text("summary_text", text, writer);
            }
        });
        writer.member("encrypted_content").text(&wrap(about, Origin::OpenAi, data));
    });
}

fn write_file(media: &Media<'_>, name: Option<&Text<'_>>, writer: &mut Writer<'_>) {
    let data = match media {
        Media::Stored(id) => return writer.member("file_id").text(id),
        Media::Url { url, .. } => return writer.member("file_url").text(url),
        Media::Data { media_type, data } => data_uri::uri(media_type, data),
        Media::Text(text) => data_uri::uri(&Text::escaped("text/plain"), &data_uri::encoded(text)),
    };
    writer.member("file_data").text(&data);
    writer.member("filename").text(name.unwrap_or(&Text::escaped("document")));
}
