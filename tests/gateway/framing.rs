//! Requests whose end is in doubt are refused: what two readers may read differently reaches no upstream.

use crate::harness::{CHAT, Gateway, Upstream, chat, get, on_both_engines, openai_at, post};

/// Sends bytes that must be refused and checks that the upstream saw nothing of them.
fn is_refused(gateway: &Gateway, upstream: &Upstream, bytes: &str) {
    let mut client = gateway.client();
    client.send(bytes);
    let head = client.head();
    assert!(matches!(head.status(), 400 | 501), "{} for {bytes:?}", head.status());
    let (_, is_whole) = client.rest();
    assert!(is_whole, "{bytes:?}");
    assert!(client.is_closed(), "the connection goes on after {bytes:?}");
    assert!(upstream.requests().is_empty(), "{bytes:?}");
}

#[test]
fn a_request_with_an_ambiguous_length_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for framing in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content-Length : 5",
        ] {
            for path in [CHAT, "/v1/files"] {
                let bytes = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n0\r\n\r\n");
                is_refused(&gateway, &upstream, &bytes);
            }
        }
    });
}

#[test]
fn a_malformed_head_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for bytes in [
            "nonsense\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\nHost: a\r\nX\u{0}: 1\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
            "GET /v1/files HTTP/1.1\r\nHost: a\r\nX: a\u{0}b\r\n\r\n",
            "GET /v1/files\r\n\r\n",
            "GET  /v1/files HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            is_refused(&gateway, &upstream, bytes);
        }
    });
}

#[test]
fn a_malformed_chunk_never_makes_a_whole_body() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for body in [
            "x\r\n",
            "-1\r\n",
            "\r\n",
            "0x1\r\na\r\n0\r\n\r\n",
            "2\r\nabc\r\n0\r\n\r\n",
            "fffffffffffffffff\r\n",
        ] {
            let bytes =
                format!("POST {CHAT} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            is_refused(&gateway, &upstream, &bytes);
        }
    });
}

#[test]
fn a_body_whose_routing_keys_could_be_read_in_two_ways_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for (field, body) in [
            ("model", r#"{"model":"gpt-4o","model":"o3"}"#),
            ("model", r#"{"mod\u0065l":"gpt-4o"}"#),
            ("stream", r#"{"model":"gpt-4o","stream":true,"stream":false}"#),
            ("fallbacks", r#"{"model":"gpt-4o","fallbacks":["openai/o3"],"fallbacks":[]}"#),
            ("fallbacks", r#"{"model":"gpt-4o","fall\u0062acks":["openai/o3"]}"#),
            ("fallbacks", r#"{"fallbacks":null,"model":"gpt-4o","\u0066allbacks":null}"#),
        ] {
            for path in [CHAT, "/v1/responses", "/v1/embeddings"] {
                let error = gateway.call(post(path, body)).error(400);
                assert_eq!((&error["code"], &error["param"]), (&"ambiguous_field".into(), &field.into()));
            }
        }
        assert!(upstream.requests().is_empty());
        let plain = r#"{"model":"gpt-4o","fallbacks":["openai/o3"],"x":{"fallbacks":1,"fallbacks":2}}"#;
        assert_eq!(gateway.call(post(CHAT, plain)).status(), 200);
        assert_eq!(upstream.only_request().text(), plain);
    });
}

#[test]
fn a_body_that_ends_too_early_reaches_no_upstream() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for framing in ["Content-Length: 500\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"] {
            let mut client = gateway.client();
            client.send(format!("POST {CHAT} HTTP/1.1\r\nHost: a\r\n{framing}"));
            client.half_close();
            client.is_closed();
        }
        assert_eq!(gateway.call(get("/health")).status(), 200);
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn an_upstream_that_speaks_no_http_is_a_bad_gateway() {
    on_both_engines(|engine| {
        for nonsense in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        ] {
            let upstream = Upstream::answering(move |_, peer| {
                peer.send(nonsense);
                peer.close();
            });
            let gateway = Gateway::start(engine, &openai_at(&upstream));
            for call in [post(CHAT, &chat("gpt-4o")), get("/v1/files")] {
                gateway.call(call).error(502);
            }
        }
    });
}

#[test]
fn an_answer_that_is_longer_than_it_said_does_not_reach_the_next_request() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for _ in 0..5 {
            client.send(post(CHAT, &chat("gpt-4o")));
            assert_eq!(client.response().text(), "{}");
        }
    });
}
