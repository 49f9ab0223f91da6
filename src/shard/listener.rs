//! New connections: accepted, counted, and handed to a shard with less to do.

use std::{io, net::TcpListener, rc::Rc, time::Duration};

use super::{
    connection,
    net::Net,
    state::{Presence, ShardState},
};
use crate::bus::ToShard;

/// Pause after a failed accept: without descriptors the next one would fail at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts on every socket until the tasks are dropped.
pub(super) fn start<N: Net>(
    shard: &Rc<ShardState<N>>,
    sockets: Vec<TcpListener>,
) -> io::Result<Vec<N::Task>> {
    let mut tasks = Vec::new();
    for socket in sockets {
        let listener = shard.net.listen(socket)?;
        let shard = shard.clone();
        tasks.push(shard.net.clone().spawn(async move { accept_all(&shard, listener).await }));
    }
    Ok(tasks)
}

/// Serves a connection in a task of its own.
pub(super) fn serve<N: Net>(shard: &Rc<ShardState<N>>, stream: N::Stream) {
    let number = shard.clients.next_number();
    let presence = Rc::new(Presence::default());
    let task = {
        let (shard, presence) = (shard.clone(), presence.clone());
        shard.net.clone().spawn(async move {
            connection::serve(&shard, stream, &presence).await;
            shard.clients.end(number);
            publish_load(&shard);
        })
    };
    shard.clients.keep(number, task, presence);
    publish_load(shard);
}

async fn accept_all<N: Net>(shard: &Rc<ShardState<N>>, listener: N::Listener) {
    loop {
        match shard.net.accept(&listener).await {
            Ok(stream) => welcome(shard, stream),
            // The client left before it was greeted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => shard.net.sleep(PAUSE).await,
        }
    }
}

/// Serves a connection here, or hands it to the shard that has the fewest.
fn welcome<N: Net>(shard: &Rc<ShardState<N>>, stream: N::Stream) {
    let mine = shard.clients.len();
    let others = shard.links.iter().enumerate().filter(|(number, _)| *number != shard.number);
    let Some((_, idlest)) =
        others.min_by_key(|(_, link)| link.load()).filter(|(_, link)| mine > 2 * link.load())
    else {
        return serve(shard, stream);
    };
    let Ok(socket) = shard.net.release(stream) else { return };
    // Counted there at once, so that a burst is not handed to one shard whole.
    idlest.publish_load(idlest.load() + 1);
    if let Err(flume::TrySendError::Full(ToShard::Adopt(socket))) =
        idlest.inbox.try_send(ToShard::Adopt(socket))
        && let Ok(stream) = shard.net.adopt(socket)
    {
        serve(shard, stream);
    }
}

fn publish_load<N: Net>(shard: &ShardState<N>) {
    if let Some(link) = shard.links.get(shard.number) {
        link.publish_load(shard.clients.len());
    }
}
