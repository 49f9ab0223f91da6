//! Vectors of providers that are not asked for them as OpenAI is.

use serde_json::{Value, json};

use crate::harness::{
    Gateway, Response, Upstream, json_reply, on_both_engines, openai_at, post, provider_at, reply,
};

const PATH: &str = "/v1/embeddings";

/// A gateway with a provider of a cloud, spoken to at an upstream with a key that lasts.
fn cloud_at(upstream: &Upstream, provider: &str, place: &Value) -> Value {
    let mut account = provider_at(&upstream.base_url());
    account["keys"][0][format!("{provider}_key_config")] = place.clone();
    json!({ "providers": { provider: account } })
}

fn vertex_at(upstream: &Upstream) -> Value {
    cloud_at(upstream, "vertex", &json!({ "project_id": "p", "region": "us-central1" }))
}

fn bedrock_at(upstream: &Upstream) -> Value {
    cloud_at(upstream, "bedrock", &json!({ "region": "us-east-1" }))
}

fn ask(gateway: &Gateway, body: &str) -> (Response, Value) {
    let answer = gateway.call(post(PATH, body));
    let document = serde_json::from_str(&answer.text()).unwrap();
    (answer, document)
}

#[test]
fn older_models_of_vertex_predict_vectors_of_many_texts() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            let vector = r#"{"embeddings":{"values":[1.50,-2],"statistics":{"token_count":3}}}"#;
            peer.send(json_reply(&format!(r#"{{"predictions":[{vector},{vector}]}}"#)));
        });
        let gateway = Gateway::start(engine, &vertex_at(&upstream));
        let model = "vertex/text-embedding-005";
        let asked = format!(r#"{{"model":"{model}","input":["a","b"],"dimensions":2,"user":"me"}}"#);
        let (answer, document) = ask(&gateway, &asked);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert!(answer.text().contains(r#""embedding":[1.50,-2]"#), "{}", answer.text());
        assert_eq!(document["usage"], json!({ "prompt_tokens": 6, "total_tokens": 6 }));
        assert_eq!(document["data"][1]["index"], 1);
        let seen = upstream.only_request();
        let path = "/v1/projects/p/locations/us-central1/publishers/google/models/text-embedding-005:predict";
        assert_eq!((seen.head.target(), seen.key()), (path, "sk-test"));
        let told =
            r#"{"instances":[{"content":"a"},{"content":"b"}],"parameters":{"outputDimensionality":2}}"#;
        assert_eq!(seen.text(), told);

        let base64 = format!(r#"{{"model":"{model}","input":["a","b"],"encoding_format":"base64"}}"#);
        assert_eq!(ask(&gateway, &base64).1["data"][0]["embedding"], "AADAPwAAAMA=");
    });
}

#[test]
fn newer_models_of_vertex_embed_one_text() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(json_reply(
                r#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#,
            ));
        });
        let gateway = Gateway::start(engine, &vertex_at(&upstream));
        let (answer, document) = ask(&gateway, r#"{"model":"vertex/gemini-embedding-2","input":"a"}"#);
        assert_eq!((answer.status(), &document["usage"]["total_tokens"]), (200, &json!(4)));
        assert!(upstream.only_request().head.target().ends_with("/models/gemini-embedding-2:embedContent"));
        let (answer, document) = ask(&gateway, r#"{"model":"vertex/gemini-embedding-2","input":["a","b"]}"#);
        assert_eq!((answer.status(), &document["error"]["param"]), (400, &json!("input")));
        assert_eq!(upstream.requests().len(), 0);
    });
}

#[test]
fn titan_and_cohere_are_invoked_in_bedrock() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            if request.head.target().contains("titan") {
                peer.send(json_reply(r#"{"embedding":[0.25],"inputTextTokenCount":2}"#));
            } else {
                let fields =
                    [("Content-Type", "application/json"), ("x-amzn-bedrock-input-token-count", "9")];
                peer.send(reply("200 OK", &fields, br#"{"embeddings":{"float":[[1],[2]]},"id":"x"}"#));
            }
        });
        let gateway = Gateway::start(engine, &bedrock_at(&upstream));
        let (answer, document) =
            ask(&gateway, r#"{"model":"bedrock/amazon.titan-embed-text-v2:0","input":"a"}"#);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(document["data"][0]["embedding"], json!([0.25]));
        assert_eq!(document["usage"]["prompt_tokens"], 2);
        let seen = upstream.only_request();
        assert_eq!(seen.head.target(), "/model/amazon.titan-embed-text-v2%3A0/invoke");
        assert_eq!((seen.text().as_str(), seen.key()), (r#"{"inputText":"a"}"#, "sk-test"));

        let (answer, document) =
            ask(&gateway, r#"{"model":"bedrock/cohere.embed-english-v3","input":["a","b"]}"#);
        assert_eq!((answer.status(), &document["usage"]["prompt_tokens"]), (200, &json!(9)));
        let told = r#"{"texts":["a","b"],"input_type":"search_document","embedding_types":["float"]}"#;
        assert_eq!(upstream.only_request().text(), told);
    });
}

#[test]
fn a_refusal_and_a_strange_answer_are_told_in_openais_words() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let is_bad = request.text().contains("bad");
            let body = if is_bad { r#"{"message":"Too much."}"# } else { r#"{"embedding":null}"# };
            let status = if is_bad { "400 Bad Request" } else { "200 OK" };
            peer.send(reply(status, &[("Content-Type", "application/json")], body.as_bytes()));
        });
        let gateway = Gateway::start(engine, &bedrock_at(&upstream));
        let model = "bedrock/amazon.titan-embed-text-v2:0";
        let (answer, document) = ask(&gateway, &format!(r#"{{"model":"{model}","input":"bad"}}"#));
        assert_eq!((answer.status(), &document["error"]["message"]), (400, &json!("Too much.")));
        let (answer, document) = ask(&gateway, &format!(r#"{{"model":"{model}","input":"a"}}"#));
        assert_eq!(answer.status(), 502);
        assert_eq!(document["error"]["code"], "upstream_protocol_error");
        let (answer, _) = ask(&gateway, &format!(r#"{{"model":"{model}","input":[1,2]}}"#));
        assert_eq!(answer.status(), 400);
        let (answer, _) = ask(&gateway, r#"{"model":"bedrock/anthropic.claude","input":"a"}"#);
        assert_eq!(answer.status(), 501);
    });
}

#[test]
fn a_provider_of_openais_api_gets_the_request_as_it_is() {
    on_both_engines(|engine| {
        let answered = r#"{"object":"list","data":[],"model":"m"}"#;
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(json_reply(answered));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let asked = r#"{ "model":"m", "input":[[1,2]], "encoding_format":"base64" }"#;
        assert_eq!(gateway.call(post(PATH, asked)).text(), answered);
        assert_eq!(upstream.only_request().text(), asked);
    });
}
