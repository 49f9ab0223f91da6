//! New connections: accepted, counted, and handed to a shard with less to do.

use std::{io, net::TcpStream, rc::Rc, time::Duration};

use super::{connection, net::Net, state::ShardState};
use crate::{config::limits::SURPLUS_CONNECTIONS_MAX, route::Surface};

/// Pause after a failed accept: without descriptors the next one would fail at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The listening sockets of one core, and the tasks that accept on them.
pub(super) struct Listeners<N: Net> {
    listeners: Vec<N::Listener>,
    _tasks: Vec<N::Task>,
}

/// Accepts on every socket until stopped.
pub(super) fn start<N: Net>(
    shard: &Rc<ShardState<N>>,
    sockets: Vec<N::Socket>,
    admin_sockets: Vec<N::Socket>,
) -> io::Result<Listeners<N>> {
    let surface = if admin_sockets.is_empty() { Surface::Whole } else { Surface::Api };
    let sockets = sockets.into_iter().map(|socket| (socket, surface));
    let sockets = sockets.chain(admin_sockets.into_iter().map(|socket| (socket, Surface::Admin)));
    let (mut listeners, mut tasks) = (Vec::new(), Vec::new());
    for (socket, surface) in sockets {
        let listener = shard.net.listen(socket)?;
        listeners.push(listener.clone());
        let accepting = shard.clone();
        tasks.push(shard.net.spawn(async move { accept_all(&accepting, listener, surface).await }));
    }
    Ok(Listeners { listeners, _tasks: tasks })
}

impl<N: Net> Listeners<N> {
    /// Accepts nothing more.
    pub(super) fn stop(&self, net: &N) {
        self.listeners.iter().for_each(|listener| net.stop(listener));
    }
}

/// Serves a connection in a task of its own; says no where there are too many, and closes it where even
/// those are too many. Operators are always heard.
fn serve<N: Net>(shard: &Rc<ShardState<N>>, stream: N::Stream, surface: Surface) {
    let (served, served_max) = (shard.clients.len(), shard.snapshot().client_connections_max);
    if served >= served_max + SURPLUS_CONNECTIONS_MAX {
        return;
    }
    let is_surplus = served >= served_max && surface != Surface::Admin;
    let (number, presence) = shard.clients.begin();
    let task = {
        let shard = shard.clone();
        shard.net.clone().spawn(async move {
            if is_surplus {
                Box::pin(connection::turn_away(&shard, stream, surface)).await;
            } else {
                connection::serve(&shard, stream, surface, &presence).await;
            }
            shard.clients.end(number);
            publish_load(&shard);
        })
    };
    shard.clients.keep(number, task);
    publish_load(shard);
}

/// Serves a connection that another shard has handed over.
pub(super) fn adopt<N: Net>(shard: &Rc<ShardState<N>>, socket: TcpStream, surface: Surface) {
    if let Ok(stream) = shard.net.adopt(socket) {
        serve(shard, stream, surface);
    }
    if let Some(link) = shard.links.get(shard.number) {
        link.load.arrived();
    }
}

async fn accept_all<N: Net>(shard: &Rc<ShardState<N>>, listener: N::Listener, surface: Surface) {
    loop {
        match shard.net.accept(&listener).await {
            Ok(stream) => welcome(shard, stream, surface),
            // The client left before it was greeted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) if shard.is_draining.get() => return,
            Err(_) => shard.net.sleep(PAUSE).await,
        }
    }
}

/// Serves a connection here, or hands it to the shard that has the fewest.
fn welcome<N: Net>(shard: &Rc<ShardState<N>>, stream: N::Stream, surface: Surface) {
    let mine = shard.clients.len();
    let others = shard.links.iter().enumerate().filter(|(number, _)| *number != shard.number);
    let Some((_, idlest)) =
        others.min_by_key(|(_, link)| link.load.get()).filter(|(_, link)| mine > 2 * link.load.get())
    else {
        return serve(shard, stream, surface);
    };
    let Ok(socket) = shard.net.release(stream) else { return };
    if let Err(socket) = idlest.hand_over(socket, surface)
        && let Ok(stream) = shard.net.adopt(socket)
    {
        serve(shard, stream, surface);
    }
}

fn publish_load<N: Net>(shard: &ShardState<N>) {
    if let Some(link) = shard.links.get(shard.number) {
        link.load.publish(shard.clients.len());
    }
}
