//! Keys of clouds: where they are used, and the credentials that they are exchanged for.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{
    Asker, Engine, Gateway, Request, Setup, Upstream, Vendor, json_reply, on_both_engines, post, reply,
};

/// A gateway whose only provider is one key of a cloud.
fn cloud(engine: Engine, name: &str, key: Value, base_url: Option<&str>) -> Gateway {
    Gateway::start(engine, &config(name, key, base_url))
}

fn config(name: &str, mut key: Value, base_url: Option<&str>) -> Value {
    key["name"] = json!("only");
    key["models"] = json!(["*"]);
    let mut provider = json!({ "keys": [key] });
    if let Some(base_url) = base_url {
        provider["network_config"] = json!({ "base_url": base_url });
    }
    json!({ "providers": { name: provider } })
}

/// A private key of RSA in PEM and the public one that belongs to it.
fn rsa_pair() -> (String, Vec<u8>) {
    let options = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    let made = Command::new("openssl").args(options).stderr(Stdio::null()).output().unwrap();
    assert!(made.status.success());
    let private = String::from_utf8(made.stdout).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    std::fs::write(&path, &private).unwrap();
    let public = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(&path).output().unwrap();
    assert!(public.status.success());
    (private, public.stdout)
}

/// The members of a form, decoded.
fn form(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn member<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    let found = form.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("no {name}: {form:?}")).1
}

#[test]
fn azure_is_asked_by_deployment_and_version() {
    on_both_engines(|engine| {
        let upstream = Vendor::OpenAi.upstream();
        for (version, model, target) in [
            (None, "deployed", "/openai/deployments/deployed/chat/completions?api-version=2024-10-21"),
            (
                Some("2025-01-01-preview"),
                "deployed",
                "/openai/deployments/deployed/chat/completions?api-version=2025-01-01-preview",
            ),
            (Some("v1"), "deployed", "/openai/v1/chat/completions"),
            (Some("preview"), "deployed", "/openai/v1/chat/completions?api-version=preview"),
        ] {
            let mut azure = json!({ "endpoint": upstream.base_url() });
            if let Some(version) = version {
                azure["api_version"] = json!(version);
            }
            let key =
                json!({ "value": "sk-test", "azure_key_config": azure, "aliases": { "gpt-4o": model } });
            let gateway = cloud(engine, "azure", key, None);
            for asker in [Asker::Chat, Asker::Messages, Asker::Generate] {
                for is_streamed in [false, true] {
                    let answer = gateway.call(asker.request("azure/gpt-4o", is_streamed));
                    assert_eq!(answer.status(), 200, "{asker:?} {version:?}: {}", answer.text());
                    let seen = upstream.only_request();
                    assert_eq!(seen.head.target(), target, "{asker:?} {version:?}");
                    assert_eq!(seen.head.value("api-key"), Some("sk-test"));
                    assert_eq!(seen.head.value("authorization"), None);
                    let body: Value = serde_json::from_slice(&seen.body).unwrap();
                    assert_eq!(body["model"], model, "{asker:?} {version:?}");
                    assert_eq!(body["messages"][0]["role"], "user");
                }
            }
        }
    });
}

#[test]
fn azure_takes_a_token_of_entras_and_asks_for_it_once() {
    on_both_engines(|engine| {
        let upstream = Vendor::OpenAi.upstream();
        let authority =
            Upstream::json(r#"{"token_type":"Bearer","expires_in":3600,"access_token":"token-of-entra"}"#);
        let azure = json!({
            "endpoint": upstream.base_url(), "tenant_id": "the-tenant", "client_id": "the-client",
            "client_secret": "env.THE_SECRET",
        });
        let key = json!({ "azure_key_config": azure });
        let gateway = Setup::new(engine)
            .config(&config("azure", key, None))
            .variable("AZURE_AUTHORITY_HOST", &authority.base_url())
            .variable("THE_SECRET", "s3cret/+&=")
            .start();
        for asker in [Asker::Chat, Asker::Messages] {
            let answer = gateway.call(asker.request("azure/gpt-4o", false));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let seen = upstream.only_request();
            assert_eq!(seen.head.value("authorization"), Some("Bearer token-of-entra"));
            assert_eq!(seen.head.value("api-key"), None);
        }
        let asked = authority.only_request();
        assert_eq!(asked.head.target(), "/the-tenant/oauth2/v2.0/token");
        let form = form(&asked);
        assert_eq!(member(&form, "grant_type"), "client_credentials");
        assert_eq!(member(&form, "client_id"), "the-client");
        assert_eq!(member(&form, "client_secret"), "s3cret/+&=");
        assert_eq!(member(&form, "scope"), "https://cognitiveservices.azure.com/.default");
    });
}

#[test]
fn vertex_takes_a_token_that_a_service_account_has_signed_for() {
    let (private, public) = rsa_pair();
    on_both_engines(|engine| {
        let tokens = Upstream::json(r#"{"access_token":"token-of-google","expires_in":3599}"#);
        let uri = format!("{}/token", tokens.base_url());
        let account = json!({
            "type": "service_account", "project_id": "p", "private_key_id": "kid-1", "private_key": private,
            "client_email": "robot@p.iam.gserviceaccount.com", "token_uri": uri,
        });
        let vertex = json!({ "project_id": "my-project", "region": "europe-west1",
            "auth_credentials": account.to_string() });
        let key = json!({ "vertex_key_config": vertex });
        let upstream = Upstream::answering(|request, peer| {
            let vendor = if request.head.target().contains("/anthropic/") {
                Vendor::Anthropic
            } else if request.head.target().contains("/google/") {
                Vendor::Gemini
            } else {
                Vendor::OpenAi
            };
            peer.send(json_reply(&vendor.document().to_string()));
        });
        let gateway = cloud(engine, "vertex", key, Some(&upstream.base_url()));
        let place = "/v1/projects/my-project/locations/europe-west1";
        for (model, path) in [
            ("gemini-2.5-flash", "/publishers/google/models/gemini-2.5-flash:generateContent"),
            (
                "claude-sonnet-4-5@20250929",
                "/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
            ),
            ("meta/llama-4-maverick", "/endpoints/openapi/chat/completions"),
        ] {
            for asker in Asker::ALL {
                let answer = gateway.call(asker.request(&format!("vertex/{model}"), false));
                assert_eq!(answer.status(), 200, "{asker:?} {model}: {}", answer.text());
                let seen = upstream.only_request();
                assert_eq!(seen.head.target(), format!("{place}{path}"), "{asker:?}");
                assert_eq!(seen.head.value("authorization"), Some("Bearer token-of-google"));
                let body: Value = serde_json::from_slice(&seen.body).unwrap();
                if model.starts_with("claude") {
                    assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
                    assert_eq!(body.get("model"), None);
                    assert_eq!(seen.head.value("anthropic-version"), None);
                }
            }
        }
        let asked = tokens.only_request();
        let form = form(&asked);
        assert_eq!(member(&form, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        rules.set_audience(&[&uri]);
        rules.set_issuer(&["robot@p.iam.gserviceaccount.com"]);
        let verifier = jsonwebtoken::DecodingKey::from_rsa_pem(&public).unwrap();
        let assertion = jsonwebtoken::decode::<Value>(member(&form, "assertion"), &verifier, &rules).unwrap();
        assert_eq!(assertion.header.kid.as_deref(), Some("kid-1"));
        assert_eq!(assertion.claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
        let life = assertion.claims["exp"].as_u64().unwrap() - assertion.claims["iat"].as_u64().unwrap();
        assert_eq!(life, 3600);
    });
}

#[test]
fn a_cloud_that_gives_no_token_is_told_as_the_gateways_failure_without_its_secrets() {
    on_both_engines(|engine| {
        let upstream = Vendor::OpenAi.upstream();
        let refusal = br#"{"error":"invalid_client","error_description":"the secret has expired"}"#;
        let authority =
            Upstream::bytes(reply("401 Unauthorized", &[("Content-Type", "application/json")], refusal));
        let azure = json!({ "endpoint": upstream.base_url(), "tenant_id": "t", "client_id": "c",
            "client_secret": "very-secret" });
        let gateway = Setup::new(engine)
            .config(&config("azure", json!({ "azure_key_config": azure }), None))
            .variable("AZURE_AUTHORITY_HOST", &authority.base_url())
            .start();
        for asker in Asker::ALL {
            let answer = gateway.call(asker.request("azure/gpt-4o", false));
            assert_eq!(answer.status(), 502, "{}", answer.text());
            let (_, message) = asker.refusal(&answer);
            assert!(message.contains("azure") && message.contains("the secret has expired"), "{message}");
            assert!(!message.contains("very-secret"), "{message}");
        }
        assert!(upstream.requests().is_empty());
        assert_eq!(authority.requests().len(), 1, "a refusal is not asked for again at once");
    });
}

#[test]
fn bedrock_is_signed_for_with_the_keys_of_the_file() {
    on_both_engines(|engine| {
        let upstream = Vendor::Bedrock.upstream();
        let keys = json!({ "access_key": "AKIDEXAMPLE", "secret_key": "env.THE_SECRET",
            "session_token": "the-session", "region": "eu-central-1" });
        let config = config("bedrock", json!({ "bedrock_key_config": keys }), Some(&upstream.base_url()));
        let gateway = Setup::new(engine).config(&config).variable("THE_SECRET", "wJalr/secret+key").start();
        for is_streamed in [false, true] {
            let model = Vendor::Bedrock.qualified_model();
            let answer = gateway.call(Asker::Chat.request(&model, is_streamed));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let seen = upstream.only_request();
            assert_eq!(seen.head.target(), Vendor::Bedrock.target(is_streamed));
            let date = seen.head.value("x-amz-date").unwrap().to_owned();
            let (day, _) = date.split_once('T').unwrap();
            let proof = seen.head.value("authorization").unwrap();
            let scope =
                format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{day}/eu-central-1/bedrock/aws4_request");
            assert!(proof.starts_with(&scope), "{proof}");
            assert!(proof.contains("host") && proof.contains("x-amz-date"), "{proof}");
            assert_eq!(seen.head.value("x-amz-security-token"), Some("the-session"));
            assert!(!format!("{:?}", seen.head).contains("wJalr"));
        }
    });
}

#[test]
fn a_key_of_bedrocks_that_is_a_token_is_sent_as_one() {
    on_both_engines(|engine| {
        let upstream = Vendor::Bedrock.upstream();
        let key = json!({ "value": "sk-test", "bedrock_key_config": { "region": "us-west-2" } });
        let gateway = cloud(engine, "bedrock", key, Some(&upstream.base_url()));
        let answer =
            gateway.call(post("/v1/messages", &Asker::Messages.body("bedrock/x.y-v1:0", false).to_string()));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let seen = upstream.only_request();
        assert_eq!(seen.head.value("authorization"), Some("Bearer sk-test"));
        assert_eq!(seen.head.value("x-amz-date"), None);
    });
}
