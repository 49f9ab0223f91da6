//! The slow world: one thread, one loop, for all that waits on the outside.

mod access_log;
pub mod demo;
mod media;
mod process;
mod resolver;
mod scrape;
mod signals;
mod tokens;

use std::{io, net::TcpListener};

use crate::{
    bus::{ShardLink, ShardLinks, ToControl, ToShard},
    config::limits::CONTROL_BEAT,
};
use access_log::AccessLog;
use media::MediaFetcher;
use resolver::Resolver;
use scrape::Scraper;
use tokens::Tokens;

/// What control is started with.
#[derive(Debug)]
pub struct Start {
    /// All shards.
    pub links: ShardLinks,
    /// What the shards tell control; closed once the last of them has ended.
    pub messages: flume::Receiver<ToControl>,
    /// Where the embedded provider listens, if it is wanted.
    pub demo: Option<TcpListener>,
    /// Whether the log is one JSON object a line.
    pub is_log_json: bool,
}

/// Serves on this thread until every shard has ended; `announce` is called once signals are heard.
pub fn run(start: Start, announce: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, serve(start, announce))
}

async fn serve(start: Start, announce: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let Start { links, messages, demo, is_log_json } = start;
    if let Some(listener) = demo {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::task::spawn_local(demo::serve(listener));
    }
    let mut signals = signals::Signals::new()?;
    announce()?;
    let mut beat = tokio::time::interval(CONTROL_BEAT);
    let resolver = Resolver::new(links.clone());
    let scraper = Scraper::new(links.clone());
    let mut media = MediaFetcher::new();
    let mut tokens = Tokens::new();
    let access_log = AccessLog::new(links.clone());
    let (write, told) = flume::bounded(1);
    let written = tokio::task::spawn_blocking(move || access_log.keep_up(is_log_json, &told));
    loop {
        tokio::select! {
            message = messages.recv_async() => match message {
                Ok(ToControl::Resolve { host }) => resolver.resolve(host),
                Ok(ToControl::Mint { grant, reply }) => tokens.mint(grant, reply),
                Ok(ToControl::Fetch(wanted)) => media.fetch(wanted),
                Ok(ToControl::Scrape(reply)) => scraper.answer(messages.len(), reply),
                // It is about to write where it has been told already.
                Ok(ToControl::WriteAccessLog) => drop(write.try_send(())),
                Err(flume::RecvError::Disconnected) => break,
            },
            _ = beat.tick() => {
                resolver.refresh();
                if !signals.is_stopping() && links.iter().any(is_dead) {
                    return Err(io::Error::other("a shard has ended by itself; see the message above"));
                }
            }
            () = signals.wait() => drain(&links),
        }
    }
    drop(write);
    // A panic in there has been reported, and what it left is lost.
    let _ = written.await;
    Ok(())
}

/// Tells a shard that control lives; a shard that has ended cannot be told.
fn is_dead(link: &ShardLink) -> bool {
    matches!(link.inbox.try_send(ToShard::Beat), Err(flume::TrySendError::Disconnected(_)))
}

fn drain(links: &ShardLinks) {
    tracing::info!("stopping: requests under way may end; a second signal ends them");
    for link in links.iter() {
        let inbox = link.inbox.clone();
        tokio::task::spawn_local(async move {
            let _ = inbox.send_async(ToShard::Drain).await;
        });
    }
}
