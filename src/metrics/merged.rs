//! The counters of all shards as one.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use super::{
    Counters, Labels, ModelRoster, RequestLabels,
    counters::{KeyState, Requests},
    series::Series,
};

/// What all shards have counted together.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) requests: BTreeMap<RequestLabels, Requests>,
    pub(super) series: BTreeMap<Labels, Series>,
    /// By provider, id and name.
    pub(super) keys: BTreeMap<[Arc<str>; 3], KeyHealth>,
    pub(super) panics: u64,
}

/// What the provider said last of a key, to whichever shard.
#[derive(Clone, Copy)]
pub(super) struct KeyHealth {
    pub(super) is_up: bool,
    said_at: Option<Instant>,
}

impl Merged {
    pub(super) fn of<'a>(shards: impl Iterator<Item = &'a Counters>, roster: &ModelRoster) -> Self {
        let mut merged = Self::default();
        for counters in shards {
            merged.panics += counters.panics;
            counters.requests.iter().for_each(|(labels, requests)| merged.add_requests(*labels, requests));
            counters.series.iter().for_each(|series| merged.add_series(series, roster));
            counters.keys.iter().for_each(|key| merged.add_key(key));
        }
        merged
    }

    /// Calls that are under way, by method.
    pub(super) fn active(&self) -> BTreeMap<&'static str, u64> {
        let mut active = BTreeMap::new();
        for series in self.series.values() {
            *active.entry(series.labels.method).or_default() += series.active;
        }
        active
    }

    fn add_requests(&mut self, labels: RequestLabels, more: &Requests) {
        if more.duration.count() == 0 {
            return;
        }
        let requests = self.requests.entry(labels).or_default();
        requests.duration.add(&more.duration);
        requests.bytes_in.add(&more.bytes_in);
        requests.bytes_out.add(&more.bytes_out);
    }

    fn add_series(&mut self, more: &Series, roster: &ModelRoster) {
        if more.active == 0 && more.ended() == 0 {
            return;
        }
        let mut labels = Labels::clone(&more.labels);
        for name in [&mut labels.model, &mut labels.alias] {
            if roster.shown(name) != &**name {
                *name = roster.shown(name).into();
            }
        }
        let series =
            self.series.entry(labels).or_insert_with(|| Series::new(more.labels.clone(), None, true));
        series.add(more);
    }

    fn add_key(&mut self, key: &KeyState) {
        let labels = [&key.provider, &key.id, &key.name].map(Clone::clone);
        let health = KeyHealth { is_up: key.is_up, said_at: key.said_at };
        let known = self.keys.entry(labels).or_insert(health);
        if health.said_at > known.said_at {
            *known = health;
        }
    }
}
