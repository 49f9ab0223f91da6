//! Cohere's chat, version 2.

mod decode_response;
mod encode_message;
mod encode_request;
mod encode_tools;
mod error;
mod usage;

use super::{Encoded, ProviderDialect, Recipient, ResponseDecoder};
use crate::{
    http::Fields,
    ir::{ApiError, Request},
};

/// `POST /v2/chat`.
#[derive(Debug)]
pub struct Cohere;

const NAME: &str = "cohere";

impl ProviderDialect for Cohere {
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

    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError {
        error::decode_error(status, fields, body)
    }
}
