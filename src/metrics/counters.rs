//! The counters of one shard, and how those of several become one.

use std::collections::BTreeMap;

/// Upper bounds of the buckets of `http_request_duration_seconds`.
pub(super) const DURATION_BUCKETS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Different label sets that are kept; what comes beyond is counted under the last one, `other`.
const SERIES_MAX: usize = 4096;

/// What one shard has counted since it started.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Requests that were answered, by their labels.
    pub requests: BTreeMap<RequestLabels, Requests>,
    /// Calls that reached an upstream, by their labels.
    pub upstream_requests: BTreeMap<UpstreamLabels, u64>,
    /// Client connections that are open.
    pub client_connections: u64,
    /// Idle connections to upstreams.
    pub pooled_connections: u64,
    /// Requests that broke an invariant.
    pub panics: u64,
}

/// Labels of a request to the gateway.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RequestLabels {
    /// Template of the route.
    pub path: &'static str,
    /// Method, `other` if unusual.
    pub method: &'static str,
    /// Status of the answer; 499 where the client left first.
    pub status: u16,
}

/// Labels of a call to a provider.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct UpstreamLabels {
    /// Name of the account.
    pub provider: String,
    /// Bifrost's name of the operation.
    pub method: &'static str,
    /// Name of the key.
    pub key: String,
    /// Status of the upstream's answer, 0 where there was none.
    pub status: u16,
}

/// Requests with the same labels.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// How many.
    pub count: u64,
    /// Sum of their durations.
    pub seconds: f64,
    /// How many lasted no longer than each of `DURATION_BUCKETS`.
    pub buckets: [u64; DURATION_BUCKETS.len()],
}

impl Counters {
    /// Counts an answered request.
    pub fn count_request(&mut self, labels: RequestLabels, seconds: f64) {
        let entry = self.requests.entry(labels).or_default();
        entry.count += 1;
        entry.seconds += seconds;
        for (bucket, bound) in entry.buckets.iter_mut().zip(DURATION_BUCKETS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// Counts a call to a provider. Its labels come from the configuration, so that they are few.
    pub fn count_upstream(&mut self, labels: UpstreamLabels) {
        if self.upstream_requests.len() < SERIES_MAX || self.upstream_requests.contains_key(&labels) {
            *self.upstream_requests.entry(labels).or_default() += 1;
        }
    }

    /// Adds what another shard has counted.
    pub fn merge(&mut self, other: &Self) {
        for (labels, requests) in &other.requests {
            let entry = self.requests.entry(labels.clone()).or_default();
            entry.count += requests.count;
            entry.seconds += requests.seconds;
            for (bucket, more) in entry.buckets.iter_mut().zip(requests.buckets) {
                *bucket += more;
            }
        }
        for (labels, count) in &other.upstream_requests {
            *self.upstream_requests.entry(labels.clone()).or_default() += count;
        }
        self.client_connections += other.client_connections;
        self.pooled_connections += other.pooled_connections;
        self.panics += other.panics;
    }
}
