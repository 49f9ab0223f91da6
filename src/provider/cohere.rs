//! Cohere, by its own API; what is no chat by the one that is compatible with OpenAI's.

use super::{Call, Chat, Key, Provider, Secret, push_bearer};
use crate::dialect::{Quirks, cohere::Cohere as Dialect};

/// `api.cohere.ai`.
#[derive(Debug)]
pub(super) struct Cohere;

impl Provider for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.cohere.ai")
    }

    fn version_path(&self) -> &'static str {
        "/compatibility/v1"
    }

    fn native_path(&self) -> &'static str {
        "/v2"
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["COHERE_API_KEY", "CO_API_KEY"]
    }

    fn speaks_openai(&self) -> bool {
        false
    }

    fn speaks(&self, dialect: &str) -> bool {
        dialect == "openai"
    }

    fn chat(&self, _: &str) -> Chat {
        Chat::new(&Dialect, &Quirks::OWNER)
    }

    fn push_chat_path(&self, _: &Key, _: &str, _: bool, path: &mut String) {
        path.push_str("/chat");
    }

    fn authorize(&self, key: &Secret, _: &Call<'_>, head: &mut Vec<u8>) {
        push_bearer(key, head);
    }
}
