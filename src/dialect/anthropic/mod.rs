//! Anthropic's Messages API, for clients that speak it and for providers that serve Claude by it.

mod decode_message;
mod decode_request;
mod decode_response;
mod decode_tools;
mod encode_document;
mod encode_message;
mod encode_request;
mod encode_stream;
mod encode_tools;
mod error;
mod media;
mod parameters;
pub(super) mod schema;
#[cfg(test)]
mod tests;
mod usage;

use std::borrow::Cow;

use super::{
    ClientDialect, Encoded, ProviderDialect, Recipient, ResponseDecoder, StreamEncoder, Wishes,
    json::ReadError,
};
use crate::{
    http::Fields,
    ir::{ApiError, Origin, Request, Response, Signature, Text},
};

/// `POST /v1/messages`.
#[derive(Debug)]
pub struct Anthropic;

const NAME: &str = "anthropic";

impl ClientDialect for Anthropic {
    fn id_prefix(&self) -> &'static str {
        "msg_"
    }

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

    fn heartbeat(&self) -> &'static [u8] {
        b"event: ping\ndata: {\"type\": \"ping\"}\n\n"
    }
}

impl ProviderDialect for Anthropic {
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

    fn origin(&self, _: &str) -> Option<Origin> {
        Some(Origin::Anthropic)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        error::decode_error(status, fields, body)
    }
}

/// What stands before a seal that Claude has not made: the dialect has no other place to say whose it is, and
/// a seal that comes back must not be taken for Claude's.
const MAKERS: [(Origin, &str); 3] =
    [(Origin::Google, "google:"), (Origin::OpenAi, "openai:"), (Origin::Other, "other:")];

/// A seal as clients keep it.
fn kept_seal<'t>(origin: Origin, data: &'t Text<'_>) -> Cow<'t, str> {
    match MAKERS.iter().find(|(maker, _)| *maker == origin) {
        Some((_, mark)) => Cow::Owned(format!("{mark}{}", data.as_escaped())),
        None => Cow::Borrowed(data.as_escaped()),
    }
}

/// A seal that a client has kept.
fn seal(kept: Text<'_>) -> Signature<'_> {
    for (origin, mark) in MAKERS {
        if let Some(data) = kept.as_escaped().strip_prefix(mark) {
            return Signature { origin, data: Text::escaped(data).into_owned() };
        }
    }
    Signature { origin: Origin::Anthropic, data: kept }
}
