//! Google's `generateContent`, as AI Studio and Vertex AI serve it.

mod decode_config;
mod decode_message;
mod decode_request;
mod decode_response;
mod decode_tools;
mod encode_config;
mod encode_document;
mod encode_message;
mod encode_request;
mod encode_stream;
mod encode_tools;
mod error;
mod grounding;
mod logprobs;
mod media;
mod schema;
mod usage;

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    ClientDialect, Encoded, ProviderDialect, Recipient, ResponseDecoder, StreamEncoder, Wishes,
    json::ReadError,
};
use crate::{
    http::Fields,
    ir::{ApiError, Origin, Request, Response, Signature, Text},
};

/// `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
#[derive(Debug)]
pub struct Gemini;

const NAME: &str = "gemini";

/// Letters of a call's name that is made up.
const ID_LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl ClientDialect for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn decode_request<'a>(&self, body: &'a str) -> Result<Request<'a>, ReadError> {
        decode_request::decode_request(body)
    }

    fn stream_encoder(&self, wishes: &Wishes) -> Box<dyn StreamEncoder> {
        Box::new(encode_stream::Encoder::new(wishes.clone()))
    }

    fn encode_document(&self, response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
        encode_document::encode_document(response, wishes, out);
    }

    fn encode_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        error::encode_error(error, out);
    }

    fn encode_stream_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        error::encode_stream_error(error, out);
    }
}

impl ProviderDialect for Gemini {
    fn name(&self) -> &'static str {
        NAME
    }

    fn encode_request(
        &self,
        request: &Request<'_>,
        recipient: &Recipient<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, ApiError> {
        encode_request::encode_request(request, recipient, out)
    }

    fn response_decoder(&self) -> Box<dyn ResponseDecoder> {
        Box::new(decode_response::Decoder::default())
    }

    fn finds(&self, url: &str) -> bool {
        media::is_own(url)
    }

    fn origin(&self, _: &str) -> Option<Origin> {
        Some(Origin::Google)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        error::decode_error(status, fields, body)
    }
}

/// A name for a call that has none; the same one each time, so that a conversation keeps its bytes.
fn call_id(seed: &str, number: usize) -> Text<'static> {
    let mut id = String::from("call_");
    for lane in 0..3_u8 {
        let mut hasher = DefaultHasher::new();
        (seed, number, lane).hash(&mut hasher);
        let mut rest = hasher.finish();
        for _ in 0..8 {
            id.push(char::from(ID_LETTERS[(rest % 62) as usize]));
            rest /= 62;
        }
    }
    Text::plain(id)
}

/// The name of a member as Google's answers spell it; requests may use underscores.
fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut words = name.split('_');
    let mut joined = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        joined.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        joined.push_str(letters.as_str());
    }
    Cow::Owned(joined)
}

/// The seal, if it is one that Google's models can read.
fn own_seal<'s, 'a>(signature: Option<&'s Signature<'a>>) -> Option<&'s Text<'a>> {
    signature.filter(|signature| signature.origin == Origin::Google).map(|signature| &signature.data)
}

#[cfg(test)]
mod tests;
