//! What every test needs: a gateway process, upstreams that follow a script, clients that speak raw bytes.

mod asker;
mod authority;
mod client;
mod gateway;
mod message;
mod proxy;
mod signal;
mod upstream;
mod vendor;
mod wire;

use std::{thread, time::Duration};

use serde_json::{Value, json};

pub(crate) use asker::{Asker, Read, StreamEvent, stream_events};
pub(crate) use authority::Authority;
pub(crate) use client::{Client, Response};
pub(crate) use gateway::{Ended, Gateway, Setup};
pub(crate) use message::{LAST_CHUNK, STREAM_HEAD, chunk, get, json_reply, post, reply, request};
pub(crate) use proxy::{Asked, Proxy};
pub(crate) use signal::Signal;
pub(crate) use upstream::{Peer, Request, Upstream, refusing_address, silent_address};
pub(crate) use vendor::{ANSWER, Vendor};
pub(crate) use wire::Body;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// The path that the OpenAI SDKs call most.
pub(crate) const CHAT: &str = "/openai/v1/chat/completions";

/// A value of `--io`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Epoll,
    IoUring,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::IoUring => "io-uring",
        }
    }
}

/// Runs a test once with each engine, both at the same time; a failure is shown with the engine's name.
pub(crate) fn on_both_engines(test: impl Fn(Engine) + Sync) {
    thread::scope(|scope| {
        for engine in [Engine::Epoll, Engine::IoUring] {
            let test = &test;
            let named = thread::Builder::new().name(engine.name().to_owned());
            named.spawn_scoped(scope, move || test(engine)).unwrap();
        }
    });
}

/// A configuration with one upstream as provider `openai` and the one key `sk-test`.
pub(crate) fn openai_at(upstream: &Upstream) -> Value {
    json!({ "providers": { "openai": provider_at(&upstream.base_url()) } })
}

/// A provider with the one key `sk-test` at a base URL.
pub(crate) fn provider_at(base_url: &str) -> Value {
    json!({
        "keys": [{ "name": "only", "value": "sk-test", "models": ["*"], "weight": 1 }],
        "network_config": { "base_url": base_url },
    })
}

/// A provider that is not built in and speaks OpenAI's API, with the one key `sk-test`.
pub(crate) fn custom_provider_at(base_url: &str) -> Value {
    let mut provider = provider_at(base_url);
    provider["custom_provider_config"] = json!({ "base_provider_type": "openai" });
    provider
}

/// The body of a small chat request.
pub(crate) fn chat(model: &str) -> String {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hello!" }] }).to_string()
}

/// The body of a small chat request that wants a stream.
pub(crate) fn streamed_chat(model: &str) -> String {
    json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": "Hello!" }] })
        .to_string()
}

#[test]
fn a_client_and_an_upstream_understand_each_other_without_a_gateway_between() {
    let upstream = Upstream::answering(|request, peer| {
        assert_eq!(request.head.value("x-name"), Some("value"));
        peer.send(STREAM_HEAD);
        peer.send(chunk(b"data: one\n\ndata: t"));
        peer.send(chunk(b"wo\r\n\r\n"));
        peer.send(LAST_CHUNK);
    });
    let mut client = Client::connect(upstream.address());
    for round in 0..2 {
        client.send(request("POST", "/path?query", &[("X-Name", "value")], b"body"));
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.event(), "data: one\n\n");
        assert_eq!(client.event(), "data: two\r\n\r\n");
        assert_eq!(client.rest(), (Vec::new(), true));
        let seen = upstream.next_request();
        assert_eq!((seen.head.method(), seen.head.target()), ("POST", "/path?query"));
        assert_eq!((seen.body.as_slice(), seen.connection), (b"body".as_slice(), 0), "round {round}");
    }
}

#[test]
fn a_body_that_is_cut_short_is_told_from_a_whole_one() {
    let upstream = Upstream::answering(|request, peer| {
        match request.head.target() {
            "/chunked" => peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            "/length" => peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
            _ => peer.send(b"HTTP/1.0 200 OK\r\n\r\nab"),
        };
        peer.close();
    });
    for (target, is_whole) in [("/chunked", false), ("/length", false), ("/close", true)] {
        let mut client = Client::connect(upstream.address());
        client.send(get(target));
        client.head();
        assert_eq!(client.rest(), (b"ab".to_vec(), is_whole), "{target}");
        assert!(client.is_closed());
    }
}

#[test]
fn an_upstream_sees_that_its_peer_is_gone() {
    let gone = Signal::new();
    let told = gone.clone();
    let upstream = Upstream::answering(move |_, peer| {
        peer.wait_until_closed();
        told.give(());
    });
    let mut client = Client::connect(upstream.address());
    client.send(get("/"));
    upstream.next_request();
    drop(client);
    gone.wait();
}
