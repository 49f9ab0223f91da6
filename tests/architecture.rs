//! The house keeps its shape: reads `src` and refuses what the compiler would let pass.
//! Each test says a rule, shows that its detector fires, and holds the whole tree against it.

#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeSet;

use source::{Source, tree};

/// Each module with all that it may import, from the top of the house down.
const LAYERS: &[(&str, &[&str])] = &[
    ("main", &["start"]),
    ("start", &["shard", "control", "bus", "config"]),
    ("shard", &["bus", "config", "metrics", "route", "provider", "dialect", "ir", "http", "sync"]),
    ("control", &["bus", "config", "metrics", "route", "provider", "dialect", "ir", "http"]),
    ("bus", &["config", "metrics", "route", "provider", "dialect", "ir", "http", "sync"]),
    ("config", &["route", "provider", "dialect", "ir", "http"]),
    ("metrics", &[]),
    ("route", &["provider", "dialect", "ir", "http"]),
    ("provider", &["dialect", "ir", "http"]),
    ("dialect", &["ir", "http"]),
    ("ir", &[]),
    ("http", &[]),
    ("sync", &[]),
];

/// The modules that may wait, log, and know the time.
const WORLDS: &[&str] = &["main.rs", "start/", "shard/", "control/"];

/// Crates with the files or folders that may name them.
const CRATES: &[(&[&str], &[&str])] = &[
    (
        &["tokio", "tokio_util", "tokio_stream", "hyper", "hyper_util", "http_body", "http_body_util"],
        &["control/", "shard/net/epoll.rs"],
    ),
    (&["glommio"], &["shard/net/glommio.rs"]),
    (&["rustls", "futures_rustls", "tokio_rustls"], &["shard/tls.rs"]),
    (&["rmcp", "redis", "hickory_resolver", "hickory_proto"], &["control/"]),
    (
        &["serde_json", "simd_json", "sonic_rs", "serde_json_lenient", "json5", "jsonc_parser", "jiter"],
        &["dialect/json/"],
    ),
    (&["httparse"], &["http/head.rs", "http/fields.rs"]),
    (&["crossbeam"], &["sync.rs"]),
    (&["tracing", "tracing_subscriber", "log"], WORLDS),
];

/// What a pure module would touch the world with: the beginnings of paths.
const IMPURE: &[&[&str]] = &[
    &["std", "env"],
    &["std", "fs"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "net", "UdpSocket"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant", "now"],
    &["std", "time", "SystemTime", "now"],
    &["Instant", "now"],
    &["SystemTime", "now"],
    &["libc"],
    &["socket2"],
];

/// Sockets cross threads as values, and nothing is done with them there.
const SOCKET_CARRIER: &str = "bus.rs";

/// Atomics come from here, so that loom's can take their place.
const ATOMICS: &str = "sync.rs";

/// The files that may be unsafe; each says why at its head.
const UNSAFE: &[&str] = &["dialect/json/block.rs", "shard/net/reactor.rs", "shard/net/ring.rs"];

/// Names of files and folders that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "common", "helpers", "manager", "service"];

/// Length of a file, lines, tests included.
const LINES_MAX: usize = 600;

#[test]
fn imports_go_down_only() {
    refused(imports_up, "route/router.rs", "use crate::config::Snapshot;");
    refused(imports_up, "route/router.rs", "use crate::{provider::Account, config::limits};");
    refused(imports_up, "route/router.rs", "fn route() { crate::shard::run() }");
    refused(imports_up, "route/router.rs", "use super::super::shard::Pool;");
    refused(imports_up, "route/mod.rs", "use super::{ir, shard::Pool};");
    refused(
        imports_up,
        "route/router.rs",
        "#[cfg(test)] mod tests { use super::super::super::shard::Pool; }",
    );
    refused(imports_up, "shard/pool.rs", "use crate::control::Control;");
    refused(imports_up, "metrics/counters.rs", "use crate::ir::Blame;");
    refused(imports_up, "config/mod.rs", "use crate::metrics::Counters;");
    refused(imports_up, "ir/mod.rs", "use crate::http::Head;");
    refused(imports_up, "ir/mod.rs", "use crate::*;");
    refused(imports_up, "gossip/mod.rs", "");
    allowed(
        imports_up,
        "route/router.rs",
        "use crate::{route::keys, ir::{ApiError, Blame}}; use super::keys;",
    );
    allowed(
        imports_up,
        "route/keys/pick.rs",
        "use super::super::router; mod tests { use super::super::Key; }",
    );
    allowed(imports_up, "bus.rs", "use crate::{config::Snapshot, metrics::Counters, ir};");
    allowed(imports_up, "ir/mod.rs", "// use crate::shard;\nconst SAID: &str = \"crate::shard::run\";");
    house_keeps(imports_up);
}

#[test]
fn the_table_of_layers_goes_down() {
    for (position, (module, below)) in LAYERS.iter().enumerate() {
        for other in *below {
            let is_below = LAYERS[position + 1..].iter().any(|(lower, _)| lower == other);
            assert!(is_below, "{module} may not import {other}");
        }
    }
}

#[test]
fn crates_are_named_only_where_they_belong() {
    refused(strange_crates, "shard/pool.rs", "use tokio::net::TcpStream;");
    refused(strange_crates, "shard/pool.rs", "use {std::fmt, tokio::net::TcpStream};");
    refused(strange_crates, "main.rs", "#[tokio::main] async fn main() {}");
    refused(strange_crates, "shard/net/epoll.rs", "fn listen() { glommio::net::TcpListener::bind(0); }");
    refused(strange_crates, "control/mod.rs", "use ::rustls as tls;");
    refused(strange_crates, "control/store.rs", "use serde_json::Value;");
    refused(strange_crates, "config/file.rs", "use serde_json;");
    refused(strange_crates, "http/body.rs", "let head = httparse::Request::new(&mut []);");
    refused(strange_crates, "route/keys.rs", "tracing::info!(\"picked\");");
    refused(strange_crates, "shard/inbox.rs", "use redis::Client;");
    allowed(
        strange_crates,
        "control/demo.rs",
        "use tokio::{net, time}; use hyper::Request; use tracing::info;",
    );
    allowed(
        strange_crates,
        "shard/net/mod.rs",
        "mod glommio; pub use self::glommio::Ring; fn f() { glommio::f() }",
    );
    allowed(strange_crates, "shard/tls.rs", "use futures_rustls::TlsConnector; use rustls::ClientConfig;");
    allowed(strange_crates, "config/check.rs", "use rustls_pki_types::CertificateDer;");
    allowed(strange_crates, "route/keys.rs", "#[cfg(test)]\nmod tests { use serde_json::json; }");
    house_keeps(strange_crates);
}

#[test]
fn pure_modules_touch_nothing() {
    refused(impurities, "config/file.rs", "use std::fs;");
    refused(impurities, "config/file.rs", "fn read() { std::env::var(\"HOME\"); }");
    refused(impurities, "config/file.rs", "use std::{fmt, env::var};");
    refused(impurities, "route/health.rs", "let now = Instant::now();");
    refused(impurities, "route/health.rs", "let now = std::time::SystemTime::now();");
    refused(impurities, "route/keys.rs", "let chance = fastrand::f64();");
    refused(impurities, "route/keys.rs", "use fastrand::{Rng, shuffle};");
    refused(impurities, "provider/account.rs", "use std::net::{IpAddr, TcpStream};");
    allowed(impurities, "route/keys.rs", "use fastrand::Rng; use std::{net::IpAddr, time::Instant};");
    refused(impurities, "bus.rs", "use std::{net::TcpStream, fs::File};");
    allowed(impurities, "bus.rs", "use std::net::TcpStream;");
    allowed(impurities, "control/mod.rs", "use std::{env, fs}; let now = std::time::Instant::now();");
    allowed(impurities, "route/keys.rs", "#[cfg(all(test, loom))] mod tests { use std::thread; }");
    house_keeps(impurities);
}

#[test]
fn only_the_two_worlds_wait() {
    refused(waits, "http/body.rs", "pub async fn read() {}");
    refused(waits, "bus.rs", "fn send() -> impl Future { async move { 1 } }");
    refused(waits, "route/attempts.rs", "let event = queue.next().await;");
    allowed(waits, "shard/relay.rs", "async fn pump() { read().await }");
    allowed(waits, "main.rs", "async fn main() {}");
    allowed(waits, "route/attempts.rs", "// async fn\nlet awaited = \"x.await\"; let async_count = 1;");
    house_keeps(waits);
}

#[test]
fn nothing_is_locked() {
    refused(locks, "shard/pool.rs", "use std::sync::Mutex;");
    refused(locks, "control/store.rs", "idle: tokio::sync::RwLock<Vec<u8>>,");
    refused(locks, "control/store.rs", "#[cfg(test)] mod tests { static mut COUNT: u8 = 0; }");
    refused(locks, "shard/pool.rs", "use parking_lot::FairMutex;");
    allowed(locks, "shard/pool.rs", "// a Mutex would do\nlet name: &'static str = \"RwLock\";");
    house_keeps(locks);
}

#[test]
fn what_threads_share_has_a_model() {
    refused(unmodelled, "bus.rs", "use std::sync::atomic::AtomicU64;");
    refused(unmodelled, "shard/pool.rs", "static NEXT: core::sync::atomic::AtomicU64 = zero();");
    refused(unmodelled, "shard/pool.rs", "use crate::{bus, sync::AtomicUsize};");
    refused(unmodelled, "load.rs", "use crate::sync::AtomicUsize;");
    allowed(unmodelled, "bus/load.rs", "use crate::sync::AtomicUsize;");
    allowed(unmodelled, "shard/state.rs", "use std::sync::Arc;");
    allowed(unmodelled, "shard/state.rs", "#[cfg(test)] mod tests { use std::sync::atomic::AtomicU64; }");
    house_keeps(unmodelled);
}

#[test]
fn names_say_something() {
    refused(empty_names, "http/utils.rs", "");
    refused(empty_names, "common/mod.rs", "");
    refused(empty_names, "control/service/mod.rs", "");
    refused(empty_names, "shard/connection_manager.rs", "");
    refused(empty_names, "dialect/json/helper.rs", "");
    allowed(empty_names, "route/attempts.rs", "");
    house_keeps(empty_names);
}

#[test]
fn every_file_is_part_of_the_house() {
    let house = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        dead_files(&sources)
    };
    let alive = [
        ("lib.rs", "pub mod ir;\npub mod bus;"),
        ("main.rs", ""),
        ("bus.rs", "mod queue;"),
        ("bus/queue.rs", ""),
        ("ir/mod.rs", "mod error;\n#[cfg(test)] mod fixtures;"),
        ("ir/error.rs", ""),
        ("ir/fixtures.rs", ""),
    ];
    assert_eq!(house(&alive), NOTHING);
    for dead in [("ir/queue.rs", ""), ("bus/error.rs", ""), ("queue.rs", ""), ("route/mod.rs", "mod x;")] {
        assert_eq!(house(&[&alive[..], &[dead]].concat()).len(), 1, "{dead:?}");
    }
    assert_eq!(house(&[("lib.rs", "// mod ir;\nmod http {}"), ("ir/mod.rs", "")]).len(), 1);
    assert_eq!(dead_files(&tree()), NOTHING);
}

#[test]
fn modules_are_where_their_names_say() {
    refused(moved_modules, "ir/mod.rs", "#[path = \"else/where.rs\"] mod error;");
    allowed(moved_modules, "ir/mod.rs", "let path = \"x\";");
    house_keeps(moved_modules);
}

#[test]
fn files_are_short() {
    refused(lengths, "ir/mod.rs", &"\n".repeat(LINES_MAX + 1));
    allowed(lengths, "ir/mod.rs", &"\n".repeat(LINES_MAX));
    house_keeps(lengths);
}

#[test]
fn unsafe_code_is_in_few_files_which_say_why() {
    let denied = include_str!("../Cargo.toml").lines().any(|line| line == "unsafe_code = \"deny\"");
    assert!(denied, "the compiler lets unsafe code pass");
    refused(unexplained_unsafe, "shard/pool.rs", "//! Unsafe: it is fast.\nunsafe fn f() {}");
    refused(unexplained_unsafe, "shard/net/ring.rs", "//! Asks for flags.\nunsafe extern \"C\" fn wrap() {}");
    refused(unexplained_unsafe, "shard/net/ring.rs", "fn f() { unsafe { g() } }\n//! unsafe because");
    allowed(
        unexplained_unsafe,
        "shard/net/ring.rs",
        "//! Ring flags.\n//! Unsafe: the kernel.\nunsafe fn f() {}",
    );
    allowed(unexplained_unsafe, "lib.rs", "#![deny(unsafe_code)] // no unsafe here");
    house_keeps(unexplained_unsafe);
    let used = tree().into_iter().filter(is_unsafe).map(|source| source.path);
    assert_eq!(used.collect::<BTreeSet<_>>(), UNSAFE.iter().map(|path| (*path).to_owned()).collect());
}

#[test]
fn imports_name_what_they_import() {
    refused(globs, "ir/mod.rs", "pub use error::*;");
    refused(globs, "ir/mod.rs", "use std::{fmt, collections::*};");
    refused(globs, "ir/mod.rs", "use super::*;");
    refused(globs, "ir/mod.rs", "#[cfg(test)] mod tests { use crate::ir::*; }");
    allowed(globs, "ir/mod.rs", "#[cfg(test)] mod tests { use super::*; } fn f(x: u8) -> u8 { u8::MAX * x }");
    house_keeps(globs);
}

#[test]
fn nothing_is_left_for_later() {
    for text in ["fn f() { todo!() }", "unimplemented!(\"soon\")", "// TODO: more", "/* FIXME */"] {
        refused(leftovers, "ir/mod.rs", text);
    }
    allowed(leftovers, "ir/mod.rs", "let todo = AUTODOC; // unimplemented");
    house_keeps(leftovers);
}

const NOTHING: [String; 0] = [];

fn house_keeps(rule: fn(&Source) -> Vec<String>) {
    let sources = tree();
    for known in ["main.rs", "lib.rs", "ir/mod.rs"] {
        assert!(sources.iter().any(|source| source.path == known), "{known} was not read");
    }
    let said = |source: &Source| {
        let path = source.path.clone();
        rule(source).into_iter().map(move |what| format!("src/{path}: {what}"))
    };
    let broken: Vec<String> = sources.iter().flat_map(said).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn refused(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) {
    assert_ne!(rule(&Source::new(path, text)), NOTHING, "nothing was found in {path}: {text}");
}

fn allowed(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) {
    assert_eq!(rule(&Source::new(path, text)), NOTHING, "in {path}: {text}");
}

fn imports_up(source: &Source) -> Vec<String> {
    let module = source.top_module();
    if module == "lib" {
        return Vec::new();
    }
    let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("`{module}` has no place in the table of layers")];
    };
    let found = source.modules_imported().into_iter();
    let strange = found.filter(|other| other != module && !below.contains(&other.as_str()));
    strange.map(|other| format!("`{module}` may not import `{other}`")).collect()
}

fn strange_crates(source: &Source) -> Vec<String> {
    let own = source.modules_declared();
    let mut strange = Vec::new();
    for path in source.production_paths() {
        let name = &path.segments[0];
        let is_crate = (path.segments.len() > 1 || path.is_import) && !own.contains(name);
        let place = CRATES.iter().find(|(crates, _)| is_crate && crates.contains(&name.as_str()));
        if let Some((_, places)) = place
            && !is_in(source, places)
        {
            strange.push(format!("`{path}` belongs to {}", places.join(", ")));
        }
    }
    strange
}

fn impurities(source: &Source) -> Vec<String> {
    if is_in(source, WORLDS) {
        return Vec::new();
    }
    let mut paths = source.production_paths();
    paths.retain(|path| !(source.path == SOCKET_CARRIER && path.starts_with(&["std", "net"])));
    paths.retain(|path| {
        let is_chance = path.starts_with(&["fastrand"]) && path.segments.len() > 1;
        let is_chance = is_chance && !path.starts_with(&["fastrand", "Rng"]);
        is_chance || IMPURE.iter().any(|start| path.starts_with(start))
    });
    paths.iter().map(|path| format!("`{path}` in a pure module")).collect()
}

fn waits(source: &Source) -> Vec<String> {
    if is_in(source, WORLDS) {
        return Vec::new();
    }
    let words = source.production_words().iter().filter(|word| *word == "async" || *word == "await");
    words.map(|word| format!("`{word}` outside shard, control and main")).collect()
}

fn locks(source: &Source) -> Vec<String> {
    let words = source.words();
    let locks = words.iter().filter(|word| word.ends_with("Mutex") || word.ends_with("RwLock"));
    let statics = words.windows(2).filter(|pair| pair[0] == "static" && pair[1] == "mut");
    let locks = locks.map(|word| format!("`{word}`: threads share nothing but messages"));
    locks.chain(statics.map(|_| "`static mut`".to_owned())).collect()
}

fn empty_names(source: &Source) -> Vec<String> {
    let singular = |name: &str| name.trim_end_matches('s').to_owned();
    let words = source.path.trim_end_matches(".rs").split(['/', '_']);
    let empty = words.filter(|word| EMPTY_NAMES.iter().any(|name| singular(name) == singular(word)));
    empty.map(|word| format!("`{word}` says nothing")).collect()
}

fn dead_files(sources: &[Source]) -> Vec<String> {
    let mut alive = BTreeSet::new();
    let mut next = vec!["main.rs".to_owned(), "lib.rs".to_owned()];
    while let Some(path) = next.pop() {
        if let Some(source) = sources.iter().find(|source| source.path == path)
            && alive.insert(path)
        {
            next.extend(source.files_declared());
        }
    }
    let dead = sources.iter().filter(|source| !alive.contains(&source.path));
    dead.map(|source| format!("src/{} is in no `mod` line", source.path)).collect()
}

fn moved_modules(source: &Source) -> Vec<String> {
    let words = source.words();
    let moved = words.windows(2).filter(|pair| pair[0] == "[" && pair[1] == "path");
    moved.map(|_| "a `path` attribute".to_owned()).collect()
}

fn lengths(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    Vec::from_iter((lines > LINES_MAX).then(|| format!("{lines} lines, at most {LINES_MAX}")))
}

fn unexplained_unsafe(source: &Source) -> Vec<String> {
    let mut head = source.text.lines().take_while(|line| line.starts_with("//!"));
    let is_explained = head.any(|line| line.to_lowercase().contains("unsafe"));
    if !is_unsafe(source) {
        return Vec::new();
    }
    let is_listed = UNSAFE.contains(&source.path.as_str());
    let strange = (!is_listed).then(|| format!("`unsafe` belongs to {}", UNSAFE.join(", ")));
    let silent = (!is_explained).then(|| "`unsafe`, and the head does not say why".to_owned());
    strange.into_iter().chain(silent).collect()
}

fn unmodelled(source: &Source) -> Vec<String> {
    if source.path == ATOMICS {
        return Vec::new();
    }
    let paths = source.production_paths();
    let atomics = paths.iter().filter(|path| {
        path.starts_with(&["std", "sync", "atomic"]) || path.starts_with(&["core", "sync", "atomic"])
    });
    let strange = atomics.map(|path| format!("`{path}` belongs to {ATOMICS}"));
    let is_shared = paths.iter().any(|path| path.starts_with(&["crate", "sync"]));
    let is_modelled = include_str!("loom/lib.rs").contains(&format!("\"../../src/{}\"", source.path));
    let alone =
        (is_shared && !is_modelled).then(|| "shared by threads, and tests/loom has no model".to_owned());
    strange.chain(alone).collect()
}

fn is_unsafe(source: &Source) -> bool {
    source.words().iter().any(|word| word == "unsafe")
}

fn globs(source: &Source) -> Vec<String> {
    let mut paths = source.test_paths();
    paths.retain(|path| !path.starts_with(&["super", "*"]));
    paths.extend(source.production_paths());
    paths.retain(|path| path.segments.last().is_some_and(|last| last == "*"));
    paths.iter().map(|path| format!("`use {path}`")).collect()
}

fn leftovers(source: &Source) -> Vec<String> {
    let words = source.words();
    let calls = words.windows(2).filter(|pair| pair[1] == "!");
    let calls = calls.map(|pair| pair[0].as_str()).filter(|name| ["todo", "unimplemented"].contains(name));
    let notes = source.text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let notes = notes.filter(|word| ["TODO", "FIXME"].contains(word));
    calls.chain(notes).map(|word| format!("`{word}`: do it now, or leave it out")).collect()
}

/// Places are files, or folders with a `/` at the end.
fn is_in(source: &Source, places: &[&str]) -> bool {
    places.iter().any(|place| {
        if place.ends_with('/') { source.path.starts_with(place) } else { source.path == *place }
    })
}
