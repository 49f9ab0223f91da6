//! Bedrock's Converse, by which AWS serves the models of many makers in one way.

mod decode_response;
mod encode_message;
mod encode_parameters;
mod encode_reasoning;
mod encode_request;
mod encode_tools;
mod error;
mod family;
#[cfg(test)]
mod fixtures;
mod media;
mod usage;

use family::Family;

use super::{Encoded, ProviderDialect, Recipient, ResponseDecoder, StreamFraming};
use crate::{
    http::Fields,
    ir::{ApiError, Origin, Request},
};

/// `POST /model/{id}/converse` and `/model/{id}/converse-stream`.
#[derive(Debug)]
pub struct Converse;

const NAME: &str = "converse";

impl ProviderDialect for Converse {
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

    fn stream_framing(&self) -> StreamFraming {
        StreamFraming::EventStream
    }

    fn origin(&self, model: &str) -> Option<Origin> {
        (Family::of(model) == Family::Claude).then_some(Origin::Anthropic)
    }

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        error::decode_error(status, fields, body)
    }
}
