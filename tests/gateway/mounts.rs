//! Where each dialect is spoken, and what goes on untouched where client and vendor speak the same one.

use serde_json::{Value, json};

use crate::harness::{
    Asker, Engine, Gateway, LAST_CHUNK, Upstream, Vendor, chunk, on_both_engines, post, reply, request,
};

/// A gateway to the three vendors whose dialects clients speak.
fn gateway_to(engine: Engine, upstreams: &[(Vendor, Upstream)]) -> Gateway {
    let mut providers = json!({});
    for (vendor, upstream) in upstreams {
        providers[vendor.name()] = vendor.provider_at(&upstream.base_url());
    }
    Gateway::start(engine, &json!({ "providers": providers }))
}

fn upstreams() -> Vec<(Vendor, Upstream)> {
    [Vendor::OpenAi, Vendor::Anthropic, Vendor::Gemini].map(|vendor| (vendor, vendor.upstream())).into()
}

#[test]
fn a_bare_model_belongs_to_the_vendor_of_the_mount() {
    on_both_engines(|engine| {
        let upstreams = upstreams();
        let gateway = gateway_to(engine, &upstreams);
        for (target, asker, vendor) in [
            ("/openai/v1/chat/completions", Asker::Chat, "openai"),
            ("/openai/chat/completions", Asker::Chat, "openai"),
            ("/v1/chat/completions", Asker::Chat, "openai"),
            ("/anthropic/v1/messages", Asker::Messages, "anthropic"),
            ("/v1/messages", Asker::Messages, "anthropic"),
            ("/litellm/v1/messages", Asker::Messages, "anthropic"),
            ("/langchain/anthropic/v1/messages", Asker::Messages, "anthropic"),
            ("/langchain/v1/chat/completions", Asker::Chat, "openai"),
            ("/litellm/chat/completions", Asker::Chat, "openai"),
            ("/pydanticai/v1/chat/completions", Asker::Chat, "openai"),
            ("/genai/v1beta/models/some-model:generateContent", Asker::Generate, "gemini"),
            ("/genai/v1/models/some-model:generateContent", Asker::Generate, "gemini"),
            ("/langchain/v1beta/models/some-model:generateContent", Asker::Generate, "gemini"),
            ("/pydanticai/genai/v1beta/models/some-model:generateContent", Asker::Generate, "gemini"),
        ] {
            let answer = gateway.call(post(target, &asker.body("some-model", false).to_string()));
            assert_eq!(asker.read(&answer).text, "Hello there", "{target}");
            assert_eq!(answer.head.value("x-bifrost-provider"), Some(vendor), "{target}");
        }
    });
}

#[test]
fn a_path_of_googles_names_a_model_of_any_vendor() {
    on_both_engines(|engine| {
        let upstreams = upstreams();
        let gateway = gateway_to(engine, &upstreams);
        for model in ["anthropic/claude-sonnet-4-5", "anthropic%2Fclaude-sonnet-4-5"] {
            let target = format!("/genai/v1beta/models/{model}:generateContent?key=of-the-client");
            let answer = gateway.call(post(&target, &Asker::Generate.body("", false).to_string()));
            assert_eq!(Asker::Generate.read(&answer).text, "Hello there", "{model}");
            let (_, anthropic) = &upstreams[1];
            let seen = anthropic.only_request();
            assert!(!format!("{seen:?}").contains("of-the-client"), "{seen:?}");
            assert!(seen.text().contains("\"claude-sonnet-4-5\""), "{}", seen.text());
        }
    });
}

#[test]
fn a_stream_of_googles_is_a_list_unless_events_are_asked_for() {
    on_both_engines(|engine| {
        let upstreams = upstreams();
        let gateway = gateway_to(engine, &upstreams);
        let target = "/genai/v1beta/models/openai/gpt-4o:streamGenerateContent";
        let answer = gateway.call(post(target, &Asker::Generate.body("", true).to_string()));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.head.value("content-type"), Some("application/json"));
        let Value::Array(pieces) = answer.json() else { panic!("{}", answer.text()) };
        let text: String = pieces
            .iter()
            .filter_map(|piece| piece["candidates"][0]["content"]["parts"][0]["text"].as_str())
            .collect();
        assert_eq!(text, "Hello there");
    });
}

#[test]
fn the_same_dialect_goes_through_byte_for_byte() {
    on_both_engines(|engine| {
        let odd = |body: &str| body.replacen('{', "{ \"odd\" :\t[1.0, 1e400,\"\\u00e9\"],\n", 1);
        for (vendor, asker) in [(Vendor::Anthropic, Asker::Messages), (Vendor::Gemini, Asker::Generate)] {
            let answer = odd(&vendor.document().to_string());
            let stream: Vec<u8> =
                [b": comment\r\n\r\n".to_vec()].into_iter().chain(vendor.events()).flatten().collect();
            let refusal = odd(r#"{"error":{"type":"odd_error","message":"No"}}"#);
            let said = (answer.clone(), stream.clone(), refusal.clone());
            let upstream = Upstream::answering(move |request, peer| {
                let (answer, stream, refusal) = &said;
                let kind = [("Content-Type", "application/json; charset=utf-8"), ("request-id", "req_1")];
                if request.text().contains("refuse") {
                    peer.send(reply("418 Teapot", &kind, refusal.as_bytes()));
                } else if vendor.is_asked_to_stream(request) {
                    peer.send(vendor.stream_head());
                    peer.send(chunk(stream));
                    peer.send(LAST_CHUNK);
                } else {
                    peer.send(reply("200 OK", &kind, answer.as_bytes()));
                }
            });
            let gateway = vendor.gateway(engine, &upstream);
            for (is_streamed, more, status, expected) in [
                (false, "", 200, answer.as_bytes()),
                (true, "", 200, &stream[..]),
                (false, "refuse", 418, refusal.as_bytes()),
            ] {
                let mut document = asker.body(vendor.model(), is_streamed);
                if !more.is_empty() {
                    document[more] = json!(1);
                }
                let body = odd(&document.to_string());
                let fields = [
                    ("Content-Type", "application/json"),
                    ("anthropic-version", "2024-01-01"),
                    ("anthropic-beta", "one,two"),
                    ("x-goog-api-client", "genai/1"),
                    ("x-api-key", "of-the-client"),
                    ("x-goog-api-key", "of-the-client"),
                ];
                let target = asker.target(vendor.model(), is_streamed);
                let got = gateway.call(request("POST", &target, &fields, body.as_bytes()));
                assert_eq!(
                    (got.status(), got.text()),
                    (status, String::from_utf8_lossy(expected).into_owned()),
                    "{vendor:?}"
                );
                if !is_streamed {
                    assert_eq!(got.head.value("content-type"), Some("application/json; charset=utf-8"));
                    assert_eq!(got.head.value("request-id"), Some("req_1"));
                }
                let seen = upstream.only_request();
                assert_eq!(seen.text(), body, "{vendor:?}");
                assert_eq!(seen.head.target(), vendor.target(is_streamed));
                for (name, value) in &fields[1..4] {
                    assert_eq!(seen.head.value(name), Some(*value), "{vendor:?}");
                }
                let (name, value) = vendor.credential();
                assert_eq!(seen.head.value(name), Some(value), "{vendor:?}");
                assert!(!format!("{:?}", seen.head).contains("of-the-client"));
            }
        }
    });
}

#[test]
fn a_version_in_the_base_url_is_not_doubled() {
    on_both_engines(|engine| {
        for vendor in Vendor::ALL {
            let upstream = vendor.upstream();
            let versions: &[&str] = match vendor {
                Vendor::OpenAi | Vendor::Anthropic => &["", "/", "/v1", "/v1/"],
                Vendor::Gemini => &["", "/v1beta", "/v1beta/"],
                Vendor::Cohere => &["", "/v2"],
                Vendor::Bedrock => &["", "/"],
            };
            for version in versions {
                let gateway =
                    Gateway::start(engine, &vendor.config_at(&format!("{}{version}", upstream.base_url())));
                for asker in [Asker::Chat, Asker::Messages, Asker::Generate] {
                    let answer = gateway.call(asker.request(&vendor.qualified_model(), false));
                    let asked = upstream.only_request();
                    // OpenAI's dialect reaches Gemini and OpenAI without being translated where they speak it.
                    assert_eq!(answer.status(), 200, "{asker:?} {vendor:?}{version}: {}", answer.text());
                    assert_eq!(asked.head.target(), vendor.target(false), "{asker:?} {vendor:?} {version:?}");
                }
            }
        }
    });
}

#[test]
fn what_is_no_chat_reaches_gemini_by_its_compatible_endpoint() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(r#"{"object":"list","data":[]}"#);
        for version in ["", "/v1beta", "/v1beta/openai"] {
            let config = Vendor::Gemini.config_at(&format!("{}{version}", upstream.base_url()));
            let gateway = Gateway::start(engine, &config);
            let body = json!({ "model": "gemini/embed", "input": "x" }).to_string();
            assert_eq!(gateway.call(post("/v1/embeddings", &body)).status(), 200);
            let seen = upstream.only_request();
            assert_eq!(seen.head.target(), "/v1beta/openai/embeddings", "{version}");
            assert_eq!(seen.head.value("authorization"), Some("Bearer sk-test"));
        }
    });
}
