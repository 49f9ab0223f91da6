//! Paths: what they begin with, and how every reader understands them.

use std::borrow::Cow;

use crate::{
    dialect::{ClientDialect, anthropic::Anthropic, gemini::Gemini, openai_chat::OpenAiChat},
    ir::ApiError,
};

/// The prefixes under which an API is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mount {
    /// OpenAI's under `/openai` and `/openai/v1`.
    OpenAi,
    /// OpenAI's under `/v1`.
    V1,
    /// Anthropic's under `/anthropic/v1`, and what of it nobody else has under `/v1`.
    Anthropic,
    /// Google's under `/genai/v1beta`.
    Genai,
}

/// Prefixes under which all APIs are served at once, for clients that speak several.
const BUNDLES: [&str; 3] = ["/langchain", "/litellm", "/pydanticai"];

/// Prefixes with the API that is served there, the longer ones first.
const MOUNTS: [(&str, Mount); 6] = [
    ("/v1", Mount::V1),
    ("/openai/v1", Mount::OpenAi),
    ("/openai", Mount::OpenAi),
    ("/anthropic/v1", Mount::Anthropic),
    ("/genai/v1beta", Mount::Genai),
    ("/genai/v1", Mount::Genai),
];

/// What stands before a model's name in a path.
pub(super) const MODEL_PATH: &str = "/models/";

impl Mount {
    /// The dialect in which the gateway's own errors are said there.
    pub fn client_dialect(self) -> &'static dyn ClientDialect {
        match self {
            Self::OpenAi | Self::V1 => &OpenAiChat,
            Self::Anthropic => &Anthropic,
            Self::Genai => &Gemini,
        }
    }

    /// Name of the dialect that is spoken there.
    pub fn dialect(self) -> &'static str {
        match self {
            Self::OpenAi | Self::V1 => "openai",
            Self::Anthropic => "anthropic",
            Self::Genai => "gemini",
        }
    }
}

/// The API that is served at a path, and the path behind its prefix.
pub(super) fn mounted(path: &str) -> Option<(Mount, &str)> {
    let below = |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
    let found = MOUNTS.iter().find_map(|(prefix, mount)| Some((*mount, below(prefix)?)));
    // Google's API has the version of uploads behind a word of its own.
    let found = found.or_else(|| Some((Mount::Genai, below("/genai")?)).filter(|(_, rest)| is_upload(rest)));
    match found {
        // OpenAI has no such path.
        Some((Mount::V1, rest)) if is_anthropic(rest) => Some((Mount::Anthropic, rest)),
        Some(found) => Some(found),
        None => BUNDLES.iter().find_map(|prefix| bundled(below(prefix)?)),
    }
}

/// What stands behind a prefix under which all APIs are served.
fn bundled(path: &str) -> Option<(Mount, &str)> {
    let below = |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
    if let Some(rest) = below("/v1beta") {
        return Some((Mount::Genai, rest));
    }
    match mounted(path) {
        Some((Mount::V1, rest)) => Some((Mount::OpenAi, rest)),
        Some(found) => Some(found),
        None if is_anthropic(path) => Some((Mount::Anthropic, path)),
        None => Some((Mount::OpenAi, path)),
    }
}

/// Whether what follows a prefix of Google's API begins with that of uploads, which have none of its versions.
pub(super) fn is_upload(path: &str) -> bool {
    path.starts_with("/upload/")
}

fn is_anthropic(path: &str) -> bool {
    path.strip_prefix("/messages").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path as every reader understands it. What readers disagree about is refused, since a request
/// that is passed through carries our key.
pub(super) fn plain_path(path: &str) -> Result<Cow<'_, str>, ApiError> {
    let refused = |what: &str| {
        ApiError::client(
            400,
            "invalid_path",
            format!("The path has {what}. Send the plain path of the endpoint."),
        )
    };
    if path.bytes().any(|byte| byte.is_ascii_control() || matches!(byte, b'\\' | b'#')) {
        return Err(refused("a character that no path may have"));
    }
    let plain = if path.contains('%') {
        percent_decoded(path).ok_or_else(|| refused("a broken escape"))?
    } else {
        path.into()
    };
    let slashes = |path: &str| path.bytes().filter(|byte| *byte == b'/').count();
    // Behind `/models/` stands one name, whose slash the SDKs encode.
    let names_model = path.contains(MODEL_PATH);
    if !names_model && slashes(&plain) != slashes(path)
        || plain.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\')
    {
        return Err(refused("an encoded slash, backslash or control character"));
    }
    let mut segments = plain.strip_prefix('/').unwrap_or(&plain).split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment == "." || segment == ".." {
            return Err(refused("a dot segment"));
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err(refused("an empty segment"));
        }
    }
    Ok(plain)
}

/// A text without its escapes; none where these are broken, or hide what is not UTF-8.
pub fn percent_decoded(path: &str) -> Option<Cow<'_, str>> {
    let mut plain = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        plain.push((high * 16 + low) as u8);
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}
