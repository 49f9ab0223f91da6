//! Idle connections to upstreams, per core: of those that the engine has looked at since, the one used last is used
//! first.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_lite::AsyncRead;

use super::{net::Net, tls::Wire};
use crate::config::limits::{POOL_CONNECTIONS_MAX, POOL_IDLE_MAX};

/// What a peer says beyond its answer has come to the engine's ears within this time.
const TELLING: Duration = Duration::from_millis(10);

/// The idle connections of one core, by endpoint.
pub(super) struct Pool<N: Net>(RefCell<BTreeMap<u64, Vec<Idle<N>>>>);

struct Idle<N: Net> {
    wire: Wire<N::Stream>,
    since: Instant,
    /// The engine's looks by then: until the next one only the system knows what the peer says.
    looks: u64,
}

impl<N: Net> Default for Pool<N> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<N: Net> Pool<N> {
    /// A connection that seems to be alive; those found dead are closed.
    pub(super) fn take(&self, net: &N, endpoint: u64, now: Instant) -> Option<Wire<N::Stream>> {
        let mut pool = self.0.borrow_mut();
        let idle = pool.get_mut(&endpoint)?;
        let looks = net.looks();
        loop {
            // To ask the system costs a call.
            let told = idle.iter().rposition(|one| one.looks != looks);
            let mut last = match told {
                Some(position) => idle.remove(position),
                None => idle.pop()?,
            };
            let age = now.saturating_duration_since(last.since);
            let is_untold = told.is_none() && age < TELLING && net.has_input(last.wire.stream());
            if age < POOL_IDLE_MAX && !is_untold && is_silent(&mut last.wire) {
                return Some(last.wire);
            }
        }
    }

    /// Keeps a connection whose last response was read to its end.
    pub(super) fn put(&self, net: &N, endpoint: u64, wire: Wire<N::Stream>, now: Instant) {
        let mut pool = self.0.borrow_mut();
        let idle = pool.entry(endpoint).or_default();
        if idle.len() < POOL_CONNECTIONS_MAX {
            idle.push(Idle { wire, since: now, looks: net.looks() });
        }
    }

    /// Closes connections that have been idle for too long or that the peer has closed.
    pub(super) fn sweep(&self, now: Instant) {
        self.0.borrow_mut().retain(|_, idle| {
            idle.retain_mut(|one| {
                now.saturating_duration_since(one.since) < POOL_IDLE_MAX && is_silent(&mut one.wire)
            });
            !idle.is_empty()
        });
    }

    /// Connections that are kept.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().values().map(Vec::len).sum()
    }
}

/// An idle peer says nothing: bytes, an end or an error mean that the connection is of no use.
fn is_silent<S: AsyncRead + Unpin>(wire: &mut S) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(Pin::new(wire).poll_read(&mut cx, &mut [0]), Poll::Pending)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener, TcpStream},
    };

    use super::*;
    use crate::shard::net::epoll::{self, Epoll, Stream};

    /// Both ends of some connections.
    async fn connections<const COUNT: usize>(net: &Epoll) -> [(Wire<Stream>, TcpStream); COUNT] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut pairs = Vec::new();
        for _ in 0..COUNT {
            let here = net.connect(listener.local_addr().unwrap()).await.unwrap();
            pairs.push((Wire::Plain(here), listener.accept().unwrap().0));
        }
        pairs.try_into().unwrap_or_else(|_| unreachable!())
    }

    fn with_pool(test: impl AsyncFnOnce(Epoll, Pool<Epoll>)) {
        let ended = epoll::run(async |net| {
            test(net, Pool::default()).await;
            Ok(())
        });
        ended.unwrap();
    }

    fn is_closed(mut peer: &TcpStream) -> bool {
        peer.set_nonblocking(true).unwrap();
        peer.read(&mut [0]).is_ok_and(|length| length == 0)
    }

    #[test]
    fn the_connection_used_last_is_used_first_and_only_at_its_endpoint() {
        with_pool(async |net, pool| {
            let [(first, first_peer), (last, last_peer)] = connections(&net).await;
            let now = net.now();
            pool.put(&net, 1, first, now);
            pool.put(&net, 1, last, now);
            assert!(pool.take(&net, 2, now).is_none());
            drop(pool.take(&net, 1, now).unwrap());
            assert!(is_closed(&last_peer) && !is_closed(&first_peer));
            drop(pool.take(&net, 1, now).unwrap());
            assert!(is_closed(&first_peer));
            assert!(pool.take(&net, 1, now).is_none());
        });
    }

    #[test]
    fn a_connection_that_the_engine_has_looked_at_is_used_before_one_that_the_system_must_be_asked_about() {
        with_pool(async |net, pool| {
            let [(early, early_peer), (late, late_peer)] = connections(&net).await;
            pool.put(&net, 1, early, net.now());
            // The task waits, and with it the engine.
            net.sleep(Duration::from_millis(1)).await;
            pool.put(&net, 1, late, net.now());
            drop(pool.take(&net, 1, net.now()).unwrap());
            assert!(is_closed(&early_peer) && !is_closed(&late_peer));
            drop(pool.take(&net, 1, net.now()).unwrap());
            assert!(is_closed(&late_peer));
        });
    }

    #[test]
    fn what_a_peer_says_before_the_engine_looks_is_heard_without_asking_the_system() {
        with_pool(async |net, pool| {
            let [(surplus, mut peer)] = connections(&net).await;
            pool.put(&net, 1, surplus, net.now());
            peer.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            net.sleep(Duration::from_millis(1)).await;
            assert!(pool.take(&net, 1, net.now()).is_none());
        });
    }

    #[test]
    fn a_connection_whose_peer_goes_on_is_not_used_even_before_an_event_tells() {
        with_pool(async |net, pool| {
            let [(surplus, mut peer)] = connections(&net).await;
            let now = net.now();
            pool.put(&net, 1, surplus, now);
            peer.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            assert!(pool.take(&net, 1, now).is_none());
        });
    }

    #[test]
    fn a_connection_that_was_idle_for_too_long_is_closed() {
        with_pool(async |net, pool| {
            let [(old, old_peer), (young, young_peer)] = connections(&net).await;
            let begin = net.now();
            pool.put(&net, 1, old, begin);
            pool.put(&net, 1, young, begin + Duration::from_secs(1));
            pool.sweep(begin + POOL_IDLE_MAX);
            assert!(is_closed(&old_peer) && !is_closed(&young_peer));
            assert_eq!(pool.len(), 1);
            assert!(pool.take(&net, 1, begin + Duration::from_secs(1) + POOL_IDLE_MAX).is_none());
            assert!(is_closed(&young_peer));
        });
    }
}
