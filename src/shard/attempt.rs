//! One call to a provider while it lasts; counted when dropped, however it ends.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use super::{
    connection::Ending,
    net::Net,
    state::ShardState,
    tally::{Called, Tally},
    upstream::{Break, Target},
};
use crate::{
    dialect::UsageTap,
    ir::{ApiError, Blame, Usage},
    metrics::{Call, KeyLabels, Outcome, SeriesId},
    route::Operation,
};

/// Status of a call that the client did not wait for.
const CANCELLED: (u16, &str) = (499, "caller_cancelled");

/// One call.
pub(super) struct Attempt<'a, N: Net> {
    /// When it began: the gateway has done its part, and the provider's begins.
    pub(super) began: Instant,
    shard: &'a ShardState<N>,
    pub(super) target: &'a Target<'a>,
    tally: Option<&'a Tally<'a, N>>,
    /// Bifrost's name of the operation.
    label: &'static str,
    is_streamed: bool,
    series: Cell<SeriesId>,
    /// Status of the answer, 0 before.
    status: Cell<u16>,
    error: Cell<Option<(u16, &'static str)>>,
    heard_at: Cell<Instant>,
    /// When the last events came that were passed on.
    events_at: Cell<Option<Instant>>,
    /// Time spent in the gateway: before the call, then with the answer too.
    before: Duration,
    overhead: Cell<Option<Duration>>,
    first_token: Cell<Option<Duration>>,
    usage: RefCell<UsageTap>,
}

/// What is passed on to the client.
pub(super) enum Passing<'a> {
    /// Whole events of a stream.
    Events(&'a [u8]),
    /// A whole document, or what of it had not been passed on before.
    Document(&'a [u8]),
    /// So many bytes of a stream in another dialect.
    Translated(usize),
    /// Something that is not looked at.
    Bytes,
}

impl<'a, N: Net> Attempt<'a, N> {
    /// A call of the gateway's own.
    pub(super) fn new(shard: &'a ShardState<N>, target: &'a Target<'a>, label: &'static str) -> Self {
        let began = shard.net.precise_now();
        let attempt = Self {
            began,
            shard,
            target,
            tally: None,
            label,
            is_streamed: false,
            series: Cell::default(),
            status: Cell::new(0),
            error: Cell::new(Some(CANCELLED)),
            heard_at: Cell::new(began),
            events_at: Cell::new(None),
            before: Duration::ZERO,
            overhead: Cell::new(None),
            first_token: Cell::new(None),
            usage: RefCell::new(UsageTap::chat()),
        };
        attempt.series.set(shard.counters.borrow_mut().begin(&attempt.call()));
        attempt
    }

    /// A call for a client, whose request had been read at `read_at`.
    pub(super) fn serving(
        tally: &'a Tally<'a, N>,
        target: &'a Target<'a>,
        operation: Operation,
        is_streamed: bool,
        read_at: Instant,
    ) -> Self {
        let mut attempt = Self::new(tally.shard, target, operation.label(is_streamed));
        attempt.tally = Some(tally);
        attempt.is_streamed = is_streamed;
        attempt.before = attempt.began.saturating_duration_since(read_at);
        if operation == Operation::Responses {
            attempt.usage = RefCell::new(UsageTap::responses());
        }
        attempt
    }

    /// Bytes of the answer have come.
    pub(super) fn heard(&self) {
        self.heard_at.set(self.shard.net.now());
    }

    /// The head of the answer is there.
    pub(super) fn answered(&self, status: u16) {
        self.status.set(status);
        let mut counters = self.shard.counters.borrow_mut();
        if (200..300).contains(&status) {
            self.series.set(counters.accept(self.series.get(), &self.call()));
        }
        if !self.target.is_direct {
            counters.count_key(self.series.get(), !matches!(status, 401..=403), self.heard_at.get());
        }
    }

    /// What has come is about to be sent to the client.
    pub(super) fn passes(&self, content: Passing<'_>) {
        if self.overhead.get().is_none() {
            let after = self.shard.net.precise_now().saturating_duration_since(self.heard_at.get());
            self.overhead.set(Some(self.before + after));
        }
        match content {
            Passing::Events([]) | Passing::Translated(0) | Passing::Bytes => {}
            Passing::Document(end) => self.usage.borrow_mut().push_document(end),
            Passing::Events(_) | Passing::Translated(_) => {
                if let Passing::Events(events) = content {
                    self.usage.borrow_mut().push_events(events);
                }
                let now = self.heard_at.get();
                match self.events_at.replace(Some(now)) {
                    None => self.first_token.set(Some(now.saturating_duration_since(self.began))),
                    Some(last) => {
                        let pause = now.saturating_duration_since(last);
                        self.shard.counters.borrow_mut().count_pause(self.series.get(), pause);
                    }
                }
            }
        }
    }

    /// What has been used up, as the translation of the answer has read it.
    pub(super) fn told(&self, usage: Usage) {
        self.usage.borrow_mut().tell(usage);
    }

    /// The answer is whole.
    pub(super) fn completed(&self) {
        let status = self.status.get();
        self.error.set((status >= 400).then(|| (status, self.refusal())));
    }

    /// The answer broke off.
    pub(super) fn broke(&self, broken: &Break) {
        self.error.set(match broken {
            Break::Client(Ending::Refused(error)) => Some((error.status, kind(error))),
            Break::Client(Ending::Cut) => Some(CANCELLED),
            Break::Elapsed => Some((504, "provider_timeout")),
            Break::Closed => Some((502, "provider_connection")),
            Break::Protocol(_) => Some((502, "provider_protocol")),
        });
    }

    /// Nothing of an answer goes to the client but this error.
    pub(super) fn failed(&self, ending: &Ending) {
        if let Ending::Refused(error) = ending {
            self.error.set(Some((error.status, kind(error))));
        }
    }

    /// What a status says is wrong, of few kinds.
    fn refusal(&self) -> &'static str {
        match self.status.get() {
            401..=403 if self.target.is_direct => "caller_authentication",
            401..=403 => "provider_authentication",
            429 => "provider_rate_limit",
            400..=499 => "caller_invalid_request",
            _ => "provider_server_error",
        }
    }

    fn call(&self) -> Call<'_> {
        let Target { account, key, is_direct, alias, resolved_model, .. } = self.target;
        Call {
            key: KeyLabels {
                fingerprint: key.fingerprint,
                provider: &account.name,
                id: &key.id,
                name: &key.name,
            },
            is_direct: *is_direct,
            method: self.label,
            model: resolved_model.unwrap_or_default(),
            alias: alias.unwrap_or_default(),
        }
    }
}

impl<N: Net> Drop for Attempt<'_, N> {
    fn drop(&mut self) {
        let series = self.series.get();
        let error = self.error.get();
        let ended_at = if error.is_some() { self.shard.net.now() } else { self.heard_at.get() };
        let latency = ended_at.saturating_duration_since(self.began);
        let tokens = self.usage.borrow().told().map(|usage| (usage.input_tokens, usage.output_tokens));
        let (overhead, first_token) = (self.overhead.get(), self.first_token.get());
        let mut counters = self.shard.counters.borrow_mut();
        counters.end(series, &Outcome { latency, error, tokens, overhead, first_token });
        if let Some(tally) = self.tally {
            let call = self.call();
            let names = (self.shard.access.is_on() && !counters.is_exact(series)).then(|| {
                let key = if call.is_direct { "" } else { call.key.name };
                Box::new([call.key.provider, key, call.model].map(str::to_owned))
            });
            tally.called(Called { series, duration: latency, is_streamed: self.is_streamed }, names);
        }
    }
}

/// Whose fault an error of ours is, of few kinds.
fn kind(error: &ApiError) -> &'static str {
    match (error.blame, error.code) {
        (Blame::Client, _) => "caller_invalid_request",
        (Blame::Gateway, _) => "bifrost_internal",
        (Blame::Provider, Some("upstream_timeout")) => "provider_timeout",
        (Blame::Provider, Some("upstream_protocol_error")) => "provider_protocol",
        (Blame::Provider, Some("upstream_credentials")) => "provider_authentication",
        (Blame::Provider, _) => "provider_connection",
    }
}
