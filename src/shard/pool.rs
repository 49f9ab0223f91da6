//! Idle connections to upstreams, per core: the one used last is used first.

use std::{
    cell::RefCell,
    collections::HashMap,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use futures_lite::AsyncRead;

use super::{net::Net, tls::Wire};
use crate::config::limits::{POOL_CONNECTIONS_MAX, POOL_IDLE_MAX};

/// The idle connections of one core, by endpoint.
pub(super) struct Pool<N: Net>(RefCell<HashMap<u64, Vec<Idle<N>>>>);

struct Idle<N: Net> {
    wire: Wire<N::Stream>,
    since: Instant,
}

impl<N: Net> Default for Pool<N> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<N: Net> Pool<N> {
    /// A connection that seems to be alive; those found dead are closed.
    pub(super) fn take(&self, endpoint: u64, now: Instant) -> Option<Wire<N::Stream>> {
        let mut pool = self.0.borrow_mut();
        let idle = pool.get_mut(&endpoint)?;
        while let Some(mut last) = idle.pop() {
            if now.saturating_duration_since(last.since) < POOL_IDLE_MAX && is_silent(&mut last.wire) {
                return Some(last.wire);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end.
    pub(super) fn put(&self, endpoint: u64, wire: Wire<N::Stream>, now: Instant) {
        let mut pool = self.0.borrow_mut();
        let idle = pool.entry(endpoint).or_default();
        if idle.len() < POOL_CONNECTIONS_MAX {
            idle.push(Idle { wire, since: now });
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
