//! How a request goes on to its provider: as it came, with single members changed, or in another dialect.

use super::{
    connection::{Client, Ending},
    embedding::Embedding,
    net::Net,
    state::ShardState,
    translation::{Translation, not_taken},
    tunnel::Payload,
    upstream::Target,
};
use crate::{
    dialect::json::{self, Outline},
    http::RequestHead,
    route::{Ingress, Operation},
};

/// How a request goes on.
pub(super) enum Carriage {
    /// But for the name of the model, byte for byte.
    Verbatim,
    /// Byte for byte, but for members that the vendor calls otherwise or refuses.
    Adapted { body: Vec<u8>, dropped: Vec<&'static str> },
    /// In another dialect.
    Translated(Box<Translation>),
    /// A request for vectors, as its provider is asked for them.
    Embedded(Box<Embedding>),
}

/// A request as the client sent it.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) ingress: &'a Ingress<'a>,
    pub(super) head: &'a RequestHead,
    pub(super) outline: &'a Outline<'a>,
    pub(super) body: &'a [u8],
    /// Whether the body is all there.
    pub(super) is_whole: bool,
}

impl Incoming<'_> {
    /// Whether the stream is wanted as one JSON list, as Google's API gives it unless asked for events.
    pub(super) fn wants_json_array(&self) -> bool {
        self.ingress.is_streamed() && !self.head.query().is_some_and(|query| query.contains("alt=sse"))
    }
}

impl Carriage {
    /// Decides how a request goes on, and translates it where it has to be.
    pub(super) async fn of<N: Net>(
        shard: &ShardState<N>,
        client: &Client<N>,
        incoming: Incoming<'_>,
        target: &Target<'_>,
        request_id: &str,
    ) -> Result<Self, Ending> {
        if let Some(dialect) = Embedding::needed(incoming.ingress.operation, target) {
            return Ok(Self::Embedded(Box::new(Embedding::new(dialect, incoming, target)?)));
        }
        if let Some(chat) = Translation::needed(shard, incoming, target)? {
            let translating = Translation::new(shard, client, chat, incoming, target, request_id);
            return Ok(Self::Translated(Box::new(Box::pin(translating).await?)));
        }
        if incoming.ingress.operation != Operation::Chat {
            return Ok(Self::Verbatim);
        }
        let Some(adapted) = target.account.provider.deltas().adapt(incoming.body) else {
            return Ok(Self::Verbatim);
        };
        if target.snapshot.is_strict && !adapted.dropped.is_empty() {
            let dropped = adapted.dropped.iter().copied();
            return Err(not_taken(&target.account.name, dropped).into());
        }
        // The model may stand elsewhere now.
        let outline = json::scan(&adapted.body).unwrap_or_default();
        let body = match target.splice(&outline, incoming.ingress) {
            Some(splice) => splice.pieces(&adapted.body).concat(),
            None => adapted.body,
        };
        Ok(Self::Adapted { body, dropped: adapted.dropped })
    }

    /// The body that the provider gets.
    pub(super) fn payload<'p>(&'p self, incoming: Incoming<'p>, target: &Target<'_>) -> Payload<'p> {
        match self {
            Self::Verbatim => {
                let splice = target.splice(incoming.outline, incoming.ingress);
                Payload::new(incoming.body, splice, incoming.is_whole, incoming.head.framing)
            }
            Self::Adapted { body, .. } => Payload::whole(body),
            Self::Translated(translation) => Payload::whole(&translation.body),
            Self::Embedded(embedding) => Payload::whole(&embedding.body),
        }
    }

    /// The head that goes before it.
    pub(super) fn head(&self, incoming: Incoming<'_>, target: &Target<'_>, payload: &Payload<'_>) -> Vec<u8> {
        match self {
            Self::Verbatim | Self::Adapted { .. } => {
                target.request_head(incoming.ingress, incoming.head, payload)
            }
            Self::Translated(translation) => target.translated_head(incoming.head, translation),
            Self::Embedded(embedding) => target.embedding_head(incoming.head, &embedding.body),
        }
    }

    /// Parameters that the provider does not get, for a header field.
    pub(super) fn dropped_params(&self) -> Vec<String> {
        match self {
            Self::Verbatim => Vec::new(),
            Self::Adapted { dropped, .. } => dropped.iter().map(|name| (*name).to_owned()).collect(),
            Self::Translated(translation) => translation.dropped_params(),
            Self::Embedded(embedding) => embedding.dropped.clone(),
        }
    }
}
