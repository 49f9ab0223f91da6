//! A chat whose client speaks another dialect than its provider: the request as the provider reads it, and
//! what has to be known to translate the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    carriage::Incoming,
    connection::{Client, Ending},
    media::fetch_media,
    net::Net,
    state::ShardState,
    upstream::Target,
};
use crate::{
    dialect::{ClientDialect, Encoded, ProviderDialect, Recipient, Translator, Wishes, json::ReadError},
    ir::ApiError,
    provider::Chat,
    route::Ingress,
};

/// A request that has been translated.
pub(super) struct Translation {
    /// The request's body.
    pub(super) body: Vec<u8>,
    /// Whether a stream is asked for.
    pub(super) is_streamed: bool,
    pub(super) client: &'static dyn ClientDialect,
    pub(super) provider: &'static dyn ProviderDialect,
    encoded: Encoded,
    wishes: Wishes,
}

impl Translation {
    /// How the provider has to be asked, where that is not how the client asks; an error where nobody can
    /// ask it this.
    pub(super) fn needed(
        ingress: &Ingress<'_>,
        target: &Target<'_>,
    ) -> Result<Option<(&'static dyn ClientDialect, Chat)>, ApiError> {
        let provider = target.account.provider;
        let model = target.resolved_model.unwrap_or_default();
        match ingress.operation.dialect() {
            Some(client) if provider.speaks(client.name()) => Ok(None),
            Some(client) => Ok(Some((client, provider.chat(model)))),
            None if provider.speaks(ingress.mount.dialect()) => Ok(None),
            None => Err(not_offered(&target.account.name)),
        }
    }

    /// Translates a request, whose body has been scanned.
    pub(super) async fn new<N: Net>(
        shard: &ShardState<N>,
        connection: &Client<N>,
        (client, chat): (&'static dyn ClientDialect, Chat),
        incoming: Incoming<'_>,
        target: &Target<'_>,
        request_id: &str,
    ) -> Result<Self, Ending> {
        let body = std::str::from_utf8(incoming.body)
            .map_err(|_| ApiError::client(400, "invalid_json", "The body is not UTF-8."))?;
        let mut request = client.decode_request(body).map_err(ReadError::into_refusal)?;
        request.is_streamed |= incoming.ingress.is_streamed();
        if !chat.quirks.fetches_urls {
            fetch_media(shard, connection, &mut request, target.snapshot.allows_private_media).await?;
        }
        let model = target.resolved_model.unwrap_or_default();
        let recipient = Recipient {
            model,
            profile: &target.snapshot.models.profile(&target.account.name, model),
            quirks: chat.quirks,
            is_strict: target.snapshot.is_strict,
        };
        let mut translated = Vec::with_capacity(body.len() + 512);
        let encoded = chat.dialect.encode_request(&request, &recipient, &mut translated)?;
        if recipient.is_strict && !encoded.dropped.is_empty() {
            return Err(not_taken(&target.account.name, &encoded.dropped).into());
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wishes = Wishes {
            model: model.to_owned(),
            id: format!("chatcmpl-{request_id}"),
            created: since.as_secs(),
            includes_usage: request.includes_usage,
            has_legacy_functions: request.has_legacy_functions,
            ..Wishes::default()
        };
        let is_streamed = request.is_streamed;
        Ok(Self { body: translated, is_streamed, client, provider: chat.dialect, encoded, wishes })
    }

    /// What the answer says that did not go on, for a header field.
    pub(super) fn dropped_params(&self) -> String {
        self.encoded.dropped.join(", ")
    }

    /// Translates the answer, which the provider gives as a stream or at once.
    pub(super) fn translator(&mut self, is_provider_streamed: bool) -> Translator {
        let encoded = std::mem::take(&mut self.encoded);
        Translator::new(
            self.provider,
            is_provider_streamed,
            self.client,
            self.is_streamed,
            encoded,
            self.wishes.clone(),
        )
    }
}

fn not_offered(name: &str) -> ApiError {
    let message = format!(
        "The provider `{name}` does not speak the dialect of this path, and what is asked for here is not \
         translated. Ask a provider that does, or use the provider's own API."
    );
    ApiError::client(501, "operation_not_supported", message)
}

/// What the client is told whose request holds what a provider cannot take.
pub(super) fn not_taken(name: &str, dropped: &[&'static str]) -> ApiError {
    let message = format!(
        "The provider `{name}` cannot take {}. Leave it out, or allow dropping it by \
         client.refuse_unsupported_params in config.json.",
        dropped.join(", ")
    );
    let error = ApiError::client(400, "unsupported_parameter", message);
    match dropped.first() {
        Some(first) => error.with_param(*first),
        None => error,
    }
}
