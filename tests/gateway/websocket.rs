//! Connections that go on in WebSocket.

use std::net::TcpStream;

use rustls::version::{TLS12, TLS13};
use serde_json::json;

use crate::harness::{
    Authority, Client, Gateway, Peer, Request, Setup, Signal, Upstream, custom_provider_at, get, json_reply,
    on_both_engines, openai_at, reply, request,
};

const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: realtime\r\nX-Seen: yes\r\n\r\n";
const REALTIME: &str = "/v1/realtime?model=gpt-realtime";

fn upgrade(target: &str) -> Vec<u8> {
    upgrade_with(target, &[])
}

fn upgrade_with(target: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let handshake = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    request("GET", target, &[&handshake[..], fields].concat(), b"")
}

/// Switches, and sends back what comes until nothing more does.
fn echo(_: &Request, peer: &mut Peer) {
    peer.send(SWITCHED);
    while let Some(bytes) = peer.exactly(1) {
        if !peer.send(bytes) {
            return;
        }
    }
    peer.close();
}

fn switched(gateway: &Gateway, target: &str) -> Client {
    let mut client = gateway.client();
    client.send(upgrade(target));
    assert_eq!(client.any_head().status(), 101);
    client
}

#[test]
fn the_request_and_the_101_pass_and_then_bytes_go_both_ways() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send([SWITCHED, b"early"].concat());
            assert_eq!(peer.exactly(11).as_deref(), Some(&b"also early!"[..]));
            for round in 0..100_u8 {
                peer.send([round; 3]);
                assert_eq!(peer.exactly(2), Some(vec![round; 2]));
            }
            peer.wait_until_closed();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let fields = [
            ("Authorization", "Bearer sk-of-the-client"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
            ("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.sk-of-the-client"),
            ("OpenAI-Beta", "realtime=v1"),
        ];
        for (mount, path) in [
            ("/v1", "/realtime"),
            ("/openai/v1", "/realtime"),
            ("/openai", "/responses"),
            ("/v1", "/responses"),
        ] {
            let mut client = gateway.client();
            let target = format!("{mount}{path}?a=%20&model=openai%2Fgpt-realtime&key=sk-of-the-client");
            client.send([upgrade_with(&target, &fields), b"also early!".to_vec()].concat());
            let head = client.any_head();
            assert_eq!(head.status(), 101);
            for (name, value) in [
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
                ("sec-websocket-protocol", "realtime"),
                ("x-seen", "yes"),
                ("x-bifrost-provider", "openai"),
                ("x-bifrost-original-model", "openai/gpt-realtime"),
                ("x-bifrost-resolved-model", "gpt-realtime"),
            ] {
                assert_eq!(head.value(name), Some(value), "{head:?}");
            }
            assert_eq!(client.exactly(5), b"early");
            for round in 0..100_u8 {
                assert_eq!(client.exactly(3), [round; 3]);
                client.send([round; 2]);
            }

            let seen = upstream.next_request();
            assert_eq!(seen.head.target(), format!("/v1{path}?a=%20&model=gpt-realtime"));
            assert_eq!(seen.key(), "sk-test");
            for (name, value) in [
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("sec-websocket-version", "13"),
                ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
                ("sec-websocket-protocol", "realtime"),
                ("openai-beta", "realtime=v1"),
            ] {
                assert_eq!(seen.head.value(name), Some(value), "{:?}", seen.head);
            }
            assert!(!format!("{:?}", seen.head).contains("sk-of-the-client"), "{:?}", seen.head);
        }
    });
}

#[test]
fn the_query_names_the_model_and_so_the_provider_and_the_key() {
    on_both_engines(|engine| {
        let [default, other] = [(); 2].map(|()| Upstream::answering(echo));
        let mut config = openai_at(&default);
        config["providers"]["other"] = custom_provider_at(&other.base_url());
        config["providers"]["other"]["keys"] = json!([
            { "name": "a", "value": "sk-a", "models": ["m", "fast"], "aliases": { "fast": "org/quick one" } },
            { "name": "b", "value": "sk-b", "models": ["n"] },
        ]);
        let gateway = Gateway::start(engine, &config);
        for (query, upstream, expected, key) in [
            ("", &default, "", "sk-test"),
            ("?call_id=c", &default, "?call_id=c", "sk-test"),
            ("?model=x%2Fy", &default, "?model=x%2Fy", "sk-test"),
            ("?model=other/m&b", &other, "?model=m&b", "sk-a"),
            ("?model=other%2Fn", &other, "?model=n", "sk-b"),
            ("?model=other/fast", &other, "?model=org%2Fquick%20one", "sk-a"),
        ] {
            drop(switched(&gateway, &format!("/openai/v1/realtime{query}")));
            let seen = upstream.next_request();
            assert_eq!(seen.head.target(), format!("/v1/realtime{expected}"));
            assert_eq!(seen.key(), key);
        }
        for (query, status) in
            [("model=other/o", 404), ("model=groq/x", 404), ("model=a&model=b", 400), ("model=", 400)]
        {
            let error = gateway.call(upgrade(&format!("/v1/realtime?{query}"))).error(status);
            assert_eq!(error["param"], "model", "{query}");
        }
        assert!(default.requests().is_empty() && other.requests().is_empty());
    });
}

#[test]
fn much_goes_both_ways_at_once() {
    on_both_engines(|engine| {
        let authority = Authority::new();
        let large: Vec<u8> = (0..4_000_000_u32).map(|number| (number / 7) as u8).collect();
        let expected = large.clone();
        let script = move |_: &Request, peer: &mut Peer| {
            peer.send(SWITCHED);
            let mut received = Vec::new();
            for piece in expected.chunks(50_000) {
                peer.send(piece);
                received.extend(peer.exactly(piece.len()).unwrap());
            }
            assert!(received == expected);
            peer.send(b"whole");
            peer.wait_until_closed();
        };
        let plain = Upstream::answering(script.clone());
        let tls12 = Upstream::answering_tls(authority.server("localhost", &[&TLS12]), script.clone());
        let tls13 = Upstream::answering_tls(authority.server("localhost", &[&TLS13]), script);
        for upstream in [plain, tls12, tls13] {
            let mut config = openai_at(&upstream);
            config["providers"]["openai"]["network_config"]["ca_cert_pem"] = json!(authority.pem());
            let gateway = Gateway::start(engine, &config);
            let mut client = switched(&gateway, REALTIME);
            for piece in large.chunks(50_000) {
                client.send(piece);
                assert!(client.exactly(piece.len()) == piece);
            }
            assert_eq!(client.exactly(5), b"whole");
        }
    });
}

#[test]
fn a_side_that_takes_nothing_holds_the_other_one_up() {
    on_both_engines(|engine| {
        let block = vec![7; 64 * 1024 * 1024];
        let (taken, go) = (Signal::new(), Signal::<()>::new());
        let (told, gate) = (taken.clone(), go.clone());
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(SWITCHED);
            told.give(peer.send_until_blocked(&block));
            gate.wait();
            peer.close();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(upgrade(REALTIME));
        assert_eq!(client.any_head().status(), 101);
        let received = client.send_until_blocked(&[7; 64 * 1024], 64 * 1024 * 1024);
        assert!(received < 48 * 1024 * 1024, "{received} bytes were taken for an upstream that reads none");
        let sent = taken.wait();
        assert!(sent < 48 * 1024 * 1024, "{sent} bytes were taken for a client that reads none");
        assert!(client.exactly(sent).iter().all(|byte| *byte == 7));
        go.give(());
    });
}

#[test]
fn each_side_may_end_before_the_other_one() {
    on_both_engines(|engine| {
        let authority = Authority::new();
        let script = |_: &Request, peer: &mut Peer| {
            peer.send(SWITCHED);
            assert!(peer.is_told_the_end());
            peer.send(b"the last word");
            peer.close();
        };
        let plain = Upstream::answering(script);
        let tls = Upstream::answering_tls(authority.server("localhost", &[&TLS13]), script);
        for upstream in [plain, tls] {
            let mut config = openai_at(&upstream);
            config["providers"]["openai"]["network_config"]["ca_cert_pem"] = json!(authority.pem());
            let gateway = Gateway::start(engine, &config);
            let mut client = switched(&gateway, REALTIME);
            client.half_close();
            assert_eq!(client.exactly(13), b"the last word");
            assert!(client.is_closed());
        }

        let upstream = Upstream::answering(|_, peer| {
            peer.send([SWITCHED, b"bye"].concat());
            peer.half_close();
            assert_eq!(peer.exactly(4).as_deref(), Some(&b"more"[..]));
            assert!(peer.is_told_the_end());
            peer.close();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = switched(&gateway, REALTIME);
        assert_eq!(client.exactly(3), b"bye");
        assert!(client.is_closed());
        client.send(b"more");
        client.half_close();
        assert_eq!(gateway.stop().code, Some(0));
    });
}

#[test]
fn a_reset_of_one_side_closes_the_other_one() {
    on_both_engines(|engine| {
        let closed = Signal::new();
        let told = closed.clone();
        let upstream = Upstream::answering(move |request, peer| {
            peer.send(SWITCHED);
            peer.exactly(1);
            if request.head.target().contains("upstream") {
                peer.reset();
            } else {
                peer.wait_until_closed();
                told.give(());
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = switched(&gateway, "/v1/realtime?who=upstream");
        client.send(b"!");
        assert!(client.is_closed());

        let mut client = switched(&gateway, "/v1/realtime?who=client");
        client.send(b"!");
        client.reset();
        drop(client);
        closed.wait();
    });
}

#[test]
fn a_refusal_is_an_answer_like_others() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            match request.head.value("upgrade") {
                Some(_) => {
                    peer.send(reply("403 Forbidden", &[("X-Why", "no")], br#"{"error":"sk-test-no"}"#))
                }
                None => peer.send(json_reply("{}")),
            };
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(upgrade(REALTIME));
        let answer = client.response();
        assert_eq!((answer.status(), answer.head.value("x-why")), (403, Some("no")));
        assert_eq!(answer.head.value("upgrade"), None);
        client.send(get("/v1/files"));
        assert_eq!(client.response().status(), 200);
        assert_eq!(upstream.connections(), 1, "a connection that did not switch is kept");
    });
}

#[test]
fn other_upgrades_are_passed_over() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let with = |method: &str, protocol: &str, body: &[u8]| {
            let fields = [
                ("Connection", "Upgrade, HTTP2-Settings"),
                ("Upgrade", protocol),
                ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
                ("Sec-WebSocket-Key", "k"),
                ("Sec-WebSocket-Protocol", "openai-insecure-api-key.sk-of-the-client"),
            ];
            gateway.call(request(method, "/v1/files", &fields, body))
        };
        for answer in [with("GET", "h2c", b""), with("POST", "websocket", b"{}"), with("GET", "x", b"{}")] {
            assert_eq!(answer.status(), 200);
            let head = upstream.next_request().head;
            for name in ["upgrade", "http2-settings", "sec-websocket-key", "sec-websocket-protocol"] {
                assert_eq!(head.value(name), None, "{head:?}");
            }
        }
    });
}

#[test]
fn a_switch_to_something_else_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".to_vec(),
        );
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        gateway.call(upgrade(REALTIME)).error(502);
        gateway.call(get("/v1/files")).error(502);
    });
}

#[test]
fn pages_of_other_origins_get_no_connection() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(echo);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        gateway.call(upgrade_with(REALTIME, &[("Origin", "https://evil.test")])).error(403);
        assert!(upstream.requests().is_empty());
        let mut client = gateway.client();
        client.send(upgrade_with(REALTIME, &[("Origin", "http://localhost:3000")]));
        assert_eq!(client.any_head().status(), 101);
    });
}

#[test]
fn a_tunnel_goes_on_while_the_gateway_stops_and_is_counted() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(echo);
        let gateway = Setup::new(engine).config(&openai_at(&upstream)).start();
        let mut client = switched(&gateway, REALTIME);
        let metrics = gateway.call(get("/metrics")).text();
        let counted = r#"bifrost_active_requests{method="websocket"} 1"#;
        assert!(metrics.lines().any(|line| line == counted), "{metrics}");

        gateway.terminate();
        while TcpStream::connect(gateway.address()).is_ok() {}
        client.send(b"still here");
        assert_eq!(client.exactly(10), b"still here");
        client.half_close();
        assert!(client.is_closed());
        assert_eq!(gateway.end().code, Some(0));
    });
}
