//! Addresses of upstreams: what control has told this core, and who waits to hear it.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    task::{Poll, Waker},
    time::Instant,
};

use crate::{bus::ToControl, config::limits::NAME_RETRY};

/// The names that this core has asked for.
#[derive(Default)]
pub(super) struct Names {
    known: RefCell<HashMap<String, Known>>,
    waiting: RefCell<Vec<Waker>>,
}

enum Known {
    Asked,
    Addresses(Rc<[IpAddr]>),
    Failed { why: String, at: Instant },
}

impl Names {
    /// The addresses of a host, at least one; waits for control where they are not known yet.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
        now: Instant,
        control: &flume::Sender<ToControl>,
    ) -> Result<Vec<SocketAddr>, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        self.ask(host, now, control)?;
        let addresses = poll_fn(|cx| match self.known.borrow().get(host) {
            Some(Known::Addresses(addresses)) => Poll::Ready(Ok(addresses.clone())),
            Some(Known::Failed { why, .. }) => Poll::Ready(Err(why.clone())),
            Some(Known::Asked) | None => {
                let mut waiting = self.waiting.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            }
        });
        Ok(addresses.await?.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }

    /// What control has found out.
    pub(super) fn learn(&self, host: String, found: Result<Vec<IpAddr>, String>, now: Instant) {
        let known = match found {
            Ok(addresses) => Known::Addresses(addresses.into()),
            Err(why) => Known::Failed { why, at: now },
        };
        self.known.borrow_mut().insert(host, known);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    fn ask(&self, host: &str, now: Instant, control: &flume::Sender<ToControl>) -> Result<(), String> {
        let mut known = self.known.borrow_mut();
        let is_settled = match known.get(host) {
            None => false,
            Some(Known::Failed { at, .. }) => now.saturating_duration_since(*at) < NAME_RETRY,
            Some(_) => true,
        };
        if !is_settled {
            let question = ToControl::Resolve { host: host.to_owned() };
            control.try_send(question).map_err(|_| "the resolver is overloaded".to_owned())?;
            known.insert(host.to_owned(), Known::Asked);
        }
        Ok(())
    }
}
