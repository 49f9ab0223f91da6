//! From path and model to a provider.

use serde_json::json;

use crate::harness::{
    CHAT, Gateway, Upstream, chat, custom_provider_at, get, json_reply, on_both_engines, openai_at, post,
    provider_at, request, streamed_chat,
};

#[test]
fn a_prefix_names_a_provider_only_if_there_is_one_of_that_name() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for (sent, seen) in [
            ("openai/gpt-4o", "gpt-4o"),
            ("gpt-4o", "gpt-4o"),
            ("meta-llama/Llama-3", "meta-llama/Llama-3"),
            ("openai/meta-llama/Llama-3", "meta-llama/Llama-3"),
            ("openai/openai/gpt-4o", "openai/gpt-4o"),
            ("ft:gpt-4o:org::id", "ft:gpt-4o:org::id"),
            ("claude-3-sonnet-20240229", "claude-3-sonnet-20240229"),
            ("modèle/é", "modèle/é"),
        ] {
            let answer = gateway.call(post(CHAT, &chat(sent)));
            assert_eq!(answer.status(), 200, "{sent}: {}", answer.text());
            assert_eq!(upstream.only_request().text(), chat(seen));
        }
    });
}

#[test]
fn each_provider_gets_the_models_with_its_prefix() {
    on_both_engines(|engine| {
        let [openai, groq, own] =
            ["openai", "groq", "own"].map(|name| Upstream::json(&format!("\"{name}\"")));
        let config = json!({ "providers": {
            "openai": provider_at(&openai.base_url()),
            "groq": custom_provider_at(&groq.base_url()),
            "my-llm": custom_provider_at(&own.base_url()),
        } });
        let gateway = Gateway::start(engine, &config);
        for mount in ["/openai/v1", "/openai", "/v1"] {
            for (model, provider, answer, upstream) in [
                ("openai/m", "openai", "\"openai\"", &openai),
                ("groq/m", "groq", "\"groq\"", &groq),
                ("my-llm/m", "my-llm", "\"own\"", &own),
                ("m", "openai", "\"openai\"", &openai),
            ] {
                let said = gateway.call(post(&format!("{mount}/embeddings"), &chat(model)));
                assert_eq!(said.text(), answer, "{mount} {model}");
                assert_eq!(said.head.value("x-bifrost-provider"), Some(provider));
                assert_eq!(upstream.only_request().text(), chat("m"));
            }
        }
    });
}

#[test]
fn a_bare_model_goes_to_another_provider_only_under_v1_and_without_openai() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let config = json!({ "providers": { "my-llm": custom_provider_at(&upstream.base_url()) } });
        let gateway = Gateway::start(engine, &config);
        assert_eq!(gateway.call(post("/v1/chat/completions", &chat("gpt-4o"))).status(), 200);
        assert_eq!(upstream.only_request().text(), chat("gpt-4o"));
        let error = gateway.call(post(CHAT, &chat("gpt-4o"))).error(404);
        assert!(error["message"].as_str().unwrap().contains("openai"), "{error}");
        assert_eq!(gateway.call(post(CHAT, &chat("my-llm/gpt-4o"))).status(), 200);
    });
}

#[test]
fn a_provider_that_is_not_configured_is_not_found() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let error = gateway.call(post(CHAT, &chat("groq/llama-3"))).error(404);
        assert_eq!(error["code"], "model_not_found", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("groq") && message.contains("providers"), "{message}");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_model_that_no_key_allows_is_not_found_and_the_message_says_where_to_add_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["keys"][0]["models"] = json!(["gpt-4o", "GPT-4o-Mini"]);
        let gateway = Gateway::start(engine, &config);
        for model in ["gpt-4o", "openai/gpt-4o", "gpt-4o-mini", "GPT-4O"] {
            assert_eq!(gateway.call(post(CHAT, &chat(model))).status(), 200, "{model}");
        }
        assert_eq!(upstream.requests().len(), 4);
        let error = gateway.call(post(CHAT, &chat("openai/o3"))).error(404);
        assert_eq!(error["code"], "model_not_found");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("o3") && message.contains("models"), "{message}");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_provider_is_asked_only_for_what_the_operator_allows() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(r#"{"data":[{"id":"m"}]}"#);
        let mut provider = custom_provider_at(&upstream.base_url());
        provider["custom_provider_config"]["allowed_requests"] =
            json!({ "chat_completion": true, "image_generation": true, "embedding": false });
        let gateway = Gateway::start(engine, &json!({ "providers": { "own": provider } }));
        for path in [CHAT, "/v1/images/generations"] {
            assert_eq!(gateway.call(post(path, &chat("own/m"))).status(), 200, "{path}");
        }
        upstream.requests();
        for call in [
            post("/v1/embeddings", &chat("own/m")),
            post("/v1/chat/completions", &streamed_chat("own/m")),
            post("/v1/images/edits", &chat("own/m")),
            post("/v1/images/edit%73", &chat("own/m")),
            get("/v1/files"),
            get("/v1/models/own%2Fm"),
        ] {
            gateway.call(call).error(403);
        }
        assert_eq!(gateway.call(get("/v1/models")).json()["data"], json!([]));
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_model_of_null_is_as_good_as_none_where_none_is_needed() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for path in ["/v1/images/generations", "/v1/moderations", "/openai/v1/responses"] {
            let body = r#"{ "model" : null, "input": "x" }"#;
            assert_eq!(gateway.call(post(path, body)).status(), 200, "{path}");
            assert_eq!(upstream.only_request().text(), body);
        }
    });
}

#[test]
fn calls_about_stored_objects_go_where_their_model_says_with_one_fixed_key() {
    on_both_engines(|engine| {
        let [openai, own] = ["openai", "own"].map(Upstream::json);
        let mut provider = custom_provider_at(&own.base_url());
        provider["keys"] = json!([
            { "name": "a", "value": "sk-a", "models": ["m"], "weight": 0.5 },
            { "name": "b", "value": "sk-b", "models": ["m"], "weight": 0.5, "use_for_batch_api": true },
        ]);
        let config = json!({ "providers": { "openai": provider_at(&openai.base_url()), "own": provider } });
        let gateway = Gateway::start(engine, &config);
        for path in [
            "/fine_tuning/jobs",
            "/assistants",
            "/assistants/asst_1",
            "/threads/runs",
            "/threads/thread_1/runs",
            "/realtime/sessions",
        ] {
            for _ in 0..5 {
                let answer = gateway.call(post(&format!("/v1{path}"), r#"{"model": "own/m", "x": 1}"#));
                assert_eq!(answer.text(), "own", "{path}");
                let seen = own.only_request();
                assert_eq!((seen.key(), seen.text().as_str()), ("sk-b", r#"{"model": "m", "x": 1}"#));
            }
            gateway.call(post(&format!("/v1{path}"), r#"{"model":"own/other"}"#)).error(404);
            gateway.call(post(&format!("/v1{path}"), r#"{"model":"#)).error(400);
            for body in [r#"{"x":1}"#, r#"{"model":null}"#, ""] {
                assert_eq!(gateway.call(post(&format!("/v1{path}"), body)).text(), "openai");
                assert_eq!(openai.only_request().text(), body);
            }
        }
        assert!(own.requests().is_empty());
    });
}

#[test]
fn a_keyless_provider_is_sent_no_credential() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let config = json!({ "providers": { "local": {
            "network_config": { "base_url": upstream.base_url() },
            "custom_provider_config": { "base_provider_type": "openai", "is_key_less": true },
        } } });
        let gateway = Gateway::start(engine, &config);
        let call =
            request("POST", CHAT, &[("Authorization", "Bearer sk-client")], chat("local/m").as_bytes());
        assert_eq!(gateway.call(call).status(), 200);
        let seen = upstream.only_request();
        assert!(seen.head.values("authorization").is_empty(), "{:?}", seen.head);
        assert_eq!(seen.text(), chat("m"));
    });
}

#[test]
fn a_base_url_may_end_in_nothing_in_a_slash_or_in_the_version() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let url = upstream.base_url();
        let ends = ["", "/", "/v1", "/v1/", "/prefix", "/prefix/v1"];
        let providers = ends
            .iter()
            .enumerate()
            .map(|(number, end)| (format!("custom{number}"), custom_provider_at(&format!("{url}{end}"))));
        let providers: serde_json::Map<_, _> = providers.collect();
        let gateway = Gateway::start(engine, &json!({ "providers": providers }));
        for (number, end) in ends.iter().enumerate() {
            let answer = gateway.call(post("/v1/chat/completions", &chat(&format!("custom{number}/m"))));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let prefix = if end.starts_with("/prefix") { "/prefix" } else { "" };
            let expected = format!("{prefix}/v1/chat/completions");
            assert_eq!(upstream.only_request().head.target(), expected, "base URL ends in {end:?}");
        }
    });
}

#[test]
fn names_of_providers_may_be_written_in_any_case() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let config = json!({ "providers": { "OpenAI": provider_at(&upstream.base_url()) } });
        let gateway = Gateway::start(engine, &config);
        assert_eq!(gateway.call(post(CHAT, &chat("openai/gpt-4o"))).status(), 200);
        assert_eq!(upstream.only_request().text(), chat("gpt-4o"));
    });
}

#[test]
fn every_other_endpoint_passes_through() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            peer.send(json_reply(&format!("\"{}\"", request.head.start_line)));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for mount in ["/openai/v1", "/openai", "/v1"] {
            for (method, path) in [
                ("POST", "/completions"),
                ("POST", "/embeddings"),
                ("POST", "/responses"),
                ("GET", "/responses/resp_1/input_items"),
                ("POST", "/moderations"),
                ("POST", "/images/generations"),
                ("POST", "/audio/speech"),
                ("GET", "/files/file-1/content"),
                ("DELETE", "/files/file-1"),
                ("POST", "/uploads/upload_1/complete"),
                ("POST", "/batches/batch_1/cancel"),
                ("POST", "/vector_stores/vs_1/search"),
                ("GET", "/fine_tuning/jobs"),
                ("POST", "/evals"),
                ("GET", "/containers/c/files/f/content"),
                ("POST", "/conversations"),
                ("GET", "/organization/usage/completions"),
                ("GET", "/chat/completions/chatcmpl-1/messages"),
                ("PUT", "/something/not/known/yet"),
            ] {
                let body = if method == "GET" || method == "DELETE" { String::new() } else { chat("gpt-4o") };
                let fields = [("Content-Type", "application/json")];
                let answer =
                    gateway.call(request(method, &format!("{mount}{path}"), &fields, body.as_bytes()));
                assert_eq!(answer.text(), format!("\"{method} /v1{path} HTTP/1.1\""));
                assert_eq!(answer.head.value("x-bifrost-provider"), Some("openai"));
                assert_eq!(upstream.only_request().text(), body);
            }
        }
    });
}

#[test]
fn query_strings_go_on_as_they_are() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for query in ["?limit=2&after=a%20b", "?a=%2F..%2e&&flag&empty=&=x", "?include[]=a&include[]=b+c"] {
            assert_eq!(gateway.call(get(&format!("/openai/v1/files{query}"))).status(), 200, "{query}");
            assert_eq!(upstream.only_request().head.target(), format!("/v1/files{query}"));
            let call = post(&format!("{CHAT}{query}"), &chat("openai/gpt-4o"));
            assert_eq!(gateway.call(call).status(), 200, "{query}");
            assert_eq!(upstream.only_request().head.target(), format!("/v1/chat/completions{query}"));
        }
    });
}
