//! OpenAI's Responses API: what its clients ask, and where models are asked that chat completions do not
//! reach.

mod decode_message;
mod decode_request;
mod decode_response;
mod decode_tools;
mod encode_document;
mod encode_item;
mod encode_message;
mod encode_request;
mod encode_stream;
mod error;
mod seal;
mod usage;

use super::{
    ClientDialect, Encoded, ProviderDialect, Recipient, ResponseDecoder, StreamEncoder, Wishes,
    json::ReadError, openai_chat,
};
use crate::{
    http::Fields,
    ir::{ApiError, Origin, Request, Response},
};

/// `POST /v1/responses`.
#[derive(Debug)]
pub struct OpenAiResponses;

const NAME: &str = "openai_responses";

impl ClientDialect for OpenAiResponses {
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
        openai_chat::encode_error(error, out);
    }

    fn encode_stream_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        error::encode_stream_error(error, out);
    }
}

impl ProviderDialect for OpenAiResponses {
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

    fn origin(&self, _: &str) -> Option<Origin> {
        Some(Origin::OpenAi)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        openai_chat::decode_error(status, fields, body)
    }
}
