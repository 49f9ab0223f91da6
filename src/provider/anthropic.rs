//! Anthropic, by its own API.

use super::{Call, Chat, Key, Provider, Secret};
use crate::dialect::{Quirks, anthropic::Anthropic as Dialect};

/// `api.anthropic.com`.
#[derive(Debug)]
pub(super) struct Anthropic;

/// What is translated is said in the version in which sampling can still be chosen; a client of Anthropic's own
/// dialect names the one that it wants.
pub(super) const VERSION: &str = "2023-06-01";

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn base_url(&self) -> Option<&'static str> {
        Some("https://api.anthropic.com")
    }

    fn version_path(&self) -> &'static str {
        "/v1"
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["ANTHROPIC_API_KEY", "ANTHROPIC_KEY"]
    }

    fn speaks_openai(&self) -> bool {
        false
    }

    fn speaks(&self, dialect: &str) -> bool {
        dialect == "anthropic"
    }

    fn chat(&self, _: &str) -> Chat {
        Chat::new(&Dialect, &Quirks::OWNER)
    }

    fn push_chat_path(&self, _: &Key, _: &str, _: bool, path: &mut String) {
        path.push_str("/messages");
    }

    fn authorize(&self, key: &Secret, call: &Call<'_>, head: &mut Vec<u8>) {
        if !key.is_empty() {
            head.extend_from_slice(format!("x-api-key: {}\r\n", key.reveal()).as_bytes());
        }
        if !call.names_version {
            head.extend_from_slice(format!("anthropic-version: {VERSION}\r\n").as_bytes());
        }
    }
}
