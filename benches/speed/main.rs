//! How fast the gateway's hot paths are, beside what else could do the same: `cargo bench`. With `--count NAME`
//! one of them runs for tools/instructions.
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

mod cases;
mod memory;
mod world;

use std::{collections::HashMap, env, hint::black_box};

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use serde::de::IgnoredAny;

use cases::{Case, answer, body, head, request, stream};
use world::World;

/// What the gateway allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => cases::all().iter().for_each(|case| println!("{}\t{}", case.rounds, case.name)),
        ["--count", name] => count(cases::all().into_iter().find(|case| case.name == name).unwrap()),
        _ => time(),
    }
}

fn count(mut case: Case) {
    // What happens once only has happened then.
    repeat(case.rounds / 4 + 1, &mut case.run);
    counted(case.rounds, &mut case.run);
}

/// What tools/instructions counts: everything between its call and its return.
#[inline(never)]
fn counted(rounds: u32, run: &mut dyn FnMut()) {
    repeat(rounds, run);
}

fn repeat(rounds: u32, run: &mut dyn FnMut()) {
    (0..rounds).for_each(|_| run());
}

fn time() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut cases = HashMap::<_, _>::from_iter(cases::all().into_iter().map(|case| (case.name, case.run)));
    let mut ours = |group: &mut BenchmarkGroup<'_, WallTime>, name: &str| {
        let run = cases.get_mut(name).unwrap();
        group.bench_function(name, |bencher| bencher.iter(&mut *run));
    };

    let mut group = criterion.benchmark_group("head");
    ours(&mut group, "head, the first of a connection");
    ours(&mut group, "head, like the one before");
    ours(&mut group, "fields of a request, filtered");
    let text = head(912);
    group.bench_function("httparse alone", |bencher| {
        bencher.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let mut parsed = httparse::Request::new(&mut fields);
            black_box(parsed.parse(black_box(text.as_bytes())).unwrap());
        });
    });
    group.finish();

    for (name, length) in [("scan and splice, 0.9 KB", 900), ("scan and splice, 90 KB", 90_000)] {
        let body = body(length);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(body.len() as u64));
        ours(&mut group, name);
        let mut buffers = simd_json::Buffers::default();
        group.bench_function("simd-json, a tape of a copy", |bencher| {
            bencher.iter(|| {
                let mut copy = black_box(&body).clone();
                black_box(simd_json::to_tape_with_buffers(&mut copy, &mut buffers).unwrap());
            });
        });
        group.bench_function("serde_json, a tree", |bencher| {
            bencher.iter(|| serde_json::from_slice::<serde_json::Value>(black_box(&body)).unwrap());
        });
        group.bench_function("serde_json, nothing kept", |bencher| {
            bencher.iter(|| serde_json::from_slice::<IgnoredAny>(black_box(&body)).unwrap());
        });
        group.finish();
    }

    let mut group = criterion.benchmark_group("key");
    ours(&mut group, "key, picked among three");
    let mut rng = fastrand::Rng::with_seed(1);
    group.bench_function("a random number", |bencher| bencher.iter(|| black_box(rng.f64())));
    group.finish();

    let mut group = criterion.benchmark_group("metrics");
    ours(&mut group, "call and request, counted");
    ours(&mut group, "metrics, rendered");
    let mut totals = HashMap::<String, u64>::new();
    group.bench_function("one counter by its labels", |bencher| {
        bencher.iter(|| {
            let labels =
                format!("provider={},model={},status={}", black_box("openai"), black_box("gpt-4o"), 200);
            *totals.entry(labels).or_default() += 1;
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("event");
    ours(&mut group, "event, its end found");
    let event = [b"data: ".as_slice(), &body(200), b"\n\n"].concat();
    group.bench_function("two line feeds searched", |bencher| {
        bencher.iter(|| memchr::memmem::find(black_box(&event), b"\n\n"));
    });
    group.finish();

    for (name, length, answer) in [
        ("exchange, 0.9 KB for 0.4 KB", 900, vec![answer()]),
        ("exchange, 90 KB for 0.4 KB", 90_000, vec![answer()]),
        ("exchange, 0.9 KB for 100 events", 900, stream()),
    ] {
        let mut group = criterion.benchmark_group(name);
        ours(&mut group, name);
        let mut world = World::without_gateway(request(length), answer);
        group.bench_function("without a gateway", |bencher| bencher.iter(|| world.exchange()));
        group.finish();
    }
    criterion.final_summary();
}
