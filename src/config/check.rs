//! The meaning of config.json: a snapshot, or all mistakes at once.

use std::sync::Arc;

use super::{
    Finding, Rejected, Snapshot, account,
    file::{AUTH, CLIENT, FILE, GOVERNANCE, SERVER},
    key::EmptyList,
    limits, models,
    network::is_header_name,
    reader::{Field, Kind, Reading, Section},
};
use crate::{
    dialect::json::document,
    route::{Cors, HeaderPolicy, Routes},
};

/// The snapshot that a file describes, with what its writer should know; or everything that is wrong.
pub fn check(
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<(Snapshot, Vec<Finding>), Rejected> {
    let tree = document::parse(text).map_err(unreadable)?;
    let reading = Reading::new(variables);
    let snapshot = reading.file(&tree).inside(snapshot);
    reading.end(snapshot)
}

/// Without a file: the built-in providers whose key is in the environment.
pub fn from_environment(variables: &dyn Fn(&str) -> Option<String>) -> Snapshot {
    Snapshot::new(Routes::new(account::from_environment(&Reading::new(variables)), None))
}

/// The embedded provider, listening on that port of this machine, for every model.
pub fn demo(port: u16) -> Snapshot {
    let account = account::demo(port);
    let name = account.as_ref().map(|account| account.name.clone());
    Snapshot::new(Routes::new(account.into_iter().collect(), name.as_deref()))
}

fn unreadable(mistake: document::Mistake) -> Rejected {
    let finding = Finding {
        path: format!("line {}, column {}", mistake.line, mistake.column),
        message: mistake.message,
        remedy: "Correct the JSON there, comments are allowed".to_owned(),
    };
    Rejected { mistakes: vec![finding], warnings: Vec::new() }
}

fn snapshot(file: &Section<'_>) -> Snapshot {
    let empty_list = empty_list(&file.field("version"));
    let (accounts, left_out) = account::read_all(&file.section("providers"), empty_list);
    let mut snapshot = Snapshot::new(Routes::new(accounts, None).leave_out(left_out));
    let catalog = Arc::make_mut(&mut snapshot.models);
    models::read_all(&file.section("models"), snapshot.routes.accounts(), catalog);
    file.inside("client", |client| read_client(client, &mut snapshot));
    file.inside("server", |server| {
        let connections = server.field("max_connections").limit(limits::CLIENT_CONNECTIONS);
        let connections = connections.and_then(|connections| usize::try_from(connections).ok());
        snapshot.client_connections_max = connections.unwrap_or(snapshot.client_connections_max);
        SERVER.read(server);
    });
    refuse_what_protects(file);
    FILE.read(file);
    snapshot
}

fn empty_list(version: &Field<'_>) -> EmptyList {
    match version.whole_number(1..=2) {
        None => EmptyList::AllWithWarning,
        Some(2) => EmptyList::Nothing,
        Some(_) => EmptyList::All,
    }
}

fn read_client(file: &Section<'_>, snapshot: &mut Snapshot) {
    let origins = file.field("allowed_origins").texts().unwrap_or_default();
    let origins = origins.into_iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
    snapshot.cors =
        Cors { origins: origins.collect(), headers: header_names(&file.field("allowed_headers")) };
    snapshot.headers = file.inside("header_filter_config", |filter| HeaderPolicy {
        allowed: header_names(&filter.field("allowlist")),
        denied: header_names(&filter.field("denylist")),
    });
    let megabytes = file.field("max_request_body_size_mb").limit(limits::REQUEST_BODY_MEGABYTES);
    let bytes = megabytes.and_then(|megabytes| usize::try_from(megabytes * 1024 * 1024).ok());
    snapshot.request_body_bytes_max = bytes.unwrap_or(snapshot.request_body_bytes_max);
    snapshot.allows_direct_keys = file.field("allow_direct_keys").boolean().unwrap_or_default();
    snapshot.allows_private_media = file.field("allow_private_media_urls").boolean().unwrap_or_default();
    snapshot.bridges_to_responses = file.field("bridge_to_responses").boolean().unwrap_or(true);
    snapshot.is_strict = file.field("refuse_unsupported_params").boolean().unwrap_or_default();
    let log_content = file.field("log_content");
    snapshot.logs_content = log_content.boolean().unwrap_or_default();
    if snapshot.logs_content && file.field("disable_content_logging").boolean() == Some(true) {
        log_content.mistake("`disable_content_logging` forbids what this asks for", "Remove one of the two");
    }
    CLIENT.read(file);
}

fn header_names(list: &Field<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in list.list().unwrap_or_default() {
        match item.text() {
            Some(name) if is_header_name(name) => names.push(name.to_ascii_lowercase()),
            Some(_) => item.mistake("this is not the name of a header field", "Correct or remove it"),
            None => {}
        }
    }
    names
}

fn refuse_what_protects(file: &Section<'_>) {
    file.inside("auth_config", |auth| AUTH.read(auth));
    file.inside("governance", |governance| {
        governance.inside("auth_config", |auth| AUTH.read(auth));
        GOVERNANCE.read(governance);
    });
    for plugin in file.field("plugins").list().unwrap_or_default() {
        let plugin = plugin.section();
        if plugin.field("enabled").boolean() != Some(false) {
            plugin.section("config").refuse(&["is_vk_mandatory"]);
        }
    }
    file.field("plugins").leave_idle(Kind::List);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::fixture::{SECRET, accepted, mistaken_paths, rejected, variables},
        provider::Models,
    };

    const KEYED: &str = r#""providers": {"openai": {"keys": [{"value": "env.A_KEY"}]}}"#;

    #[test]
    fn the_example_is_accepted() {
        let (snapshot, warnings) = accepted(include_str!("../../config.example.json"));
        let names: Vec<_> = snapshot.routes.accounts().iter().map(|account| &account.name).collect();
        assert_eq!(names, ["openai", "anthropic", "gemini", "groq", "ollama"]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn a_file_of_the_middle_of_2025_is_accepted() {
        let (snapshot, warnings) = accepted(
            r#"{
              "providers": {
                "openai": {
                  "keys": [
                    {
                      "value": "env.FIRST_KEY", // a key without a name
                      "models": ["gpt-4o-mini", "GPT-4o"],
                      "weight": 0.7
                    },
                    { "value": "env.SECOND_KEY", "models": ["gpt-4o-mini"], "weight": 0.3 }
                  ],
                  "network_config": {
                    "default_request_timeout_in_seconds": 60, // more than 30
                    "max_retries": 2,
                    "retry_backoff_initial_ms": 100,
                    "retry_backoff_max_ms": 2000
                  },
                  /* a pair */
                  "concurrency_and_buffer_size": { "concurrency": 5, "buffer_size": 20 }
                }
              }
            }"#,
        );
        let account = &snapshot.routes.accounts()[0];
        let keys: Vec<_> = account.keys.iter().map(|key| (key.name.as_str(), key.weight)).collect();
        assert_eq!(keys, [("openai-1", 0.7), ("openai-2", 0.3)]);
        assert_eq!(account.keys[0].secret.reveal(), "sk-very-secret-FIRST_KEY");
        assert_eq!(account.request_time_max.as_secs(), 60);
        let expected = "Read, but not acted on by this version: \
            providers.openai.network_config.max_retries, \
            providers.openai.network_config.retry_backoff_initial_ms, \
            providers.openai.network_config.retry_backoff_max_ms, \
            providers.openai.concurrency_and_buffer_size. Remove them, or expect nothing of them.";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn a_whole_file_of_today_is_accepted() {
        let (snapshot, warnings) = accepted(
            r#"{
              "$schema": "https://www.example.com/schema", "version": 2, "source_of_truth": "split",
              "client": {
                "drop_excess_requests": false, "initial_pool_size": 300, "prometheus_labels": [],
                "allowed_origins": ["*"], "max_request_body_size_mb": 1, "enable_logging": true,
                "enforce_auth_on_inference": false, "allow_direct_keys": true, "required_headers": [],
                "disable_content_logging": true,
                "header_filter_config": { "allowlist": ["X-Tenant"], "denylist": ["X-Internal"] }
              },
              "providers": {
                "openai": {
                  "keys": [{
                    "id": "one", "name": "main", "value": {"value": "", "env_var": "env.A_KEY", "from_env": true},
                    "models": ["*"], "blacklisted_models": [], "weight": 1, "enabled": true,
                    "use_for_batch_api": true, "aliases": {}
                  }],
                  "network_config": { "base_url": "", "extra_headers": {}, "max_retries": 0 },
                  "proxy_config": { "type": "none", "url": "" },
                  "send_back_raw_response": false
                }
              },
              "governance": { "virtual_keys": [], "budgets": [], "auth_config": { "is_enabled": false } },
              "mcp": { "client_configs": [] },
              "config_store": { "enabled": false, "type": "sqlite" },
              "logs_store": { "enabled": true, "type": "sqlite", "config": { "path": "logs.db" } },
              "plugins": [{ "enabled": false, "name": "otel" }]
            }"#,
        );
        assert!(snapshot.allows_direct_keys);
        assert_eq!(snapshot.request_body_bytes_max, 1024 * 1024);
        assert_eq!(snapshot.cors.origins, ["*"]);
        assert_eq!(snapshot.headers.allowed, ["x-tenant"]);
        assert_eq!(snapshot.headers.denied, ["x-internal"]);
        let expected = "Read, but not acted on by this version: client.enable_logging, \
            client.initial_pool_size, logs_store, source_of_truth. Remove them, or expect nothing of them.";
        assert_eq!(warnings, [expected]);
    }

    #[test]
    fn a_file_with_everything_in_it_is_accepted() {
        let (snapshot, warnings) = accepted(include_str!("everything.json"));
        let accounts = snapshot.routes.accounts().iter();
        let names: Vec<_> = accounts.map(|account| (account.name.as_str(), account.keys.len())).collect();
        let expected =
            ["azure", "vertex", "bedrock", "ollama", "lab", "claude-at-home"].map(|name| (name, 1));
        assert_eq!(names, [&[("openai", 2)], &expected[..]].concat());
        let left_out = ["replicate", "empty"];
        for name in left_out {
            let path = format!("providers.{name}");
            assert!(warnings.iter().any(|warning| warning.starts_with(&path)), "{name}: {warnings:?}");
        }
        let idle = warnings.last().unwrap();
        assert_eq!(warnings.len(), left_out.len() + 1, "{warnings:?}");
        for path in
            ["client.compat", "governance.teams", "governance.customers", "mcp", "websocket", "plugins"]
        {
            assert!(idle.contains(path), "{path}: {idle}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let paths = mistaken_paths(
            r#"{
              "version": 3,
              "providers": {
                "openai": {
                  "keys": [{"value": "env.NOT_THERE", "weight": -1}, {"value": "env.BLANK", "models": "all"}],
                  "network_config": {"base_url": "ftp://host", "default_request_timeout_in_seconds": "30"}
                },
                "nobody": {"keys": [{"value": 7}]},
                "OpenAI": {"keys": [{"value": "a", "enabled": 1}]}
              },
              "client": {"allowed_headers": ["X-Fine", "X Bad"], "max_request_body_size_mb": -1},
              "mcp": []
            }"#,
        );
        let expected = [
            "version",
            "providers.openai.network_config.default_request_timeout_in_seconds",
            "providers.openai.network_config.base_url",
            "providers.openai.keys[0].value",
            "providers.openai.keys[0].weight",
            "providers.openai.keys[1].value",
            "providers.openai.keys[1].models",
            "providers.nobody",
            "providers.nobody.network_config.base_url",
            "providers.nobody.keys[0].value",
            "providers.OpenAI",
            "providers.OpenAI.keys[0].enabled",
            "client.allowed_headers[1]",
            "client.max_request_body_size_mb",
            "mcp",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_mistake_in_the_grammar_is_told_with_its_line() {
        let rejected = rejected("{\n  \"providers\": {,}\n}");
        assert_eq!(rejected.mistakes[0].path, "line 2, column 17");
        assert_eq!(rejected.mistakes.len(), 1);
    }

    #[test]
    fn a_file_that_is_no_object_is_refused() {
        assert_eq!(rejected("[]").to_string(), "expected an object, found a list. Correct or remove it.");
    }

    #[test]
    fn what_protects_and_does_not_work_yet_refuses_the_start() {
        for (path, text) in [
            ("governance.virtual_keys", r#""governance": {"virtual_keys": [{}]}"#),
            ("governance.budgets", r#""governance": {"budgets": [{"id": "b"}]}"#),
            ("governance.rate_limits", r#""governance": {"rate_limits": [{"id": "r"}]}"#),
            ("governance.auth_config.is_enabled", r#""governance": {"auth_config": {"is_enabled": true}}"#),
            ("auth_config.is_enabled", r#""auth_config": {"is_enabled": true, "admin_password": "p"}"#),
            ("enable_governance", r#""enable_governance": true"#),
            ("client.enforce_auth_on_inference", r#""client": {"enforce_auth_on_inference": true}"#),
            ("client.enforce_auth_on_inference", r#""client": {"enforce_auth_on_inference": "yes"}"#),
            ("client.enforce_governance_header", r#""client": {"enforce_governance_header": true}"#),
            ("client.required_headers", r#""client": {"required_headers": ["x-team"]}"#),
            ("guardrails_config", r#""guardrails_config": {"guardrail_rules": [{"id": 1}]}"#),
            (
                "plugins[0].config.is_vk_mandatory",
                r#""plugins": [{"name": "governance", "enabled": true, "config": {"is_vk_mandatory": true}}]"#,
            ),
        ] {
            let rejected = rejected(&format!("{{{KEYED}, {text}}}"));
            assert_eq!(rejected.mistakes.len(), 1, "{rejected}");
            assert_eq!(rejected.mistakes[0].path, path);
            assert!(rejected.mistakes[0].message.contains("does not start"), "{rejected}");
        }
    }

    #[test]
    fn what_is_unknown_is_warned_of_with_its_path() {
        let (_, warnings) = accepted(
            r#"{"provider": {}, "client": {"a.b": 1}, "providers": {"openai": {"keyz": 1,
                "network_config": {"proxy": 1}, "keys": [{"value": "x", "model": []}]}}}"#,
        );
        let expected = [
            "providers.openai.network_config.proxy",
            "providers.openai.keys[0].model",
            "providers.openai.keyz",
            "client[\"a.b\"]",
            "provider",
        ];
        let expected =
            expected.map(|path| format!("{path}: this is not known. Check the spelling, or remove it."));
        assert_eq!(warnings, expected);
    }

    #[test]
    fn secrets_are_neither_told_nor_shown() {
        let provider = format!(
            r#"{{"keys": [{{"value": "{SECRET}\n"}}, {{"value": "{SECRET}\u0000{SECRET}", "models": "{SECRET}"}}],
                "network_config": {{"base_url": "https://user:{SECRET}@host?{SECRET}", "ca_cert_pem": "{SECRET}",
                "extra_headers": {{"X-Fine": "{SECRET}", "X-Bad": "{SECRET}\r\n"}}}},
                "proxy_config": {{"type": "http", "url": "http://u:{SECRET}@{SECRET}/{SECRET}", "password": "{SECRET}"}}}}"#
        );
        let wrong =
            rejected(&format!(r#"{{"encryption_key": "{SECRET}", "providers": {{"openai": {provider}}}}}"#));
        assert!(wrong.mistakes.len() > 4, "{wrong}");
        assert!(!format!("{wrong} {wrong:?}").contains("very-secret"), "{wrong}");
        let (snapshot, warnings) = accepted(&format!(
            r#"{{"encryption_key": "{SECRET}", "providers": {{"openai": {{"keys": [{{"value": "{SECRET}"}}],
                "network_config": {{"extra_headers": {{"X-Token": "{SECRET}"}}}}}}}}}}"#
        ));
        assert!(!format!("{snapshot:?} {warnings:?}").contains("very-secret"));
    }

    #[test]
    fn without_a_file_the_providers_are_those_with_a_key_in_the_environment() {
        let environment = |name: &str| match name {
            "GROQ_API_KEY" => Some(format!("{SECRET}\n")),
            "OPENAI_KEY" => Some("sk-older-name".to_owned()),
            "MISTRAL_API_KEY" => Some(String::new()),
            "XAI_API_KEY" => Some("two\nlines".to_owned()),
            _ => None,
        };
        let snapshot = from_environment(&environment);
        let keys: Vec<_> = snapshot.routes.accounts().iter().map(|account| &account.keys[0]).collect();
        let found: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.secret.reveal())).collect();
        assert_eq!(found, [("openai-1", "sk-older-name"), ("groq-1", SECRET)]);
        assert_eq!(keys[0].models, Models::All);
        assert!(from_environment(&|_| None).routes.accounts().is_empty());
    }

    #[test]
    fn the_well_known_variables_are_known() {
        for (variable, name) in [
            ("OPENAI_API_KEY", "openai"),
            ("ANTHROPIC_API_KEY", "anthropic"),
            ("GEMINI_API_KEY", "gemini"),
            ("MISTRAL_API_KEY", "mistral"),
            ("GROQ_API_KEY", "groq"),
        ] {
            let snapshot = from_environment(&|asked| (asked == variable).then(|| SECRET.to_owned()));
            let names = snapshot.routes.accounts().iter().map(|account| account.name.as_str());
            assert_eq!(names.collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn content_is_logged_where_that_is_asked_for_and_not_forbidden() {
        for (client, expected) in [
            ("{}", false),
            (r#"{"disable_content_logging": false, "enable_logging": true}"#, false),
            (r#"{"log_content": false}"#, false),
            (r#"{"log_content": true, "disable_content_logging": false}"#, true),
        ] {
            let (snapshot, _) = accepted(&format!(r#"{{"client": {client}, {KEYED}}}"#));
            assert_eq!(snapshot.logs_content, expected, "{client}");
        }
        let client = r#"{"log_content": true, "disable_content_logging": true}"#;
        let paths = mistaken_paths(&format!(r#"{{"client": {client}, {KEYED}}}"#));
        assert_eq!(paths, ["client.log_content"]);
    }

    #[test]
    fn a_file_without_providers_takes_those_of_the_environment() {
        let (snapshot, warnings) = accepted(r#"{"client": {"allow_direct_keys": false}}"#);
        assert!(snapshot.routes.accounts().iter().any(|account| account.name == "openai"));
        assert!(warnings[0].contains("these come from the environment: openai"), "{warnings:?}");
        match check("{}", &|_| None) {
            Ok((snapshot, warnings)) => {
                assert!(snapshot.routes.accounts().is_empty());
                assert_eq!(warnings[0].path, "providers");
            }
            Err(rejected) => panic!("{rejected}"),
        }
    }

    #[test]
    fn the_demo_has_one_provider_without_a_key() {
        let snapshot = demo(8081);
        let account = &snapshot.routes.accounts()[0];
        assert_eq!(account.name, "demo");
        assert_eq!(account.keys[0].endpoint.to_string(), "http://127.0.0.1:8081/v1");
        assert!(account.keys[0].secret.is_empty());
    }

    #[test]
    fn a_variable_is_named_when_it_is_missing() {
        let text = r#"{"providers": {"openai": {"keys": [{"value": "env.NOT_THERE"}]}}}"#;
        let expected = "providers.openai.keys[0].value: the variable NOT_THERE is not set, or is empty. \
            Set it in the environment of the gateway, or write the value itself here.";
        assert_eq!(rejected(text).to_string(), expected);
        assert_eq!(variables("NOT_THERE"), None);
    }
}
