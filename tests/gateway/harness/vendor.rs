//! Vendors as upstreams: where they are asked, and one short answer of each, whole and streamed.

use serde_json::{Value, json};

use super::{
    gateway::Gateway,
    message::{LAST_CHUNK, chunk, json_reply},
    upstream::{Peer, Request, Upstream},
};
use crate::harness::Engine;

/// The text that every vendor answers with.
pub(crate) const ANSWER: &str = "Hello there";

/// A vendor with a dialect of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Vendor {
    OpenAi,
    Anthropic,
    Gemini,
    Bedrock,
    Cohere,
}

impl Vendor {
    pub(crate) const ALL: [Self; 5] =
        [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Bedrock, Self::Cohere];

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
        }
    }

    /// One of its models.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::OpenAi => "gpt-4o",
            Self::Anthropic => "claude-sonnet-4-5",
            Self::Gemini => "gemini-2.5-flash",
            Self::Bedrock => "anthropic.claude-3-haiku-20240307-v1:0",
            Self::Cohere => "command-a-03-2025",
        }
    }

    /// That model as clients name it.
    pub(crate) fn qualified_model(self) -> String {
        format!("{}/{}", self.name(), self.model())
    }

    /// Where it is asked for a chat.
    pub(crate) fn target(self, is_streamed: bool) -> &'static str {
        match (self, is_streamed) {
            (Self::OpenAi, _) => "/v1/chat/completions",
            (Self::Anthropic, _) => "/v1/messages",
            (Self::Gemini, false) => "/v1beta/models/gemini-2.5-flash:generateContent",
            (Self::Gemini, true) => "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            (Self::Bedrock, false) => "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            (Self::Bedrock, true) => "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream",
            (Self::Cohere, _) => "/v2/chat",
        }
    }

    /// The header field that carries the key `sk-test`, where that is all there is to it.
    pub(crate) fn credential(self) -> (&'static str, &'static str) {
        match self {
            Self::OpenAi | Self::Bedrock | Self::Cohere => ("authorization", "Bearer sk-test"),
            Self::Anthropic => ("x-api-key", "sk-test"),
            Self::Gemini => ("x-goog-api-key", "sk-test"),
        }
    }

    /// Its whole answer.
    pub(crate) fn document(self) -> Value {
        match self {
            Self::OpenAi => json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
                "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null,
                    "message": { "role": "assistant", "content": ANSWER, "refusal": null } }],
                "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
            }),
            Self::Anthropic => json!({
                "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
                "content": [{ "type": "text", "text": ANSWER }],
                "stop_reason": "end_turn", "stop_sequence": null,
                "usage": { "input_tokens": 7, "output_tokens": 3 },
            }),
            Self::Gemini => json!({
                "candidates": [{ "content": { "parts": [{ "text": ANSWER }], "role": "model" },
                    "finishReason": "STOP", "index": 0 }],
                "usageMetadata": { "promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10 },
                "modelVersion": "gemini-2.5-flash", "responseId": "r1",
            }),
            Self::Bedrock => json!({
                "output": { "message": { "role": "assistant", "content": [{ "text": ANSWER }] } },
                "stopReason": "end_turn",
                "usage": { "inputTokens": 7, "outputTokens": 3, "totalTokens": 10 },
                "metrics": { "latencyMs": 1 },
            }),
            Self::Cohere => json!({
                "id": "c1", "finish_reason": "COMPLETE",
                "message": { "role": "assistant", "content": [{ "type": "text", "text": ANSWER }] },
                "usage": { "billed_units": { "input_tokens": 5, "output_tokens": 3 },
                    "tokens": { "input_tokens": 7, "output_tokens": 3 } },
            }),
        }
    }

    /// The events of the same answer, as they are sent; the first text is in the one that `FIRST_TEXT` tells.
    pub(crate) fn events(self) -> Vec<Vec<u8>> {
        match self {
            Self::OpenAi => {
                let piece = |delta: Value, finish: Value| {
                    data(&json!({
                        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
                        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }],
                    }))
                };
                let usage = json!({
                    "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
                    "choices": [],
                    "usage": { "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10 },
                });
                vec![
                    piece(json!({ "role": "assistant", "content": "" }), Value::Null),
                    piece(json!({ "content": "Hello" }), Value::Null),
                    piece(json!({ "content": " there" }), Value::Null),
                    piece(json!({}), json!("stop")),
                    data(&usage),
                    b"data: [DONE]\n\n".to_vec(),
                ]
            }
            Self::Anthropic => vec![
                named(&json!({ "type": "message_start", "message": {
                    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
                    "content": [], "stop_reason": null, "stop_sequence": null,
                    "usage": { "input_tokens": 7, "output_tokens": 1 } } })),
                named(&json!({ "type": "content_block_start", "index": 0,
                    "content_block": { "type": "text", "text": "" } })),
                named(&json!({ "type": "content_block_delta", "index": 0,
                    "delta": { "type": "text_delta", "text": "Hello" } })),
                named(&json!({ "type": "content_block_delta", "index": 0,
                    "delta": { "type": "text_delta", "text": " there" } })),
                named(&json!({ "type": "content_block_stop", "index": 0 })),
                named(&json!({ "type": "message_delta",
                    "delta": { "stop_reason": "end_turn", "stop_sequence": null },
                    "usage": { "output_tokens": 3 } })),
                named(&json!({ "type": "message_stop" })),
            ],
            Self::Gemini => {
                let first = json!({
                    "candidates": [{ "content": { "parts": [{ "text": "Hello" }], "role": "model" }, "index": 0 }],
                    "modelVersion": "gemini-2.5-flash", "responseId": "r1",
                });
                let last = json!({
                    "candidates": [{ "content": { "parts": [{ "text": " there" }], "role": "model" },
                        "finishReason": "STOP", "index": 0 }],
                    "usageMetadata": { "promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10 },
                    "modelVersion": "gemini-2.5-flash", "responseId": "r1",
                });
                vec![data(&first), data(&last)]
            }
            Self::Bedrock => vec![
                frame("messageStart", &json!({ "role": "assistant" })),
                frame("contentBlockDelta", &json!({ "contentBlockIndex": 0, "delta": { "text": "Hello" } })),
                frame("contentBlockDelta", &json!({ "contentBlockIndex": 0, "delta": { "text": " there" } })),
                frame("contentBlockStop", &json!({ "contentBlockIndex": 0 })),
                frame("messageStop", &json!({ "stopReason": "end_turn" })),
                frame(
                    "metadata",
                    &json!({
                    "usage": { "inputTokens": 7, "outputTokens": 3, "totalTokens": 10 },
                    "metrics": { "latencyMs": 1 } }),
                ),
            ],
            Self::Cohere => vec![
                named(&json!({ "type": "message-start", "id": "c1",
                    "delta": { "message": { "role": "assistant", "content": [] } } })),
                named(&json!({ "type": "content-start", "index": 0,
                    "delta": { "message": { "content": { "type": "text", "text": "" } } } })),
                named(&json!({ "type": "content-delta", "index": 0,
                    "delta": { "message": { "content": { "text": "Hello" } } } })),
                named(&json!({ "type": "content-delta", "index": 0,
                    "delta": { "message": { "content": { "text": " there" } } } })),
                named(&json!({ "type": "content-end", "index": 0 })),
                named(&json!({ "type": "message-end", "delta": { "finish_reason": "COMPLETE",
                    "usage": { "billed_units": { "input_tokens": 5, "output_tokens": 3 },
                        "tokens": { "input_tokens": 7, "output_tokens": 3 } } } })),
            ],
        }
    }

    /// How many of its events come before the answer's second half.
    pub(crate) fn events_to_first_text(self) -> usize {
        match self {
            Self::Gemini => 1,
            Self::OpenAi | Self::Bedrock => 2,
            Self::Anthropic | Self::Cohere => 3,
        }
    }

    /// An event that tells an error within a stream.
    pub(crate) fn error_event(self) -> Vec<u8> {
        match self {
            Self::OpenAi => data(&json!({ "error": { "message": "too many", "type": "server_error",
                "param": null, "code": "overloaded" } })),
            Self::Anthropic => named(&json!({ "type": "error",
                "error": { "type": "overloaded_error", "message": "too many" } })),
            Self::Gemini => {
                data(&json!({ "error": { "code": 503, "message": "too many", "status": "UNAVAILABLE" } }))
            }
            Self::Bedrock => {
                exception_frame("serviceUnavailableException", &json!({ "message": "too many" }))
            }
            Self::Cohere => named(&json!({ "type": "message-end",
                "delta": { "finish_reason": "ERROR", "error": "too many" } })),
        }
    }

    /// Head of a streamed answer.
    pub(crate) fn stream_head(self) -> Vec<u8> {
        let kind = match self {
            Self::Bedrock => "application/vnd.amazon.eventstream",
            _ => "text/event-stream",
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes()
    }

    /// Whether it is asked for a stream.
    pub(crate) fn is_asked_to_stream(self, request: &Request) -> bool {
        match self {
            Self::Gemini => request.head.target().contains(":streamGenerateContent"),
            Self::Bedrock => request.head.target().ends_with("/converse-stream"),
            _ => request.text().contains("\"stream\":true"),
        }
    }

    /// Gives its answer, whole or streamed as it is asked for.
    pub(crate) fn answer(self, request: &Request, peer: &mut Peer) {
        if !self.is_asked_to_stream(request) {
            peer.send(json_reply(&self.document().to_string()));
            return;
        }
        peer.send(self.stream_head());
        for event in self.events() {
            peer.send(chunk(&event));
        }
        peer.send(LAST_CHUNK);
    }

    /// An upstream that gives its answer to everything.
    pub(crate) fn upstream(self) -> Upstream {
        Upstream::answering(move |request, peer| self.answer(request, peer))
    }

    /// A configuration with it alone.
    pub(crate) fn config_at(self, base_url: &str) -> Value {
        json!({ "providers": { self.name(): self.provider_at(base_url) } })
    }

    /// Its entry among the providers, with the one key `sk-test`.
    pub(crate) fn provider_at(self, base_url: &str) -> Value {
        let mut provider = super::provider_at(base_url);
        if self == Self::Bedrock {
            provider["keys"][0]["bedrock_key_config"] = json!({ "region": "eu-central-1" });
        }
        provider
    }

    /// A gateway to an upstream that speaks as it does.
    pub(crate) fn gateway(self, engine: Engine, upstream: &Upstream) -> Gateway {
        Gateway::start(engine, &self.config_at(&upstream.base_url()))
    }
}

/// An event without a name.
fn data(document: &Value) -> Vec<u8> {
    format!("data: {document}\n\n").into_bytes()
}

/// An event that is named like its `type`.
fn named(document: &Value) -> Vec<u8> {
    let name = document["type"].as_str().unwrap();
    format!("event: {name}\ndata: {document}\n\n").into_bytes()
}

/// A frame of Amazon's with an event.
fn frame(name: &str, document: &Value) -> Vec<u8> {
    frame_with(&[(":event-type", name), (":message-type", "event")], document)
}

/// A frame of Amazon's with an error.
fn exception_frame(name: &str, document: &Value) -> Vec<u8> {
    frame_with(&[(":exception-type", name), (":message-type", "exception")], document)
}

fn frame_with(fields: &[(&str, &str)], document: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in fields.iter().chain([&(":content-type", "application/json")]) {
        headers.push(name.len() as u8);
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = document.to_string();
    let length = 16 + headers.len() + payload.len();
    let mut frame = (length as u32).to_be_bytes().to_vec();
    frame.extend((headers.len() as u32).to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}
