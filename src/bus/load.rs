//! How busy a shard is, as the others see it.

use crate::sync::{AtomicUsize, Ordering::Relaxed};

/// Client connections of a shard: those that it has, and those on their way to it. The size keeps what others write
/// out of its cache lines, which come in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Load {
    /// Written by the shard alone.
    served: AtomicUsize,
    /// Added to by whoever hands one over, and taken from by whoever ends that.
    arriving: AtomicUsize,
}

impl Load {
    /// Tells the others how many client connections this shard has.
    pub fn publish(&self, connections: usize) {
        self.served.store(connections, Relaxed);
    }

    /// Client connections when last told, and those on their way.
    pub fn get(&self) -> usize {
        self.served.load(Relaxed) + self.arriving.load(Relaxed)
    }

    /// Sends the shard a connection, counted at once, so that a burst is not handed to one shard whole.
    pub fn hand_over<E>(&self, send: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        self.arriving.fetch_add(1, Relaxed);
        let sent = send();
        if sent.is_err() {
            self.arrived();
        }
        sent
    }

    /// One is no longer on its way: if it is served, that has been published.
    pub fn arrived(&self) {
        self.arriving.fetch_sub(1, Relaxed);
    }
}
