//! Whole documents, where nobody waits: configuration, lists of models, the embedded provider.

pub use serde_json::{Error, Map, Value, json};

/// One document by the letter of the standard, of at most 128 levels.
pub fn decode(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text)
}

/// The text of a JSON string, quotes included; none where it has half a surrogate pair.
pub fn string(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}

/// A string as JSON, quotes included.
pub fn quote(text: &str) -> String {
    Value::from(text).to_string()
}
