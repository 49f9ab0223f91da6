//! Conversions whose outcome was written before the code: never stored by what came out.

use bifrost::dialect::Wishes;
use serde_json::{Value, json};

use crate::pairs::{Answer, asked, client, provider};

/// A conversation with a call without input, its result and a next question behind it.
const REQUEST: &str = r#"{"model":"claude-x","stream":true,"stream_options":{"include_usage":true},
"parallel_tool_calls":false,"messages":[{"role":"system","content":"S"},{"role":"user","content":"q"},
{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"now","arguments":""}}]},
{"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"user","content":"and?"}],
"tools":[{"type":"function","function":{"name":"now"}}]}"#;

fn asked_of(name: &str) -> Value {
    let (body, _) = asked(client("openai_chat"), provider(name), None, REQUEST).unwrap();
    let mut body: Value = serde_json::from_str(&body).unwrap();
    body.as_object_mut().unwrap().remove("model");
    body
}

#[test]
fn claude_is_asked_in_its_words() {
    let expected = json!({
        "max_tokens": 64000, "stream": true, "system": [{"type": "text", "text": "S"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "q"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "now", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "12:00"},
                {"type": "text", "text": "and?"}
            ]}
        ],
        "tools": [{"name": "now", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}
    });
    assert_eq!(asked_of("anthropic"), expected);
}

#[test]
fn gemini_is_asked_in_its_words() {
    let signature = "skip_thought_signature_validator";
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "S"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "call_1", "name": "now", "args": {}}, "thoughtSignature": signature}
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "call_1", "name": "now", "response": {"output": "12:00"}}},
                {"text": "and?"}
            ]}
        ],
        "tools": [{"functionDeclarations": [{"name": "now"}]}]
    });
    assert_eq!(asked_of("gemini"), expected);
}

#[test]
fn converse_is_asked_in_its_words() {
    let expected = json!({
        "system": [{"text": "S"}], "inferenceConfig": {"maxTokens": 64000},
        "messages": [
            {"role": "user", "content": [{"text": "q"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "call_1", "name": "now", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "call_1", "content": [{"text": "12:00"}], "status": "success"}},
                {"text": "and?"}
            ]}
        ],
        "toolConfig": {"tools": [{"toolSpec": {
            "name": "now", "description": "now", "inputSchema": {"json": {"type": "object", "properties": {}}}
        }}]},
        "additionalModelRequestFields": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}
    });
    assert_eq!(asked_of("converse"), expected);
}

#[test]
fn claude_is_heard_in_openais_words() {
    let events = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"usage":{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_9","name":"now","input":{}}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":8}}

event: message_stop
data: {"type":"message_stop"}"#;
    let wishes = Wishes { created: 1, includes_usage: true, ..Wishes::default() };
    let answer = Answer::new(provider("anthropic"), true, events);
    let heard = answer.for_client(client("openai_chat"), &wishes, true);
    let (chunks, end) = heard.rsplit_once("\n\n").unwrap();
    assert_eq!(end, "data: [DONE]");
    let chunks: Vec<Value> = chunks
        .split("\n\n")
        .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let [role, start, arguments, finish, usage] = &chunks[..] else { panic!("{heard}") };
    assert_eq!(role["choices"][0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
    let call = json!({"index": 0, "id": "toolu_9", "type": "function", "function": {"name": "now", "arguments": ""}});
    assert_eq!(start["choices"][0]["delta"]["tool_calls"], json!([call]));
    let call = json!({"index": 0, "function": {"arguments": "{}"}});
    assert_eq!(arguments["choices"][0]["delta"]["tool_calls"], json!([call]));
    assert_eq!(
        (&finish["choices"][0]["delta"], &finish["choices"][0]["finish_reason"]),
        (&json!({}), &json!("tool_calls"))
    );
    assert_eq!(usage["choices"], json!([]));
    let usage = &usage["usage"];
    let told = ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].as_u64());
    assert_eq!(told, [Some(25), Some(8), Some(33)]);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 5);
}

#[test]
fn a_stream_that_ends_too_early_is_never_a_success() {
    let wishes = Wishes::default();
    let whole = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}";
    let cases = [
        Answer::new(provider("openai_chat"), true, whole),
        Answer::new(
            provider("converse"),
            true,
            "contentBlockDelta {\"delta\":{\"text\":\"a\"},\"contentBlockIndex\":0}",
        ),
    ];
    for answer in cases {
        for name in ["openai_chat", "openai_responses", "openai_completion", "anthropic", "gemini"] {
            let heard = answer.for_client(client(name), &wishes, true);
            assert!(heard.contains("failed: 502 server_error upstream_incomplete"), "{heard}");
            assert!(!heard.contains("[DONE]") && !heard.contains("message_stop"), "{heard}");
        }
    }
}
