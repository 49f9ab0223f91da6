//! Who says it: the vendors, their addresses, credentials and quirks. Values in, bytes out, no I/O.
//! No provider is named outside this module and the operator's file.

mod account;
mod anthropic;
mod azure;
mod bedrock;
mod cloud;
mod cohere;
mod compatible;
mod credentials;
mod gemini;
mod models;
mod proxy;
mod vertex;

use std::{fmt, time::SystemTime};

use crate::dialect::{
    Deltas, ProviderDialect, Quirks, embedding::EmbeddingDialect, openai_chat::OpenAiChat,
    openai_responses::OpenAiResponses,
};
pub use account::{Account, Endpoint, Key, Models, Tls};
pub use cloud::{AwsRole, Cloud, Grant, GrantKind, Token};
pub use credentials::{Secret, mask_keys, mask_secret};
pub use models::{Catalog, Change, FLAGS, Flag, Rule};
pub use proxy::{Proxy, ProxyCredentials, ProxyKind};

/// What `base_provider_type` of a custom provider may name so far: built-in providers it is spoken to like.
pub const BASE_PROVIDER_TYPES: &[&str] = &["openai", "anthropic", "gemini", "cohere", "bedrock"];

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

    /// Whether it serves models that have no chat completions, or none with tools, by responses.
    fn has_responses(&self) -> bool {
        false
    }

    /// How its chats differ from OpenAI's, where it is spoken to in that dialect.
    fn deltas(&self) -> &'static Deltas {
        &Deltas::NONE
    }

    /// How it is asked for chats with a model.
    fn chat(&self, model: &str) -> Chat {
        let _ = model;
        Chat::new(&OpenAiChat, &Quirks::OWNER)
    }

    /// Appends what follows `native_path` where a chat is asked for.
    fn push_chat_path(&self, key: &Key, model: &str, is_streamed: bool, path: &mut String) {
        let _ = (key, model, is_streamed);
        path.push_str("/chat/completions");
    }

    /// How it is asked for vectors of a model, where that is not OpenAI's way; none where it makes none.
    fn embeddings(&self, model: &str) -> Option<&'static dyn EmbeddingDialect> {
        let _ = model;
        None
    }

    /// Appends what follows `native_path` where vectors are asked for.
    fn push_embedding_path(&self, key: &Key, model: &str, path: &mut String) {
        let _ = (key, model);
        path.push_str("/embeddings");
    }

    /// Environment variables that hold its key when no configuration is there, first found wins.
    fn key_variables(&self) -> &'static [&'static str];

    /// Whether this version of the gateway can speak to it.
    fn is_spoken(&self) -> bool {
        true
    }

    /// Whether it is spoken to in OpenAI's own dialect, so that what nobody reads can go there.
    fn speaks_openai(&self) -> bool;

    /// Whether it can be asked which models it has; elsewhere the configuration tells.
    fn has_model_list(&self) -> bool {
        true
    }

    /// Whether its keys say where they are used, in `<name>_key_config.url`.
    fn has_key_addresses(&self) -> bool {
        false
    }

    /// Whether it can be called without a key.
    fn is_keyless(&self) -> bool {
        false
    }

    /// What follows `version_path` where a path of OpenAI's is asked for; none where that path itself does.
    fn openai_path(&self, key: &Key, model: Option<&str>, path: &str) -> Option<String> {
        let _ = (key, model, path);
        None
    }

    /// What each query says beside what the client says in it; empty for nothing.
    fn query(&self, key: &Key) -> String {
        let _ = key;
        String::new()
    }

    /// The base URL of a key, where that is decided by its place in a cloud.
    fn url_of(&self, cloud: &Cloud) -> Option<String> {
        let _ = cloud;
        None
    }

    /// Appends the header lines that prove who calls, and what else its API wants.
    fn authorize(&self, key: &Secret, call: &Call<'_>, head: &mut Vec<u8>);
}

/// A call to a provider, for those that sign it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Whether it is one of the provider's own API, not of OpenAI's.
    pub is_native: bool,
    /// Where the key is used.
    pub cloud: Option<&'a Cloud>,
    /// The credential that does not last, where the key is one that is exchanged.
    pub token: Option<&'a Token>,
    /// `POST` …
    pub method: &'a str,
    /// Value of `Host`.
    pub authority: &'a str,
    /// As it is sent, with the query.
    pub path: &'a str,
    /// As it is sent.
    pub body: &'a [u8],
    /// Whether the client has named the version of the API itself.
    pub names_version: bool,
    /// By the wall clock.
    pub now: SystemTime,
}

/// How a provider is asked for chats.
#[derive(Clone, Copy, Debug)]
pub struct Chat {
    /// The way that it is said.
    pub dialect: &'static dyn ProviderDialect,
    /// How the provider differs from the dialect's owner.
    pub quirks: &'static Quirks,
    /// Path of OpenAI's that is asked instead of the chat's own.
    pub openai_path: Option<&'static str>,
}

impl Chat {
    /// What OpenAI's models without chat completions are asked by.
    pub const RESPONSES: Self =
        Self { dialect: &OpenAiResponses, quirks: &Quirks::OWNER, openai_path: Some("/responses") };

    /// By the provider's own path for chats.
    pub const fn new(dialect: &'static dyn ProviderDialect, quirks: &'static Quirks) -> Self {
        Self { dialect, quirks, openai_path: None }
    }
}

/// A model's name as it stands in a path: SDKs encode the slash in it.
pub fn path_segment(model: &str) -> String {
    let mut segment = String::with_capacity(model.len());
    for byte in model.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => {
                segment.push(char::from(byte));
            }
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

/// Appends a bearer token, where there is one.
fn push_bearer(key: &Secret, head: &mut Vec<u8>) {
    if !key.is_empty() {
        head.extend_from_slice(b"Authorization: Bearer ");
        head.extend_from_slice(key.reveal().as_bytes());
        head.extend_from_slice(b"\r\n");
    }
}

/// Those with an API of their own, in the order in which a merged list of models shows them.
static NATIVE: [&dyn Provider; 6] = [
    &anthropic::Anthropic,
    &gemini::Gemini,
    &vertex::Vertex,
    &bedrock::Bedrock,
    &azure::Azure,
    &cohere::Cohere,
];

/// All built-in providers, OpenAI first.
pub fn built_in() -> impl Iterator<Item = &'static dyn Provider> {
    let mut compatible = compatible::VENDORS.iter().map(|vendor| vendor as &dyn Provider);
    compatible.next().into_iter().chain(NATIVE).chain(compatible)
}

/// The built-in provider of that name, in lower case.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    built_in().find(|provider| provider.name() == name)
}
