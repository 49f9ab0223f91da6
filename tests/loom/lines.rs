//! A shard leaves lines of the access log in its ring, and control writes them: once by itself, then when called.

use std::sync::Arc;

use loom::{
    sync::{Condvar, Mutex},
    thread,
};

use crate::{in_every_order, ring::Ring};

/// Lines that the ring has room for.
const ROOM: usize = 4;

#[test]
fn half_a_ring_of_lines_never_waits_for_a_call() {
    in_every_order(|| {
        let Written { waiting, .. } = Log::of_lines(ROOM + 1);
        assert!(waiting.len() < ROOM / 2, "{} lines wait for a call", waiting.len());
    });
}

#[test]
fn lines_are_written_in_their_order_or_counted_as_dropped() {
    in_every_order(|| {
        let Written { mut lines, waiting, dropped } = Log::of_lines(ROOM + 2);
        lines.extend(waiting);
        assert!(lines.is_sorted_by(|one, next| one < next), "{lines:?}");
        assert_eq!(lines.len() + dropped, ROOM + 2);
    });
}

struct Log {
    ring: Ring<usize>,
    told: Mutex<Told>,
    is_told: Condvar,
}

/// What control has been told and has not done yet.
#[derive(Default)]
struct Told {
    is_called: bool,
    /// Lines that the shard has dropped, once it has ended.
    dropped: Option<usize>,
}

struct Written {
    /// While the shard lived.
    lines: Vec<usize>,
    /// Those that were left when it had ended.
    waiting: Vec<usize>,
    dropped: usize,
}

impl Log {
    /// What becomes of so many lines.
    fn of_lines(count: usize) -> Written {
        let log = Arc::new(Self { ring: Ring::new(ROOM), told: Mutex::default(), is_told: Condvar::new() });
        let shard = log.clone();
        thread::spawn(move || {
            let call = || shard.tell(|told| told.is_called = true);
            let dropped = (0..count).filter(|line| !shard.ring.push(*line, call)).count();
            shard.tell(|told| told.dropped = Some(dropped));
        });
        let mut lines = Vec::new();
        loop {
            lines.extend(log.write());
            if let Some(dropped) = log.wait() {
                return Written { lines, waiting: log.write(), dropped };
            }
        }
    }

    fn write(&self) -> Vec<usize> {
        std::iter::from_fn(|| self.ring.pop()).collect()
    }

    fn tell(&self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.told.lock().unwrap());
        self.is_told.notify_one();
    }

    /// Waits for a call, or for the end and how many lines were dropped.
    fn wait(&self) -> Option<usize> {
        let mut told = self.told.lock().unwrap();
        loop {
            if std::mem::take(&mut told.is_called) {
                return None;
            }
            if told.dropped.is_some() {
                return told.dropped;
            }
            told = self.is_told.wait(told).unwrap();
        }
    }
}
