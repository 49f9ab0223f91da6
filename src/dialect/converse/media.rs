//! Images, videos and documents, which Converse takes as bytes or from S3.

use std::collections::{HashMap, HashSet};

use crate::{
    dialect::{data_uri, json::Writer},
    ir::{ApiError, Content, Media, Text},
};

/// What the name of a document is cut to, bytes; AWS takes 200.
const NAME_BYTES_MAX: usize = 160;

/// Something that is neither said nor called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Medium<'r> {
    pub(super) kind: Kind,
    format: &'static str,
    source: Source<'r>,
    name: Option<&'r Text<'r>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Image,
    Video,
    Document,
}

#[derive(Clone, Copy, Debug)]
enum Source<'r> {
    /// In base64.
    Bytes(&'r str),
    /// A plain text.
    Plain(&'r Text<'r>),
    /// In AWS's own store.
    S3(&'r str),
}

/// Kinds that are taken, by their media types.
const FORMATS: [(&str, Kind, &str); 26] = [
    ("image/png", Kind::Image, "png"),
    ("image/jpeg", Kind::Image, "jpeg"),
    ("image/jpg", Kind::Image, "jpeg"),
    ("image/gif", Kind::Image, "gif"),
    ("image/webp", Kind::Image, "webp"),
    ("application/pdf", Kind::Document, "pdf"),
    ("text/csv", Kind::Document, "csv"),
    ("text/html", Kind::Document, "html"),
    ("text/markdown", Kind::Document, "md"),
    ("text/x-markdown", Kind::Document, "md"),
    ("application/json", Kind::Document, "txt"),
    ("application/xml", Kind::Document, "txt"),
    ("application/msword", Kind::Document, "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Kind::Document, "docx"),
    ("application/vnd.ms-excel", Kind::Document, "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", Kind::Document, "xlsx"),
    ("video/mp4", Kind::Video, "mp4"),
    ("video/quicktime", Kind::Video, "mov"),
    ("video/webm", Kind::Video, "webm"),
    ("video/x-matroska", Kind::Video, "mkv"),
    ("video/x-flv", Kind::Video, "flv"),
    ("video/mpeg", Kind::Video, "mpeg"),
    ("video/mpg", Kind::Video, "mpg"),
    ("video/x-ms-wmv", Kind::Video, "wmv"),
    ("video/wmv", Kind::Video, "wmv"),
    ("video/3gpp", Kind::Video, "three_gp"),
];

/// What a part is, if it is no text; an error where it cannot be taken.
pub(super) fn medium<'r>(content: &'r Content<'r>) -> Result<Option<Medium<'r>>, ApiError> {
    let (media, name) = match content {
        Content::Image { media, .. } | Content::Video(media) => (media, None),
        Content::File { media, name } => (media, name.as_ref()),
        Content::Audio(_) => {
            let message =
                "Bedrock's Converse takes no audio. Send it to a provider that does, or leave it out.";
            return Err(refusal("unsupported_parameter", message));
        }
        _ => return Ok(None),
    };
    let (media_type, source) = match media {
        Media::Data { media_type, data } => {
            (Some(media_type.to_plain().into_owned()), Source::Bytes(data.as_escaped()))
        }
        Media::Text(text) => (Some("text/plain".to_owned()), Source::Plain(text)),
        Media::Stored(_) => {
            let message = "The file is stored with another provider. Send its content in base64.";
            return Err(refusal("unsupported_parameter", message));
        }
        Media::Url { url, media_type } if url.as_escaped().starts_with("s3:") => {
            let told = media_type.as_ref().map(|told| told.to_plain().into_owned());
            let by_name = || data_uri::media_type_of(&url.to_plain()).map(str::to_owned);
            (told.or_else(by_name), Source::S3(url.as_escaped()))
        }
        // Who asks has fetched what can be fetched.
        Media::Url { .. } => {
            let message = "Bedrock fetches no URLs but those of S3. Send the content as a data URI.";
            let is_image = matches!(content, Content::Image { .. });
            return Err(refusal(
                if is_image { "unsupported_image_url" } else { "unsupported_file_url" },
                message,
            ));
        }
    };
    let media_type = media_type.unwrap_or_default();
    let (kind, format) = format_of(&media_type).ok_or_else(|| {
        let what = if media_type.is_empty() { "of an unknown type" } else { media_type.as_str() };
        let message = format!(
            "Bedrock's Converse takes no file that is {what}. Send an image as png, jpeg, gif or webp, a document \
             as pdf, csv, doc, docx, xls, xlsx, html, txt or md."
        );
        refusal("invalid_value", message)
    })?;
    Ok(Some(Medium { kind, format, source, name }))
}

fn refusal(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::client(400, code, message).with_param("messages")
}

fn format_of(media_type: &str) -> Option<(Kind, &'static str)> {
    let bare = media_type.split(';').next().unwrap_or_default().trim();
    let known = FORMATS.iter().find(|(known, ..)| bare.eq_ignore_ascii_case(known));
    let known = known.map(|(_, kind, format)| (*kind, *format));
    known.or_else(|| bare.get(..5)?.eq_ignore_ascii_case("text/").then_some((Kind::Document, "txt")))
}

impl Medium<'_> {
    /// Writes its block.
    pub(super) fn write(&self, names: &mut DocumentNames, writer: &mut Writer<'_>) {
        let kind = match self.kind {
            Kind::Image => "image",
            Kind::Video => "video",
            Kind::Document => "document",
        };
        writer.object(|writer| {
            writer.member(kind).object(|writer| {
                writer.member("format").string(self.format);
                if self.kind == Kind::Document {
                    writer.member("name").string(&names.take(self.name));
                }
                writer.member("source").object(|writer| match self.source {
                    Source::Bytes(data) => writer.member("bytes").string(data),
                    Source::Plain(text) => writer.member("bytes").text(&data_uri::encoded(text)),
                    Source::S3(uri) => {
                        writer.member("s3Location").object(|writer| writer.member("uri").string(uri));
                    }
                });
            });
        });
    }
}

/// Names of the documents of a request, which must differ and hold nothing but a few characters.
#[derive(Debug, Default)]
pub(super) struct DocumentNames {
    taken: HashSet<String>,
    /// How often a name was wanted.
    wanted: HashMap<String, usize>,
}

impl DocumentNames {
    fn take(&mut self, name: Option<&Text<'_>>) -> String {
        let name = name.map(|name| sanitised(&name.to_plain())).filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| "document".to_owned());
        let wanted = self.wanted.entry(name.clone()).or_default();
        loop {
            *wanted += 1;
            let candidate = if *wanted == 1 { name.clone() } else { format!("{name} {wanted}") };
            if self.taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}

/// Letters, digits, single spaces, `-`, `(`, `)`, `[` and `]` are allowed; the end of a file's name is not.
fn sanitised(name: &str) -> String {
    let is_ending =
        |ending: &str| ending.len() <= 5 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let stem = name.rsplit_once('.').filter(|(_, ending)| is_ending(ending)).map_or(name, |(stem, _)| stem);
    let is_allowed = |byte: char| byte.is_ascii_alphanumeric() || "-()[]".contains(byte);
    let mut sanitised = String::new();
    for character in stem.chars() {
        if sanitised.len() == NAME_BYTES_MAX {
            break;
        }
        if is_allowed(character) {
            sanitised.push(character);
        } else if !sanitised.is_empty() && !sanitised.ends_with(' ') {
            sanitised.push(' ');
        }
    }
    sanitised.truncate(sanitised.trim_end().len());
    sanitised
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &Content<'_>) -> Result<String, ApiError> {
        let mut out = Vec::new();
        let medium = medium(content)?.unwrap();
        medium.write(&mut DocumentNames::default(), &mut Writer::new(&mut out));
        Ok(String::from_utf8(out).unwrap())
    }

    fn data(media_type: &'static str) -> Media<'static> {
        Media::Data { media_type: media_type.into(), data: "AAAA".into() }
    }

    fn url(url: &'static str) -> Media<'static> {
        Media::Url { url: url.into(), media_type: None }
    }

    #[test]
    fn what_a_part_is_hangs_on_its_type() {
        let image = Content::Image { media: data("image/png"), detail: None };
        assert_eq!(written(&image).unwrap(), r#"{"image":{"format":"png","source":{"bytes":"AAAA"}}}"#);
        let document = r#"{"document":{"format":"pdf","name":"document","source":{"bytes":"AAAA"}}}"#;
        let pdf = Content::Image { media: data("application/pdf"), detail: None };
        assert_eq!(written(&pdf).unwrap(), document);
        let named = Content::File { media: data("text/x-log; charset=utf-8"), name: Some("a_b.log".into()) };
        let document = r#"{"document":{"format":"txt","name":"a b","source":{"bytes":"AAAA"}}}"#;
        assert_eq!(written(&named).unwrap(), document);
        let text = Content::File { media: Media::Text("a\nb".into()), name: None };
        let document = r#"{"document":{"format":"txt","name":"document","source":{"bytes":"YQpi"}}}"#;
        assert_eq!(written(&text).unwrap(), document);
    }

    #[test]
    fn nothing_is_fetched_but_from_s3() {
        let stored = Content::Image { media: url("s3://bucket/a.jpg"), detail: None };
        let expected = r#"{"image":{"format":"jpeg","source":{"s3Location":{"uri":"s3://bucket/a.jpg"}}}}"#;
        assert_eq!(written(&stored).unwrap(), expected);
        let elsewhere = Content::Image { media: url("https://h/a.png"), detail: None };
        let error = written(&elsewhere).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("unsupported_image_url")));
    }

    #[test]
    fn what_cannot_be_taken_is_refused_by_its_type() {
        for (content, code) in [
            (Content::Image { media: data("image/heic"), detail: None }, "invalid_value"),
            (Content::File { media: Media::Stored("file-1".into()), name: None }, "unsupported_parameter"),
            (Content::Audio(data("audio/wav")), "unsupported_parameter"),
            (Content::File { media: url("https://h/a.pdf"), name: None }, "unsupported_file_url"),
        ] {
            let error = written(&content).unwrap_err();
            assert_eq!((error.code, error.param.as_deref()), (Some(code), Some("messages")));
        }
    }

    #[test]
    fn documents_have_names_of_their_own() {
        let mut names = DocumentNames::default();
        let mut take = |name: &'static str| names.take(Some(&Text::plain(name)));
        assert_eq!(take("Q3: Bericht  (neu).v2.pdf"), "Q3 Bericht (neu) v2");
        assert_eq!([take("a.pdf"), take("a.txt"), take("a 2"), take("a.md")], ["a", "a 2", "a 2 2", "a 3"]);
        assert_eq!([take("日本"), take(".pdf")], ["document", "document 2"]);
        assert_eq!(take(Box::leak("x".repeat(500).into_boxed_str())).len(), NAME_BYTES_MAX);
    }
}
