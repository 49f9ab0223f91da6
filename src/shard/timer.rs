//! Deadlines of one connection, over one timer that is seldom set anew.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use super::net::Net;

/// A deadline has passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Elapsed;

/// Ends futures at deadlines. The engine's timer stays set while requests come and go: it is only set
/// anew when it rings, or for an earlier deadline.
pub(super) struct Timer<N: Net> {
    net: N,
    sleep: RefCell<Option<N::Sleep>>,
    rings_at: Cell<Option<Instant>>,
}

impl<N: Net> Timer<N> {
    pub(super) fn new(net: N) -> Self {
        Self { net, sleep: RefCell::new(None), rings_at: Cell::new(None) }
    }

    /// Runs a future to its end or to the deadline, whichever comes first.
    pub(super) async fn limit<F: Future>(&self, deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll_elapsed(cx, deadline).map(|()| Err(Elapsed)),
        })
        .await
    }

    fn poll_elapsed(&self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let mut sleep = self.sleep.borrow_mut();
        loop {
            let is_early_enough = self.rings_at.get().is_some_and(|at| at <= deadline);
            let set = match &mut *sleep {
                Some(set) if is_early_enough => set,
                _ => {
                    let now = self.net.now();
                    if now >= deadline {
                        return Poll::Ready(());
                    }
                    self.rings_at.set(Some(deadline));
                    sleep.insert(self.net.sleep(deadline - now))
                }
            };
            match Pin::new(set).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => *sleep = None,
            }
        }
    }
}
