//! `POST /v1/chat/completions`.

use crate::{
    dialect::json::document::{Value, json},
    ir::ApiError,
};

use super::{
    MODEL,
    answer::{Answer, count_words, said},
    invalid,
    options::Options,
    reply::{Event, Reply, new_id, now},
    sample::sample,
    tool::Call,
};

pub(super) fn answer(document: &Value) -> Result<Reply, ApiError> {
    let options = Options::read(document, &["max_completion_tokens", "max_tokens"])?;
    let messages = document["messages"].as_array().filter(|messages| !messages.is_empty());
    let messages =
        messages.ok_or_else(|| invalid("messages", "`messages` must be an array of at least one message"))?;
    let turn = Turn::new(document, messages, &options)?;
    let completion = Completion::new(messages, &turn, &options);
    Ok(if options.is_streamed { completion.stream(&turn, &options) } else { completion.whole(&turn) })
}

/// What the model does: it speaks or it calls.
enum Turn {
    Text(Answer),
    Call(Call),
}

impl Turn {
    fn new(document: &Value, messages: &[Value], options: &Options) -> Result<Self, ApiError> {
        let last = messages.last().unwrap_or(&Value::Null);
        if last["role"] == "tool" || last["role"] == "function" {
            let text = format!("The tool answered: {}", said(&last["content"]));
            return Ok(Self::Text(Answer::new(&text, options)));
        }
        let asked = messages.iter().rev().find(|message| message["role"] == "user");
        let asked = said(asked.map_or(&Value::Null, |message| &message["content"]));
        if last["role"] == "user"
            && let Some(call) = Call::choose(document, &asked)?
        {
            return Ok(Self::Call(call));
        }
        let format = &document["response_format"];
        let text = formatted(format, &format["json_schema"]["schema"], &asked);
        Ok(Self::Text(Answer::new(&text, options)))
    }

    fn finish_reason(&self) -> &'static str {
        match self {
            Self::Text(answer) => answer.finish_reason(),
            Self::Call(_) => "tool_calls",
        }
    }

    fn message(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": null, "refusal": null, "annotations": []});
        match self {
            Self::Text(answer) => message["content"] = answer.text().into(),
            Self::Call(Call { id, name, arguments }) => {
                let function = json!({"name": name, "arguments": arguments});
                message["tool_calls"] = json!([{"id": id, "type": "function", "function": function}]);
            }
        }
        message
    }

    /// What a stream says between the role and the finish reason.
    fn deltas(&self) -> Vec<Value> {
        match self {
            Self::Text(answer) => answer.pieces.iter().map(|piece| json!({ "content": piece })).collect(),
            Self::Call(call) => {
                let begin = json!({"index": 0, "id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": ""}});
                let more = call.fragments().into_iter();
                let more = more.map(|text| json!({"index": 0, "function": {"arguments": text}}));
                std::iter::once(begin).chain(more).map(|call| json!({"tool_calls": [call]})).collect()
            }
        }
    }

    fn words(&self) -> usize {
        match self {
            Self::Text(answer) => answer.pieces.len(),
            Self::Call(call) => count_words(&call.arguments) + 1,
        }
    }
}

/// The echo, in the format that was asked for.
pub(super) fn formatted(format: &Value, schema: &Value, asked: &str) -> String {
    match format["type"].as_str() {
        Some("json_schema") => sample(schema, asked).to_string(),
        Some("json_object") => json!({"you_said": asked}).to_string(),
        _ => format!("You said: {asked}"),
    }
}

/// What is the same in all choices and chunks.
struct Completion {
    id: String,
    created: u64,
    choices: usize,
    usage: Value,
}

impl Completion {
    fn new(messages: &[Value], turn: &Turn, options: &Options) -> Self {
        let asked = messages.iter().map(|message| count_words(&said(&message["content"]))).sum();
        let usage = usage(asked, turn.words() * options.choices);
        Self { id: new_id("chatcmpl-"), created: now(), choices: options.choices, usage }
    }

    fn whole(self, turn: &Turn) -> Reply {
        let choice = |index| {
            let (message, reason) = (turn.message(), turn.finish_reason());
            json!({"index": index, "message": message, "logprobs": null, "finish_reason": reason})
        };
        let choices: Vec<Value> = (0..self.choices).map(choice).collect();
        Reply::Document(json!({"id": self.id, "object": "chat.completion", "created": self.created,
            "model": MODEL, "choices": choices, "usage": self.usage, "service_tier": "default",
            "system_fingerprint": "fp_demo"}))
    }

    fn stream(self, turn: &Turn, options: &Options) -> Reply {
        let content = match turn {
            Turn::Text(_) => json!(""),
            Turn::Call(_) => Value::Null,
        };
        let mut steps = vec![(json!({"role": "assistant", "content": content, "refusal": null}), None)];
        steps.extend(turn.deltas().into_iter().map(|delta| (delta, None)));
        let last = steps.len();
        steps.push((json!({}), Some(turn.finish_reason())));

        let shows_usage = options.shows_usage;
        let usage = shows_usage.then(|| self.chunk(&json!([]), &self.usage)).into_iter();
        let usage = usage.map(|chunk| Event::data(&chunk));
        let places = (0..steps.len()).flat_map(move |step| (0..self.choices).map(move |index| (step, index)));
        let chunks = places.map(move |(step, index)| {
            let (delta, finish_reason) = &steps[step];
            let choices =
                json!([{"index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason}]);
            let mut chunk = self.chunk(&choices, &Value::Null);
            if let (false, Some(chunk)) = (shows_usage, chunk.as_object_mut()) {
                chunk.remove("usage");
            }
            Event::data(&chunk).paced(index == 0 && (2..last).contains(&step))
        });
        Reply::Events(Box::new(chunks.chain(usage).chain(std::iter::once(Event::done()))))
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Value {
        json!({"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": MODEL,
            "service_tier": "default", "system_fingerprint": "fp_demo", "choices": choices, "usage": usage})
    }
}

/// `usage` of chat and completions, in words.
pub(super) fn usage(asked: usize, answered: usize) -> Value {
    json!({"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
}

#[cfg(test)]
mod tests {
    use super::super::client::{Answered, post};
    use super::*;

    fn ask(more: Value) -> Answered {
        let mut document =
            json!({"model": "echo", "messages": [{"role": "user", "content": "hello big world"}]});
        for (name, value) in more.as_object().unwrap() {
            document[name] = value.clone();
        }
        post("/v1/chat/completions", &document.to_string())
    }

    fn weather() -> Value {
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}}}])
    }

    #[test]
    fn it_echoes_the_last_user_message() {
        let completion = ask(json!({})).document();
        assert_eq!(completion["object"], "chat.completion");
        assert_eq!(completion["model"], "echo");
        let choice = &completion["choices"][0];
        assert_eq!(choice["message"]["role"], "assistant");
        assert_eq!(choice["message"]["content"], "You said: hello big world");
        assert_eq!(choice["finish_reason"], "stop");
        let usage = &completion["usage"];
        let counted =
            ["prompt_tokens", "completion_tokens", "total_tokens"].map(|name| usage[name].as_u64().unwrap());
        assert_eq!(counted, [3, 5, 8]);
    }

    #[test]
    fn images_are_mentioned() {
        let parts = json!([{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "https://h/i"}}]);
        let completion = ask(json!({"messages": [{"role": "user", "content": parts}]})).document();
        assert_eq!(completion["choices"][0]["message"]["content"], "You said: Look: [an image]");
    }

    #[test]
    fn a_limit_or_a_stop_ends_it_early() {
        let completion = ask(json!({"max_tokens": 3, "n": 2})).document();
        for choice in completion["choices"].as_array().unwrap() {
            assert_eq!(choice["message"]["content"], "You said: hello");
            assert_eq!(choice["finish_reason"], "length");
        }
        assert_eq!(completion["choices"][1]["index"], 1);
        assert_eq!(completion["usage"]["completion_tokens"], 6);
        let completion = ask(json!({"stop": ["big"]})).document();
        assert_eq!(completion["choices"][0]["message"]["content"], "You said: hello ");
        assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    }

    #[test]
    fn a_stream_says_the_same_word_by_word() {
        let answered = ask(json!({"stream": true, "n": 2, "stream_options": {"include_usage": true}}));
        assert_eq!(answered.status, 200);
        assert!(
            answered.head.contains("content-type: text/event-stream; charset=utf-8\r\n"),
            "{}",
            answered.head
        );
        let chunks = answered.chunks();
        assert_eq!(
            chunks[0]["choices"][0]["delta"],
            json!({"role": "assistant", "content": "", "refusal": null})
        );
        for index in 0..2 {
            let choices: Vec<&Value> = chunks
                .iter()
                .map(|chunk| &chunk["choices"][0])
                .filter(|choice| choice["index"] == index)
                .collect();
            let words: Vec<&str> =
                choices.iter().filter_map(|choice| choice["delta"]["content"].as_str()).collect();
            assert_eq!(words, ["", "You", " said:", " hello", " big", " world"]);
            assert_eq!(choices.last().unwrap()["delta"], json!({}));
            assert_eq!(choices.last().unwrap()["finish_reason"], "stop");
        }
        let (last, others) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"]["total_tokens"], 13);
        for chunk in others {
            assert_eq!(chunk.get("usage"), Some(&Value::Null));
            assert_eq!((&chunk["id"], &chunk["created"]), (&last["id"], &last["created"]));
            assert_eq!(chunk["object"], "chat.completion.chunk");
        }
    }

    #[test]
    fn a_stream_tells_no_usage_unless_asked() {
        let chunks = ask(json!({"stream": true})).chunks();
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    }

    #[test]
    fn a_tool_that_is_offered_is_called() {
        let completion = ask(json!({"tools": weather()})).document();
        let choice = &completion["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(choice["message"]["content"], Value::Null);
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!(
            call["function"],
            json!({"name": "get_weather", "arguments": r#"{"city":"hello big world"}"#})
        );
        assert!(call["id"].as_str().unwrap().starts_with("call_"));
        let completion = ask(json!({"tools": weather(), "tool_choice": "none"})).document();
        assert_eq!(completion["choices"][0]["message"]["content"], "You said: hello big world");
    }

    #[test]
    fn a_streamed_call_comes_in_fragments() {
        let chunks = ask(json!({"tools": weather(), "stream": true})).chunks();
        let calls: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
            .filter(|call| !call.is_null())
            .collect();
        let (first, others) = calls.split_first().unwrap();
        assert_eq!(first["function"], json!({"name": "get_weather", "arguments": ""}));
        assert!(first["id"].is_string());
        assert!(others.len() > 1);
        let arguments: String =
            others.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
        assert_eq!(arguments, r#"{"city":"hello big world"}"#);
        assert!(others.iter().all(|call| call["index"] == 0 && call.get("id").is_none()));
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    }

    #[test]
    fn the_answer_of_a_tool_is_quoted() {
        let messages = json!([
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny, 21 degrees"},
        ]);
        let completion = ask(json!({"messages": messages, "tools": weather()})).document();
        assert_eq!(completion["choices"][0]["message"]["content"], "The tool answered: sunny, 21 degrees");
        assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    }

    #[test]
    fn a_response_format_is_kept() {
        let schema =
            json!({"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]});
        let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
        let completion = ask(json!({"response_format": format})).document();
        assert_eq!(completion["choices"][0]["message"]["content"], r#"{"answer":"hello big world"}"#);
    }

    #[test]
    fn a_request_without_messages_is_refused() {
        for messages in [json!([]), json!(null), json!("hello")] {
            let answered = ask(json!({"messages": messages}));
            assert_eq!(answered.status, 400);
            assert_eq!(answered.document()["error"]["param"], "messages");
        }
    }
}
