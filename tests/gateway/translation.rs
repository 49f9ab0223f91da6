//! Chats between dialects: every client reaches every vendor, whole and streamed.

use serde_json::{Value, json};

use crate::harness::{
    ANSWER, Asker, CHAT, Engine, Gateway, Read, Upstream, Vendor, on_both_engines, post, reply, stream_events,
};

/// Every pair of a client and a vendor that do not speak the same dialect.
fn pairs() -> impl Iterator<Item = (Asker, Vendor)> {
    let all = Asker::ALL.into_iter().flat_map(|asker| Vendor::ALL.map(|vendor| (asker, vendor)));
    all.filter(|(asker, vendor)| asker.family() != vendor.name())
}

#[test]
fn every_client_dialect_reaches_every_vendor() {
    on_both_engines(|engine| {
        for vendor in Vendor::ALL {
            let upstream = vendor.upstream();
            let gateway = vendor.gateway(engine, &upstream);
            for (asker, _) in pairs().filter(|(_, other)| *other == vendor) {
                for is_streamed in [false, true] {
                    let case = format!("{asker:?} to {vendor:?}, streamed: {is_streamed}");
                    let answer = gateway.call(asker.request(&vendor.qualified_model(), is_streamed));
                    let read = if is_streamed { asker.read_stream(&answer) } else { asker.read(&answer) };
                    let expected = Read {
                        text: ANSWER.to_owned(),
                        finish: asker.natural_end().to_owned(),
                        usage: Some((7, 3)),
                    };
                    assert_eq!(read, expected, "{case}: {}", answer.text());
                    assert_eq!(answer.head.value("x-bifrost-provider"), Some(vendor.name()), "{case}");
                    assert_eq!(answer.head.value("x-bifrost-resolved-model"), Some(vendor.model()), "{case}");
                    assert_eq!(answer.head.value("x-bifrost-dropped-params"), None, "{case}");

                    let seen = upstream.only_request();
                    assert_eq!(seen.head.method(), "POST", "{case}");
                    assert_eq!(seen.head.target(), vendor.target(is_streamed), "{case}");
                    let (name, value) = vendor.credential();
                    assert_eq!(seen.head.value(name), Some(value), "{case}");
                    assert_eq!(seen.head.value("content-type"), Some("application/json"), "{case}");
                    assert_eq!(seen.head.value("accept-encoding"), Some("identity"), "{case}");
                    assert!(seen.head.value("user-agent").is_some_and(|agent| agent.starts_with("bifrost/")));
                    let version = (vendor == Vendor::Anthropic).then_some("2023-06-01");
                    assert_eq!(seen.head.value("anthropic-version"), version, "{case}");
                    assert!(seen.text().contains("Hello!"), "{case}: {}", seen.text());
                }
            }
        }
    });
}

/// The conversation of the golden conversions, as a client of OpenAI's sends it.
fn golden(model: &str) -> Value {
    json!({
        "model": model, "parallel_tool_calls": false, "max_completion_tokens": 900, "stop": ["END"],
        "messages": [
            { "role": "system", "content": "S" },
            { "role": "user", "content": "q \u{e9}\n\"\\ \u{1f600}" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "now", "arguments": "" } }] },
            { "role": "tool", "tool_call_id": "call_1", "content": "12:00" },
            { "role": "user", "content": "and?" },
        ],
        "tools": [{ "type": "function", "function": { "name": "now" } }],
    })
}

/// What a vendor sees of a chat.
fn seen_of(engine: Engine, vendor: Vendor, body: &str) -> String {
    let upstream = vendor.upstream();
    let gateway = vendor.gateway(engine, &upstream);
    let answer = gateway.call(post(CHAT, body));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.head.value("x-bifrost-dropped-params"), None);
    upstream.only_request().text()
}

#[test]
fn a_conversation_with_tools_reaches_anthropic_as_it_is_meant() {
    on_both_engines(|engine| {
        let body = golden("anthropic/claude-sonnet-4-5").to_string();
        let seen: Value = serde_json::from_str(&seen_of(engine, Vendor::Anthropic, &body)).unwrap();
        let expected = json!({
            "model": "claude-sonnet-4-5", "max_tokens": 900, "stop_sequences": ["END"],
            "system": [{ "type": "text", "text": "S" }],
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "q \u{e9}\n\"\\ \u{1f600}" }] },
                { "role": "assistant", "content": [
                    { "type": "tool_use", "id": "call_1", "name": "now", "input": {} }] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "call_1", "content": "12:00" },
                    { "type": "text", "text": "and?" }] },
            ],
            "tools": [{ "name": "now", "input_schema": { "type": "object", "properties": {} } }],
            "tool_choice": { "type": "auto", "disable_parallel_tool_use": true },
        });
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_conversation_with_tools_reaches_gemini_as_it_is_meant() {
    on_both_engines(|engine| {
        let mut body = golden("gemini/gemini-3-pro-preview");
        body.as_object_mut().unwrap().remove("parallel_tool_calls");
        let seen: Value = serde_json::from_str(&seen_of(engine, Vendor::Gemini, &body.to_string())).unwrap();
        assert_eq!(seen["systemInstruction"], json!({ "parts": [{ "text": "S" }] }));
        let expected = json!([
            { "role": "user", "parts": [{ "text": "q \u{e9}\n\"\\ \u{1f600}" }] },
            { "role": "model", "parts": [{
                "functionCall": { "id": "call_1", "name": "now", "args": {} },
                "thoughtSignature": "skip_thought_signature_validator" }] },
            { "role": "user", "parts": [
                { "functionResponse": { "id": "call_1", "name": "now", "response": { "output": "12:00" } } },
                { "text": "and?" }] },
        ]);
        assert_eq!(seen["contents"], expected);
        assert_eq!(seen["tools"], json!([{ "functionDeclarations": [{ "name": "now" }] }]));
        assert_eq!(seen["generationConfig"], json!({ "maxOutputTokens": 900, "stopSequences": ["END"] }));
        assert_eq!(seen.get("model"), None);
    });
}

#[test]
fn a_conversation_with_tools_reaches_bedrock_as_it_is_meant() {
    on_both_engines(|engine| {
        let body = golden("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0").to_string();
        let seen: Value = serde_json::from_str(&seen_of(engine, Vendor::Bedrock, &body)).unwrap();
        assert_eq!(seen["system"], json!([{ "text": "S" }]));
        assert_eq!(seen["inferenceConfig"], json!({ "maxTokens": 900, "stopSequences": ["END"] }));
        let expected = json!([
            { "role": "user", "content": [{ "text": "q \u{e9}\n\"\\ \u{1f600}" }] },
            { "role": "assistant", "content": [
                { "toolUse": { "toolUseId": "call_1", "name": "now", "input": {} } }] },
            { "role": "user", "content": [
                { "toolResult": { "toolUseId": "call_1", "content": [{ "text": "12:00" }], "status": "success" } },
                { "text": "and?" }] },
        ]);
        assert_eq!(seen["messages"], expected);
        let tool = &seen["toolConfig"]["tools"][0]["toolSpec"];
        assert_eq!(tool["name"], "now");
        assert_eq!(tool["inputSchema"]["json"], json!({ "type": "object", "properties": {} }));
    });
}

#[test]
fn schemas_and_arguments_keep_their_bytes_on_the_way_to_another_dialect() {
    on_both_engines(|engine| {
        let schema = r#"{"type":"object","properties":{"z":{"type":"integer","description":"big \u00e9"},"a":{"enum":[12345678901234567890123,1.0,1e2]}},"required":["z","a"]}"#;
        let arguments = r#"{"z":12345678901234567890123,"a":1.0,"s":"\u00e9\n"}"#;
        let body = format!(
            r#"{{"model":"anthropic/claude-sonnet-4-5","messages":[{{"role":"user","content":"q"}},{{"role":"assistant","tool_calls":[{{"id":"c1","type":"function","function":{{"name":"f","arguments":{}}}}}]}},{{"role":"tool","tool_call_id":"c1","content":"ok"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#,
            json!(arguments)
        );
        let seen = seen_of(engine, Vendor::Anthropic, &body);
        assert!(seen.contains(schema), "{seen}");
        assert!(seen.contains(arguments), "{seen}");
    });
}

#[test]
fn what_a_vendor_cannot_take_is_named_or_refused_as_the_operator_wants() {
    on_both_engines(|engine| {
        let upstream = Vendor::Anthropic.upstream();
        let mut config = Vendor::Anthropic.config_at(&upstream.base_url());
        let lenient = Gateway::start(engine, &config);
        config["client"] = json!({ "refuse_unsupported_params": true });
        let strict = Gateway::start(engine, &config);
        let mut body = Asker::Chat.body("anthropic/claude-sonnet-4-5", false);
        body["seed"] = json!(1);
        body["logit_bias"] = json!({ "50256": -100 });
        body["odd\r\nname"] = json!(true);
        let answer = lenient.call(post(CHAT, &body.to_string()));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let dropped = answer.head.value("x-bifrost-dropped-params").unwrap_or_default();
        for name in ["seed", "logit_bias", "odd%0D%0Aname"] {
            assert!(dropped.split(", ").any(|known| known == name), "{dropped}");
        }
        let seen = upstream.only_request().text();
        assert!(!seen.contains("seed") && !seen.contains("logit_bias") && !seen.contains("odd"), "{seen}");
        let error = strict.call(post(CHAT, &body.to_string())).error(400);
        assert_eq!((&error["code"], &error["param"]), (&json!("unsupported_parameter"), &json!("seed")));
        let mut odd = Asker::Chat.body("anthropic/claude-sonnet-4-5", false);
        odd["odd"] = json!(true);
        let error = strict.call(post(CHAT, &odd.to_string())).error(400);
        assert_eq!((&error["code"], &error["param"]), (&json!("unsupported_parameter"), &json!("odd")));
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_vendor_that_resembles_openai_is_asked_in_its_own_words() {
    on_both_engines(|engine| {
        let upstream = Vendor::OpenAi.upstream();
        let provider = Vendor::OpenAi.provider_at(&upstream.base_url());
        let names = ["openai", "openrouter", "mistral", "groq", "vllm"];
        let providers: Value = names.iter().map(|name| (name.to_string(), provider.clone())).collect();
        let gateway = Gateway::start(engine, &json!({ "providers": providers }));
        let marked =
            |text: &str| json!([{ "type": "text", "text": text, "cache_control": { "type": "ephemeral" } }]);
        let body = |name: &str| {
            json!({
                "model": format!("{name}/some-model"), "max_tokens": 100, "stream": true, "odd": true,
                "system": marked("S"), "metadata": { "user_id": "u" },
                "messages": [{ "role": "user", "content": marked("q") }],
            })
        };
        for name in names {
            let answer = gateway.call(post("/v1/messages", &body(name).to_string()));
            assert_eq!(Asker::Messages.read_stream(&answer).text, ANSWER, "{name}");
            let dropped = answer.head.value("x-bifrost-dropped-params").unwrap_or_default();
            let seen: Value = serde_json::from_slice(&upstream.only_request().body).unwrap();
            let has = |member: &str| seen.get(member).is_some();
            let (bound, other) = match name {
                "openai" | "openrouter" => ("max_completion_tokens", "max_tokens"),
                _ => ("max_tokens", "max_completion_tokens"),
            };
            assert!(has(bound) && !has(other), "{name}: {seen}");
            assert_eq!(has("stream_options"), name != "mistral", "{name}: {seen}");
            assert_eq!(has("user"), name != "mistral", "{name}: {seen}");
            if name == "openrouter" {
                assert_eq!(seen["messages"][0]["content"], marked("S"));
                assert_eq!(dropped, "odd");
            } else {
                assert_eq!(
                    (&seen["messages"][0]["content"], &seen["messages"][1]["content"]),
                    (&json!("S"), &json!("q"))
                );
                let user = if name == "mistral" { ", user" } else { "" };
                assert_eq!(dropped, format!("cache_control{user}, odd"), "{name}");
            }
        }
    });
}

#[test]
fn a_call_with_nothing_is_whole_before_the_next_one_begins() {
    on_both_engines(|engine| {
        let call =
            |at: usize| json!({ "type": "tool_use", "id": format!("toolu_{at}"), "name": "f", "input": {} });
        let events = Vendor::Anthropic.events();
        let calls = (0..2).map(|at| {
            let begin = json!({ "type": "content_block_start", "index": at, "content_block": call(at) });
            let end = json!({ "type": "content_block_stop", "index": at });
            format!("event: content_block_start\ndata: {begin}\n\nevent: content_block_stop\ndata: {end}\n\n")
        });
        let calls: String = calls.collect();
        let stream = [&events[0][..], calls.as_bytes(), &events[5], &events[6]].concat();
        let upstream = Upstream::bytes(reply("200 OK", &[("Content-Type", "text/event-stream")], &stream));
        let gateway = Vendor::Anthropic.gateway(engine, &upstream);
        let answer = gateway.call(Asker::Chat.request("anthropic/claude-sonnet-4-5", true));
        let mut seen = Vec::new();
        for event in stream_events(&answer.body) {
            let document: Value = serde_json::from_str(&event.data).unwrap_or_default();
            let call = &document["choices"][0]["delta"]["tool_calls"][0];
            if let Some(arguments) = call["function"]["arguments"].as_str() {
                seen.push((call["index"].as_u64(), arguments.to_owned()));
            }
        }
        let expected = [(0, ""), (0, "{}"), (1, ""), (1, "{}")];
        assert_eq!(seen, expected.map(|(at, arguments)| (Some(at), arguments.to_owned())));
    });
}

#[test]
fn what_would_change_the_meaning_is_always_refused() {
    on_both_engines(|engine| {
        let upstream = Vendor::Anthropic.upstream();
        let gateway = Vendor::Anthropic.gateway(engine, &upstream);
        let mut several = Asker::Chat.body("anthropic/claude-sonnet-4-5", false);
        several["n"] = json!(2);
        let error = gateway.call(post(CHAT, &several.to_string())).error(400);
        assert_eq!(error["param"], "n");
        let wrong = r#"{"model":"anthropic/claude-sonnet-4-5","messages":[{"role":"user","content":7}]}"#;
        let error = gateway.call(post(CHAT, wrong)).error(400);
        assert!(error["param"].as_str().unwrap().starts_with("messages[0]"), "{error}");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn what_is_not_translated_is_said_not_to_be_offered() {
    on_both_engines(|engine| {
        let (anthropic, gemini) = (Vendor::Anthropic.upstream(), Vendor::Gemini.upstream());
        let openai = Vendor::OpenAi.upstream();
        let providers = json!({ "providers": {
            "openai": Vendor::OpenAi.provider_at(&openai.base_url()),
            "anthropic": Vendor::Anthropic.provider_at(&anthropic.base_url()),
            "gemini": Vendor::Gemini.provider_at(&gemini.base_url()),
        } });
        let gateway = Gateway::start(engine, &providers);
        let input = |model: &str| json!({ "model": model, "input": "x" }).to_string();
        for (asker, target, body) in [
            (Asker::Chat, "/openai/v1/embeddings", input("anthropic/claude-sonnet-4-5")),
            (Asker::Chat, "/openai/v1/audio/speech", input("anthropic/claude-sonnet-4-5")),
            (
                Asker::Messages,
                "/anthropic/v1/messages/count_tokens",
                Asker::Messages.body("openai/gpt-4o", false).to_string(),
            ),
            (
                Asker::Messages,
                "/v1/messages/count_tokens",
                Asker::Messages.body("gemini/x", false).to_string(),
            ),
            (
                Asker::Generate,
                "/genai/v1beta/models/openai/gpt-4o:countTokens",
                Asker::Generate.body("", false).to_string(),
            ),
            (Asker::Generate, "/genai/v1beta/models/anthropic%2Fclaude:embedContent", "{}".to_owned()),
        ] {
            let answer = gateway.call(post(target, &body));
            assert_eq!(answer.status(), 501, "{target}: {}", answer.text());
            asker.refusal(&answer);
        }
        for upstream in [&openai, &anthropic, &gemini] {
            assert!(upstream.requests().is_empty());
        }
    });
}
