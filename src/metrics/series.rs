//! Calls to providers that share their labels.

use std::{sync::Arc, time::Duration};

use super::{
    histogram::{DURATION, Histogram, Overhead, UPSTREAM},
    models::OTHER,
};

/// Kinds of failure that one series tells apart; a provider may answer any status.
const ERRORS_MAX: usize = 64;
/// What stands for further kinds of failure.
const REST: (u16, &str) = (0, "_OTHER");

/// Who was called, and for what.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Labels {
    /// Name of the account.
    pub provider: Arc<str>,
    /// The provider's name of the model, `other` where it is none that is kept.
    pub model: Arc<str>,
    /// The client's name of the model, where that is an alias.
    pub alias: Arc<str>,
    /// Bifrost's name of the operation.
    pub method: &'static str,
    /// Id of the key; empty where the caller's own was sent.
    pub key_id: Arc<str>,
    /// Name of the key, likewise.
    pub key_name: Arc<str>,
}

/// How a call to a provider ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// From the start of the call to the last byte that came.
    pub latency: Duration,
    /// Status and kind of the failure, if it was one.
    pub error: Option<(u16, &'static str)>,
    /// Tokens of the request and of the answer, where the provider told them.
    pub tokens: Option<(u64, u64)>,
    /// Time spent in the gateway, where an answer was passed on.
    pub overhead: Option<Duration>,
    /// From the start of the call to the first event of a stream.
    pub first_token: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) labels: Arc<Labels>,
    /// Position of the key among those of the shard; none where the caller's own is sent.
    pub(super) key: Option<usize>,
    /// Whether the labels name the model and the key, and not `other`.
    pub(super) is_exact: bool,
    /// Calls that are under way.
    pub(super) active: u64,
    pub(super) succeeded: u64,
    /// By status and kind.
    pub(super) errors: Vec<((u16, &'static str), u64)>,
    /// Of failures and of successes.
    pub(super) latency: [Histogram<16>; 2],
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) first_token: Histogram<11>,
    pub(super) inter_token: Histogram<11>,
    pub(super) overhead: Overhead,
}

impl Labels {
    /// For what no series of its own can be kept for.
    pub(super) fn rest() -> Self {
        let other: Arc<str> = OTHER.into();
        let [model, alias, key_id, key_name] = [(); 4].map(|()| other.clone());
        Self { provider: other, model, alias, method: OTHER, key_id, key_name }
    }
}

impl Series {
    pub(super) fn new(labels: Arc<Labels>, key: Option<usize>, is_exact: bool) -> Self {
        Self {
            labels,
            key,
            is_exact,
            active: 0,
            succeeded: 0,
            errors: Vec::new(),
            latency: Default::default(),
            input_tokens: 0,
            output_tokens: 0,
            first_token: Histogram::default(),
            inter_token: Histogram::default(),
            overhead: Overhead::default(),
        }
    }

    /// Calls that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.succeeded + self.errors.iter().map(|(_, count)| count).sum::<u64>()
    }

    pub(super) fn end(&mut self, outcome: &Outcome) {
        match outcome.error {
            None => self.succeeded += 1,
            Some(kind) => {
                let is_kept =
                    self.errors.len() < ERRORS_MAX || self.errors.iter().any(|(known, _)| *known == kind);
                self.add_errors(if is_kept { kind } else { REST }, 1);
            }
        }
        self.latency[usize::from(outcome.error.is_none())].observe(&UPSTREAM, nanos(outcome.latency));
        if let Some((input, output)) = outcome.tokens {
            self.input_tokens = self.input_tokens.saturating_add(input);
            self.output_tokens = self.output_tokens.saturating_add(output);
        }
        if let Some(overhead) = outcome.overhead {
            self.overhead.record(nanos(overhead));
        }
        if let Some(first_token) = outcome.first_token {
            self.first_token.observe(&DURATION, nanos(first_token));
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.active += other.active;
        self.succeeded += other.succeeded;
        other.errors.iter().for_each(|(kind, count)| self.add_errors(*kind, *count));
        self.latency.iter_mut().zip(&other.latency).for_each(|(mine, theirs)| mine.add(theirs));
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.first_token.add(&other.first_token);
        self.inter_token.add(&other.inter_token);
        self.overhead.add(&other.overhead);
    }

    fn add_errors(&mut self, kind: (u16, &'static str), count: u64) {
        match self.errors.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, known)) => *known += count,
            None => self.errors.push((kind, count)),
        }
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
