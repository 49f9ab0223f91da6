//! The whole shell in small worlds of memory: one seed makes one world, and always the same one.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::disallowed_methods, reason = "the executor needs an instant to count its own time from")]

mod executor;
mod invariants;
mod message;
mod net;
mod regressions;
mod socket;
mod trace;
mod world;

use std::{
    env,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use world::{Outcome, run};

/// Worlds that the gate runs; `BIFROST_SEEDS=1000..2000` runs others.
const SEEDS: Range<u64> = 0..256;

#[test]
fn no_world_breaks_the_shell() {
    let seeds = env::var("BIFROST_SEEDS").map_or(SEEDS, |range| {
        let (first, end) = range.split_once("..").unwrap();
        first.parse().unwrap()..end.parse().unwrap()
    });
    hold(&Vec::from_iter(seeds), |seed| run(seed, false));
}

#[test]
fn a_seed_makes_the_same_world_every_time() {
    for seed in 0..12 {
        let [one, other] = [(); 2].map(|()| run(seed, false));
        assert_eq!((one.hash, one.events), (other.hash, other.events), "seed {seed}");
    }
}

/// Tells the story of the seed in `BIFROST_SEED`.
#[test]
fn replay() {
    let seed = env::var("BIFROST_SEED").map_or(SEEDS.start, |seed| seed.parse().unwrap());
    let outcome = run(seed, true);
    println!("{} steps, {} requests, {} answers", outcome.steps, outcome.requests, outcome.answered);
    assert_eq!(outcome.failure, None, "seed {seed}");
}

/// Runs the worlds of these seeds, several at once; tells all that fail, and the end of the first of them.
fn hold(seeds: &[u64], run: impl Fn(u64) -> Outcome + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Relaxed)) {
            outcomes.push((*seed, run(*seed)));
        }
        outcomes
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut outcomes: Vec<(u64, Outcome)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    outcomes.sort_by_key(|(seed, _)| *seed);
    let steps: u64 = outcomes.iter().map(|(_, outcome)| outcome.steps).sum();
    let requests: usize = outcomes.iter().map(|(_, outcome)| outcome.requests).sum();
    let answers: u64 = outcomes.iter().map(|(_, outcome)| outcome.answered).sum();
    println!("{} worlds, {steps} steps, {requests} requests, {answers} answers", outcomes.len());
    outcomes.retain(|(_, outcome)| outcome.failure.is_some());
    let Some((first, outcome)) = outcomes.first() else { return };
    println!("the end of seed {first}:\n{}\n", outcome.end);
    for (seed, outcome) in &outcomes {
        println!("seed {seed} fails: {}", outcome.failure.as_deref().unwrap_or_default());
    }
    panic!(
        "a seed's world is told by BIFROST_SEED={first} cargo test --test simulation replay -- --nocapture"
    );
}
