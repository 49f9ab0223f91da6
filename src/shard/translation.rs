//! A chat whose client speaks another dialect than its provider: the request as the provider reads it, and
//! what has to be known to translate the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    carriage::Incoming,
    connection::{Client, Ending},
    media::fetch_media,
    net::Net,
    seals::restore_seals,
    state::ShardState,
    upstream::Target,
};
use crate::{
    dialect::{ClientDialect, Encoded, ProviderDialect, Recipient, Translator, Wishes, json::ReadError},
    ir::{ApiError, Effort, Origin, Reasoning, ToolKind},
    provider::Chat,
    route::{Operation, caller},
};

/// A request that has been translated.
pub(super) struct Translation {
    /// The request's body.
    pub(super) body: Vec<u8>,
    /// Whether a stream is asked for.
    pub(super) is_streamed: bool,
    pub(super) client: &'static dyn ClientDialect,
    pub(super) provider: &'static dyn ProviderDialect,
    /// Path of OpenAI's that is asked instead of the chat's own.
    pub(super) openai_path: Option<&'static str>,
    encoded: Encoded,
    wishes: Wishes,
    /// Whose seals are kept of the answer.
    origin: Option<Origin>,
}

/// What a chat goes through on its way.
#[derive(Clone, Copy)]
pub(super) struct Passage {
    client: &'static dyn ClientDialect,
    chat: Chat,
}

impl Translation {
    /// How the provider has to be asked, where that is not how the client asks; an error where nobody can
    /// ask it this.
    pub(super) fn needed<N: Net>(
        shard: &ShardState<N>,
        incoming: Incoming<'_>,
        target: &Target<'_>,
    ) -> Result<Option<Passage>, ApiError> {
        let provider = target.account.provider;
        let model = target.resolved_model.unwrap_or_default();
        let Some(client) = incoming.ingress.operation.dialect() else {
            let is_spoken = provider.speaks(incoming.ingress.mount.dialect());
            return if is_spoken { Ok(None) } else { Err(not_offered(&target.account.name)) };
        };
        if !provider.speaks(client.name()) {
            return Ok(Some(Passage { client, chat: provider.chat(model) }));
        }
        // Whoever resembles such a provider under a name of its own may have no responses.
        let may_need_bridge = provider.has_responses()
            && target.account.name == provider.name()
            && target.snapshot.bridges_to_responses
            && incoming.ingress.operation == Operation::Chat;
        let needs_bridge = may_need_bridge && {
            let profile = shard.profiles.find(&target.snapshot.models, &target.account.name, model);
            !profile.has_chat || profile.tools_need_responses && reasons_with_tools(client, incoming.body)
        };
        Ok(needs_bridge.then_some(Passage { client, chat: Chat::RESPONSES }))
    }

    /// Translates a request, whose body has been scanned.
    pub(super) async fn new<N: Net>(
        shard: &ShardState<N>,
        connection: &Client<N>,
        Passage { client, chat }: Passage,
        incoming: Incoming<'_>,
        target: &Target<'_>,
        request_id: &str,
    ) -> Result<Self, Ending> {
        let body = std::str::from_utf8(incoming.body)
            .map_err(|_| ApiError::client(400, "invalid_json", "The body is not UTF-8."))?;
        let mut request = client.decode_request(body).map_err(ReadError::into_refusal)?;
        request.is_streamed |= incoming.ingress.is_streamed();
        if !chat.quirks.fetches_urls {
            let may_be_private = target.snapshot.allows_private_media;
            fetch_media(shard, connection, &mut request, chat.dialect, may_be_private).await?;
        }
        let model = target.resolved_model.unwrap_or_default();
        let origin = chat.dialect.origin(model);
        if let Some(origin) = origin {
            restore_seals(shard, connection, caller(incoming.head), &mut request, origin).await;
        }
        let recipient = Recipient {
            model,
            profile: &shard.profiles.find(&target.snapshot.models, &target.account.name, model),
            quirks: chat.quirks,
            is_strict: target.snapshot.is_strict,
        };
        let mut translated = Vec::with_capacity(body.len() + 512);
        let mut encoded = chat.dialect.encode_request(&request, &recipient, &mut translated)?;
        if let Some(adapted) = target.account.provider.deltas().adapt(&translated) {
            translated = adapted.body;
            adapted.dropped.into_iter().for_each(|name| encoded.drop_param(name));
        }
        if recipient.is_strict && encoded.dropped_names().next().is_some() {
            return Err(not_taken(&target.account.name, encoded.dropped_names()).into());
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wishes = Wishes {
            model: model.to_owned(),
            id: format!("{}{request_id}", client.id_prefix()),
            created: since.as_secs(),
            includes_usage: request.includes_usage,
            has_legacy_functions: request.has_legacy_functions,
            is_json_array: incoming.wants_json_array(),
        };
        Ok(Self {
            body: translated,
            is_streamed: request.is_streamed,
            client,
            provider: chat.dialect,
            openai_path: chat.openai_path,
            encoded,
            wishes,
            origin,
        })
    }

    /// What of the request did not go on.
    pub(super) fn dropped_params(&self) -> Vec<String> {
        self.encoded.dropped_names().map(str::to_owned).collect()
    }

    /// Whether the client's stream is one JSON list.
    pub(super) fn is_json_array(&self) -> bool {
        self.wishes.is_json_array
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
        .gathering(self.origin)
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
pub(super) fn not_taken<'d>(name: &str, dropped: impl Iterator<Item = &'d str>) -> ApiError {
    let dropped: Vec<_> = dropped.collect();
    let message = format!(
        "The provider `{name}` cannot take {}. Leave it out, or allow dropping it by \
         client.refuse_unsupported_params in config.json.",
        dropped.join(", ")
    );
    let error = ApiError::client(400, "unsupported_parameter", message);
    match dropped.first() {
        Some(first) => error.with_param((*first).to_owned()),
        None => error,
    }
}

/// Whether a chat holds functions for a model that would reason about them.
fn reasons_with_tools(client: &'static dyn ClientDialect, body: &[u8]) -> bool {
    if memchr::memmem::find(body, b"\"tools\"").is_none() {
        return false;
    }
    let request = std::str::from_utf8(body).ok().and_then(|body| client.decode_request(body).ok());
    request.is_some_and(|request| {
        let has_functions = request.tools.iter().any(|tool| matches!(tool.kind, ToolKind::Function { .. }));
        // What is not said counts as reasoning: sources differ about the degree that is the default, and
        // responses are right for either.
        let effort = request.reasoning.as_ref().and_then(Reasoning::degree);
        has_functions && effort != Some(Effort::None)
    })
}
