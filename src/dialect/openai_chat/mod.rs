//! OpenAI's chat completions, which most clients speak and most providers understand.

mod decode_message;
mod decode_parameters;
mod decode_request;
mod decode_response;
mod decode_tools;
mod encode_document;
mod encode_message;
mod encode_request;
mod encode_stream;
mod error;
mod usage;

pub(super) use decode_message::{audio, cache_breakpoint, cache_control, content, wrong};
pub(super) use decode_parameters::parameter;
pub(super) use decode_request::json_schema;
pub(super) use decode_response::url_citation;
pub(super) use decode_tools::{custom, function};
pub use error::{by_status, encode_error, encode_stream_error, retry_after};
pub(super) use error::{decode_error, message_in, read_in_band};
pub(super) use usage::{read_usage, write_usage};

use super::{
    ClientDialect, Encoded, ProviderDialect, Recipient, ResponseDecoder, StreamEncoder, Wishes,
    json::ReadError,
};
use crate::{
    http::Fields,
    ir::{ApiError, Origin, Request, Response, Text},
};

/// `POST /v1/chat/completions`.
#[derive(Debug)]
pub struct OpenAiChat;

pub(super) const NAME: &str = "openai_chat";

impl ClientDialect for OpenAiChat {
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
        encode_error(error, out);
    }

    fn encode_stream_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        encode_stream_error(error, out);
    }
}

impl ProviderDialect for OpenAiChat {
    fn name(&self) -> &'static str {
        NAME
    }

    fn interleaves_calls(&self) -> bool {
        true
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

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        decode_error(status, fields, body)
    }
}

/// Names of formats of reasoning, as OpenRouter says them.
const FORMATS: [(Origin, &str); 3] = [
    (Origin::Anthropic, "anthropic-claude-v1"),
    (Origin::Google, "google-gemini-v1"),
    (Origin::OpenAi, "openai-responses-v1"),
];

/// Whose reasoning it is that has a `format`.
fn origin_of_format(format: Option<&Text<'_>>) -> Origin {
    let known = FORMATS.iter().find(|(_, name)| format.is_some_and(|format| format.is(name)));
    known.map_or(Origin::Other, |(origin, _)| *origin)
}

/// The `format` of somebody's reasoning.
fn format_of(origin: Origin) -> &'static str {
    FORMATS.iter().find(|(known, _)| *known == origin).map_or("unknown", |(_, name)| name)
}
