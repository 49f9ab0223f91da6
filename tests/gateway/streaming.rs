//! Streams: each event at once, no faster than the client reads, and never a clean end that was none.

use serde_json::{Value, json};

use crate::harness::{
    Body, CHAT, Client, Gateway, LAST_CHUNK, STREAM_HEAD, Signal, Upstream, chat, chunk, custom_provider_at,
    on_both_engines, openai_at, post, reply, streamed_chat,
};

const EVENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// A client that has asked for a stream and read its head.
fn asking(gateway: &Gateway) -> Client {
    let mut client = gateway.client();
    client.send(post(CHAT, &streamed_chat("gpt-4o")));
    assert_eq!(client.head().status(), 200);
    client
}

/// An upstream that never answers, and tells when it was left.
fn silent_upstream() -> (Upstream, Signal) {
    let gone = Signal::new();
    let told = gone.clone();
    let upstream = Upstream::answering(move |_, peer| {
        peer.wait_until_closed();
        told.give(());
    });
    (upstream, gone)
}

/// Checks that what is left of a stream is one error event as the OpenAI SDKs raise it.
fn ends_in_an_error(client: &mut Client) {
    let (rest, _) = client.rest();
    let rest = String::from_utf8(rest).unwrap();
    let data = rest.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
    let event: Value = serde_json::from_str(data.unwrap_or_else(|| panic!("{rest:?}"))).unwrap();
    assert!(event["error"]["message"].is_string(), "{event}");
    assert!(event["error"]["type"].is_string(), "{event}");
    for name in ["param", "code"] {
        assert!(event["error"].get(name).is_some(), "no {name}: {event}");
    }
}

#[test]
fn an_event_is_delivered_before_the_upstream_makes_the_next() {
    on_both_engines(|engine| {
        let go = Signal::<()>::new();
        let gate = go.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(STREAM_HEAD);
            for number in 0..10 {
                peer.send(chunk(format!("data: {{\"number\":{number}}}\n\n").as_bytes()));
                gate.wait();
            }
            peer.send(chunk(DONE.as_bytes()));
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = asking(&gateway);
        for number in 0..10 {
            assert_eq!(client.event(), format!("data: {{\"number\":{number}}}\n\n"));
            go.give(());
        }
        assert_eq!(client.event(), DONE);
        assert_eq!(client.rest(), (Vec::new(), true));
    });
}

#[test]
fn an_event_that_comes_in_pieces_is_delivered_whole() {
    on_both_engines(|engine| {
        let go = Signal::<()>::new();
        let gate = go.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(STREAM_HEAD);
            let (first, last) = EVENT.split_at(30);
            peer.send(chunk([EVENT, first].concat().as_bytes()));
            gate.wait();
            peer.send(chunk(last.as_bytes()));
            peer.send(chunk(DONE.as_bytes()));
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = asking(&gateway);
        assert_eq!(client.event(), EVENT);
        assert!(client.beyond_the_event().is_empty(), "half an event was forwarded");
        go.give(());
        assert_eq!(client.event(), EVENT);
        assert_eq!(client.event(), DONE);
        assert_eq!(client.rest(), (Vec::new(), true));
    });
}

#[test]
fn an_event_of_three_megabytes_is_delivered() {
    on_both_engines(|engine| {
        let event = format!("data: {{\"b64_json\":\"{}\"}}\n\n", "x".repeat(3_000_000));
        let sent = event.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(sent.as_bytes()));
            peer.send(chunk(DONE.as_bytes()));
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(post(CHAT, &streamed_chat("gpt-4o")));
        assert!(answer.text() == [event.as_str(), DONE].concat(), "the event was changed");
    });
}

#[test]
fn a_client_that_hangs_up_in_a_stream_closes_the_upstream() {
    on_both_engines(|engine| {
        let gone = Signal::new();
        let told = gone.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(EVENT.as_bytes()));
            peer.wait_until_closed();
            told.give(());
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for is_half_closed in [false, true] {
            let mut client = asking(&gateway);
            assert_eq!(client.event(), EVENT);
            if is_half_closed {
                client.half_close();
                gone.wait();
            } else {
                drop(client);
                gone.wait();
            }
        }
    });
}

#[test]
fn a_client_that_hangs_up_while_it_waits_closes_the_upstream() {
    on_both_engines(|engine| {
        let (upstream, gone) = silent_upstream();
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for body in [chat("gpt-4o"), streamed_chat("gpt-4o")] {
            let mut client = gateway.client();
            client.send(post(CHAT, &body));
            upstream.next_request();
            drop(client);
            gone.wait();
        }
    });
}

#[test]
fn a_client_that_hangs_up_behind_much_that_it_sent_ahead_closes_the_upstream() {
    on_both_engines(|engine| {
        let (upstream, gone) = silent_upstream();
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for is_reset in [false, true] {
            let mut client = gateway.client();
            client.send(post(CHAT, &chat("gpt-4o")));
            upstream.next_request();
            client.send(post(CHAT, &chat(&"x".repeat(100_000))));
            if is_reset {
                client.reset();
            }
            drop(client);
            gone.wait();
        }
    });
}

#[test]
fn a_slow_client_slows_the_upstream() {
    on_both_engines(|engine| {
        const WHOLE: usize = 48 * 1024 * 1024;
        let taken = Signal::new();
        let told = taken.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {WHOLE}\r\n\r\n"
            ));
            let event = format!("data: {}\n\n", "x".repeat(1024 * 32 - 8));
            let mut stream = event.repeat(WHOLE / event.len());
            stream.truncate(WHOLE - DONE.len() - 2);
            stream.push_str("\n\n");
            stream.push_str(DONE);
            let sent = peer.send_until_blocked(stream.as_bytes());
            told.give(sent);
            peer.send(&stream.as_bytes()[sent..]);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = Client::connect_with_small_buffer(gateway.address());
        client.send(post(CHAT, &streamed_chat("gpt-4o")));
        assert_eq!(client.head().status(), 200);
        let taken = taken.wait();
        assert!(taken < WHOLE / 2, "{taken} bytes were taken that the client does not read");
        let (rest, is_whole) = client.rest();
        assert!(is_whole && rest.len() == WHOLE, "{is_whole} {}", rest.len());
        assert!(rest.ends_with(DONE.as_bytes()));
    });
}

#[test]
fn an_upstream_that_dies_in_a_stream_ends_it_in_an_error() {
    on_both_engines(|engine| {
        for half_an_event in ["", "data: {\"half", "data: {\"half\":1}\n", ": comm"] {
            for is_chunk_whole in [true, false] {
                let upstream = Upstream::answering(move |_, peer| {
                    peer.send(STREAM_HEAD);
                    peer.send(chunk(EVENT.as_bytes()));
                    if is_chunk_whole && !half_an_event.is_empty() {
                        peer.send(chunk(half_an_event.as_bytes()));
                    } else {
                        peer.send(format!("fff\r\n{half_an_event}"));
                    }
                    peer.close();
                });
                let gateway = Gateway::start(engine, &openai_at(&upstream));
                let mut client = asking(&gateway);
                assert_eq!(client.event(), EVENT);
                ends_in_an_error(&mut client);
            }
        }
    });
}

#[test]
fn a_stream_that_ends_without_its_signal_ends_in_an_error() {
    on_both_engines(|engine| {
        for is_chunked in [true, false] {
            let upstream = Upstream::answering(move |_, peer| {
                if is_chunked {
                    peer.send(STREAM_HEAD);
                    peer.send(chunk(EVENT.as_bytes()));
                    peer.send(LAST_CHUNK);
                } else {
                    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
                    peer.send(EVENT);
                    peer.close();
                }
            });
            let gateway = Gateway::start(engine, &openai_at(&upstream));
            for path in [CHAT, "/v1/completions"] {
                let mut client = gateway.client();
                client.send(post(path, &streamed_chat("gpt-4o")));
                assert_eq!(client.head().status(), 200);
                assert_eq!(client.event(), EVENT);
                ends_in_an_error(&mut client);
            }
        }
    });
}

#[test]
fn a_provider_that_sends_no_signal_may_end_without_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(EVENT.as_bytes()));
            peer.send(LAST_CHUNK);
        });
        let mut provider = custom_provider_at(&upstream.base_url());
        provider["custom_provider_config"]["does_not_send_done_marker"] = json!(true);
        let gateway = Gateway::start(engine, &json!({ "providers": { "silent": provider } }));
        let answer = gateway.call(post(CHAT, &streamed_chat("silent/m")));
        assert_eq!(answer.text(), EVENT);
    });
}

#[test]
fn a_stream_of_responses_ends_with_its_own_signal() {
    on_both_engines(|engine| {
        let created = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";
        let completed = "event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n";
        let upstream = Upstream::answering(move |request, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(created.as_bytes()));
            if request.text().contains("whole") {
                peer.send(chunk(completed.as_bytes()));
            }
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(post("/v1/responses", r#"{"model":"whole","stream":true,"input":"x"}"#));
        assert_eq!(answer.text(), [created, completed].concat());

        let mut client = gateway.client();
        client.send(post("/v1/responses", r#"{"model":"cut","stream":true,"input":"x"}"#));
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.event(), created);
        let (rest, _) = client.rest();
        let rest = String::from_utf8(rest).unwrap();
        assert!(rest.contains("error") && rest.ends_with("\n\n"), "{rest:?}");
    });
}

#[test]
fn an_upstream_that_dies_before_the_first_event_is_a_bad_gateway() {
    on_both_engines(|engine| {
        for sent in
            [STREAM_HEAD, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"HTTP/1.1 200"]
        {
            for more in [b"".as_slice(), b"5\r\ndata:"] {
                let upstream = Upstream::answering(move |_, peer| {
                    peer.send(sent);
                    peer.send(more);
                    peer.close();
                });
                let gateway = Gateway::start(engine, &openai_at(&upstream));
                gateway.call(post(CHAT, &streamed_chat("gpt-4o"))).error(502);
            }
        }
    });
}

#[test]
fn an_error_in_place_of_a_stream_keeps_its_status_and_its_bytes() {
    on_both_engines(|engine| {
        let body =
            b"{ \"error\": {\"message\":\"slow down\",\"type\":\"requests\",\"param\":null,\"code\":\"x\"} }";
        let fields = [("Content-Type", "application/json"), ("Retry-After", "7")];
        let upstream = Upstream::bytes(reply("429 Too Many Requests", &fields, body));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(post(CHAT, &streamed_chat("gpt-4o")));
        assert_eq!((answer.status(), answer.body.as_slice()), (429, body.as_slice()));
        assert_eq!(answer.head.value("retry-after"), Some("7"));
    });
}

#[test]
fn a_stream_whose_first_event_is_late_times_out() {
    on_both_engines(|engine| {
        for has_head in [false, true] {
            let gone = Signal::new();
            let told = gone.clone();
            let upstream = Upstream::answering(move |_, peer| {
                if has_head {
                    peer.send(STREAM_HEAD);
                }
                peer.wait_until_closed();
                told.give(());
            });
            let mut config = openai_at(&upstream);
            config["providers"]["openai"]["network_config"]["default_request_timeout_in_seconds"] = json!(1);
            let gateway = Gateway::start(engine, &config);
            gateway.call(post(CHAT, &streamed_chat("gpt-4o"))).error(504);
            gone.wait();
        }
    });
}

#[test]
fn a_stream_may_take_longer_than_the_timeout_of_a_request() {
    on_both_engines(|engine| {
        let go = Signal::<()>::new();
        let gate = go.clone();
        let upstream = Upstream::answering(move |request, peer| {
            if request.text().contains("never") {
                peer.wait_until_closed();
                return;
            }
            peer.send(STREAM_HEAD);
            peer.send(chunk(EVENT.as_bytes()));
            gate.wait();
            peer.send(chunk(DONE.as_bytes()));
            peer.send(LAST_CHUNK);
        });
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["network_config"]["default_request_timeout_in_seconds"] = json!(1);
        let gateway = Gateway::start(engine, &config);
        let mut client = asking(&gateway);
        assert_eq!(client.event(), EVENT);
        gateway.call(post(CHAT, &chat("never"))).error(504);
        go.give(());
        assert_eq!(client.event(), DONE);
    });
}

#[test]
fn a_stream_that_falls_silent_ends_in_an_error() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(EVENT.as_bytes()));
            peer.wait_until_closed();
        });
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["network_config"]["stream_idle_timeout_in_seconds"] = json!(5);
        let gateway = Gateway::start(engine, &config);
        let mut client = asking(&gateway);
        assert_eq!(client.event(), EVENT);
        ends_in_an_error(&mut client);
    });
}

/// A request that is held whole, and larger than what the system buffers on its way.
fn large_chat() -> String {
    let content = "x".repeat(8 * 1024 * 1024);
    format!(r#"{{"model":"gpt-4o","stream":true,"messages":[{{"role":"user","content":"{content}"}}]}}"#)
}

#[test]
fn a_stream_that_begins_before_its_request_has_gone_whole_goes_on_beside_it() {
    on_both_engines(|engine| {
        let (begun, read) = (Signal::<()>::new(), Signal::new());
        let (gate, told) = (begun.clone(), read.clone());
        let upstream = Upstream::per_connection_with_small_buffer(move |peer| {
            let Some(head) = peer.head() else { return };
            peer.send([STREAM_HEAD, &chunk(EVENT.as_bytes())].concat());
            gate.wait();
            let (mut body, mut seen) = (Body::of_request(&head), Vec::new());
            while let Some(piece) = peer.piece(&mut body) {
                seen.extend(piece);
            }
            told.give(seen);
            peer.send([chunk(DONE.as_bytes()), LAST_CHUNK.to_vec()].concat());
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let large = large_chat();
        let mut client = gateway.client();
        client.send(post(CHAT, &large));
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.event(), EVENT);
        begun.give(());
        assert!(read.wait() == large.as_bytes(), "the upstream got another body");
        assert_eq!(client.rest(), (DONE.as_bytes().to_vec(), true));
    });
}

#[test]
fn an_answer_that_is_whole_before_its_request_has_gone_ends_both_connections() {
    on_both_engines(|engine| {
        let (answered, left) = (Signal::<()>::new(), Signal::new());
        let (gate, told) = (answered.clone(), left.clone());
        let upstream = Upstream::per_connection_with_small_buffer(move |peer| {
            if peer.head().is_some() {
                peer.send(reply("429 Too Many Requests", &[], b"later"));
                gate.wait();
                peer.wait_until_closed();
                told.give(());
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for _ in 0..2 {
            let mut client = gateway.client();
            client.send(post(CHAT, &large_chat()));
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (429, "later"));
            assert_eq!(answer.head.value("connection"), Some("close"));
            assert!(client.is_closed());
            answered.give(());
            left.wait();
        }
        assert_eq!(upstream.connections(), 2);
    });
}
