//! What a configuration may look like, and what is said about a wrong one.

use serde_json::json;

use crate::harness::{CHAT, Gateway, Setup, Upstream, chat, on_both_engines, openai_at, post, provider_at};

#[test]
fn a_configuration_with_comments_and_the_old_spellings_loads() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let url = upstream.base_url();
        let text = format!(
            r#"{{
  // two keys, as the integration page has them
  "providers": {{
    "openai": {{
      "keys": [
        {{ "value": "env.OPENAI_API_KEY", "models": [], "weight": 0.7 }}, /* nameless // */
        {{ "value": "env.OPENAI_API_KEY_2", "models": ["gpt-4o-mini", "gpt-4o"], "weight": 0.3 }}
      ],
      "network_config": {{
        "base_url": "{url}",
        "default_request_timeout_in_seconds": 30,
        "max_retries": 2,
        "retry_backoff_initial_ms": 100,
        "retry_backoff_max_ms": 2000
      }},
      "concurrency_and_buffer_size": {{ "concurrency": 5, "buffer_size": 20 }}
    }}
  }}
}}"#
        );
        let setup = Setup::new(engine).config_text(&text);
        let setup = setup.variable("OPENAI_API_KEY", "sk-1").variable("OPENAI_API_KEY_2", "sk-2");
        let gateway = setup.start();
        for _ in 0..10 {
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
            assert_eq!(gateway.call(post(CHAT, &chat("o3"))).status(), 200);
        }
        let seen = upstream.requests();
        let of_o3 = seen.iter().filter(|request| request.text().contains("o3"));
        assert!(of_o3.into_iter().all(|request| request.key() == "sk-1"));
    });
}

#[test]
fn a_check_tells_all_mistakes_with_their_paths() {
    let config = json!({ "providers": {
        "openai": {
            "keys": [
                { "name": "a", "value": "sk-secret", "weight": -1 },
                { "name": "b", "value": "env.NO_SUCH_VARIABLE", "weight": 1 },
            ],
            "network_config": { "base_url": "ftp://a.example" },
        },
        "custom": {
            "keys": [{ "name": "c", "value": "sk-secret" }],
            "custom_provider_config": { "base_provider_type": "no-such-type" },
        },
    } });
    let ended = Setup::command().arguments(["check"]).config(&config).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told = format!("{}{}", ended.stdout, ended.stderr);
    for path in [
        "providers.openai.keys[0].weight",
        "providers.openai.keys[1].value",
        "NO_SUCH_VARIABLE",
        "providers.openai.network_config.base_url",
        "providers.custom.custom_provider_config.base_provider_type",
    ] {
        assert!(told.contains(path), "{path} is not told:\n{told}");
    }
    assert!(!told.contains("sk-secret"), "{told}");
}

#[test]
fn a_check_of_a_good_configuration_succeeds_and_warns_of_unknown_keys() {
    let mut config = json!({ "providers": { "openai": provider_at("https://a.example") } });
    let ended = Setup::command().arguments(["check"]).config(&config).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    config["providers"]["openai"]["no_such_setting"] = json!(1);
    let ended = Setup::command().arguments(["check"]).config(&config).run();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told = format!("{}{}", ended.stdout, ended.stderr);
    assert!(told.contains("providers.openai.no_such_setting"), "{told}");
}

#[test]
fn a_check_says_where_a_file_is_no_json_or_of_another_shape() {
    for (text, expected) in [
        ("{\n  \"providers\": {\n    oops\n  }\n}", "line 3"),
        (r#"{"providers": {"openai": {"keys": "sk"}}}"#, "providers.openai.keys"),
        (r#"{"client": {"max_request_body_size_mb": "big"}}"#, "client.max_request_body_size_mb"),
    ] {
        let ended = Setup::command().arguments(["check"]).config_text(text).run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains(expected), "{expected} is not told:\n{told}");
    }
}

#[test]
fn a_start_with_a_missing_variable_is_refused_and_names_it() {
    on_both_engines(|engine| {
        let mut config = json!({ "providers": { "openai": provider_at("https://a.example") } });
        config["providers"]["openai"]["keys"][0]["value"] = json!("env.NO_SUCH_VARIABLE");
        let ended = Setup::new(engine).config(&config).run();
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert!(ended.stderr.contains("NO_SUCH_VARIABLE"), "{ended:?}");
    });
}

#[test]
fn what_protects_and_is_not_built_yet_refuses_the_start() {
    on_both_engines(|engine| {
        for (setting, name) in [
            (
                json!({ "governance": { "virtual_keys": [{ "id": "1", "name": "team", "value": "sk-bf-1" }] } }),
                "virtual_keys",
            ),
            (json!({ "client": { "enforce_auth_on_inference": true } }), "enforce_auth_on_inference"),
            (
                json!({ "governance": { "auth_config": { "admin_username": "a", "admin_password": "b", "is_enabled": true } } }),
                "auth_config",
            ),
            (
                json!({ "auth_config": { "admin_username": "a", "admin_password": "b", "is_enabled": true } }),
                "auth_config",
            ),
        ] {
            let mut config = json!({ "providers": { "openai": provider_at("https://a.example") } });
            config.as_object_mut().unwrap().extend(setting.as_object().unwrap().clone());
            let ended = Setup::new(engine).config(&config).run();
            assert!(ended.code.is_some_and(|code| code != 0), "{name}: {ended:?}");
            assert!(ended.stderr.contains(name), "{name}: {ended:?}");
        }
    });
}

#[test]
fn protection_that_is_switched_off_does_not_hinder() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["client"] = json!({ "enforce_auth_on_inference": false });
        config["governance"] = json!({ "virtual_keys": [], "auth_config": { "is_enabled": false } });
        let gateway = Gateway::start(engine, &config);
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
    });
}

#[test]
fn settings_without_effect_yet_are_named_in_a_warning() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["mcp"] = json!({ "client_configs": [] });
        config["vector_store"] = json!({ "enabled": false });
        config["plugins"] = json!([{ "enabled": true, "name": "semantic_cache", "config": {} }]);
        let gateway = Gateway::start(engine, &config);
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
        let log = gateway.stop().stderr;
        assert!(log.contains("plugins"), "{log}");
    });
}
