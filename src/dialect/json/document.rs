//! Whole documents, where nobody waits: configuration, lists of models, the embedded provider.

pub use serde_json::{Map, Value, json};

/// The text of a JSON string, quotes included; none where it has half a surrogate pair.
pub fn string(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}

/// A string as JSON, quotes included.
pub fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
