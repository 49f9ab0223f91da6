//! The kernel's part in waking a core: each ring is an event, and an event ends a wait, also one that begins later.

use std::io;

use loom::sync::{Condvar, Mutex};

#[derive(Debug)]
pub(super) struct Chime {
    has_event: Mutex<bool>,
    event: Condvar,
}

impl Chime {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { has_event: Mutex::new(false), event: Condvar::new() })
    }

    pub(super) fn ring(&self) {
        *self.has_event.lock().unwrap() = true;
        self.event.notify_one();
    }

    /// Waits for an event and takes it; loom tells where that is for ever.
    pub(super) fn wait(&self) {
        let mut has_event = self.has_event.lock().unwrap();
        while !*has_event {
            has_event = self.event.wait(has_event).unwrap();
        }
        *has_event = false;
    }
}
