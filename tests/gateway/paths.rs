//! The gateway's own paths, paths outside the mounts, and paths that are refused.

use serde_json::json;

use crate::harness::{
    CHAT, Gateway, Setup, Upstream, chat, chunk, get, on_both_engines, openai_at, post, reply, request,
};

#[test]
fn paths_outside_the_mounts_are_not_found() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for path in ["/nothing", "/v2/chat/completions", "/openaix/v1/models", "/v1x/files", "/healthy", "/"]
        {
            for call in [get(path), post(path, &chat("gpt-4o"))] {
                gateway.call(call).error(404);
            }
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn own_paths_say_which_methods_they_know() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for (method, path) in [("POST", "/health"), ("DELETE", "/metrics"), ("PUT", "/health")] {
            let answer = gateway.call(request(method, path, &[], b""));
            answer.error(405);
            let allowed = answer.head.value("allow").expect("a 405 says what is allowed");
            assert!(allowed.split(',').any(|method| method.trim() == "GET"), "{allowed}");
        }
    });
}

#[test]
fn health_is_told_in_json() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(get("/health"));
        assert_eq!(answer.status(), 200);
        assert!(answer.head.value("content-type").unwrap().starts_with("application/json"));
        assert_eq!(answer.json()["status"], "ok");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn metrics_are_told_as_text_and_count_requests() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for _ in 0..3 {
            gateway.call(post(CHAT, &chat("gpt-4o")));
        }
        let answer = gateway.call(get("/metrics"));
        assert_eq!(answer.status(), 200);
        assert!(answer.head.value("content-type").unwrap().starts_with("text/plain"));
        let text = answer.text();
        assert!(text.contains("# TYPE ") && text.contains("# HELP "), "{text}");
        let counts: Vec<&str> =
            text.lines().filter(|line| line.starts_with("bifrost_upstream_requests_total")).collect();
        assert!(counts.iter().any(|line| line.contains("openai") && line.ends_with(" 3")), "{text}");
    });
}

#[test]
fn head_has_no_body() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            assert_eq!(request.head.method(), "HEAD");
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-Seen: yes\r\n\r\n");
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(request("HEAD", "/health", &[], b""));
        assert_eq!(client.response_to_head().status(), 200);
        client.send(request("HEAD", "/v1/files/f/content", &[], b""));
        let head = client.response_to_head();
        assert_eq!((head.value("content-length"), head.value("x-seen")), (Some("1234"), Some("yes")));
        client.send(get("/health"));
        assert_eq!(client.response().json()["status"], "ok");
    });
}

#[test]
fn hostile_paths_are_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for path in [
            "/openai/v1/../../admin",
            "/v1/./files",
            "/v1/files/..",
            "/v1/files/.",
            "/v1/%2e%2e/admin",
            "/v1/%2E/files",
            "/v1/.%2e/files",
            "/v1/files%2F..%2Fadmin",
            "/v1/files/a%2fb",
            "/v1/files/\u{1}",
            "/v1/files/\u{7f}",
            "/v1/files/%00",
            "/v1/files/%0d%0aX-Injected:%201",
        ] {
            for method in ["GET", "DELETE", "POST"] {
                let answer = gateway.call(request(method, path, &[], b""));
                assert_eq!(answer.status(), 400, "{method} {path}: {}", answer.text());
            }
        }
        assert!(upstream.requests().is_empty());
        for path in ["/v1/files/a.b..c", "/v1/files/...", "/v1/files/%20%41"] {
            assert_eq!(gateway.call(get(path)).status(), 200, "{path}");
            assert_eq!(upstream.only_request().head.target(), path);
        }
    });
}

#[test]
fn hostile_model_names_are_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for model in
            ["../admin", "openai/..", "a/../b", "gpt\n4", "gpt\u{0}", "a%2e%2e", "a%2Fb", "openai/./x"]
        {
            let answer = gateway.call(post(CHAT, &chat(model)));
            assert_eq!(answer.error(400)["param"], "model", "{model:?}: {}", answer.text());
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_model_that_is_named_twice_or_by_an_escaped_key_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for body in [
            r#"{"model":"gpt-4o","messages":[],"model":"o3"}"#,
            r#"{"model":"gpt-4o","messages":[],"mod\u0065l":"o3"}"#,
            r#"{"model":null,"messages":[],"model":"o3"}"#,
            r#"{"model":"gpt-4o","stream":false,"messages":[],"stream":true}"#,
            r#"{"mod\u0065l":"gpt-4o","messages":[]}"#,
        ] {
            gateway.call(post(CHAT, body)).error(400);
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["client"] = json!({ "max_request_body_size_mb": 1 });
        let gateway = Setup::new(engine).config(&config).start();
        let mut client = gateway.client();
        client.send(format!("POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"));
        client.response().error(413);

        let mut client = gateway.client();
        client.send(format!("POST {CHAT} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        client.send(chunk(&vec![b' '; 1024 * 1024]));
        client.send(chunk(b"{}"));
        client.response().error(413);

        let large = format!(r#"{{"model":"gpt-4o","messages":[],"user":"{}"}}"#, "x".repeat(1_000_000));
        assert_eq!(gateway.call(post(CHAT, &large)).status(), 200);
        assert!(upstream.only_request().text() == large);
    });
}

#[test]
fn a_head_beyond_the_limit_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(reply("200 OK", &[], b""));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let long = "x".repeat(40_000);
        assert_eq!(gateway.call(request("GET", "/v1/files", &[("X-Long", &long)], b"")).status(), 200);
        assert_eq!(upstream.only_request().head.value("x-long"), Some(long.as_str()));
        let mut client = gateway.client();
        client.send(format!("GET /v1/files HTTP/1.1\r\nHost: a\r\nX-Long: {}", "x".repeat(65_536)));
        assert_eq!(client.response().status(), 431);
        assert!(upstream.requests().is_empty());
    });
}
