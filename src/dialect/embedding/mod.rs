//! Vectors of texts: asked for as OpenAI's clients do, of providers that are asked otherwise.

mod bedrock;
mod openai;
mod vertex;

use std::fmt;

pub use bedrock::{CohereInvoke, Titan};
pub use openai::{decode_request, encode_response};
pub use vertex::{EmbedContent, Predict};

use super::json::ReadError;
use crate::{
    http::Fields,
    ir::{ApiError, EmbeddingRequest, EmbeddingResponse},
};

/// A way of asking a provider for vectors.
pub trait EmbeddingDialect: fmt::Debug + Sync {
    /// Writes a request for vectors of a model; names the parameters that it does not carry.
    fn encode_request(
        &self,
        request: &EmbeddingRequest<'_>,
        model: &str,
        out: &mut Vec<u8>,
    ) -> Result<Vec<String>, ApiError>;

    /// Reads an answer; a header field may tell its usage.
    fn decode_response<'a>(&self, fields: &Fields, body: &'a str)
    -> Result<EmbeddingResponse<'a>, ReadError>;

    /// Reads a refusal.
    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError;
}

/// Refuses several texts where a provider takes one at a time.
fn check_single(request: &EmbeddingRequest<'_>) -> Result<(), ApiError> {
    if request.inputs.len() == 1 {
        return Ok(());
    }
    let message = "The model makes a vector of one text at a time. Send each text in a request of its own.";
    Err(ApiError::client(400, "unsupported_value", message).with_param("input"))
}

/// Refuses a length of vectors where a model has only one.
fn check_length(request: &EmbeddingRequest<'_>) -> Result<(), ApiError> {
    if request.dimensions.is_none() {
        return Ok(());
    }
    let message = "The model makes vectors of one length only. Leave `dimensions` out, or ask another model.";
    Err(ApiError::client(400, "unsupported_parameter", message).with_param("dimensions"))
}

/// What a request has and is not `carried`, by the client's names.
fn dropped(request: &EmbeddingRequest<'_>, carried: &[&str]) -> Vec<String> {
    let extra = request.extra.iter().map(|(name, _)| name.as_ref()).filter(|name| !carried.contains(name));
    request.user.iter().map(|_| "user").chain(extra).map(str::to_owned).collect()
}
