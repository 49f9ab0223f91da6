//! Images, sounds, films and documents: within a request, or somewhere that Google can reach.

use std::borrow::Cow;

use crate::{
    dialect::{
        Quirks, data_uri,
        json::{Kind, ReadError, Reader, Writer},
    },
    ir::{ApiError, Content, Media, Part, Text},
};

/// Where files of Google's own API are.
const FILES: &str = "https://generativelanguage.googleapis.com/";
/// Where films are that Google looks at by itself.
const FILMS: [&str; 4] =
    ["https://www.youtube.com/", "https://youtube.com/", "https://m.youtube.com/", "https://youtu.be/"];
/// Levels of resolution, with OpenAI's names of how closely an image is looked at.
const LEVELS: [(&str, &str); 3] = [
    ("low", "MEDIA_RESOLUTION_LOW"),
    ("high", "MEDIA_RESOLUTION_HIGH"),
    ("original", "MEDIA_RESOLUTION_ULTRA_HIGH"),
];

/// Where something is, as Google is told.
pub(super) enum Place<'m> {
    /// In the request.
    Inline { media_type: &'m Text<'m>, data: &'m Text<'m> },
    /// Somewhere else.
    File { uri: Cow<'m, str>, media_type: Option<Cow<'m, str>> },
    /// In the request, as a text.
    Text(&'m Text<'m>),
}

/// The media that a part holds, and its kind where nothing tells it.
pub(super) fn of_part<'p, 'a>(part: &'p Part<'a>) -> Option<(&'p Media<'a>, &'static str)> {
    match &part.content {
        Content::Image { media, .. } => Some((media, "image/jpeg")),
        Content::Audio(media) => Some((media, "audio/mp3")),
        Content::Video(media) => Some((media, "video/mp4")),
        Content::File { media, .. } => Some((media, "application/pdf")),
        _ => None,
    }
}

/// Where Google finds it; an error where it does not.
pub(super) fn place<'m>(
    media: &'m Media<'m>,
    fallback: &'static str,
    quirks: &Quirks,
) -> Result<Place<'m>, ApiError> {
    match media {
        Media::Data { media_type, data } => Ok(Place::Inline { media_type, data }),
        Media::Text(text) => Ok(Place::Text(text)),
        Media::Url { url, media_type } => {
            let uri = url.to_plain();
            let is_own = is_own(&uri);
            if !is_own && !uri.starts_with("gs://") && !quirks.fetches_urls {
                return Err(unreachable_url());
            }
            let told = media_type.as_ref().map(Text::to_plain);
            let guessed = data_uri::media_type_of(&uri).map(Cow::Borrowed);
            // What Google itself keeps, it knows.
            let fallback = (!is_own).then_some(Cow::Borrowed(fallback));
            Ok(Place::File { media_type: told.or(guessed).or(fallback), uri })
        }
        Media::Stored(id) => {
            let id = id.to_plain();
            let uri = match () {
                () if id.starts_with(FILES) || id.starts_with("gs://") => id,
                () if id.starts_with("files/") => Cow::Owned(format!("{FILES}v1beta/{id}")),
                () => return Err(foreign_file()),
            };
            Ok(Place::File { media_type: data_uri::media_type_of(&uri).map(Cow::Borrowed), uri })
        }
    }
}

/// Whether Google finds it by itself.
pub(super) fn is_own(uri: &str) -> bool {
    uri.starts_with(FILES) || is_film(uri)
}

fn is_film(uri: &str) -> bool {
    FILMS.iter().any(|site| uri.starts_with(site))
}

fn unreachable_url() -> ApiError {
    // Whoever calls fetches what may be fetched before, so that this is the last word.
    let message = "The provider does not fetch images and documents by their URLs. Send them as data URIs, \
                   or as files of its own.";
    ApiError::client(400, "unsupported_image_url", message).with_param("messages")
}

fn foreign_file() -> ApiError {
    let message = "The provider does not have this file. Upload it there, or send its content.";
    ApiError::client(400, "unsupported_file", message).with_param("messages")
}

/// Writes the members of a part, or those of one in a result.
pub(super) fn write_place(place: &Place<'_>, writer: &mut Writer<'_>) {
    match place {
        Place::Inline { media_type, data } => writer.member("inlineData").object(|writer| {
            writer.member("mimeType").text(media_type);
            writer.member("data").text(data);
        }),
        Place::File { uri, media_type } => writer.member("fileData").object(|writer| {
            if let Some(media_type) = media_type {
                writer.member("mimeType").text(&Text::plain(&**media_type));
            }
            writer.member("fileUri").text(&Text::plain(&**uri));
        }),
        Place::Text(text) => writer.member("text").text(text),
    }
}

/// Google's level for OpenAI's `detail`; none where Google decides.
pub(super) fn level_of(detail: &Text<'_>) -> Option<&'static str> {
    LEVELS.iter().find(|(name, _)| detail.is(name)).map(|(_, level)| *level)
}

/// Reads `inlineData`.
pub(super) fn inline<'a>(reader: &mut Reader<'a>) -> Result<Content<'a>, ReadError> {
    let (mut media_type, mut data) = (Text::default(), None);
    reader.object(|name, reader| {
        match &*super::camel(name) {
            "mimeType" => media_type = reader.text_unless_null()?.unwrap_or_default(),
            "data" => data = Some(reader.text()?),
            _ => {}
        }
        Ok(())
    })?;
    let data = data.ok_or_else(|| ReadError::missing("data"))?;
    let media = data_uri::checked(media_type, data).map_err(|error| error.inside("data"))?;
    let kind = match &media {
        Media::Data { media_type, .. } => media_type.to_plain().into_owned(),
        _ => String::new(),
    };
    Ok(content(&kind, media))
}

/// Reads `fileData`.
pub(super) fn file<'a>(reader: &mut Reader<'a>) -> Result<Content<'a>, ReadError> {
    let (mut media_type, mut uri) = (None, None);
    reader.object(|name, reader| {
        match &*super::camel(name) {
            "mimeType" => media_type = reader.text_unless_null()?,
            "fileUri" => uri = Some(reader.text()?),
            _ => {}
        }
        Ok(())
    })?;
    let url = uri.ok_or_else(|| ReadError::missing("fileUri"))?;
    let plain = url.to_plain();
    let kind = match &media_type {
        Some(told) => told.to_plain().into_owned(),
        None if is_film(&plain) => "video/mp4".to_owned(),
        None => data_uri::media_type_of(&plain).unwrap_or_default().to_owned(),
    };
    drop(plain);
    Ok(content(&kind, Media::Url { url, media_type }))
}

fn content<'a>(media_type: &str, media: Media<'a>) -> Content<'a> {
    match media_type.split('/').next() {
        Some("image") => Content::Image { media, detail: None },
        Some("audio") => Content::Audio(media),
        Some("video") => Content::Video(media),
        _ => Content::File { media, name: None },
    }
}

/// Reads `mediaResolution`: OpenAI's name of it.
pub(super) fn detail<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, ReadError> {
    let mut detail = None;
    let mut read = |level: &Text<'_>| {
        let known = LEVELS.iter().find(|(_, name)| level.is(name));
        detail = known.map(|(name, _)| Text::escaped(name));
    };
    if reader.kind() == Some(Kind::Text) {
        read(&reader.text()?);
        return Ok(detail);
    }
    reader.object_if_any(|name, reader| {
        if name == "level"
            && let Some(level) = reader.text_if_any()?
        {
            read(&level);
        }
        Ok(())
    })?;
    Ok(detail)
}
