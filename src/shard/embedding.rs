//! Vectors whose client asks for them otherwise than their provider is asked: the request, and the answer, which is
//! short and read as a whole.

use super::{
    carriage::Incoming,
    connection::{Client, Ending},
    net::Net,
    relay::{Commit, Outlet},
    relay_translated::{Shape, refuse, response_head},
    respond,
    state::ShardState,
    tally::Tally,
    translation::not_taken,
    upstream::{Target, Upstream},
};
use crate::{
    config::limits::EVENT_TRANSLATED_BYTES_MAX,
    dialect::{
        embedding::{self, EmbeddingDialect},
        json::{ReadError, lossy},
        openai_chat::OpenAiChat,
    },
    http::{Framing, RequestHead},
    ir::{ApiError, VectorEncoding},
    route::Operation,
};

/// A request for vectors that has been translated.
pub(super) struct Embedding {
    /// The request's body.
    pub(super) body: Vec<u8>,
    /// Parameters that the provider does not get.
    pub(super) dropped: Vec<String>,
    provider: &'static dyn EmbeddingDialect,
    encoding: VectorEncoding,
    texts: usize,
    model: String,
}

impl Embedding {
    /// How the provider has to be asked, where that is not how the client asks.
    pub(super) fn needed(operation: Operation, target: &Target<'_>) -> Option<&'static dyn EmbeddingDialect> {
        let model = target.resolved_model.filter(|_| operation == Operation::Embedding)?;
        target.account.provider.embeddings(model)
    }

    /// Translates a request.
    pub(super) fn new(
        provider: &'static dyn EmbeddingDialect,
        incoming: Incoming<'_>,
        target: &Target<'_>,
    ) -> Result<Self, ApiError> {
        let body = std::str::from_utf8(incoming.body)
            .map_err(|_| ApiError::client(400, "invalid_json", "The body is not UTF-8."))?;
        let request = embedding::decode_request(body).map_err(ReadError::into_refusal)?;
        let model = target.resolved_model.unwrap_or_default();
        let mut translated = Vec::with_capacity(body.len() + 256);
        let dropped = provider.encode_request(&request, model, &mut translated)?;
        if target.snapshot.is_strict && !dropped.is_empty() {
            return Err(not_taken(&target.account.name, dropped.iter().map(String::as_str)));
        }
        let (encoding, texts, model) = (request.encoding, request.inputs.len(), model.to_owned());
        Ok(Self { body: translated, dropped, provider, encoding, texts, model })
    }

    /// The answer as the client reads it, with the tokens that it tells.
    fn answer<N: Net>(&self, upstream: &Upstream<'_, N>, name: &str) -> Result<Vec<u8>, ApiError> {
        let text = lossy(&upstream.content);
        let strange = || {
            let message = format!("The provider `{name}` sent an answer that does not hold the vectors.");
            ApiError::provider(502, "upstream_protocol_error", message)
        };
        let response = self.provider.decode_response(&upstream.head.fields, &text).map_err(|_| strange())?;
        let mut out = Vec::with_capacity(text.len() + 256);
        if response.vectors.len() != self.texts
            || !embedding::encode_response(&response, self.encoding, &self.model, &mut out)
        {
            return Err(strange());
        }
        if let Some(usage) = response.usage {
            upstream.attempt.told(usage);
        }
        Ok(out)
    }
}

/// Passes an answer on as the client reads it; true where the client's connection may serve another request.
pub(super) async fn relay_embedding<N: Net>(
    shard: &ShardState<N>,
    mut upstream: Upstream<'_, N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    commit: Commit<'_, '_>,
    embedding: Embedding,
) -> Result<bool, Ending> {
    let account = commit.target.account;
    if !(200..300).contains(&upstream.head.status) {
        let decode = |status, fields: &_, body: &str| embedding.provider.decode_error(status, fields, body);
        return refuse(shard, upstream, client, head, tally, &commit, &decode, &OpenAiChat).await;
    }
    let mut is_done = upstream.is_done();
    while !is_done {
        if upstream.content.len() > EVENT_TRANSLATED_BYTES_MAX {
            let message =
                format!("The provider `{}` sent an answer that is too large to be translated.", account.name);
            return Err(ApiError::provider(502, "upstream_protocol_error", message).into());
        }
        let read = upstream.read(shard, &client.timer, upstream.moved_at, account.request_time_max).await;
        is_done = read.map_err(|broken| broken.into_ending(commit.target, account.request_time_max))?;
    }
    let out = embedding.answer(&upstream, &account.name)?;
    let is_whole = upstream.rest.is_none() && !upstream.is_request_cut;
    let is_persistent = respond::may_persist(shard, head) && is_whole;
    let framing = Framing::Length(out.len() as u64);
    let shape = Shape { framing, is_persistent, is_event_stream: false, is_bridged: false };
    let mut outlet = Outlet { head: response_head(&upstream, head, tally, &commit, &shape), framing };
    tally.answered(200);
    tally.passed(out.len());
    upstream.attempt.passes(super::attempt::Passing::Bytes);
    outlet.pass(shard, client, &out, true).await?;
    upstream.release(shard);
    Ok(is_persistent)
}
