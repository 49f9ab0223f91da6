//! One core: its sockets, and the life of each request. Everything here belongs to one thread; what
//! comes from others comes through the inbox.

mod attempt;
mod carriage;
mod connect;
mod connection;
mod embedding;
mod exchange;
mod inbox;
mod listener;
mod media;
mod models;
mod names;
pub mod net;
mod pool;
mod profiles;
mod proxy;
mod relay;
mod relay_translated;
mod respond;
mod seals;
mod socket;
mod socks;
mod state;
mod tally;
mod timer;
mod tls;
mod tokens;
mod translation;
mod tunnel;
mod upstream;
mod websocket;

use std::{io, rc::Rc, sync::Arc};

use self::{net::Net, state::ShardState};
use crate::{
    bus::{AccessRing, ShardLinks, ToControl, ToShard},
    config::Snapshot,
};

/// What a shard is started with.
pub struct Start<S> {
    /// Position among the links.
    pub number: usize,
    /// Listening sockets, one for each address.
    pub sockets: Vec<S>,
    /// Those for metrics and admin; without any the others serve these too.
    pub admin_sockets: Vec<S>,
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// All shards.
    pub links: ShardLinks,
    /// What the others tell this one.
    pub inbox: flume::Receiver<ToShard>,
    /// What this one tells control.
    pub control: flume::Sender<ToControl>,
    /// Where this one leaves what control writes to the access log.
    pub access: Arc<AccessRing>,
    /// What its chance begins with: the same seed, the same choices.
    pub seed: u64,
}

/// Serves until told to drain and the last request has ended.
pub async fn run<N: Net>(net: N, start: Start<N::Socket>) -> io::Result<()> {
    let Start { number, sockets, admin_sockets, snapshot, links, inbox, control, access, seed } = start;
    let rng = fastrand::Rng::with_seed(seed);
    let state = Rc::new(ShardState::new(net.clone(), number, snapshot, links, control, access, rng));
    let listeners = listener::start(&state, sockets, admin_sockets)?;
    let upkeep = net.spawn(state::upkeep(state.clone()));
    inbox::serve(&state, inbox, listeners).await;
    drop(upkeep);
    Ok(())
}
