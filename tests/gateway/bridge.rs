//! Chats with models of OpenAI's that are asked by the Responses API.

use serde_json::{Value, json};

use crate::harness::{CHAT, Gateway, Upstream, custom_provider_at, on_both_engines, openai_at, post};

const ANSWER: &str = r#"{"id":"resp_1","object":"response","created_at":7,"status":"completed","model":"gpt-5-pro",
    "output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed",
        "content":[{"type":"output_text","text":"hello","annotations":[]}]}],
    "usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}"#;

fn asked(model: &str, further: &Value) -> String {
    let mut body = json!({ "messages": [{ "role": "user", "content": "q" }], "model": model });
    for (name, value) in further.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[test]
fn a_model_without_chat_completions_is_asked_by_responses() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(ANSWER);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(post(CHAT, &asked("gpt-5-pro", &json!({ "seed": 7 }))));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello");
        assert_eq!(answer.json()["usage"]["total_tokens"], 5);
        assert_eq!(answer.head.value("x-bifrost-translated"), Some("responses"));
        assert_eq!(answer.head.value("x-bifrost-dropped-params"), Some("seed"));
        let request = upstream.only_request();
        assert_eq!(request.head.target(), "/v1/responses");
        let body: Value = serde_json::from_str(&request.text()).unwrap();
        assert_eq!((&body["model"], &body["store"]), (&json!("gpt-5-pro"), &json!(false)));
        assert_eq!(body["input"][0]["role"], "user");
    });
}

#[test]
fn tools_go_by_responses_only_where_the_model_would_reason_about_them() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(ANSWER);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let tools = json!([{ "type": "function", "function": { "name": "now" } }]);
        let responses = "/v1/responses";
        let chat = "/v1/chat/completions";
        for (model, further, path) in [
            ("gpt-5.4", json!({ "tools": tools }), responses),
            ("gpt-5.4", json!({ "tools": tools, "reasoning_effort": "none" }), chat),
            ("gpt-5.4", json!({}), chat),
            ("gpt-4o", json!({ "tools": tools }), chat),
        ] {
            gateway.call(post(CHAT, &asked(model, &further)));
            assert_eq!(upstream.only_request().head.target(), path, "{model} {further}");
        }
    });
}

#[test]
fn a_provider_of_ones_own_is_asked_for_chats_whatever_its_models_are_called() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let config = json!({ "providers": { "lab": custom_provider_at(&upstream.base_url()) } });
        let gateway = Gateway::start(engine, &config);
        gateway.call(post(CHAT, &asked("lab/gpt-5-pro", &json!({}))));
        assert_eq!(upstream.only_request().head.target(), "/v1/chat/completions");
    });
}

#[test]
fn the_operator_turns_the_bridge_off() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["client"] = json!({ "bridge_to_responses": false });
        let gateway = Gateway::start(engine, &config);
        let body = asked("gpt-5-pro", &json!({}));
        gateway.call(post(CHAT, &body));
        assert_eq!(upstream.only_request().text(), body);
    });
}
