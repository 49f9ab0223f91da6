//! What the gateway's threads share, in every order of their steps, as loom finds them. The files that name
//! `crate::sync` are compiled here a second time, over loom's atomics and models of what loom cannot look into.
#![cfg(test)]

#[path = "../../src/shard/net/bell.rs"]
mod bell;
#[path = "../../src/bus/load.rs"]
mod load;
#[path = "../../src/bus/ring.rs"]
mod ring;
#[path = "../../src/bus/room.rs"]
mod room;

mod chime;
mod lines;
mod loads;
mod rooms;
mod sync;
mod wakes;

/// Preemptions in one order of steps, at most; `LOOM_MAX_PREEMPTIONS` asks for others.
const PREEMPTIONS: usize = 3;

fn in_every_order(steps: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(steps);
}
