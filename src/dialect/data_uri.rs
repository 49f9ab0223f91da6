//! Images, sounds and documents that a request carries in itself (RFC 2397), or points at.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64URL_NOPAD};

use super::json::ReadError;
use crate::ir::{Media, Text};

/// Bytes of what is looked at to see what it is.
const SNIFFED_BYTES: usize = 12;

/// What a URL points at, or holds.
pub(super) fn media(url: Text<'_>) -> Result<Media<'_>, ReadError> {
    let escaped = url.as_escaped();
    if escaped.get(..5).is_none_or(|scheme| !scheme.eq_ignore_ascii_case("data:")) {
        let is_url = escaped.contains(":") && !url.is_blank();
        return if is_url {
            Ok(Media::Url { url, media_type: None })
        } else {
            Err(ReadError::invalid("must be a URL or a data URI"))
        };
    }
    // Nothing but a slash can stand escaped in a data URI of base64.
    let plain = url.to_plain();
    let (header, data) =
        plain[5..].split_once(',').ok_or_else(|| ReadError::invalid("is a data URI without data"))?;
    let mut parts = header.split(';');
    let media_type = parts.next().map(|kind| kind.trim().to_ascii_lowercase()).unwrap_or_default();
    if !parts.any(|part| part.trim().eq_ignore_ascii_case("base64")) {
        return Err(ReadError::invalid("is a data URI that is not in base64"));
    }
    checked(Text::plain(media_type), Text::plain(data.to_owned()))
}

/// Data in base64 whose kind may be told wrongly, or not at all.
pub(super) fn checked<'a>(media_type: Text<'a>, data: Text<'a>) -> Result<Media<'a>, ReadError> {
    let data = normalised(data).ok_or_else(|| ReadError::invalid("is not valid base64"))?;
    let told = media_type.to_plain().into_owned();
    // Providers refuse an image whose kind is told wrongly.
    let seen = sniffed(data.as_escaped());
    let media_type = match seen {
        Some(seen) if told.is_empty() || told.starts_with("image/") && seen.starts_with("image/") => {
            Text::escaped(seen)
        }
        None if told.is_empty() => Text::escaped("application/octet-stream"),
        _ => Text::plain(told),
    };
    Ok(Media::Data { media_type, data })
}

/// What has been fetched, whose server may have told wrongly what it is.
pub fn fetched(media_type: &str, data: &str) -> Result<Media<'static>, ReadError> {
    let [media_type, data] = [media_type, data].map(|text| Text::plain(text.to_owned()));
    checked(media_type, data)
}

/// `file_data` of a file: a data URI, or bare base64 of what its name or its first bytes tell.
pub(super) fn file<'a>(data: Text<'a>, name: Option<&Text<'a>>) -> Result<Media<'a>, ReadError> {
    if data.as_escaped().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return media(data);
    }
    let by_name = name.and_then(|name| media_type_of(&name.to_plain()));
    checked(Text::escaped(by_name.unwrap_or_default()), data)
}

/// The kind of a file by the end of its name.
pub(super) fn media_type_of(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next().unwrap_or(name);
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "json" => "application/json",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls" => "application/vnd.ms-excel",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        _ => return None,
    })
}

/// Base64 as providers take it: the standard alphabet, padded, without white space. Most data are that
/// already, and stay what they are.
fn normalised(data: Text<'_>) -> Option<Text<'_>> {
    if BASE64.decode_len(data.as_escaped().len()).is_ok() && is_valid(data.as_escaped().as_bytes()) {
        return Some(data);
    }
    let bare: String = data.to_plain().chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let letters = bare.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let bytes = BASE64URL_NOPAD.decode(letters.as_bytes()).ok().filter(|bytes| !bytes.is_empty())?;
    Some(Text::plain(BASE64.encode(&bytes)))
}

/// Whether all letters are of the standard alphabet, and whatever is behind them is padding.
fn is_valid(data: &[u8]) -> bool {
    let padding = data.iter().rev().take_while(|byte| **byte == b'=').count();
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'+' | b'/');
    !data.is_empty()
        && padding <= 2
        && data[..data.len() - padding].iter().fold(true, |all, byte| all & is_letter(byte))
}

/// What the first bytes show the data to be.
fn sniffed(data: &str) -> Option<&'static str> {
    let front = data.get(..SNIFFED_BYTES.div_ceil(3) * 4)?;
    let bytes = BASE64.decode(front.as_bytes()).ok()?;
    Some(match &bytes[..] {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => "image/webp",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        _ => return None,
    })
}

/// The text that data in base64 are; none where they are none.
pub(super) fn text_of(data: &Text<'_>) -> Option<String> {
    String::from_utf8(BASE64.decode(data.as_escaped().as_bytes()).ok()?).ok()
}

/// A text in base64.
pub(super) fn encoded(text: &Text<'_>) -> Text<'static> {
    Text::plain(BASE64.encode(text.to_plain().as_bytes()))
}

/// A data URI.
pub(super) fn uri(media_type: &Text<'_>, data: &Text<'_>) -> Text<'static> {
    let uri = format!("data:{};base64,{}", media_type.as_escaped(), data.as_escaped());
    Text::escaped(&uri).into_owned()
}

/// The file's name that fits a kind of image, sound or document, without anything before the dot.
pub(super) fn ending_of(media_type: &str) -> Cow<'_, str> {
    match media_type {
        "image/jpeg" => "jpg".into(),
        "audio/mpeg" => "mp3".into(),
        "text/plain" => "txt".into(),
        other => other.rsplit_once('/').map_or(other, |(_, ending)| ending).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ";

    fn data(url: &str) -> Option<(String, String)> {
        match media(Text::escaped(url)) {
            Ok(Media::Data { media_type, data }) => {
                Some((media_type.to_plain().into_owned(), data.to_plain().into_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn a_data_uri_is_read_in_all_its_spellings() {
        let expected = Some(("image/png".to_owned(), PNG.to_owned()));
        for url in [
            format!("data:image/png;base64,{PNG}"),
            format!("DATA:image\\/png;charset=utf-8;BASE64,{PNG}"),
            format!("data:;base64,{PNG}"),
            format!("data:image/jpeg;base64,{PNG}"),
            format!("data:image/png;base64,{}\\n{}", &PNG[..10], &PNG[10..]),
        ] {
            assert_eq!(data(&url), expected, "{url}");
        }
        assert_eq!(data("data:a/b;base64,-_8").unwrap().1, "+/8=");
    }

    #[test]
    fn what_is_no_data_uri_and_no_url_is_refused() {
        for url in [
            "data:image/png;base64,",
            "data:image/png;base64,%%%%",
            "data:image/png",
            "data:text/plain,a",
            "",
            "x",
        ] {
            assert!(media(Text::escaped(url)).is_err(), "{url}");
        }
        assert!(matches!(media(Text::escaped("https://h/a.png")), Ok(Media::Url { .. })));
    }

    #[test]
    fn a_file_without_a_prefix_is_what_its_name_says_or_its_bytes() {
        let name = Text::escaped("a.txt");
        let kind = |media| match media {
            Ok(Media::Data { media_type, .. }) => media_type.to_plain().into_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(kind(file(Text::escaped("YQ=="), Some(&name))), "text/plain");
        assert_eq!(kind(file(Text::escaped("JVBERi0xLjcKJeLjz9MK"), None)), "application/pdf");
    }
}
