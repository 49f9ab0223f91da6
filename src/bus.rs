//! All that crosses threads, by value: from control to a shard, from a shard to control, from a shard
//! to another one.

use std::{
    net::{IpAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use crossbeam::utils::CachePadded;

use crate::{config::limits::INBOX_MESSAGES_MAX, metrics::Counters, route::Surface};

/// What a shard is told.
#[derive(Debug)]
pub enum ToShard {
    /// Serve a connection that a busier shard accepted.
    Adopt {
        /// The connection.
        socket: TcpStream,
        /// What is served on it.
        surface: Surface,
    },
    /// The addresses of a name, or why there are none.
    Addresses {
        /// The name that was asked for.
        host: String,
        /// At least one address, or why there is none.
        found: Result<Vec<IpAddr>, String>,
    },
    /// Control lives.
    Beat,
    /// Say what was counted.
    Count(flume::Sender<Counters>),
    /// Accept nothing more, end what is under way, then stop.
    Drain,
}

/// What control is told.
#[derive(Debug)]
pub enum ToControl {
    /// Find the addresses of a name and tell every shard.
    Resolve {
        /// A name, not an address.
        host: String,
    },
    /// Render the metrics of all shards.
    Scrape(flume::Sender<String>),
}

/// How a shard is reached, and how busy it is.
#[derive(Debug)]
pub struct ShardLink {
    /// Its inbox.
    pub inbox: flume::Sender<ToShard>,
    /// Client connections that it has; written by the shard, read by the others.
    load: CachePadded<AtomicUsize>,
}

/// The links to all shards, in the order of their numbers.
pub type ShardLinks = Arc<[ShardLink]>;

/// Links to `count` shards, and their inboxes.
pub fn links(count: usize) -> (ShardLinks, Vec<flume::Receiver<ToShard>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..count).map(|_| flume::bounded(INBOX_MESSAGES_MAX)).unzip();
    let links = senders.into_iter().map(|inbox| ShardLink { inbox, load: CachePadded::default() });
    (links.collect(), receivers)
}

impl ShardLink {
    /// Tells the others how many client connections this shard has.
    pub fn publish_load(&self, connections: usize) {
        self.load.store(connections, Relaxed);
    }

    /// Client connections when last told.
    pub fn load(&self) -> usize {
        self.load.load(Relaxed)
    }
}
