//! Gemini in Google's AI Studio, by its own API; what is no chat by the one that is compatible with OpenAI's.

use super::{Call, Chat, Key, Provider, Secret, path_segment, push_bearer};
use crate::dialect::{Quirks, gemini::Gemini as Dialect};

/// `generativelanguage.googleapis.com`.
#[derive(Debug)]
pub(super) struct Gemini;

/// AI Studio reads files of its own, and no images from elsewhere.
static QUIRKS: Quirks = Quirks { names_model: false, fetches_urls: false, ..Quirks::OWNER };

impl Provider for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://generativelanguage.googleapis.com")
    }

    fn version_path(&self) -> &'static str {
        "/v1beta/openai"
    }

    fn native_path(&self) -> &'static str {
        "/v1beta"
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"]
    }

    fn speaks_openai(&self) -> bool {
        false
    }

    fn speaks(&self, dialect: &str) -> bool {
        matches!(dialect, "gemini" | "openai")
    }

    fn chat(&self, _: &str) -> Chat {
        Chat::new(&Dialect, &QUIRKS)
    }

    fn push_chat_path(&self, _: &Key, model: &str, is_streamed: bool, path: &mut String) {
        push_generate_path("/models/", model, is_streamed, path);
    }

    fn authorize(&self, key: &Secret, call: &Call<'_>, head: &mut Vec<u8>) {
        if !call.is_native {
            return push_bearer(key, head);
        }
        if !key.is_empty() {
            head.extend_from_slice(format!("x-goog-api-key: {}\r\n", key.reveal()).as_bytes());
        }
    }
}

/// Appends where an answer of a model is asked for.
pub(super) fn push_generate_path(before: &str, model: &str, is_streamed: bool, path: &mut String) {
    path.push_str(before);
    path.push_str(&path_segment(model.strip_prefix("models/").unwrap_or(model)));
    path.push_str(if is_streamed { ":streamGenerateContent?alt=sse" } else { ":generateContent" });
}
