//! Images and documents as Claude reads them.

use std::borrow::Cow;

use crate::{
    dialect::{Quirks, data_uri, json::Writer},
    ir::{ApiError, Content, Media, Message, Part, Role, Text},
};

/// Kinds of images that Claude sees.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
/// What the names of Anthropic's files begin with; OpenAI's begin with `file-`.
const STORED: &str = "file_";

/// What is seen or read.
#[derive(Debug)]
pub(super) struct Block<'m> {
    is_image: bool,
    source: Source<'m>,
    title: Option<&'m Text<'m>>,
}

#[derive(Debug)]
enum Source<'m> {
    Base64 { media_type: Cow<'m, str>, data: &'m Text<'m> },
    Url(&'m Text<'m>),
    Stored(&'m Text<'m>),
    Text(Cow<'m, Text<'m>>),
}

/// Refuses a conversation that holds what Claude can neither see nor read.
pub(super) fn check(messages: &[Message<'_>], quirks: &Quirks) -> Result<(), ApiError> {
    let heard =
        messages.iter().filter(|message| message.role == Role::User).flat_map(|message| &message.parts);
    heard.into_iter().try_for_each(|part| match &part.content {
        Content::ToolResult(result) => result.parts.iter().try_for_each(|part| check_part(part, quirks)),
        _ => check_part(part, quirks),
    })
}

fn check_part(part: &Part<'_>, quirks: &Quirks) -> Result<(), ApiError> {
    block_of(&part.content, quirks).map(|_| ())
}

/// The block that a part becomes, if it is one to be seen or read.
pub(super) fn block_of<'m>(content: &'m Content<'_>, quirks: &Quirks) -> Result<Option<Block<'m>>, ApiError> {
    let (media, title, is_image) = match content {
        Content::Image { media, .. } => (media, None, true),
        Content::File { media, name } => (media, name.as_ref().filter(|name| !name.is_empty()), false),
        Content::Audio(_) => {
            return Err(refusal("unsupported_audio", "The model cannot hear. Send text instead."));
        }
        Content::Video(_) => {
            return Err(refusal("unsupported_video", "The model cannot watch videos. Send images instead."));
        }
        _ => return Ok(None),
    };
    let (is_image, source) = match media {
        // The gateway fetches it before, where it may.
        Media::Url { url, .. } if !quirks.fetches_urls => {
            let message = format!("The provider does not fetch `{}`. Send it in base64.", url.to_plain());
            return Err(refusal("unsupported_image_url", message));
        }
        Media::Url { url, media_type } => {
            let told = media_type.as_ref().map(Text::to_plain);
            let told = told.as_deref().or_else(|| data_uri::media_type_of(url.as_escaped()));
            (is_image || told.is_some_and(|told| told.starts_with("image/")), Source::Url(url))
        }
        Media::Stored(id) if id.as_escaped().starts_with(STORED) => (is_image, Source::Stored(id)),
        Media::Stored(id) => {
            let message = format!("`{}` is no file of the provider. Send the file itself.", id.to_plain());
            return Err(refusal("unsupported_file_id", message));
        }
        Media::Text(text) => (false, Source::Text(Cow::Borrowed(text))),
        Media::Data { media_type, data } => {
            let media_type = media_type.to_plain();
            if media_type.starts_with("text/") || media_type == "application/json" {
                let text = data_uri::text_of(data).ok_or_else(|| {
                    refusal("invalid_file", "A document is no text in UTF-8. Send it as PDF.")
                })?;
                (false, Source::Text(Cow::Owned(Text::plain(text))))
            } else {
                let is_image = IMAGES.contains(&&*media_type);
                if !is_image && media_type != "application/pdf" {
                    let message = format!(
                        "The model cannot read `{media_type}`. Send an image as JPEG, PNG, GIF or WebP, and a \
                         document as PDF or text."
                    );
                    return Err(refusal("unsupported_file", message));
                }
                (is_image, Source::Base64 { media_type, data })
            }
        }
    };
    Ok(Some(Block { is_image, source, title: title.filter(|_| !is_image) }))
}

impl Block<'_> {
    /// Writes the members of the block.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.member("type").string(if self.is_image { "image" } else { "document" });
        writer.member("source").object(|writer| match &self.source {
            Source::Base64 { media_type, data } => {
                writer.member("type").string("base64");
                writer.member("media_type").text(&Text::plain(&**media_type));
                writer.member("data").text(data);
            }
            Source::Url(url) => {
                writer.member("type").string("url");
                writer.member("url").text(url);
            }
            Source::Stored(id) => {
                writer.member("type").string("file");
                writer.member("file_id").text(id);
            }
            Source::Text(text) => {
                writer.member("type").string("text");
                writer.member("media_type").string("text/plain");
                writer.member("data").text(text);
            }
        });
        if let Some(title) = self.title {
            writer.member("title").text(title);
        }
    }
}

fn refusal(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::client(400, code, message).with_param("messages")
}
