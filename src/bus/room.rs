//! What waits for another thread is bounded by its size too, beside its count.

use crate::sync::{AtomicUsize, Ordering::Relaxed};

/// Room that one thread takes, and another one gives back.
#[derive(Debug)]
pub(super) struct Room {
    left: AtomicUsize,
}

impl Room {
    /// So much of it.
    pub(super) fn of(size: usize) -> Self {
        Self { left: AtomicUsize::new(size) }
    }

    /// Takes so much, or nothing where there is less. Only one thread takes: what it sees can but grow meanwhile.
    pub(super) fn take(&self, size: usize) -> bool {
        let is_enough = self.left.load(Relaxed) >= size;
        if is_enough && size > 0 {
            self.left.fetch_sub(size, Relaxed);
        }
        is_enough
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, size: usize) {
        if size > 0 {
            self.left.fetch_add(size, Relaxed);
        }
    }
}
