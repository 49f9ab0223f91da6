//! Control as the shards see it: it resolves names, beats, asks for counts and says when to stop.

use std::{iter, net::IpAddr, rc::Rc, time::Duration};

use bifrost::{
    bus::{ShardLinks, ToControl, ToShard},
    metrics::{self, Gauges, ModelRoster, Scrape, ShardScrape},
};
use futures_lite::future;

use super::World;
use crate::{executor::Owner, invariants::check_counts};

/// Time for a shard to say what it has counted.
const COUNT_TIME_MAX: Duration = Duration::from_secs(1);
const BEAT: Duration = Duration::from_secs(1);
/// Time for what has been done with to be let go: a refused client may be waited for.
const SETTLING: Duration = Duration::from_secs(5);

/// Answers questions until every shard has ended.
pub(crate) async fn serve(world: Rc<World>, links: ShardLinks, messages: flume::Receiver<ToControl>) {
    let beat = world.network.executor.spawn(Owner::World, beat(world.clone(), links.clone()));
    let mut answers = Vec::new();
    while let Ok(message) = messages.recv_async().await {
        let (world, links) = (world.clone(), links.clone());
        let pause = world.roll(|rng| Duration::from_millis([0, 1, 100][rng.usize(..3)]));
        answers.push(world.clone().network.executor.spawn(Owner::World, async move {
            world.sleep(pause).await;
            match message {
                ToControl::Resolve { host } => resolve(&world, &links, &host),
                ToControl::Scrape(reply) => {
                    let (_, shown) = count(&world, &links).await;
                    let _ = reply.send_async(shown).await;
                }
                ToControl::WriteAccessLog => {}
                ToControl::Mint { reply, .. } => {
                    let _ = reply.send_async(Err("nothing is minted here".to_owned())).await;
                }
                ToControl::Fetch(wanted) => {
                    let _ = wanted.reply.send_async(Err("nothing is fetched here".to_owned())).await;
                }
            }
        }));
    }
    drop(beat);
    world.network.tell(format_args!("control has ended"));
}

fn resolve(world: &World, links: &ShardLinks, host: &str) {
    let found: Result<Vec<IpAddr>, String> = if world.one_in(world.climate.unresolved_one_in) {
        Err("nobody knows it".to_owned())
    } else {
        // Nobody listens at the first address, now and then.
        let first = world.one_in(4).then_some("10.9.9.9");
        Ok(first.into_iter().chain(["10.0.0.1"]).filter_map(|address| address.parse().ok()).collect())
    };
    for link in links.iter() {
        let _ = link.inbox.try_send(ToShard::Addresses { host: host.to_owned(), found: found.clone() });
    }
}

async fn beat(world: Rc<World>, links: ShardLinks) {
    if world.climate.is_control_silent {
        return;
    }
    loop {
        for link in links.iter() {
            let _ = link.inbox.try_send(ToShard::Beat);
        }
        world.sleep(BEAT).await;
    }
}

/// What all shards have counted, and how it is shown.
async fn count(world: &World, links: &ShardLinks) -> (Vec<Gauges>, String) {
    let mut shards = Vec::new();
    for link in links.iter() {
        let (reply, answer) = flume::bounded(1);
        let _ = link.inbox.try_send(ToShard::Count(reply));
        let late = async {
            world.sleep(COUNT_TIME_MAX).await;
            None
        };
        let counters = future::or(async { answer.recv_async().await.ok() }, late).await;
        shards.push(ShardScrape { counters, inbox_messages: 0 });
    }
    let gauges = shards.iter().filter_map(|shard| Some(shard.counters.as_ref()?.gauges)).collect();
    let scrape = Scrape { shards, ..Scrape::default() };
    (gauges, metrics::render(&scrape, &ModelRoster::default()))
}

/// Stops the shards once the clients are done, or in the midst of everything.
pub(crate) async fn stop(world: Rc<World>, links: ShardLinks) {
    match world.climate.stop_after {
        Some(time) => world.sleep(time).await,
        None => {
            world.until_clients_are_gone().await;
            world.sleep(SETTLING).await;
            let (gauges, shown) = count(&world, &links).await;
            let logged = links.iter().flat_map(|link| iter::from_fn(|| link.access.pop()));
            check_counts(&world, &gauges, &shown, &logged.collect::<Vec<_>>());
        }
    }
    world.begin_drain();
    for link in links.iter() {
        let _ = link.inbox.send_async(ToShard::Drain).await;
    }
}
