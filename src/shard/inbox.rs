//! What others tell this shard, applied one by one.

use std::rc::Rc;

use super::{
    listener::{self, Listeners},
    net::Net,
    state::ShardState,
};
use crate::{bus::ToShard, config::limits::DRAIN_TIME_MAX};

/// How often a draining shard looks whether it is done.
const DRAIN_STEP: std::time::Duration = std::time::Duration::from_millis(20);

/// Applies messages until told to drain, then waits for what is under way.
pub(super) async fn serve<N: Net>(
    shard: &Rc<ShardState<N>>,
    inbox: flume::Receiver<ToShard>,
    listeners: Listeners<N>,
) {
    // Control is gone where the channel is closed: that ends the process, so drain.
    while let Ok(message) = inbox.recv_async().await {
        if apply(shard, message) {
            break;
        }
    }
    shard.is_draining.set(true);
    listeners.stop(&shard.net);
    let until = shard.net.now() + DRAIN_TIME_MAX;
    shard.clients.close_idle();
    while shard.clients.len() > 0 && shard.net.now() < until {
        while let Ok(message) = inbox.try_recv() {
            apply(shard, message);
        }
        shard.net.sleep(DRAIN_STEP).await;
        shard.clients.close_idle();
    }
    shard.clients.close_all();
}

/// Whether the message was the last one.
fn apply<N: Net>(shard: &Rc<ShardState<N>>, message: ToShard) -> bool {
    match message {
        ToShard::Adopt { socket, surface } => listener::adopt(shard, socket, surface),
        ToShard::Addresses { host, found } => shard.names.learn(host, found, shard.net.now()),
        ToShard::Beat => shard.heard_control.set(shard.net.now()),
        ToShard::Count(reply) => {
            let _ = reply.try_send(shard.count());
        }
        ToShard::KeepSeals(seals) => shard.seals.keep(seals, shard.net.now()),
        ToShard::FindSeals { keys, reply } => {
            let _ = reply.try_send(shard.seals.find(&keys, shard.net.now()));
        }
        ToShard::Drain => return true,
    }
    false
}
