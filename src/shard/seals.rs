//! Seals of reasoning for clients that forget them: which shard keeps what, and asking it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use super::{connection::Client, net::Net, state::ShardState};
use crate::{
    bus::{KeptSeals, ToShard},
    config::limits::{
        SEALED_BYTES_MAX, SEALS_AGE_MAX, SEALS_ASKED_MAX, SEALS_BYTES_MAX, SEALS_MAX, SEALS_TIME_MAX,
    },
    dialect::seals::{self, Bounds, SealKey, SealStore, Sealed},
    ir::{Origin, Request},
};

/// What this core keeps.
pub(super) struct Seals(RefCell<SealStore>);

impl Default for Seals {
    fn default() -> Self {
        Self(RefCell::new(SealStore::new(Bounds {
            calls_max: SEALS_MAX,
            bytes_max: SEALS_BYTES_MAX,
            call_bytes_max: SEALED_BYTES_MAX,
            age_max: SEALS_AGE_MAX,
        })))
    }
}

impl Seals {
    /// Keeps what is this core's to keep.
    pub(super) fn keep(&self, seals: KeptSeals, now: Instant) {
        let mut store = self.0.borrow_mut();
        seals.into_iter().for_each(|(key, sealed)| store.keep(key, sealed, now));
    }

    /// What this core keeps of these.
    pub(super) fn find(&self, keys: &[SealKey], now: Instant) -> KeptSeals {
        let mut store = self.0.borrow_mut();
        keys.iter().filter_map(|key| Some((*key, store.find(*key, now)?))).collect()
    }

    /// Forgets what is too old.
    pub(super) fn sweep(&self, now: Instant) {
        self.0.borrow_mut().sweep(now);
    }
}

/// Gives what calls came with to whoever keeps it; what a busy shard cannot take is lost.
pub(super) fn keep_seals<N: Net>(
    shard: &ShardState<N>,
    credential: &[u8],
    sealed: impl IntoIterator<Item = (String, Sealed)>,
) {
    let keyed = sealed.into_iter().map(|(id, sealed)| (SealKey::new(credential, &id), Arc::new(sealed)));
    for (owner, seals) in by_owner(shard, keyed, |(key, _)| *key) {
        if owner == shard.number {
            shard.seals.keep(seals, shard.net.now());
        } else if let Some(link) = shard.links.get(owner) {
            let _ = link.inbox.try_send(ToShard::KeepSeals(seals));
        }
    }
}

/// Puts into a request what its calls came with and the client does not tell. Where a shard does not answer in time
/// nothing is put in: what was thought in the last turn must not be missing where that of earlier ones is there.
pub(super) async fn restore_seals<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    credential: &[u8],
    request: &mut Request<'_>,
    origin: Origin,
) {
    let mut ids = seals::missing(request, origin);
    ids.truncate(SEALS_ASKED_MAX);
    if ids.is_empty() {
        return;
    }
    let mut found = KeptSeals::new();
    let mut answers = Vec::new();
    let keys = ids.iter().map(|id| SealKey::new(credential, id));
    for (owner, keys) in by_owner(shard, keys, |key| *key) {
        if owner == shard.number {
            found.extend(shard.seals.find(&keys, shard.net.now()));
        } else if let Some(link) = shard.links.get(owner) {
            let (reply, answer) = flume::bounded(1);
            if link.inbox.try_send(ToShard::FindSeals { keys, reply }).is_err() {
                return;
            }
            answers.push(answer);
        }
    }
    let deadline = shard.net.now() + SEALS_TIME_MAX;
    for answer in answers {
        let Ok(Ok(kept)) = client.timer.limit(deadline, answer.recv_async()).await else { return };
        found.extend(kept);
    }
    let found: HashMap<_, _> = found.into_iter().collect();
    let known = ids.into_iter().filter_map(|id| {
        let sealed = found.get(&SealKey::new(credential, &id))?.clone();
        Some((id, sealed))
    });
    seals::restore(request, origin, known.collect());
}

/// Each with the shard that keeps it, these in their order: the same seed gives the same messages.
fn by_owner<N: Net, T>(
    shard: &ShardState<N>,
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> SealKey,
) -> BTreeMap<usize, Vec<T>> {
    let mut owners = BTreeMap::<_, Vec<_>>::new();
    for item in items {
        owners.entry(key(&item).owner(shard.links.len())).or_default().push(item);
    }
    owners
}
