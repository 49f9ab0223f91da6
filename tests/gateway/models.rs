//! Lists of models.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, Response, Signal, Upstream, custom_provider_at, get, json_reply, on_both_engines, openai_at,
    provider_at, refusing_address, reply, request,
};

const LIST: &str = r#"{ "object":"list","data":[ {"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system","more":1},
 {"id":"o3","object":"model","created":0,"owned_by":"openai"} ],"odd" : [] }"#;

fn ids(answer: &Response) -> Vec<String> {
    let list = answer.json();
    assert_eq!(list["object"], "list", "{list}");
    let models = list["data"].as_array().unwrap().iter();
    let mut ids: Vec<String> = models.map(|model| model["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn list_of(id: &str) -> String {
    json!({ "object": "list", "data": [{ "id": id, "object": "model", "created": 1, "owned_by": "x" }] })
        .to_string()
}

#[test]
fn the_list_under_openai_is_the_one_of_openai() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(LIST);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for path in ["/openai/v1/models", "/openai/models", "/openai/v1/models/gpt-4o"] {
            assert_eq!(gateway.call(get(path)).text(), LIST);
            let seen = upstream.only_request();
            assert_eq!(
                seen.head.target(),
                path.replace("/openai/models", "/openai/v1/models").replace("/openai", "")
            );
        }
    });
}

#[test]
fn the_list_under_v1_has_the_models_of_all_providers_with_their_prefix() {
    on_both_engines(|engine| {
        let (openai, own) = (Upstream::json(LIST), Upstream::json(&list_of("vendor/llama-3")));
        let config = json!({ "providers": {
            "openai": provider_at(&openai.base_url()),
            "my-llm": custom_provider_at(&own.base_url()),
        } });
        let gateway = Gateway::start(engine, &config);
        let answer = gateway.call(get("/v1/models"));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(ids(&answer), ["my-llm/vendor/llama-3", "openai/gpt-4o", "openai/o3"]);
        let list = answer.json();
        let models: &Vec<Value> = list["data"].as_array().unwrap();
        let gpt = models.iter().find(|model| model["id"] == "openai/gpt-4o").unwrap();
        assert_eq!((&gpt["object"], &gpt["created"]), (&json!("model"), &json!(1_715_367_049)));
        assert_eq!(openai.only_request().head.target(), "/v1/models");
        assert_eq!(own.only_request().key(), "sk-test");
    });
}

#[test]
fn lists_of_the_providers_are_remembered() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(LIST);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let first = ids(&gateway.call(get("/v1/models")));
        for _ in 0..3 {
            assert_eq!(ids(&gateway.call(get("/v1/models"))), first);
        }
        assert_eq!(upstream.requests().len(), 1);
    });
}

#[test]
fn those_who_ask_at_once_share_one_question() {
    on_both_engines(|engine| {
        let go = Signal::<()>::new();
        let gate = go.clone();
        let upstream = Upstream::answering(move |_, peer| {
            gate.wait();
            peer.send(json_reply(LIST));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut clients = [(); 4].map(|()| gateway.client());
        // The one that asked first leaves: another one asks.
        let mut first = gateway.client();
        first.send(get("/v1/models"));
        upstream.next_request();
        clients.iter_mut().for_each(|client| client.send(get("/v1/models")));
        drop(first);
        upstream.next_request();
        (0..2).for_each(|_| go.give(()));
        for client in &mut clients {
            assert_eq!(ids(&client.response()), ["openai/gpt-4o", "openai/o3"]);
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_provider_that_failed_is_not_asked_again_at_once() {
    on_both_engines(|engine| {
        let (alive, failing) = (Upstream::json(LIST), Upstream::bytes(reply("500 No", &[], b"{}")));
        let config = json!({ "providers": {
            "openai": provider_at(&alive.base_url()),
            "failing": custom_provider_at(&failing.base_url()),
        } });
        let gateway = Gateway::start(engine, &config);
        for _ in 0..3 {
            assert_eq!(ids(&gateway.call(get("/v1/models"))), ["openai/gpt-4o", "openai/o3"]);
        }
        failing.only_request();
    });
}

#[test]
fn every_endpoint_of_a_provider_is_asked_once() {
    on_both_engines(|engine| {
        let [one, two] = ["one", "two"].map(|id| {
            let list = json!({ "object": "list", "data": [{ "id": id }, { "id": "both" }] });
            Upstream::json(&list.to_string())
        });
        let key = |name: &str, upstream: &Upstream| {
            json!({ "name": name, "value": "", "models": ["*"], "weight": 1,
                "vllm_key_config": { "url": upstream.base_url() } })
        };
        let keys = json!([key("a", &one), key("b", &two), key("c", &one)]);
        let gateway = Gateway::start(engine, &json!({ "providers": { "vllm": { "keys": keys } } }));
        assert_eq!(ids(&gateway.call(get("/v1/models"))), ["vllm/both", "vllm/one", "vllm/two"]);
        one.only_request();
        two.only_request();
    });
}

#[test]
fn only_models_that_a_key_allows_are_listed() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(LIST);
        let mut config = openai_at(&upstream);
        for (keys, expected) in [
            (
                json!([{ "name": "a", "value": "sk-a", "models": ["gpt-4o"], "weight": 1 }]),
                vec!["openai/gpt-4o"],
            ),
            (
                json!([{ "name": "a", "value": "sk-a", "models": ["*"], "blacklisted_models": ["gpt-4o"], "weight": 1 }]),
                vec!["openai/o3"],
            ),
            (
                json!([
                    { "name": "a", "value": "sk-a", "models": ["gpt-4o"], "weight": 1 },
                    { "name": "b", "value": "sk-b", "models": ["o3"], "weight": 1 },
                ]),
                vec!["openai/gpt-4o", "openai/o3"],
            ),
        ] {
            config["providers"]["openai"]["keys"] = keys;
            let gateway = Gateway::start(engine, &config);
            assert_eq!(ids(&gateway.call(get("/v1/models"))), expected);
        }
    });
}

#[test]
fn a_provider_that_cannot_be_asked_is_left_out() {
    on_both_engines(|engine| {
        let (dead, _held) = refusing_address();
        let (alive, failing) = (Upstream::json(LIST), Upstream::bytes(reply("500 No", &[], b"{}")));
        let nonsense = Upstream::json("not json");
        let config = json!({ "providers": {
            "openai": provider_at(&alive.base_url()),
            "dead": custom_provider_at(&format!("http://{dead}")),
            "failing": custom_provider_at(&failing.base_url()),
            "nonsense": custom_provider_at(&nonsense.base_url()),
        } });
        let gateway = Gateway::start(engine, &config);
        assert_eq!(ids(&gateway.call(get("/v1/models"))), ["openai/gpt-4o", "openai/o3"]);
    });
}

#[test]
fn the_list_is_anthropics_for_its_clients() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(LIST);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let named = request("GET", "/v1/models", &[("anthropic-version", "2023-06-01")], b"");
        for asked in [named, get("/anthropic/v1/models")] {
            let list = gateway.call(asked).json();
            let first = json!({
                "type": "model",
                "id": "openai/gpt-4o",
                "display_name": "openai/gpt-4o",
                "created_at": "2024-05-10T00:00:00Z",
            });
            assert_eq!(list["data"][0], first);
            assert_eq!((&list["has_more"], &list["first_id"]), (&json!(false), &json!("openai/gpt-4o")));
            assert_eq!(list["last_id"], "openai/o3");
        }
    });
}

#[test]
fn a_list_of_anthropics_is_openais_for_its_clients() {
    on_both_engines(|engine| {
        let offered = r#"{"data":[{"type":"model","id":"claude-x","display_name":"Claude X","created_at":"2026-01-02T00:00:00Z"}],"has_more":false}"#;
        let upstream = Upstream::json(offered);
        let config = json!({ "providers": { "anthropic": provider_at(&upstream.base_url()) } });
        let gateway = Gateway::start(engine, &config);
        let answer = gateway.call(get("/v1/models"));
        assert_eq!(ids(&answer), ["anthropic/claude-x"]);
        assert_eq!(answer.json()["data"][0]["object"], "model");
        let shown = gateway.call(get("/anthropic/v1/models")).json();
        assert_eq!(shown["data"][0]["display_name"], "Claude X");
        assert_eq!(shown["data"][0]["created_at"], "2026-01-02T00:00:00Z");
        // Anthropic does not show a model in OpenAI's words, so that the list does.
        let model = gateway.call(get("/v1/models/anthropic%2Fclaude-x"));
        assert_eq!((model.status(), &model.json()["id"]), (200, &json!("anthropic/claude-x")));
        let unknown = gateway.call(get("/v1/models/anthropic%2Fclaude-y"));
        assert_eq!((unknown.status(), &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
    });
}

#[test]
fn a_cloud_that_lists_nothing_shows_what_is_configured() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut bedrock = provider_at(&upstream.base_url());
        bedrock["keys"][0]["models"] = json!(["amazon.nova-pro-v1:0", "fast"]);
        bedrock["keys"][0]["aliases"] = json!({ "fast": "amazon.nova-lite-v1:0" });
        bedrock["keys"][0]["bedrock_key_config"] = json!({ "region": "us-east-1" });
        let gateway = Gateway::start(engine, &json!({ "providers": { "bedrock": bedrock } }));
        let expected = ["bedrock/amazon.nova-pro-v1:0", "bedrock/fast"];
        assert_eq!(ids(&gateway.call(get("/v1/models"))), expected);
        let model = gateway.call(get("/v1/models/bedrock%2Ffast"));
        assert_eq!((model.status(), &model.json()["owned_by"]), (200, &json!("bedrock")));
        assert_eq!(upstream.requests().len(), 0);
    });
}
