//! What stands in for `src/sync.rs`: loom's atomics, and queues that promise no more than crossbeam's do.

use std::{collections::VecDeque, marker::PhantomData};

use loom::sync::Mutex;
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use Ordering::{Acquire, Relaxed, Release};

/// std's, for loom's threads, which are all one to std.
macro_rules! of_each_thread {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = const $start:block;) => {
        loom::thread_local! { $(#[$attribute])* static $name: $type = $start; }
    };
}
pub(crate) use of_each_thread as thread_local;

/// What one model pushes at most.
const SLOTS: usize = 8;

/// Many push and one pops. A value comes with what was done before it was pushed; whether there is one may be told
/// late, as of any atomic that nothing orders.
#[derive(Debug)]
pub(crate) struct SegQueue<T> {
    /// One more than what was pushed; 0 until it has been written.
    slots: [AtomicUsize; SLOTS],
    pushed: AtomicUsize,
    popped: AtomicUsize,
    values: PhantomData<fn() -> T>,
}

/// Many push and pop, as if one after the other.
#[derive(Debug)]
pub(crate) struct ArrayQueue<T> {
    values: Mutex<VecDeque<T>>,
    capacity: usize,
}

impl SegQueue<usize> {
    pub(crate) fn new() -> Self {
        let slots = [(); SLOTS].map(|()| AtomicUsize::new(0));
        Self { slots, pushed: AtomicUsize::new(0), popped: AtomicUsize::new(0), values: PhantomData }
    }

    pub(crate) fn push(&self, value: usize) {
        let at = self.pushed.fetch_add(1, Relaxed);
        self.slots[at].store(value + 1, Release);
    }

    pub(crate) fn pop(&self) -> Option<usize> {
        let at = self.popped.load(Relaxed);
        if at == self.pushed.load(Relaxed) {
            return None;
        }
        self.popped.store(at + 1, Relaxed);
        loop {
            match self.slots[at].load(Acquire) {
                // It has a place and is about to be written.
                0 => loom::thread::yield_now(),
                value => return Some(value - 1),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.popped.load(Relaxed) == self.pushed.load(Relaxed)
    }
}

impl<T> ArrayQueue<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { values: Mutex::new(VecDeque::new()), capacity }
    }

    pub(crate) fn push(&self, value: T) -> Result<(), T> {
        let mut values = self.values.lock().unwrap();
        if values.len() == self.capacity {
            return Err(value);
        }
        values.push_back(value);
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.values.lock().unwrap().pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.lock().unwrap().len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}
