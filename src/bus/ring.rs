//! What one thread leaves for another to take away in bulk.

use crate::sync::ArrayQueue;

/// Values in their order, so many at most. Whoever takes them comes by now and then, and is called in between.
#[derive(Debug)]
pub(super) struct Ring<T> {
    values: ArrayQueue<T>,
}

impl<T> Ring<T> {
    /// Room for at least one.
    pub(super) fn new(room: usize) -> Self {
        Self { values: ArrayQueue::new(room) }
    }

    /// Leaves a value, and calls whoever takes them where half the room is taken; false where there is none.
    pub(super) fn push(&self, value: T, call: impl FnOnce()) -> bool {
        let is_kept = self.values.push(value).is_ok();
        if self.values.len() == self.values.capacity() / 2 {
            call();
        }
        is_kept
    }

    /// The oldest value.
    pub(super) fn pop(&self) -> Option<T> {
        self.values.pop()
    }
}
