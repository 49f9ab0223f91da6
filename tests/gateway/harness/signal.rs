//! How a test and a script wait for each other.

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::DEADLINE;

/// A value that one side gives and the other waits for; clones share it.
#[derive(Clone)]
pub(crate) struct Signal<T = ()> {
    sender: Sender<T>,
    receiver: Receiver<T>,
}

impl<T> Signal<T> {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }

    /// Ends one wait, a later one too.
    pub(crate) fn give(&self, value: T) {
        self.sender.send(value).expect("a signal owns its receiver");
    }

    /// The next value; fails the test after the deadline.
    pub(crate) fn wait(&self) -> T {
        self.receiver.recv_timeout(DEADLINE).expect("the other side did not signal in time")
    }
}
