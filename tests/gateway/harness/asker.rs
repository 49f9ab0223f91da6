//! Clients of all dialects: how each asks the same short question, and what it reads in the answer.

use serde_json::{Value, json};

use super::{client::Response, message::post};

/// A dialect that clients speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asker {
    Chat,
    Responses,
    Completion,
    Messages,
    Generate,
}

/// What a client reads in an answer, in nobody's dialect.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Read {
    pub(crate) text: String,
    pub(crate) finish: String,
    pub(crate) usage: Option<(u64, u64)>,
}

/// One server-sent event.
#[derive(Clone, Debug)]
pub(crate) struct StreamEvent {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Asker {
    pub(crate) const ALL: [Self; 5] =
        [Self::Chat, Self::Responses, Self::Completion, Self::Messages, Self::Generate];

    /// The name of the dialect family that the client speaks.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Self::Chat | Self::Responses | Self::Completion => "openai",
            Self::Messages => "anthropic",
            Self::Generate => "gemini",
        }
    }

    /// The request, with the question `Hello!`.
    pub(crate) fn request(self, model: &str, is_streamed: bool) -> Vec<u8> {
        post(&self.target(model, is_streamed), &self.body(model, is_streamed).to_string())
    }

    /// Where it is sent.
    pub(crate) fn target(self, model: &str, is_streamed: bool) -> String {
        match (self, is_streamed) {
            (Self::Chat, _) => "/openai/v1/chat/completions".to_owned(),
            (Self::Responses, _) => "/openai/v1/responses".to_owned(),
            (Self::Completion, _) => "/openai/v1/completions".to_owned(),
            (Self::Messages, _) => "/anthropic/v1/messages".to_owned(),
            (Self::Generate, false) => format!("/genai/v1beta/models/{model}:generateContent"),
            (Self::Generate, true) => format!("/genai/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        }
    }

    /// Its body.
    pub(crate) fn body(self, model: &str, is_streamed: bool) -> Value {
        let mut body = match self {
            Self::Chat => json!({ "model": model, "messages": [{ "role": "user", "content": "Hello!" }] }),
            Self::Responses => json!({ "model": model, "input": "Hello!" }),
            Self::Completion => json!({ "model": model, "prompt": "Hello!" }),
            Self::Messages => json!({ "model": model, "max_tokens": 100,
                "messages": [{ "role": "user", "content": "Hello!" }] }),
            Self::Generate => {
                return json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hello!" }] }] });
            }
        };
        if is_streamed {
            body["stream"] = json!(true);
            if matches!(self, Self::Chat | Self::Completion) {
                body["stream_options"] = json!({ "include_usage": true });
            }
        }
        body
    }

    /// How it says that an answer has come to its natural end.
    pub(crate) fn natural_end(self) -> &'static str {
        match self {
            Self::Chat | Self::Completion => "stop",
            Self::Responses => "completed",
            Self::Messages => "end_turn",
            Self::Generate => "STOP",
        }
    }

    /// What it reads in a whole answer.
    pub(crate) fn read(self, answer: &Response) -> Read {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.head.value("content-type"), Some("application/json"));
        let mut read = Read::default();
        self.read_document(&answer.json(), &mut read);
        read
    }

    /// What it reads in a streamed answer, which has to end as its dialect ends streams.
    pub(crate) fn read_stream(self, answer: &Response) -> Read {
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let kind = answer.head.value("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "{:?}", answer.head);
        let events = stream_events(&answer.body);
        let (last, before) = events.split_last().expect("a stream has events");
        let mut read = Read::default();
        for event in before {
            self.read_event(event, &mut read);
        }
        match self {
            Self::Chat | Self::Completion => assert_eq!(last.data, "[DONE]"),
            Self::Messages => assert_eq!(last.name, "message_stop"),
            Self::Responses => assert_eq!(last.name, "response.completed"),
            Self::Generate => {}
        }
        if !matches!(self, Self::Chat | Self::Completion) {
            self.read_event(last, &mut read);
        }
        read
    }

    fn read_event(self, event: &StreamEvent, read: &mut Read) {
        let document: Value = serde_json::from_str(&event.data).unwrap_or_else(|_| panic!("{event:?}"));
        assert!(document.get("error").is_none_or(Value::is_null), "{event:?}");
        match self {
            Self::Generate => self.read_document(&document, read),
            Self::Chat | Self::Completion => {
                let choice = &document["choices"][0];
                let text = if self == Self::Chat { &choice["delta"]["content"] } else { &choice["text"] };
                read.text.push_str(text.as_str().unwrap_or_default());
                read.finish.push_str(choice["finish_reason"].as_str().unwrap_or_default());
                read.take_usage(&document["usage"], "prompt_tokens", "completion_tokens");
            }
            Self::Messages => {
                assert_eq!(document["type"], event.name, "{event:?}");
                read.text.push_str(document["delta"]["text"].as_str().unwrap_or_default());
                read.finish.push_str(document["delta"]["stop_reason"].as_str().unwrap_or_default());
                read.take_usage(&document["message"]["usage"], "input_tokens", "output_tokens");
                read.take_usage(&document["usage"], "input_tokens", "output_tokens");
            }
            Self::Responses => {
                assert_eq!(document["type"], event.name, "{event:?}");
                if event.name == "response.completed" {
                    let text = std::mem::take(&mut read.text);
                    self.read_document(&document["response"], read);
                    assert_eq!(text, read.text, "the pieces make the whole");
                } else if event.name == "response.output_text.delta" {
                    read.text.push_str(document["delta"].as_str().unwrap());
                }
            }
        }
    }

    fn read_document(self, document: &Value, read: &mut Read) {
        let (text, finish) = match self {
            Self::Chat => {
                let choice = &document["choices"][0];
                (&choice["message"]["content"], &choice["finish_reason"])
            }
            Self::Completion => (&document["choices"][0]["text"], &document["choices"][0]["finish_reason"]),
            Self::Responses => (&document["output"][0]["content"][0]["text"], &document["status"]),
            Self::Messages => (&document["content"][0]["text"], &document["stop_reason"]),
            Self::Generate => {
                let candidate = &document["candidates"][0];
                (&candidate["content"]["parts"][0]["text"], &candidate["finishReason"])
            }
        };
        read.text.push_str(text.as_str().unwrap_or_default());
        read.finish.push_str(finish.as_str().unwrap_or_default());
        match self {
            Self::Chat | Self::Completion => {
                read.take_usage(&document["usage"], "prompt_tokens", "completion_tokens");
            }
            Self::Responses | Self::Messages => {
                read.take_usage(&document["usage"], "input_tokens", "output_tokens");
            }
            Self::Generate => {
                read.take_usage(&document["usageMetadata"], "promptTokenCount", "candidatesTokenCount");
            }
        }
    }

    /// The message of a refusal, whose shape is checked, with the name that the dialect has for its kind.
    pub(crate) fn refusal(self, answer: &Response) -> (String, String) {
        assert_eq!(answer.head.value("content-type"), Some("application/json"), "{}", answer.text());
        self.refusal_in(&answer.json())
    }

    /// The same, in the document that tells it.
    pub(crate) fn refusal_in(self, document: &Value) -> (String, String) {
        let error = &document["error"];
        let kind = match self {
            Self::Generate => {
                assert!(error["code"].is_u64(), "{document}");
                &error["status"]
            }
            Self::Messages => {
                assert_eq!(document["type"], "error");
                &error["type"]
            }
            _ => {
                assert!(error.get("param").is_some() && error.get("code").is_some(), "{document}");
                &error["type"]
            }
        };
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{document}")).to_owned();
        (text(kind), text(&error["message"]))
    }
}

impl Read {
    fn take_usage(&mut self, usage: &Value, input: &str, output: &str) {
        let before = self.usage.unwrap_or_default();
        if usage.is_object() {
            let input = usage[input].as_u64().unwrap_or(before.0);
            self.usage = Some((input, usage[output].as_u64().unwrap_or(before.1)));
        }
    }
}

/// The events of a stream, which ends behind a whole one.
pub(crate) fn stream_events(body: &[u8]) -> Vec<StreamEvent> {
    // Google ends its lines with both.
    let text = std::str::from_utf8(body).unwrap().replace("\r\n", "\n");
    assert!(text.is_empty() || text.ends_with("\n\n"), "{text}");
    let blocks = text.split_terminator("\n\n").filter(|block| !block.starts_with(':'));
    blocks.map(stream_event).collect()
}

fn stream_event(block: &str) -> StreamEvent {
    let mut event = StreamEvent { name: String::new(), data: String::new() };
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("event", name)) => event.name = name.to_owned(),
            Some(("data", data)) => event.data.push_str(data),
            _ => panic!("{block}"),
        }
    }
    event
}
