//! Requests for tests.

use super::encode_request::encode_request;
use crate::{
    dialect::{ClientDialect, Encoded, Quirks, Recipient, json::Reader, openai_chat::OpenAiChat},
    ir::{ApiError, Profile},
};

/// A model of which nothing is known but its maker.
pub(super) const CLAUDE: &str = "us.anthropic.claude-x-v1:0";

/// What a chat of an OpenAI client becomes.
pub(super) fn encoded_for(model: &str, profile: &Profile, body: &str) -> Result<(String, Encoded), ApiError> {
    let request = OpenAiChat.decode_request(body).unwrap();
    let quirks = Quirks { names_model: false, fetches_urls: false, ..Quirks::OWNER };
    let recipient = Recipient { model, profile, quirks: &quirks, is_strict: false };
    let mut out = Vec::new();
    let encoded = encode_request(&request, &recipient, &mut out)?;
    let text = String::from_utf8(out).unwrap();
    Reader::new(&text).skip().unwrap();
    Ok((text, encoded))
}

/// The same for Claude.
pub(super) fn claude(body: &str) -> String {
    encoded_for(CLAUDE, &Profile::default(), body).unwrap().0
}

/// What is left out of it.
pub(super) fn dropped(model: &str, body: &str) -> Vec<&'static str> {
    encoded_for(model, &Profile::default(), body).unwrap().1.dropped
}

/// The member of an object.
pub(super) fn member(object: &str, wanted: &str) -> String {
    let mut found = String::new();
    let read = Reader::new(object).object(|name, reader| {
        if name == wanted {
            found = reader.raw()?.as_str().to_owned();
        }
        Ok(())
    });
    read.unwrap();
    found
}
