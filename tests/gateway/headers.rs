//! Which header fields go through, in both directions.

use std::collections::HashSet;

use serde_json::json;

use crate::harness::{
    CHAT, Gateway, Request, Upstream, chat, get, on_both_engines, openai_at, reply, request,
};

fn chat_with(fields: &[(&str, &str)]) -> Vec<u8> {
    request("POST", CHAT, fields, chat("openai/gpt-4o").as_bytes())
}

/// What the upstream sees of a chat request with these fields.
fn seen_with(gateway: &Gateway, upstream: &Upstream, fields: &[(&str, &str)]) -> Request {
    let answer = gateway.call(chat_with(fields));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    upstream.only_request()
}

#[test]
fn credentials_and_traces_of_the_client_are_held_back() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let seen = seen_with(
            &gateway,
            &upstream,
            &[
                ("Authorization", "Bearer sk-of-the-client"),
                ("x-api-key", "sk-of-the-client"),
                ("api-key", "sk-of-the-client"),
                ("X-Goog-Api-Key", "sk-of-the-client"),
                ("Proxy-Authorization", "Basic sk-of-the-client"),
                ("Cookie", "session=1"),
                ("OpenAI-Organization", "org-1"),
                ("OpenAI-Project", "proj-1"),
                ("x-bf-anything", "1"),
                ("X-BF-Session-Id", "s"),
                ("Forwarded", "for=192.0.2.1"),
                ("X-Forwarded-For", "192.0.2.1"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "a.example"),
            ],
        );
        assert_eq!(seen.head.value("authorization"), Some("Bearer sk-test"));
        assert_eq!(seen.head.value("host"), Some(upstream.address().to_string().as_str()));
        for (name, value) in &seen.head.fields {
            assert!(!value.contains("of-the-client"), "{name}: {value}");
            let name = name.to_ascii_lowercase();
            let is_held_back = ["cookie", "openai-", "x-bf-", "forwarded", "x-forwarded-", "proxy-"];
            assert!(!is_held_back.iter().any(|held| name.starts_with(held)), "{name}: {value}");
        }
    });
}

#[test]
fn other_end_to_end_fields_go_on_in_their_own_spelling() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let fields = [
            ("Content-Type", "application/json; charset=\"UTF-8\""),
            ("Accept", "application/json"),
            ("X-Organization", "your-org-id"),
            ("X-Environment", "Production"),
            ("User-Agent", "OpenAI/Python 3.54.0"),
            ("x-stainless-lang", "python"),
            ("X-Stainless-Retry-Count", "0"),
            ("Idempotency-Key", "stainless-python-retry-1"),
            ("X-Client-Request-Id", "c-1"),
            ("x-lower", "MiXeD  value"),
            ("OpenAI-Beta", "assistants=v2"),
        ];
        let seen = seen_with(&gateway, &upstream, &fields);
        for (name, value) in fields.iter().filter(|(name, _)| *name != "OpenAI-Beta") {
            assert_eq!(seen.head.value(name), Some(*value), "{name}");
            assert!(seen.head.spells(name), "{name} is spelled otherwise: {:?}", seen.head);
        }
        assert_eq!(seen.head.value("OpenAI-Beta"), Some("assistants=v2"));
    });
}

#[test]
fn fields_about_one_connection_are_not_forwarded() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(reply(
            "200 OK",
            &[
                ("Connection", "keep-alive, X-Hop"),
                ("X-Hop", "1"),
                ("Connection", "X-Other-Hop"),
                ("X-Other-Hop", "1"),
                ("Keep-Alive", "timeout=5"),
                ("X-Kept", "1"),
            ],
            b"{}",
        ));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(chat_with(&[
            ("Connection", "keep-alive"),
            ("Connection", "X-Hop, X-Other-Hop"),
            ("X-Hop", "1"),
            ("X-Other-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "trailers"),
            ("X-Kept", "1"),
        ]));
        let seen = upstream.only_request();
        for name in ["x-hop", "x-other-hop", "keep-alive", "proxy-connection", "te"] {
            assert!(seen.head.values(name).is_empty(), "{name} went up: {:?}", seen.head);
        }
        for name in ["x-hop", "x-other-hop", "keep-alive"] {
            assert!(answer.head.values(name).is_empty(), "{name} came down: {:?}", answer.head);
        }
        assert_eq!((seen.head.value("x-kept"), answer.head.value("x-kept")), (Some("1"), Some("1")));
    });
}

#[test]
fn model_calls_ask_for_no_compression_and_others_ask_as_the_client_did() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let accepted = [("Accept-Encoding", "gzip, br;q=0.5")];
        let seen = seen_with(&gateway, &upstream, &accepted);
        assert_eq!(seen.head.value("accept-encoding"), Some("identity"));
        gateway.call(request("GET", "/v1/files", &accepted, b""));
        assert_eq!(upstream.only_request().head.value("accept-encoding"), Some("gzip, br;q=0.5"));
    });
}

#[test]
fn an_extra_header_goes_on_under_its_bare_name() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let seen = seen_with(&gateway, &upstream, &[("x-bf-eh-foo", "bar"), ("x-bf-eh-x-other", "a, b")]);
        assert_eq!(seen.head.value("foo"), Some("bar"));
        assert_eq!(seen.head.value("x-other"), Some("a, b"));
        assert!(seen.head.fields.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("x-bf-")));
    });
}

#[test]
fn an_extra_header_cannot_change_the_framing_the_host_the_key_or_a_coding() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for (name, value) in [
            ("x-bf-eh-host", "evil.example"),
            ("x-bf-eh-content-length", "0"),
            ("x-bf-eh-transfer-encoding", "chunked"),
            ("x-bf-eh-connection", "close"),
            ("x-bf-eh-authorization", "Bearer sk-other"),
            ("x-bf-eh-content-type", "text/plain"),
            ("x-bf-eh-content-encoding", "gzip"),
            ("x-bf-eh-accept-encoding", "gzip"),
            ("x-bf-eh-", "empty"),
        ] {
            let answer = gateway.call(chat_with(&[(name, value)]));
            if answer.status() == 400 {
                assert!(upstream.requests().is_empty());
                continue;
            }
            let seen = upstream.only_request();
            assert_eq!(seen.head.value("host"), Some(upstream.address().to_string().as_str()), "{name}");
            assert_eq!(seen.head.value("authorization"), Some("Bearer sk-test"), "{name}");
            assert_eq!(seen.text(), chat("gpt-4o"), "{name}");
            assert!(seen.head.values("transfer-encoding").is_empty(), "{name}");
            assert!(!seen.head.values("connection").contains(&"close"), "{name}");
            assert!(seen.head.values("content-type").is_empty(), "{name}");
            assert!(seen.head.values("content-encoding").is_empty(), "{name}");
            assert_eq!(seen.head.value("accept-encoding"), Some("identity"), "{name}");
        }
    });
}

#[test]
fn the_allowlist_lets_more_through_and_the_denylist_less() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["client"] = json!({ "header_filter_config": {
            "allowlist": ["openai-organization", "X-Forwarded-For"],
            "denylist": ["X-Internal"],
        } });
        let gateway = Gateway::start(engine, &config);
        let fields = [
            ("OpenAI-Organization", "org-1"),
            ("OpenAI-Project", "proj-1"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Internal", "1"),
            ("X-Organization", "kept"),
        ];
        let seen = seen_with(&gateway, &upstream, &fields);
        assert_eq!(seen.head.value("openai-organization"), Some("org-1"));
        assert_eq!(seen.head.value("x-forwarded-for"), Some("192.0.2.1"));
        assert_eq!(seen.head.value("x-organization"), Some("kept"));
        assert!(seen.head.values("openai-project").is_empty());
        assert!(seen.head.values("x-internal").is_empty());
    });
}

#[test]
fn extra_headers_of_the_configuration_are_sent() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["network_config"]["extra_headers"] =
            json!({ "X-From": "the operator" });
        let gateway = Gateway::start(engine, &config);
        let seen = seen_with(&gateway, &upstream, &[]);
        assert_eq!(seen.head.value("x-from"), Some("the operator"));
    });
}

#[test]
fn headers_of_the_upstream_are_kept() {
    on_both_engines(|engine| {
        let fields = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("x-request-id", "req_From-Upstream"),
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-tokens", "159976"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("openai-processing-ms", "420"),
            ("openai-version", "2020-10-01"),
            ("X-Multi", "first, VALUE"),
            ("X-Multi", "second"),
            ("Server", "upstream/1"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        let upstream = Upstream::bytes(reply("200 Fine", &fields, b"{}"));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for sent in [chat_with(&[]), get("/v1/files")] {
            let answer = gateway.call(sent);
            assert_eq!(answer.status(), 200);
            for (name, value) in fields.iter().filter(|(name, _)| *name != "X-Multi") {
                assert_eq!(answer.head.value(name), Some(*value), "{name}");
            }
            assert_eq!(answer.head.values("x-multi"), ["first, VALUE", "second"]);
            assert_eq!(answer.head.value("content-length"), Some("2"));
        }
    });
}

#[test]
fn an_answer_says_who_gave_it_and_for_which_model() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["keys"][0]["aliases"] = json!({ "fast": "gpt-4o-mini" });
        let gateway = Gateway::start(engine, &config);
        let answer = gateway.call(request("POST", CHAT, &[], chat("fast").as_bytes()));
        assert_eq!(answer.head.value("x-bifrost-provider"), Some("openai"));
        assert_eq!(answer.head.value("x-bifrost-original-model"), Some("fast"));
        assert_eq!(answer.head.value("x-bifrost-resolved-model"), Some("gpt-4o-mini"));
        let answer = gateway.call(request("POST", CHAT, &[], chat("openai/gpt-4o").as_bytes()));
        assert_eq!(answer.head.value("x-bifrost-provider"), Some("openai"));
        assert_eq!(answer.head.value("x-bifrost-resolved-model"), Some("gpt-4o"));
    });
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(reply("200 OK", &[("x-request-id", "req-upstream")], b"{}"));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut seen = HashSet::new();
        for sent in [chat_with(&[]), chat_with(&[]), get("/v1/files"), chat_with(&[("x-request-id", "mine")])]
        {
            let answer = gateway.call(sent);
            assert_eq!(answer.head.value("x-request-id"), Some("req-upstream"));
            let id = answer.head.value("x-bifrost-request-id").expect("an id").to_owned();
            assert!(!id.is_empty() && seen.insert(id.clone()), "{id}");
        }
        let refused = gateway.call(request("POST", CHAT, &[], b"not json"));
        assert!(seen.insert(refused.head.value("x-bifrost-request-id").expect("an id").to_owned()));
    });
}

#[test]
fn a_key_in_the_query_is_held_back() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for (sent, seen) in [
            ("/v1/files?limit=3&key=sk-client&order=asc", "/v1/files?limit=3&order=asc"),
            ("/v1/files?key=sk-client&limit=3", "/v1/files?limit=3"),
            ("/v1/files?limit=3&key=sk-client", "/v1/files?limit=3"),
            ("/v1/files?keys=1&monkey=2", "/v1/files?keys=1&monkey=2"),
        ] {
            gateway.call(get(sent));
            assert_eq!(upstream.only_request().head.target(), seen);
        }
        gateway.call(get("/v1/files?key=sk-client"));
        let seen = upstream.only_request();
        assert_eq!(seen.head.target().trim_end_matches('?'), "/v1/files");
    });
}
