//! Who says it: the vendors, their addresses, credentials and quirks. Values in, bytes out, no I/O.
//! No provider is named outside this module and the operator's file.

mod account;
mod compatible;
mod credentials;
mod models;
mod proxy;

use std::fmt;

use crate::dialect::{Deltas, ProviderDialect, Quirks, openai_chat::OpenAiChat};
pub use account::{Account, Endpoint, Key, Models, Tls};
pub use credentials::{Secret, mask_keys, mask_secret};
pub use models::{Catalog, Change, FLAGS, Flag, Rule};
pub use proxy::{Proxy, ProxyCredentials, ProxyKind};

/// What `base_provider_type` of a custom provider may name so far: built-in providers it is spoken to like.
pub const BASE_PROVIDER_TYPES: &[&str] = &["openai"];

/// One vendor, or one way of speaking to vendors that resemble each other.
pub trait Provider: fmt::Debug + Sync {
    /// The name in `provider/model` and under `providers` in the configuration.
    fn name(&self) -> &'static str;

    /// The vendor's own base URL without its version path; none where the operator must name one.
    fn base_url(&self) -> Option<&'static str>;

    /// What follows the base URL before OpenAI's paths (`/chat/completions` …).
    fn version_path(&self) -> &'static str;

    /// What follows the base URL before the paths of its own API.
    fn native_path(&self) -> &'static str {
        self.version_path()
    }

    /// Whether requests in a dialect reach it as they are, by the dialect's name.
    fn speaks(&self, dialect: &str) -> bool {
        self.speaks_openai() && dialect.starts_with("openai")
    }

    /// How its chats differ from OpenAI's, where it is spoken to in that dialect.
    fn deltas(&self) -> &'static Deltas {
        &Deltas::NONE
    }

    /// How it is asked for chats with a model.
    fn chat(&self, model: &str) -> Chat {
        let _ = model;
        Chat { dialect: &OpenAiChat, quirks: &Quirks::OWNER }
    }

    /// Appends what follows `native_path` where a chat is asked for.
    fn push_chat_path(&self, model: &str, is_streamed: bool, path: &mut String) {
        let _ = (model, is_streamed);
        path.push_str("/chat/completions");
    }

    /// Environment variables that hold its key when no configuration is there, first found wins.
    fn key_variables(&self) -> &'static [&'static str];

    /// Whether this version of the gateway can speak to it.
    fn is_spoken(&self) -> bool {
        true
    }

    /// Whether it is spoken to in OpenAI's own dialect, so that what nobody reads can go there.
    fn speaks_openai(&self) -> bool;

    /// Whether it can be called without a key.
    fn is_keyless(&self) -> bool {
        false
    }

    /// Appends the header lines that prove who calls.
    fn authorize(&self, key: &Secret, head: &mut Vec<u8>);

    /// Appends the header lines that prove who calls its own API, and what else that wants.
    fn authorize_native(&self, key: &Secret, head: &mut Vec<u8>) {
        self.authorize(key, head);
    }
}

/// How a provider is asked for chats.
#[derive(Clone, Copy, Debug)]
pub struct Chat {
    /// The way that it is said.
    pub dialect: &'static dyn ProviderDialect,
    /// How the provider differs from the dialect's owner.
    pub quirks: &'static Quirks,
}

/// Appends a bearer token, where there is one.
fn push_bearer(key: &Secret, head: &mut Vec<u8>) {
    if !key.is_empty() {
        head.extend_from_slice(b"Authorization: Bearer ");
        head.extend_from_slice(key.reveal().as_bytes());
        head.extend_from_slice(b"\r\n");
    }
}

/// All built-in providers.
pub fn built_in() -> impl Iterator<Item = &'static dyn Provider> {
    compatible::VENDORS.iter().map(|vendor| vendor as &dyn Provider)
}

/// The built-in provider of that name, in lower case.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    built_in().find(|provider| provider.name() == name)
}
