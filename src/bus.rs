//! All that crosses threads, by value: from control to a shard, from a shard to control, from a shard
//! to another one.

mod access;
mod load;
mod ring;
mod room;

use std::{
    net::{IpAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

use crate::{
    config::limits::{ACCESS_RECORDS_MAX, CONTENT_WAITING_BYTES_MAX, INBOX_MESSAGES_MAX},
    dialect::seals::{SealKey, Sealed},
    metrics::Counters,
    provider::{Grant, Token},
    route::Surface,
};
pub use access::{Access, AccessLevel, Content, Excerpt};
pub use load::Load;
use ring::Ring;
use room::Room;

/// What a shard is told.
#[derive(Debug)]
pub enum ToShard {
    /// Serve a connection that a busier shard accepted; sent by [`ShardLink::hand_over`], which counts it.
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
    /// Keep what calls of tools came with, for clients that forget it.
    KeepSeals(KeptSeals),
    /// Say what is kept of these.
    FindSeals {
        /// Calls of tools.
        keys: Vec<SealKey>,
        /// Who waits for what is found, though not for long.
        reply: flume::Sender<KeptSeals>,
    },
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
    /// Write the access log: there is much of it.
    WriteAccessLog,
    /// Fetch what a request points at.
    Fetch(Fetch),
    /// Get a credential that does not last.
    Mint {
        /// How it is got.
        grant: Arc<Grant>,
        /// Who waits for it, or for why it cannot be had.
        reply: flume::Sender<Result<Minted, String>>,
    },
}

/// A credential that does not last.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The credential.
    pub token: Token,
    /// From when on another one should be asked for.
    pub renew_at: Instant,
    /// From when on it is of no use.
    pub ends_at: Instant,
}

/// Something that a request points at.
#[derive(Debug)]
pub struct Fetch {
    /// Where it is.
    pub url: String,
    /// Whether that may be inside.
    pub may_be_private: bool,
    /// Who waits for it, or for why it cannot be had.
    pub reply: flume::Sender<Result<Fetched, String>>,
}

/// What a request pointed at.
#[derive(Debug)]
pub struct Fetched {
    /// Such as `image/png`; empty where nobody said.
    pub media_type: String,
    /// In base64.
    pub data: String,
}

/// How a shard is reached, and how busy it is.
#[derive(Debug)]
pub struct ShardLink {
    /// Its inbox.
    pub inbox: flume::Sender<ToShard>,
    /// Its part of the access log.
    pub access: Arc<AccessRing>,
    /// Its client connections.
    pub load: Load,
}

/// The lines of the access log that one shard has not been relieved of yet.
#[derive(Debug)]
pub struct AccessRing {
    level: AccessLevel,
    records: Ring<Access>,
    /// For the bodies in them, bytes.
    room: Room,
}

/// What calls of tools came with.
pub type KeptSeals = Vec<(SealKey, Arc<Sealed>)>;

/// The links to all shards, in the order of their numbers.
pub type ShardLinks = Arc<[ShardLink]>;

/// Links to `count` shards, and their inboxes.
pub fn links(count: usize, access: AccessLevel) -> (ShardLinks, Vec<flume::Receiver<ToShard>>) {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..count).map(|_| flume::bounded(INBOX_MESSAGES_MAX)).unzip();
    let links = senders.into_iter().map(|inbox| {
        let access = Arc::new(AccessRing::new(access));
        ShardLink { inbox, access, load: Load::default() }
    });
    (links.collect(), receivers)
}

impl ShardLink {
    /// Hands a connection over to this shard; gives it back where there is no room.
    pub fn hand_over(&self, socket: TcpStream, surface: Surface) -> Result<(), TcpStream> {
        let sent = self.load.hand_over(|| self.inbox.try_send(ToShard::Adopt { socket, surface }));
        match sent.map_err(flume::TrySendError::into_inner) {
            Err(ToShard::Adopt { socket, .. }) => Err(socket),
            _ => Ok(()),
        }
    }
}

impl AccessRing {
    fn new(level: AccessLevel) -> Self {
        let length = if level == AccessLevel::Nothing { 1 } else { ACCESS_RECORDS_MAX };
        Self { level, records: Ring::new(length), room: Room::of(CONTENT_WAITING_BYTES_MAX) }
    }

    /// Whether any request may get a line.
    pub fn is_on(&self) -> bool {
        self.level != AccessLevel::Nothing
    }

    /// Whether a request that was answered with a status gets a line.
    pub fn wants(&self, status: u16) -> bool {
        match self.level {
            AccessLevel::Nothing => false,
            AccessLevel::Failures => status >= 500,
            AccessLevel::All => true,
        }
    }

    /// Leaves a record for control, which comes by often enough, and is called where much has gathered; false
    /// where there is no room.
    pub fn push(&self, mut access: Access, control: &flume::Sender<ToControl>) -> bool {
        if let Some(content) = &mut access.content
            && !self.room.take(content.bytes())
        {
            content.clear();
        }
        let bytes = access.content_bytes();
        let is_kept = self.records.push(access, || {
            // Where control has no time to listen, it has none to write.
            let _ = control.try_send(ToControl::WriteAccessLog);
        });
        if !is_kept {
            self.room.give_back(bytes);
        }
        is_kept
    }

    /// The oldest record.
    pub fn pop(&self) -> Option<Access> {
        let access = self.records.pop()?;
        self.room.give_back(access.content_bytes());
        Some(access)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::config::limits::CONTENT_LOGGED_BYTES_MAX;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes up its times from the clock")]
    fn a_full_ring_takes_no_more_and_calls_control_once_on_the_way() {
        let ring = AccessRing::new(AccessLevel::All);
        let (control, called) = flume::unbounded();
        let access = Access::new(Instant::now(), [b'0'; 32], "GET", "/health");
        let kept = (0..ACCESS_RECORDS_MAX + 5).filter(|_| ring.push(access.clone(), &control)).count();
        assert_eq!((kept, called.len()), (ACCESS_RECORDS_MAX, 1));
        assert!(ring.pop().is_some() && ring.push(access, &control));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes up its times from the clock")]
    fn bodies_wait_up_to_a_bound_and_leave_their_lines_behind() {
        let ring = AccessRing::new(AccessLevel::All);
        let (control, _called) = flume::unbounded();
        let mut access = Access::new(Instant::now(), [b'0'; 32], "POST", "/chat/completions");
        let mut content = Content::default();
        content.request.push(&[b'x'; CONTENT_LOGGED_BYTES_MAX + 1]);
        access.content = Some(Box::new(content));
        let most = CONTENT_WAITING_BYTES_MAX / CONTENT_LOGGED_BYTES_MAX;
        assert!((0..most + 2).all(|_| ring.push(access.clone(), &control)));
        let lengths: Vec<_> = std::iter::from_fn(|| ring.pop())
            .filter_map(|access| access.content.map(|content| (content.bytes(), content.request.is_cut())))
            .collect();
        let mut expected = vec![(CONTENT_LOGGED_BYTES_MAX, true); most];
        expected.extend([(0, true); 2]);
        assert_eq!(lengths, expected);
        assert!(ring.room.take(CONTENT_WAITING_BYTES_MAX), "all of it has been given back");
    }

    #[test]
    fn a_level_lets_through_what_is_as_bad() {
        let wanted = |level| [200, 499, 500].map(|status| AccessRing::new(level).wants(status));
        assert_eq!(wanted(AccessLevel::All), [true; 3]);
        assert_eq!(wanted(AccessLevel::Failures), [false, false, true]);
        assert_eq!(wanted(AccessLevel::Nothing), [false; 3]);
    }
}
