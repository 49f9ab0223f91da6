//! Seals of reasoning, for clients that forget them.

use serde_json::{Value, json};

use crate::harness::{
    CHAT, Client, Engine, Gateway, LAST_CHUNK, STREAM_HEAD, Setup, Upstream, chunk, json_reply,
    on_both_engines, provider_at, request,
};

/// Conversations of one test: with two shards, some are kept where they are asked for and some elsewhere.
const CONVERSATIONS: usize = 8;
/// How often a question is asked again: a busy machine may not answer it in the time that there is for it.
const ROUNDS_MAX: usize = 200;

const THOUGHT: &str = r#"Let me look \"here\".\né"#;
const SEAL: &str = "EqQBCkYIBxgCKkBz+/==";

fn two_shards(engine: Engine, provider: &str, upstream: &Upstream) -> Gateway {
    let config = json!({ "providers": { provider: provider_at(&upstream.base_url()) } });
    Setup::new(engine).config(&config).shards(2).start()
}

fn ask(gateway: &Gateway, credential: &str, body: &Value) -> Value {
    let authorization = format!("Bearer {credential}");
    let fields = [("Content-Type", "application/json"), ("Authorization", authorization.as_str())];
    let mut client: Client = gateway.client();
    client.send(request("POST", CHAT, &fields, body.to_string().as_bytes()));
    let answer = client.response();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap_or_default()
}

fn question(model: &str, is_streamed: bool) -> Value {
    json!({
        "model": model,
        "stream": is_streamed,
        "reasoning_effort": "low",
        "max_completion_tokens": 4096,
        "messages": [{ "role": "user", "content": "What is the weather?" }],
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": { "type": "object" } } }],
    })
}

/// The next question of a client that has kept nothing but the call.
fn next_question(model: &str, id: &str) -> Value {
    let mut question = question(model, false);
    let messages = question["messages"].as_array_mut().unwrap();
    messages.push(json!({
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{ "id": id, "type": "function", "function": { "name": "weather", "arguments": "{}" } }],
    }));
    messages.push(json!({ "role": "tool", "tool_call_id": id, "content": "Rain." }));
    question
}

/// Asks until the provider is told what is expected, and shows what it was told last.
fn told(gateway: &Gateway, upstream: &Upstream, body: &Value, is_expected: impl Fn(&str) -> bool) -> String {
    let mut told = String::new();
    for _ in 0..ROUNDS_MAX {
        upstream.requests();
        ask(gateway, "me", body);
        told = upstream.next_request().text();
        if is_expected(&told) {
            break;
        }
    }
    told
}

/// An answer of Claude's whose call has a name with a number.
fn claude(number: usize) -> String {
    format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{{"type":"thinking","thinking":"{THOUGHT}","signature":"{SEAL}"}},{{"type":"redacted_thinking","data":"{SEAL}"}},{{"type":"text","text":"I look."}},{{"type":"tool_use","id":"toolu_{number}","name":"weather","input":{{}}}}],"stop_reason":"tool_use","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
    )
}

/// The same as a stream.
fn claude_events(number: usize) -> String {
    let events = [
        r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":1}}}"#.to_owned(),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#.to_owned(),
        format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"thinking_delta","thinking":"{THOUGHT}"}}}}"#),
        format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"signature_delta","signature":"{SEAL}"}}}}"#),
        r#"{"type":"content_block_stop","index":0}"#.to_owned(),
        format!(r#"{{"type":"content_block_start","index":1,"content_block":{{"type":"redacted_thinking","data":"{SEAL}"}}}}"#),
        r#"{"type":"content_block_stop","index":1}"#.to_owned(),
        format!(r#"{{"type":"content_block_start","index":2,"content_block":{{"type":"tool_use","id":"toolu_{number}","name":"weather","input":{{}}}}}}"#),
        r#"{"type":"content_block_stop","index":2}"#.to_owned(),
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}}"#.to_owned(),
        r#"{"type":"message_stop"}"#.to_owned(),
    ];
    let event = |data: &String| {
        let name = data.split('"').nth(3).unwrap_or_default();
        format!("event: {name}\ndata: {data}\n\n")
    };
    events.iter().map(event).collect()
}

/// The number that a test's question has in its name of the user.
fn number(body: &str) -> usize {
    let asked: Value = serde_json::from_str(body).unwrap();
    asked["metadata"]["user_id"].as_str().and_then(|user| user.parse().ok()).unwrap_or_default()
}

#[test]
fn claude_is_told_again_what_it_has_thought_byte_for_byte() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let number = number(&request.text());
            if request.text().contains("\"stream\":true") {
                peer.send(STREAM_HEAD);
                peer.send(chunk(claude_events(number).as_bytes()));
                peer.send(LAST_CHUNK);
            } else {
                peer.send(json_reply(&claude(number)));
            }
        });
        let gateway = two_shards(engine, "anthropic", &upstream);
        let model = "anthropic/claude-sonnet-4-5";
        let thoughts = format!(
            r#"{{"role":"assistant","content":[{{"type":"thinking","thinking":"{THOUGHT}","signature":"{SEAL}"}},{{"type":"redacted_thinking","data":"{SEAL}"}},{{"type":"text","text":"I look."}},{{"type":"tool_use","#
        );
        for number in 0..CONVERSATIONS {
            let mut first = question(model, number % 2 == 1);
            first["user"] = json!(number.to_string());
            ask(&gateway, "me", &first);
            let next = next_question(model, &format!("toolu_{number}"));
            let told = told(&gateway, &upstream, &next, |told| told.contains(&thoughts));
            assert!(told.contains(&thoughts), "{told}");
        }
        // Nobody else gets them, and without them nothing is thought.
        upstream.requests();
        ask(&gateway, "another", &next_question(model, "toolu_0"));
        let told = upstream.next_request().text();
        assert!(!told.contains(SEAL) && !told.contains(r#""type":"thinking""#), "{told}");
        drop(gateway.stop());
    });
}

#[test]
fn gemini_gets_the_seal_of_a_call_again_byte_for_byte() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let asked: Value = serde_json::from_str(&request.text()).unwrap();
            let number = asked["generationConfig"]["seed"].as_u64().unwrap_or_default();
            let answer = format!(
                r#"{{"responseId":"r{number}","candidates":[{{"content":{{"role":"model","parts":[{{"text":"Hm.","thought":true}},{{"functionCall":{{"name":"weather","args":{{}}}},"thoughtSignature":"{SEAL}"}},{{"functionCall":{{"name":"weather","args":{{"b":1}}}}}}]}},"finishReason":"STOP"}}]}}"#
            );
            peer.send(json_reply(&answer));
        });
        let gateway = two_shards(engine, "gemini", &upstream);
        let model = "gemini/gemini-3-pro-preview";
        let sealed = format!(r#""args":{{}}}},"thoughtSignature":"{SEAL}"}}"#);
        for number in 0..CONVERSATIONS {
            let mut first = question(model, false);
            first["seed"] = json!(number);
            let answer = ask(&gateway, "me", &first);
            let id = answer["choices"][0]["message"]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
            let next = next_question(model, &id);
            let told = told(&gateway, &upstream, &next, |told| told.contains(&sealed));
            assert!(told.contains(&sealed), "{told}");
        }
        // What is not known has the seal that lets it pass.
        upstream.requests();
        ask(&gateway, "me", &next_question(model, "call_unknown"));
        let told = upstream.next_request().text();
        assert!(told.contains("skip_thought_signature_validator"), "{told}");
        drop(gateway.stop());
    });
}

#[test]
fn what_the_client_tells_itself_wins_over_what_is_kept() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            peer.send(json_reply(&claude(number(&request.text()))));
        });
        let gateway = two_shards(engine, "anthropic", &upstream);
        let model = "anthropic/claude-sonnet-4-5";
        ask(&gateway, "me", &question(model, false));
        let mut next = next_question(model, "toolu_0");
        next["messages"][1]["reasoning_details"] = json!([{
            "type": "reasoning.text", "text": "Mine.", "signature": "MINE", "format": "anthropic-claude-v1",
        }]);
        upstream.requests();
        ask(&gateway, "me", &next);
        let told = upstream.next_request().text();
        assert!(told.contains(r#""signature":"MINE""#) && !told.contains(SEAL), "{told}");
    });
}
