//! Calls from browsers.

use serde_json::json;

use crate::harness::{CHAT, Gateway, Response, Setup, Upstream, chat, on_both_engines, openai_at, request};

fn preflight(gateway: &Gateway, origin: &str, headers: &str) -> Response {
    let fields = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", headers),
    ];
    gateway.call(request("OPTIONS", CHAT, &fields, b""))
}

fn lists(answer: &Response, field: &str, wanted: &str) -> bool {
    let values = answer.head.value(field).unwrap_or_default();
    values.split(',').any(|value| value.trim() == "*" || value.trim().eq_ignore_ascii_case(wanted))
}

#[test]
fn a_preflight_from_localhost_is_allowed() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for origin in ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost"] {
            let answer = preflight(&gateway, origin, "authorization, content-type, x-stainless-timeout");
            assert!((200..300).contains(&answer.status()), "{}", answer.status());
            assert_eq!(answer.head.value("access-control-allow-origin"), Some(origin));
            assert!(lists(&answer, "access-control-allow-methods", "POST"), "{:?}", answer.head);
            for name in ["authorization", "content-type", "x-stainless-timeout"] {
                assert!(lists(&answer, "access-control-allow-headers", name), "{name}: {:?}", answer.head);
            }
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_preflight_from_elsewhere_is_not_allowed_unless_configured() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let foreign =
            ["https://evil.example", "http://localhost.evil.example", "http://evil-localhost", "null"];
        for origin in foreign {
            let answer = preflight(&gateway, origin, "authorization");
            assert_eq!(answer.head.value("access-control-allow-origin"), None, "{origin}");
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn configured_origins_and_headers_are_allowed() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["client"] = json!({
            "allowed_origins": ["https://app.example", "https://*.team.example"],
            "allowed_headers": ["X-Mine"],
        });
        let gateway = Setup::new(engine).config(&config).start();
        for origin in ["https://app.example", "https://a.team.example", "http://localhost:1"] {
            let answer = preflight(&gateway, origin, "x-mine, authorization");
            assert_eq!(answer.head.value("access-control-allow-origin"), Some(origin));
            assert!(lists(&answer, "access-control-allow-headers", "x-mine"), "{:?}", answer.head);
            assert!(lists(&answer, "access-control-allow-headers", "authorization"), "{:?}", answer.head);
        }
        let foreign = ["http://app.example", "https://app.example.evil", "https://team.example.evil"];
        for origin in foreign {
            let answer = preflight(&gateway, origin, "x-mine");
            assert_eq!(answer.head.value("access-control-allow-origin"), None, "{origin}");
        }
    });
}

#[test]
fn an_answer_tells_the_browser_that_its_page_may_read_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let called_from = |origin: &str, body: &str| {
            let answer = gateway.call(request("POST", CHAT, &[("Origin", origin)], body.as_bytes()));
            answer.head.value("access-control-allow-origin").map(str::to_owned)
        };
        let local = "http://localhost:3000";
        assert_eq!(called_from(local, &chat("gpt-4o")).as_deref(), Some(local));
        assert_eq!(called_from(local, "no json").as_deref(), Some(local), "an error can be read too");
        assert_eq!(called_from("https://evil.example", &chat("gpt-4o")), None);
    });
}
