//! Which of a provider's keys is used.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::harness::{
    CHAT, Engine, Gateway, Setup, Upstream, chat, get, on_both_engines, openai_at, post, request,
};

/// A configuration of openai with these keys.
fn with_keys(upstream: &Upstream, keys: Value) -> Value {
    let mut config = openai_at(upstream);
    config["providers"]["openai"]["keys"] = keys;
    config
}

fn key(name: &str, weight: f64) -> Value {
    json!({ "name": name, "value": format!("sk-{name}"), "models": ["*"], "weight": weight })
}

fn gateway_with_keys(engine: Engine, upstream: &Upstream, keys: Value) -> Gateway {
    Gateway::start(engine, &with_keys(upstream, keys))
}

/// How often each key was used since the last call.
fn uses(upstream: &Upstream) -> HashMap<String, usize> {
    let mut uses = HashMap::new();
    for request in upstream.requests() {
        *uses.entry(request.key().to_owned()).or_insert(0) += 1;
    }
    uses
}

#[test]
fn requests_are_shared_out_by_weight_on_all_shards() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let config = with_keys(&upstream, json!([key("big", 0.7), key("small", 0.3)]));
        let gateway = Setup::new(engine).shards(2).config(&config).start();
        for _ in 0..8 {
            let mut client = gateway.client();
            for _ in 0..250 {
                client.send(post(CHAT, &chat("gpt-4o")));
                assert_eq!(client.response().status(), 200);
            }
        }
        let uses = uses(&upstream);
        let big = uses["sk-big"];
        assert_eq!(big + uses["sk-small"], 2000);
        assert!((1280..=1520).contains(&big), "six standard deviations from 1400: {big}");
    });
}

#[test]
fn a_key_without_weight_is_used_only_when_it_is_alone() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = gateway_with_keys(engine, &upstream, json!([key("none", 0.0), key("some", 0.001)]));
        let mut client = gateway.client();
        for _ in 0..100 {
            client.send(post(CHAT, &chat("gpt-4o")));
            assert_eq!(client.response().status(), 200);
        }
        assert_eq!(uses(&upstream), HashMap::from([("sk-some".to_owned(), 100)]));

        let gateway = gateway_with_keys(engine, &upstream, json!([key("none", 0.0)]));
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
        assert_eq!(upstream.only_request().key(), "sk-none");
    });
}

#[test]
fn a_model_is_sent_with_a_key_that_allows_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut keys = json!([key("chat", 1.0), key("other", 1.0), key("off", 100.0)]);
        keys[0]["models"] = json!(["gpt-4o"]);
        keys[1]["blacklisted_models"] = json!(["GPT-4o", "banned"]);
        keys[2]["enabled"] = json!(false);
        let gateway = gateway_with_keys(engine, &upstream, keys);
        for _ in 0..20 {
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
            assert_eq!(upstream.only_request().key(), "sk-chat");
            assert_eq!(gateway.call(post(CHAT, &chat("o3"))).status(), 200);
            assert_eq!(upstream.only_request().key(), "sk-other");
        }
        let error = gateway.call(post(CHAT, &chat("openai/banned"))).error(404);
        assert_eq!(error["code"], "model_not_found");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_key_that_is_not_enabled_is_never_used() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut keys = json!([key("off", 1.0)]);
        keys[0]["enabled"] = json!(false);
        let gateway = gateway_with_keys(engine, &upstream, keys);
        let pinned = [("x-bf-api-key", "off")];
        for call in [
            post(CHAT, &chat("gpt-4o")),
            get("/v1/files"),
            request("POST", CHAT, &pinned, chat("gpt-4o").as_bytes()),
        ] {
            let answer = gateway.call(call);
            assert!(answer.status() >= 400, "{}", answer.text());
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn an_alias_is_resolved_by_the_key_that_knows_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut keys = json!([key("a", 1.0), key("b", 1.0)]);
        keys[0]["models"] = json!(["fast"]);
        keys[0]["aliases"] = json!({ "fast": "gpt-4o-mini" });
        keys[1]["models"] = json!(["Slow"]);
        keys[1]["aliases"] = json!({ "Slow": { "model_id": "deep/o3" } });
        let gateway = gateway_with_keys(engine, &upstream, keys);
        for (sent, key, seen) in [
            ("fast", "sk-a", "gpt-4o-mini"),
            ("openai/FAST", "sk-a", "gpt-4o-mini"),
            ("openai/slow", "sk-b", "deep/o3"),
        ] {
            let answer = gateway.call(post(CHAT, &chat(sent)));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let request = upstream.only_request();
            assert_eq!((request.key(), request.text()), (key, chat(seen)));
        }
    });
}

#[test]
fn a_header_pins_one_key_by_name_or_by_id() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut keys = json!([key("first", 1000.0), key("second", 0.0)]);
        keys[1]["id"] = json!("id-of-second");
        let gateway = gateway_with_keys(engine, &upstream, keys);
        for pin in [("x-bf-api-key", "second"), ("X-BF-API-Key-Id", "id-of-second")] {
            let answer = gateway.call(request("POST", CHAT, &[pin], chat("gpt-4o").as_bytes()));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            assert_eq!(upstream.only_request().key(), "sk-second");
        }
        for pin in [("x-bf-api-key", "third"), ("x-bf-api-key-id", "second")] {
            let answer = gateway.call(request("POST", CHAT, &[pin], chat("gpt-4o").as_bytes()));
            assert!((400..500).contains(&answer.status()), "{}", answer.text());
            assert!(upstream.requests().is_empty(), "another key was used than the one asked for");
        }
    });
}

#[test]
fn a_session_sticks_to_one_key_on_every_shard() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let config = with_keys(&upstream, json!([key("a", 1.0), key("b", 1.0)]));
        let gateway = Setup::new(engine).shards(2).config(&config).start();
        let mut keys_used = HashSet::new();
        for session in 0..24 {
            let session = format!("session-{session}");
            for _ in 0..6 {
                let fields = [("x-bf-session-id", session.as_str())];
                assert_eq!(gateway.call(request("POST", CHAT, &fields, chat("m").as_bytes())).status(), 200);
            }
            let uses = uses(&upstream);
            assert_eq!(uses.len(), 1, "{session} used several keys: {uses:?}");
            keys_used.extend(uses.into_keys());
        }
        assert_eq!(keys_used.len(), 2, "all sessions use one key");
    });
}

#[test]
fn the_callers_own_key_is_sent_only_if_both_sides_want_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        let own = ("Authorization", "Bearer sk-of-the-caller");
        let direct = ("x-bf-direct-key", "true");
        for (is_allowed, fields, expected) in [
            (true, vec![own, direct], "sk-of-the-caller"),
            (true, vec![own], "sk-test"),
            (true, vec![own, ("x-bf-direct-key", "false")], "sk-test"),
            (false, vec![own, direct], "sk-test"),
        ] {
            config["client"] = json!({ "allow_direct_keys": is_allowed });
            let gateway = Gateway::start(engine, &config);
            let answer = gateway.call(request("POST", CHAT, &fields, chat("m").as_bytes()));
            if answer.status() != 200 {
                assert!(!is_allowed, "{}", answer.text());
                assert!(upstream.requests().is_empty());
                continue;
            }
            assert_eq!(upstream.only_request().key(), expected, "{is_allowed} {fields:?}");
        }
    });
}

#[test]
fn a_direct_call_carries_no_credential_of_the_operator() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["client"] = json!({ "allow_direct_keys": true });
        config["providers"]["openai"]["network_config"]["extra_headers"] = json!({ "Authorization": "Bearer sk-operator", "X-Api-Key": "sk-operator", "X-From": "operator" });
        let gateway = Gateway::start(engine, &config);
        let direct = ("x-bf-direct-key", "true");
        let own = ("Authorization", "Bearer sk-of-the-caller");
        let body = chat("m");
        assert_eq!(gateway.call(request("POST", CHAT, &[own, direct], body.as_bytes())).status(), 200);
        let seen = upstream.only_request();
        assert_eq!(seen.head.values("authorization"), ["Bearer sk-of-the-caller"]);
        assert!(seen.head.values("x-api-key").is_empty());
        assert_eq!(seen.head.value("x-from"), Some("operator"));

        gateway.call(request("POST", CHAT, &[direct], body.as_bytes())).error(401);
        gateway.call(request("POST", CHAT, &[("Authorization", ""), direct], body.as_bytes())).error(401);
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn stored_objects_always_use_the_key_that_is_marked_for_them() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut keys = json!([key("a", 10.0), key("b", 1.0), key("c", 10.0)]);
        keys[1]["use_for_batch_api"] = json!(true);
        let gateway = gateway_with_keys(engine, &upstream, keys);
        let conversation = r#"{"model":"gpt-4o","input":"x","previous_response_id":"resp_1"}"#;
        for _ in 0..15 {
            for call in [
                get("/v1/files"),
                get("/openai/batches"),
                get("/v1/vector_stores/vs_1"),
                request("DELETE", "/v1/files/file-1", &[], b""),
                post("/v1/responses", conversation),
            ] {
                assert_eq!(gateway.call(call).status(), 200);
            }
        }
        assert_eq!(uses(&upstream), HashMap::from([("sk-b".to_owned(), 75)]));
    });
}

#[test]
fn a_call_is_bound_to_one_key_only_by_an_object_that_it_names() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = gateway_with_keys(engine, &upstream, json!([key("a", 0.5), key("b", 0.5)]));
        for (body, keys) in [
            (r#"{"model":"m","tools":[{"function":{"parameters":{"properties":{"container":{}}}}}]}"#, 2),
            (r#"{"model":"m","tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#, 2),
            (r#"{"model":"m","input":[{"content":[{"type":"input_image","file_id":null}]}]}"#, 2),
            (r#"{"model":"m","input":[{"type":"item_reference","id":"msg_1"}]}"#, 1),
            (r#"{"model":"m","prompt":{"id":"pmpt_1"}}"#, 1),
        ] {
            for _ in 0..40 {
                assert_eq!(gateway.call(post("/v1/responses", body)).status(), 200);
            }
            assert_eq!(uses(&upstream).len(), keys, "{body}");
        }
    });
}

#[test]
fn stored_objects_use_the_heaviest_key_if_none_is_marked() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway =
            gateway_with_keys(engine, &upstream, json!([key("a", 0.2), key("b", 0.5), key("c", 0.5)]));
        for _ in 0..20 {
            assert_eq!(gateway.call(get("/v1/files")).status(), 200);
            assert_eq!(gateway.call(get("/v1/batches")).status(), 200);
        }
        assert_eq!(uses(&upstream), HashMap::from([("sk-b".to_owned(), 40)]));
    });
}

#[test]
fn a_key_may_come_from_the_environment() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["keys"][0]["value"] = json!("env.NAME_OF_THE_TEST");
        let gateway = Setup::new(engine).config(&config).variable("NAME_OF_THE_TEST", "sk-from-env").start();
        assert_eq!(gateway.call(post(CHAT, &chat("m"))).status(), 200);
        assert_eq!(upstream.only_request().key(), "sk-from-env");
    });
}

#[test]
fn a_list_of_models_that_is_absent_or_empty_allows_all_unless_the_version_is_2() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        for (version, models, is_allowed) in [
            (None, None, true),
            (None, Some(json!([])), true),
            (None, Some(json!(["*"])), true),
            (Some(1), None, true),
            (Some(2), None, false),
            (Some(2), Some(json!([])), false),
            (Some(2), Some(json!(["*"])), true),
        ] {
            let mut only = key("named-key", 1.0);
            only.as_object_mut().unwrap().remove("models");
            if let Some(models) = &models {
                only["models"] = models.clone();
            }
            let mut config = with_keys(&upstream, json!([only]));
            if let Some(version) = version {
                config["version"] = json!(version);
            }
            let gateway = Gateway::start(engine, &config);
            let answer = gateway.call(post(CHAT, &chat("gpt-4o")));
            if is_allowed {
                assert_eq!(answer.status(), 200, "{version:?} {models:?}: {}", answer.text());
            } else {
                assert_eq!(answer.error(404)["code"], "model_not_found");
            }
            if version.is_none() && models == Some(json!([])) {
                let log = gateway.stop().stderr;
                assert!(log.contains("named-key"), "no warning about the empty list: {log}");
            }
        }
    });
}
