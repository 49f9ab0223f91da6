//! Asking every shard what it has counted.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::process;
use crate::{
    bus::{ShardLinks, ToShard},
    metrics::{self, ModelRoster, Scrape, ShardScrape},
};

/// Time for a shard to answer; a slower one is shown as down.
const COUNT_TIME_MAX: Duration = Duration::from_secs(1);

/// What scrapes share.
pub(super) struct Scraper {
    links: ShardLinks,
    roster: Rc<RefCell<ModelRoster>>,
}

impl Scraper {
    pub(super) fn new(links: ShardLinks) -> Self {
        Self { links, roster: Rc::default() }
    }

    /// Renders the metrics in a task of its own and sends them to whoever asked.
    pub(super) fn answer(&self, control_messages: usize, reply: flume::Sender<String>) {
        let (links, roster) = (self.links.clone(), self.roster.clone());
        tokio::task::spawn_local(async move {
            let shards = count(&links).await;
            roster.borrow_mut().admit(shards.iter().filter_map(|shard| shard.counters.as_ref()));
            let roster = roster.borrow().clone();
            let rendered = tokio::task::spawn_blocking(move || {
                let process = process::look();
                let scrape = Scrape { shards, control_messages: control_messages as u64, process };
                metrics::render(&scrape, &roster)
            });
            let _ = reply.try_send(rendered.await.unwrap_or_default());
        });
    }
}

async fn count(links: &ShardLinks) -> Vec<ShardScrape> {
    let asked: Vec<_> = links
        .iter()
        .map(|link| {
            let (sender, answer) = flume::bounded(1);
            let inbox_messages = link.inbox.len() as u64;
            let _ = link.inbox.try_send(ToShard::Count(sender));
            (inbox_messages, answer)
        })
        .collect();
    let mut shards = Vec::with_capacity(asked.len());
    let deadline = tokio::time::Instant::now() + COUNT_TIME_MAX;
    for (inbox_messages, answer) in asked {
        let counted = tokio::time::timeout_at(deadline, answer.recv_async()).await;
        shards.push(ShardScrape { counters: counted.ok().and_then(Result::ok), inbox_messages });
    }
    shards
}
