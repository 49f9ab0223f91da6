//! Asking every shard what it has counted.

use std::time::Duration;

use crate::{
    bus::{ShardLinks, ToShard},
    metrics::{self, Counters},
};

/// Time for a shard to answer; a slower one is shown as down.
const COUNT_TIME_MAX: Duration = Duration::from_secs(1);

/// Renders the metrics in a task of its own and sends them to whoever asked.
pub(super) fn answer(links: ShardLinks, reply: flume::Sender<String>) {
    tokio::task::spawn_local(async move {
        let answers: Vec<_> = links
            .iter()
            .map(|link| {
                let (sender, answer) = flume::bounded(1);
                let _ = link.inbox.try_send(ToShard::Count(sender));
                answer
            })
            .collect();
        let mut shards: Vec<Option<Counters>> = Vec::with_capacity(answers.len());
        let deadline = tokio::time::Instant::now() + COUNT_TIME_MAX;
        for answer in answers {
            let counted = tokio::time::timeout_at(deadline, answer.recv_async()).await;
            shards.push(counted.ok().and_then(Result::ok));
        }
        let rendered = tokio::task::spawn_blocking(move || metrics::render(&shards)).await;
        let _ = reply.try_send(rendered.unwrap_or_default());
    });
}
