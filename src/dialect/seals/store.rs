//! What calls came with, by who is told of them and by their names; the oldest go first.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use super::Sealed;

/// Room that a kept call takes beside what it holds, bytes.
const ENTRY_BYTES: usize = 256;

/// Whose call it is, and its name; says neither.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SealKey([u64; 2]);

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Calls.
    pub calls_max: usize,
    /// What they take together, bytes.
    pub bytes_max: usize,
    /// What one of them takes, bytes; a larger one is not kept.
    pub call_bytes_max: usize,
    /// From when it came.
    pub age_max: Duration,
}

/// What calls came with.
#[derive(Debug)]
pub struct SealStore {
    bounds: Bounds,
    kept: HashMap<SealKey, Arc<Sealed>>,
    /// When each came, the oldest first.
    order: VecDeque<(Instant, SealKey)>,
    bytes: usize,
}

impl SealKey {
    /// For a call that was made for whoever has a credential.
    pub fn new(credential: &[u8], call: &str) -> Self {
        Self([0_u8, 1].map(|lane| {
            let mut hasher = DefaultHasher::new();
            (lane, credential, call).hash(&mut hasher);
            hasher.finish()
        }))
    }

    /// Which of `count` keeps it.
    pub fn owner(self, count: usize) -> usize {
        usize::try_from(self.0[0] % (count.max(1) as u64)).unwrap_or_default()
    }
}

impl SealStore {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, kept: HashMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// Keeps what a call came with. Where it is told anew, the last one counts, for as long as the first one
    /// would have.
    pub fn keep(&mut self, key: SealKey, sealed: Arc<Sealed>, now: Instant) {
        if sealed.bytes() > self.bounds.call_bytes_max {
            return;
        }
        self.bytes += room(&sealed);
        match self.kept.insert(key, sealed) {
            Some(old) => self.bytes -= room(&old),
            None => self.order.push_back((now, key)),
        }
        while self.kept.len() > self.bounds.calls_max || self.bytes > self.bounds.bytes_max {
            if !self.forget_oldest() {
                break;
            }
        }
    }

    /// What a call came with, unless that was too long ago.
    pub fn find(&mut self, key: SealKey, now: Instant) -> Option<Arc<Sealed>> {
        self.sweep(now);
        self.kept.get(&key).cloned()
    }

    /// Forgets what is too old.
    pub fn sweep(&mut self, now: Instant) {
        let age_max = self.bounds.age_max;
        let is_old = |(came, _): &(Instant, SealKey)| now.saturating_duration_since(*came) >= age_max;
        while self.order.front().is_some_and(is_old) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let Some((_, key)) = self.order.pop_front() else { return false };
        if let Some(sealed) = self.kept.remove(&key) {
            self.bytes -= room(&sealed);
        }
        debug_assert!(self.kept.len() == self.order.len(), "each has one place");
        true
    }
}

fn room(sealed: &Sealed) -> usize {
    sealed.bytes() + ENTRY_BYTES
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes up its times from the clock")]
mod tests {
    use super::*;
    use crate::ir::Origin;

    const BOUNDS: Bounds = Bounds {
        calls_max: 3,
        bytes_max: 4 * ENTRY_BYTES,
        call_bytes_max: 3 * ENTRY_BYTES,
        age_max: Duration::from_secs(60),
    };

    fn sealed(bytes: usize) -> Arc<Sealed> {
        Arc::new(Sealed { origin: Origin::Google, thoughts: Vec::new(), seal: Some("s".repeat(bytes)) })
    }

    fn key(call: &str) -> SealKey {
        SealKey::new(b"me", call)
    }

    #[test]
    fn a_call_is_found_by_its_name_and_by_whom_it_was_made_for() {
        let mut store = SealStore::new(BOUNDS);
        let now = Instant::now();
        store.keep(key("a"), sealed(1), now);
        assert_eq!(store.find(key("a"), now), Some(sealed(1)));
        assert_eq!(store.find(key("b"), now), None);
        assert_eq!(store.find(SealKey::new(b"another", "a"), now), None);
        assert!((0..4).contains(&key("a").owner(4)) && key("a").owner(0) == 0);
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many_or_they_take_too_much() {
        let mut store = SealStore::new(BOUNDS);
        let now = Instant::now();
        let mut left = |calls: &[(&str, usize)]| {
            calls.iter().for_each(|(call, bytes)| store.keep(key(call), sealed(*bytes), now));
            ["a", "b", "c", "d", "e"].map(|call| store.find(key(call), now).is_some())
        };
        assert_eq!(left(&[("a", 1), ("b", 1), ("c", 1)]), [true, true, true, false, false]);
        assert_eq!(left(&[("d", 1)]), [false, true, true, true, false]);
        assert_eq!(left(&[("e", 2 * ENTRY_BYTES - 1)]), [false, false, false, true, true]);
        assert_eq!(left(&[("a", 3 * ENTRY_BYTES + 1)]), [false, false, false, true, true]);
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_gives_its_room_back() {
        let mut store = SealStore::new(BOUNDS);
        let now = Instant::now();
        store.keep(key("a"), sealed(1), now);
        store.keep(key("a"), sealed(2), now + BOUNDS.age_max / 2);
        assert_eq!(store.find(key("a"), now + BOUNDS.age_max / 2), Some(sealed(2)));
        assert_eq!(store.find(key("a"), now + BOUNDS.age_max), None);
        assert_eq!((store.bytes, store.kept.len(), store.order.len()), (0, 0, 0));
    }
}
