//! What one core owns, and its regular chores.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;

use super::{
    models::ModelLists, names::Names, net::Net, pool::Pool, profiles::Profiles, seals::Seals,
    socket::Scratch, tls::Connectors, tokens::Tokens,
};
use crate::{
    bus::{AccessRing, ShardLinks, ToControl},
    config::{
        Snapshot,
        limits::{CONTROL_SILENCE_MAX, HELD_BYTES_MAX, RECEIVE_BYTES},
    },
    ir::ApiError,
    metrics::{Counters, Gauges, KeyLabels},
};

/// Everything of one core.
pub(super) struct ShardState<N: Net> {
    pub(super) net: N,
    pub(super) number: usize,
    pub(super) links: ShardLinks,
    pub(super) control: flume::Sender<ToControl>,
    pub(super) access: Arc<AccessRing>,
    pub(super) pool: Pool<N>,
    pub(super) tls: Connectors,
    pub(super) names: Names,
    pub(super) tokens: Tokens,
    pub(super) profiles: Profiles,
    pub(super) model_lists: ModelLists,
    pub(super) seals: Seals,
    pub(super) scratch: Scratch,
    pub(super) counters: RefCell<Counters>,
    pub(super) rng: RefCell<fastrand::Rng>,
    pub(super) clients: Clients<N>,
    pub(super) is_draining: Cell<bool>,
    /// When control was last heard.
    pub(super) heard_control: Cell<Instant>,
    #[expect(
        clippy::redundant_allocation,
        reason = "requests count their uses per core, not in a shared line"
    )]
    snapshot: RefCell<Rc<Arc<Snapshot>>>,
    held_bytes: Cell<usize>,
}

/// The connections of clients; those that are done are let go by the next one that comes.
pub(super) struct Clients<N: Net> {
    served: RefCell<BTreeMap<u64, Served<N>>>,
    done: RefCell<Vec<u64>>,
    next: Cell<u64>,
}

struct Served<N: Net> {
    task: Option<N::Task>,
    presence: Rc<Presence>,
}

/// What a connection shows of itself.
#[derive(Default)]
pub(super) struct Presence {
    /// Waits for a request: nothing, or only a part of its head, has been received.
    pub(super) is_idle: Cell<bool>,
}

/// Bytes of a held body, counted against the core's bound until dropped.
pub(super) struct HeldBytes<'a> {
    total: &'a Cell<usize>,
    mine: usize,
}

impl<N: Net> ShardState<N> {
    pub(super) fn new(
        net: N,
        number: usize,
        snapshot: Arc<Snapshot>,
        links: ShardLinks,
        control: flume::Sender<ToControl>,
        access: Arc<AccessRing>,
        rng: fastrand::Rng,
    ) -> Self {
        Self {
            number,
            access,
            links,
            control,
            pool: Pool::default(),
            tls: Connectors::default(),
            names: Names::default(),
            tokens: Tokens::default(),
            profiles: Profiles::default(),
            model_lists: ModelLists::default(),
            seals: Seals::default(),
            scratch: RefCell::new(vec![0; RECEIVE_BYTES].into_boxed_slice()),
            counters: RefCell::new(counters_of(&snapshot)),
            rng: RefCell::new(rng),
            clients: Clients::default(),
            is_draining: Cell::new(false),
            heard_control: Cell::new(net.now()),
            snapshot: RefCell::new(Rc::new(snapshot)),
            held_bytes: Cell::new(0),
            net,
        }
    }

    /// The configuration of now; a request keeps the one it began with.
    #[expect(
        clippy::redundant_allocation,
        reason = "requests count their uses per core, not in a shared line"
    )]
    pub(super) fn snapshot(&self) -> Rc<Arc<Snapshot>> {
        self.snapshot.borrow().clone()
    }

    /// Why this core should get no requests, if so.
    pub(super) fn ailment(&self) -> Option<&'static str> {
        let silence = self.net.now().saturating_duration_since(self.heard_control.get());
        if self.is_draining.get() {
            Some("draining")
        } else if silence > CONTROL_SILENCE_MAX {
            Some("control is silent")
        } else {
            None
        }
    }

    /// An id for a request: 128 random bits in hexadecimal.
    pub(super) fn new_id(&self) -> [u8; 32] {
        let bits = self.rng.borrow_mut().u128(..).to_be_bytes();
        let mut id = [0; 32];
        HEXLOWER.encode_mut(&bits, &mut id);
        id
    }

    /// A guard for the bytes of a body that is about to be held.
    pub(super) fn hold(&self) -> HeldBytes<'_> {
        HeldBytes { total: &self.held_bytes, mine: 0 }
    }

    /// What was counted, the gauges read now.
    pub(super) fn count(&self) -> Counters {
        let mut counters = self.counters.borrow().clone();
        counters.gauges = Gauges {
            client_connections: self.clients.len() as u64,
            pooled_connections: self.pool.len() as u64,
            held_body_bytes: self.held_bytes.get() as u64,
        };
        counters
    }
}

impl<N: Net> Default for Clients<N> {
    fn default() -> Self {
        Self { served: RefCell::default(), done: RefCell::default(), next: Cell::new(0) }
    }
}

impl<N: Net> Clients<N> {
    /// Connections that are being served.
    pub(super) fn len(&self) -> usize {
        self.served.borrow().len() - self.done.borrow().len()
    }

    /// A number for a connection, and where it will show itself, before there is a task: that may run, and
    /// even end, while it is started.
    pub(super) fn begin(&self) -> (u64, Rc<Presence>) {
        self.let_go();
        let number = self.next.replace(self.next.get() + 1);
        let presence = Rc::new(Presence::default());
        let served = Served { task: None, presence: presence.clone() };
        self.served.borrow_mut().insert(number, served);
        (number, presence)
    }

    /// Keeps the task that serves a connection.
    pub(super) fn keep(&self, number: u64, task: N::Task) {
        if let Some(served) = self.served.borrow_mut().get_mut(&number) {
            served.task = Some(task);
        }
    }

    /// A task says that it is at its end; it must not be dropped while it runs.
    pub(super) fn end(&self, number: u64) {
        self.done.borrow_mut().push(number);
    }

    /// Closes the connections on which nothing is under way.
    pub(super) fn close_idle(&self) {
        self.let_go();
        self.served.borrow_mut().retain(|_, served| !served.presence.is_idle.get());
    }

    /// Closes all connections, whatever is under way.
    pub(super) fn close_all(&self) {
        self.let_go();
        // Their tasks own this core's state, and it would keep them for ever.
        drop(self.served.take());
    }

    fn let_go(&self) {
        let done = self.done.take();
        let mut served = self.served.borrow_mut();
        for number in done {
            served.remove(&number);
        }
    }
}

impl HeldBytes<'_> {
    /// Counts the body's present length; refuses where the core holds too much.
    pub(super) fn set(&mut self, length: usize) -> Result<(), ApiError> {
        let others = self.total.get() - self.mine;
        if others + length > HELD_BYTES_MAX {
            let message = "The gateway holds too many request bodies at once. Try again in a moment.";
            return Err(ApiError::gateway(503, "overloaded", message));
        }
        self.total.set(others + length);
        self.mine = length;
        Ok(())
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.mine);
    }
}

/// Counters that know the keys and models of a configuration.
fn counters_of(snapshot: &Snapshot) -> Counters {
    let accounts = snapshot.routes.accounts();
    let keys = accounts.iter().flat_map(|account| account.keys.iter().map(move |key| (account, key)));
    let labels = keys.clone().map(|(account, key)| KeyLabels {
        fingerprint: key.fingerprint,
        provider: &account.name,
        id: &key.id,
        name: &key.name,
    });
    Counters::new(labels, keys.flat_map(|(_, key)| key.named_models()))
}

/// Chores that need no hurry, once a second.
pub(super) async fn upkeep<N: Net>(shard: Rc<ShardState<N>>) {
    loop {
        shard.net.sleep(Duration::from_secs(1)).await;
        shard.pool.sweep(shard.net.now());
        shard.seals.sweep(shard.net.now());
        shard.clients.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_beyond_what_a_core_may_hold_are_refused_until_others_end() {
        let total = Cell::new(0);
        let hold = || HeldBytes { total: &total, mine: 0 };
        let (mut one, mut two) = (hold(), hold());
        assert_eq!(one.set(HELD_BYTES_MAX - 1), Ok(()));
        assert_eq!(two.set(1), Ok(()));
        assert_eq!(two.set(2).map_err(|error| (error.status, error.code)), Err((503, Some("overloaded"))));
        drop(one);
        assert_eq!(two.set(2), Ok(()));
        drop(two);
        assert_eq!(total.get(), 0);
    }
}
