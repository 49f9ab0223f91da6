//! The counters of one shard. What happens with each request is a look-up by numbers and some additions.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hashbrown::HashMap;

use super::{
    histogram::{DURATION, Histogram, SIZE},
    models::{ModelNames, ModelSlot, OTHER},
    series::{Labels, Outcome, Series, nanos},
};

/// Series of calls to providers in one shard; further ones are counted together.
const SERIES_MAX: usize = 2048;
/// Series of requests to the gateway in one shard, likewise: an upstream may answer any status.
const REQUEST_SERIES_MAX: usize = 1024;

/// What one shard has counted since it started.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Its state when asked.
    pub gauges: Gauges,
    /// Requests that broke an invariant.
    pub panics: u64,
    /// Lines of the access log that found no room.
    pub log_lines_dropped: u64,
    pub(super) models: ModelNames,
    pub(super) requests: Vec<(RequestLabels, Requests)>,
    pub(super) series: Vec<Series>,
    pub(super) keys: Vec<KeyState>,
    request_index: HashMap<RequestKey, usize>,
    series_index: HashMap<SeriesKey, usize>,
    key_index: HashMap<u64, usize>,
}

/// What a shard has at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Client connections that are open.
    pub client_connections: u64,
    /// Idle connections to upstreams.
    pub pooled_connections: u64,
    /// Bytes of request bodies that are held.
    pub held_body_bytes: u64,
}

/// Labels of a request to the gateway.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestLabels {
    /// Template of the route.
    pub path: &'static str,
    /// Method, `other` if unusual.
    pub method: &'static str,
    /// Status of the answer; 499 where the client left first.
    pub status: u16,
}

/// A request to the gateway that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Requested {
    /// From its head to the end of the answer.
    pub duration: Duration,
    /// Length of its body.
    pub bytes_in: u64,
    /// Length of the answer's body.
    pub bytes_out: u64,
}

/// Requests with the same labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    pub(super) duration: Histogram<11>,
    pub(super) bytes_in: Histogram<8>,
    pub(super) bytes_out: Histogram<8>,
}

/// A key of an account.
#[derive(Clone, Copy, Debug)]
pub struct KeyLabels<'a> {
    /// Equal for the same account, id and name only.
    pub fingerprint: u64,
    /// Name of the account.
    pub provider: &'a str,
    /// Id of the key.
    pub id: &'a str,
    /// Name of the key.
    pub name: &'a str,
}

/// A call to a provider that begins.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The key that was picked.
    pub key: KeyLabels<'a>,
    /// Whether the caller's own key is sent instead.
    pub is_direct: bool,
    /// Bifrost's name of the operation.
    pub method: &'static str,
    /// The provider's name of the model, empty where none is named.
    pub model: &'a str,
    /// The client's name of it, if that is an alias of the configuration.
    pub alias: &'a str,
}

/// Where calls with the same labels are counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SeriesId(usize);

/// A key, and whether the provider takes it.
#[derive(Clone, Debug)]
pub(super) struct KeyState {
    pub(super) provider: Arc<str>,
    pub(super) id: Arc<str>,
    pub(super) name: Arc<str>,
    /// False from the last refusal on.
    pub(super) is_up: bool,
    /// When the provider last said so.
    pub(super) said_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct SeriesKey {
    key: u64,
    method: Address,
    model: ModelSlot,
    alias: ModelSlot,
    is_direct: bool,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct RequestKey {
    path: Address,
    method: Address,
    status: u16,
}

/// Where a text that is never freed stands, which is compared faster than what it says. Two texts that say the
/// same get two series, which are one again once they are merged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Address(usize, usize);

impl Counters {
    /// Counters for a configuration: its keys, and the models that it names.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = KeyLabels<'a>>,
        models: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut counters = Self {
            gauges: Gauges::default(),
            panics: 0,
            log_lines_dropped: 0,
            models: ModelNames::new(models),
            // The first of each is for what finds no room.
            requests: vec![(RequestLabels { path: OTHER, method: OTHER, status: 0 }, Requests::default())],
            series: vec![Series::new(Labels::rest().into(), None, false)],
            keys: Vec::new(),
            request_index: HashMap::new(),
            series_index: HashMap::new(),
            key_index: HashMap::new(),
        };
        for key in keys {
            counters.key(&key);
        }
        counters
    }

    /// Counts an answered request.
    pub fn count_request(&mut self, labels: RequestLabels, request: &Requested) {
        let RequestLabels { path, method, status } = labels;
        let key = RequestKey { path: Address::of(path), method: Address::of(method), status };
        let position = match self.request_index.get(&key) {
            Some(position) => *position,
            None => self.add_requests(key, labels),
        };
        if let Some((_, requests)) = self.requests.get_mut(position) {
            requests.duration.observe(&DURATION, nanos(request.duration));
            requests.bytes_in.observe(&SIZE, request.bytes_in);
            requests.bytes_out.observe(&SIZE, request.bytes_out);
        }
    }

    /// A call begins; it has to be ended.
    pub fn begin(&mut self, call: &Call<'_>) -> SeriesId {
        let key = SeriesKey {
            key: call.key.fingerprint,
            method: Address::of(call.method),
            model: self.models.find(call.model),
            alias: self.models.find(call.alias),
            is_direct: call.is_direct,
        };
        let position = match self.series_index.get(&key) {
            Some(position) => *position,
            None => self.add_series(key, call),
        };
        self.at(SeriesId(position)).active += 1;
        SeriesId(position)
    }

    /// The provider has answered 2xx: the model exists, so that its name may be kept. Tells where the call
    /// is counted from now on.
    pub fn accept(&mut self, id: SeriesId, call: &Call<'_>) -> SeriesId {
        if self.is_exact(id) || self.models.learn(call.model) == ModelSlot::OTHER {
            return id;
        }
        let moved = self.begin(call);
        self.at(id).active -= 1;
        moved
    }

    /// Whether the labels of a series name the model and the key of its calls.
    pub fn is_exact(&self, id: SeriesId) -> bool {
        self.series.get(id.0).is_some_and(|series| series.is_exact)
    }

    /// The labels of a series.
    pub fn labels(&self, id: SeriesId) -> Option<&Labels> {
        self.series.get(id.0).map(|series| &*series.labels)
    }

    /// Time between two events of a stream.
    pub fn count_pause(&mut self, id: SeriesId, pause: Duration) {
        self.at(id).inter_token.observe(&DURATION, nanos(pause));
    }

    /// A call has ended.
    pub fn end(&mut self, id: SeriesId, outcome: &Outcome) {
        let series = self.at(id);
        series.active -= 1;
        series.end(outcome);
    }

    /// Whether the provider takes the key of a call, as its answer says.
    pub fn count_key(&mut self, id: SeriesId, is_up: bool, now: Instant) {
        let key = self.at(id).key;
        if let Some(state) = key.and_then(|position| self.keys.get_mut(position)) {
            state.is_up = is_up;
            state.said_at = Some(now);
        }
    }

    fn at(&mut self, id: SeriesId) -> &mut Series {
        let position = if id.0 < self.series.len() { id.0 } else { 0 };
        &mut self.series[position]
    }

    fn key(&mut self, key: &KeyLabels<'_>) -> usize {
        *self.key_index.entry(key.fingerprint).or_insert_with(|| {
            let [provider, id, name] = [key.provider, key.id, key.name].map(Arc::from);
            self.keys.push(KeyState { provider, id, name, is_up: true, said_at: None });
            self.keys.len() - 1
        })
    }

    #[cold]
    fn add_requests(&mut self, key: RequestKey, labels: RequestLabels) -> usize {
        if self.requests.len() > REQUEST_SERIES_MAX {
            return 0;
        }
        self.requests.push((labels, Requests::default()));
        self.request_index.insert(key, self.requests.len() - 1);
        self.requests.len() - 1
    }

    #[cold]
    fn add_series(&mut self, key: SeriesKey, call: &Call<'_>) -> usize {
        if self.series.len() > SERIES_MAX {
            return 0;
        }
        let (key_id, key_name) = if call.is_direct { ("", "") } else { (call.key.id, call.key.name) };
        let labels = Labels {
            provider: call.key.provider.into(),
            model: self.models.name(key.model),
            alias: self.models.name(key.alias),
            method: call.method,
            key_id: key_id.into(),
            key_name: key_name.into(),
        };
        let position = (!call.is_direct).then(|| self.key(&call.key));
        self.series.push(Series::new(labels.into(), position, key.model != ModelSlot::OTHER));
        self.series_index.insert(key, self.series.len() - 1);
        self.series.len() - 1
    }
}

impl Address {
    fn of(text: &'static str) -> Self {
        Self(text.as_ptr().addr(), text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_names_from_outside_add_series_up_to_a_bound_only() {
        let mut counters = Counters::new([], ["configured"]);
        for number in 0..20_000 {
            let (model, alias) = (format!("bad-{number}"), format!("alias-{number}"));
            let key = KeyLabels { fingerprint: 1, provider: "p", id: "i", name: "k" };
            let call =
                Call { key, is_direct: false, method: "chat_completion", model: &model, alias: &alias };
            let id = counters.begin(&call);
            counters.end(id, &Outcome { error: Some((404, "caller_invalid_request")), ..Outcome::default() });
        }
        assert_eq!((counters.series.len(), counters.keys.len()), (2, 1));
        assert_eq!(counters.series[1].errors, [((404, "caller_invalid_request"), 20_000)]);
    }

    #[test]
    fn a_model_that_was_answered_has_a_series_of_its_own() {
        let mut counters = Counters::new([], []);
        let key = KeyLabels { fingerprint: 1, provider: "p", id: "i", name: "k" };
        let call = Call { key, is_direct: false, method: "chat_completion", model: "new", alias: "" };
        let before = counters.begin(&call);
        let after = counters.accept(before, &call);
        assert_eq!(counters.labels(before).map(|labels| &*labels.model), Some(OTHER));
        assert_eq!(counters.labels(after).map(|labels| &*labels.model), Some("new"));
        assert_eq!((counters.at(before).active, counters.at(after).active), (0, 1));
        assert_eq!(counters.begin(&call), after);
    }

    #[test]
    fn statuses_beyond_the_bound_are_counted_together() {
        let mut counters = Counters::new([], []);
        for status in 0..2000 {
            let labels = RequestLabels { path: "/v1/*", method: "GET", status };
            counters.count_request(labels, &Requested::default());
        }
        assert_eq!(counters.requests.len(), REQUEST_SERIES_MAX + 1);
        assert_eq!(counters.requests[0].1.duration.count(), 2000 - REQUEST_SERIES_MAX as u64);
    }
}
