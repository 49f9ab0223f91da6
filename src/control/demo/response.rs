//! `POST /v1/responses`: nothing is stored.

use crate::{
    dialect::json::document::{Value, json},
    ir::ApiError,
};

use super::{
    MODEL,
    answer::{Answer, count_words, said},
    chat::formatted,
    invalid,
    options::Options,
    reply::{Event, Reply, new_id, now},
    tool::Call,
};

pub(super) fn answer(document: &Value) -> Result<Reply, ApiError> {
    if let Some(id) = document["previous_response_id"].as_str() {
        let message =
            format!("there is no response `{id}`: the demo keeps none; send the whole conversation");
        return Err(
            ApiError::client(404, "previous_response_not_found", message).with_param("previous_response_id")
        );
    }
    let options = Options::read(document, &["max_output_tokens"])?;
    let items = items(&document["input"])?;
    let turn = Turn::new(document, &items, &options)?;
    let response = Response::new(document, &items, &turn);
    Ok(if options.is_streamed { response.stream(&turn) } else { Reply::Document(response.ended(&turn)) })
}

/// A plain text is one message.
fn items(input: &Value) -> Result<Vec<Value>, ApiError> {
    match input {
        Value::String(text) => Ok(vec![json!({"role": "user", "content": text})]),
        Value::Array(items) if !items.is_empty() => Ok(items.clone()),
        _ => Err(invalid("input", "`input` must be a text or an array of at least one item")),
    }
}

/// The one item of output.
struct Turn {
    id: String,
    content: Content,
}

enum Content {
    Text(Answer),
    Call(Call),
}

impl Turn {
    fn new(document: &Value, items: &[Value], options: &Options) -> Result<Self, ApiError> {
        let last = items.last().unwrap_or(&Value::Null);
        let speak =
            |text: &str| Self { id: new_id("msg_"), content: Content::Text(Answer::new(text, options)) };
        if last["type"] == "function_call_output" {
            return Ok(speak(&format!("The tool answered: {}", said(&last["output"]))));
        }
        let asked = items.iter().rev().find(|item| item["role"] == "user");
        let asked = said(asked.map_or(&Value::Null, |item| &item["content"]));
        if last["role"] == "user"
            && let Some(call) = Call::choose(document, &asked)?
        {
            return Ok(Self { id: new_id("fc_"), content: Content::Call(call) });
        }
        let format = &document["text"]["format"];
        Ok(speak(&formatted(format, &format["schema"], &asked)))
    }

    fn begun(&self) -> Value {
        match &self.content {
            Content::Text(_) => self.message(&json!([]), "in_progress"),
            Content::Call(call) => self.call(call, "", "in_progress"),
        }
    }

    fn ended(&self) -> Value {
        match &self.content {
            Content::Text(answer) => self.message(&json!([part(&answer.text())]), self.status()),
            Content::Call(call) => self.call(call, &call.arguments, "completed"),
        }
    }

    fn message(&self, content: &Value, status: &str) -> Value {
        json!({"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content})
    }

    fn call(&self, call: &Call, arguments: &str, status: &str) -> Value {
        json!({"id": self.id, "type": "function_call", "status": status, "call_id": call.id,
            "name": call.name, "arguments": arguments})
    }

    fn status(&self) -> &'static str {
        match &self.content {
            Content::Text(answer) if answer.is_cut => "incomplete",
            _ => "completed",
        }
    }

    fn words(&self) -> usize {
        match &self.content {
            Content::Text(answer) => answer.pieces.len(),
            Content::Call(call) => count_words(&call.arguments) + 1,
        }
    }

    /// What a stream says between the begin of the item and its end; with whether it is paced.
    fn steps(&self) -> Vec<(Value, bool)> {
        let mut steps = Vec::new();
        let place = |kind: &str| json!({"type": kind, "item_id": self.id, "output_index": 0});
        let mut say = |kind: &str, more: Value, is_paced| {
            let mut step = place(kind);
            if let (Value::Object(step), Value::Object(mut more)) = (&mut step, more) {
                step.append(&mut more);
            }
            steps.push((step, is_paced));
        };
        match &self.content {
            Content::Text(answer) => {
                let text = answer.text();
                say("response.content_part.added", json!({"content_index": 0, "part": part("")}), false);
                for (position, piece) in answer.pieces.iter().enumerate() {
                    let delta = json!({"content_index": 0, "delta": piece, "logprobs": []});
                    say("response.output_text.delta", delta, position > 0);
                }
                let done = json!({"content_index": 0, "text": text, "logprobs": []});
                say("response.output_text.done", done, false);
                say("response.content_part.done", json!({"content_index": 0, "part": part(&text)}), false);
            }
            Content::Call(call) => {
                for fragment in call.fragments() {
                    say("response.function_call_arguments.delta", json!({"delta": fragment}), true);
                }
                let done = json!({"name": call.name, "arguments": call.arguments});
                say("response.function_call_arguments.done", done, false);
            }
        }
        steps
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The response as it is before there is any output.
struct Response {
    begun: Value,
    usage: Value,
}

impl Response {
    fn new(document: &Value, items: &[Value], turn: &Turn) -> Self {
        let given = |name: &str, otherwise: Value| match &document[name] {
            Value::Null => otherwise,
            value => value.clone(),
        };
        let begun = json!({
            "id": new_id("resp_"), "object": "response", "created_at": now(), "status": "in_progress",
            "background": false, "error": null, "incomplete_details": null,
            "instructions": given("instructions", Value::Null),
            "max_output_tokens": given("max_output_tokens", Value::Null), "model": MODEL, "output": [],
            "parallel_tool_calls": given("parallel_tool_calls", json!(true)), "previous_response_id": null,
            "reasoning": {"effort": null, "summary": null}, "store": false,
            "temperature": given("temperature", json!(1.0)),
            "text": given("text", json!({"format": {"type": "text"}})),
            "tool_choice": given("tool_choice", json!("auto")), "tools": given("tools", json!([])),
            "top_p": given("top_p", json!(1.0)), "truncation": "disabled", "usage": null,
            "metadata": given("metadata", json!({})),
        });
        let texts = items.iter().flat_map(|item| [&item["content"], &item["output"]]);
        let asked: usize =
            texts.chain([&document["instructions"]]).map(|text| count_words(&said(text))).sum();
        let answered = turn.words();
        let usage = json!({"input_tokens": asked, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answered, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + answered});
        Self { begun, usage }
    }

    fn ended(&self, turn: &Turn) -> Value {
        let mut response = self.begun.clone();
        response["status"] = turn.status().into();
        if turn.status() == "incomplete" {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        }
        response["output"] = json!([turn.ended()]);
        response["usage"] = self.usage.clone();
        response
    }

    fn stream(self, turn: &Turn) -> Reply {
        let whole = |kind: &str, response: &Value| (json!({"type": kind, "response": response}), false);
        let item = |kind: &str, item: Value| (json!({"type": kind, "output_index": 0, "item": item}), false);
        let mut steps = vec![
            whole("response.created", &self.begun),
            whole("response.in_progress", &self.begun),
            item("response.output_item.added", turn.begun()),
        ];
        steps.extend(turn.steps());
        steps.push(item("response.output_item.done", turn.ended()));
        steps.push(whole(&format!("response.{}", turn.status()), &self.ended(turn)));
        Reply::Events(Box::new(steps.into_iter().enumerate().map(|(number, (mut step, is_paced))| {
            step["sequence_number"] = number.into();
            Event::named(&step).paced(is_paced)
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Answered, post};
    use super::*;

    fn ask(more: &Value) -> Answered {
        let mut document = json!({"model": "echo", "input": "hello world"});
        for (name, value) in more.as_object().unwrap() {
            document[name] = value.clone();
        }
        post("/v1/responses", &document.to_string())
    }

    fn tools() -> Value {
        json!([{"type": "function", "name": "look", "parameters": {"type": "object",
            "properties": {"at": {"type": "string"}}, "required": ["at"]}}])
    }

    #[test]
    fn it_echoes_the_last_user_message() {
        let parts = json!([{"type": "input_text", "text": "hello"}, {"type": "input_image", "image_url": "https://h/i"}]);
        for (input, expected) in [
            (json!("hello"), "You said: hello"),
            (json!([{"role": "user", "content": parts}]), "You said: hello [an image]"),
        ] {
            let response = ask(&json!({"input": input})).document();
            assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")));
            assert_eq!(response["output"][0]["content"][0]["text"], expected);
            assert_eq!(response["output"][0]["role"], "assistant");
            assert_eq!(response["output"].as_array().unwrap().len(), 1);
        }
    }

    #[test]
    fn a_stream_says_the_same_word_by_word() {
        let answered = ask(&json!({"stream": true}));
        let events = answered.events();
        let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names[..4],
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.content_part.added"
            ]
        );
        assert_eq!(
            names[names.len() - 4..],
            [
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.completed"
            ]
        );
        for (number, (name, data)) in events.iter().enumerate() {
            assert_eq!(data["type"], **name);
            assert_eq!(data["sequence_number"], number);
        }
        let deltas: Vec<&str> = events.iter().filter_map(|(_, data)| data["delta"].as_str()).collect();
        assert_eq!(deltas, ["You", " said:", " hello", " world"]);
        let ended = &events.last().unwrap().1["response"];
        assert_eq!(ended["output"][0]["content"][0]["text"], "You said: hello world");
        assert_eq!(ended["usage"]["total_tokens"], 6);
        assert_eq!(ended["id"], events[0].1["response"]["id"]);
    }

    #[test]
    fn a_limit_leaves_it_incomplete() {
        let response = ask(&json!({"max_output_tokens": 2})).document();
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens");
        let answered = ask(&json!({"max_output_tokens": 2, "stream": true}));
        assert_eq!(answered.events().last().unwrap().0, "response.incomplete");
    }

    #[test]
    fn a_tool_that_is_offered_is_called_and_its_answer_quoted() {
        let response = ask(&json!({"tools": tools()})).document();
        let call = &response["output"][0];
        assert_eq!((&call["type"], &call["name"]), (&json!("function_call"), &json!("look")));
        assert_eq!(call["arguments"], r#"{"at":"hello world"}"#);
        let answered = ask(&json!({"tools": tools(), "stream": true}));
        let deltas: String =
            answered.events().iter().filter_map(|(_, data)| data["delta"].as_str()).collect();
        assert_eq!(deltas, r#"{"at":"hello world"}"#);
        let input = json!([{"role": "user", "content": "look"}, call,
            {"type": "function_call_output", "call_id": call["call_id"], "output": "a tree"}]);
        let response = ask(&json!({"tools": tools(), "input": input})).document();
        assert_eq!(response["output"][0]["content"][0]["text"], "The tool answered: a tree");
    }

    #[test]
    fn what_it_never_stored_is_not_found() {
        let answered = ask(&json!({"previous_response_id": "resp_1"}));
        assert_eq!(answered.status, 404);
        assert_eq!(answered.document()["error"]["param"], "previous_response_id");
        assert_eq!(ask(&json!({"input": []})).status, 400);
    }
}
