//! `POST /v1/completions`.

use crate::{
    config::limits::DEMO_CHOICES_MAX,
    dialect::json::document::{Value, json},
    ir::ApiError,
};

use super::{
    MODEL,
    answer::{Answer, count_words},
    chat::usage,
    invalid,
    options::Options,
    reply::{Event, Reply, new_id, now},
};

pub(super) fn answer(document: &Value) -> Result<Reply, ApiError> {
    let options = Options::read(document, &["max_tokens"])?;
    let prompts = prompts(&document["prompt"])?;
    if prompts.len() * options.choices > DEMO_CHOICES_MAX {
        let message = format!("prompts times `n` may be at most {DEMO_CHOICES_MAX} here");
        return Err(invalid("prompt", message));
    }
    let asked = prompts.iter().map(|prompt| count_words(prompt)).sum();
    let answers: Vec<Answer> = prompts
        .iter()
        .map(|prompt| Answer::new(&format!("You said: {prompt}"), &options))
        .flat_map(|answer| std::iter::repeat_n(answer, options.choices))
        .collect();
    let usage = usage(asked, answers.iter().map(|answer| answer.pieces.len()).sum());
    let completion = Completion { id: new_id("cmpl-"), created: now() };
    Ok(if options.is_streamed {
        completion.stream(answers, options.shows_usage.then_some(usage))
    } else {
        completion.whole(&answers, &usage)
    })
}

/// A prompt of tokens is said as the numbers that it is.
fn prompts(prompt: &Value) -> Result<Vec<String>, ApiError> {
    match prompt {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(parts) if parts.first().is_some_and(Value::is_number) => Ok(vec![prompt.to_string()]),
        Value::Array(parts) if !parts.is_empty() && parts.len() <= DEMO_CHOICES_MAX => Ok(parts
            .iter()
            .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
            .collect()),
        _ => Err(invalid("prompt", format!("`prompt` must be a string or up to {DEMO_CHOICES_MAX} of them"))),
    }
}

struct Completion {
    id: String,
    created: u64,
}

impl Completion {
    fn whole(&self, answers: &[Answer], usage: &Value) -> Reply {
        let choices = answers.iter().enumerate();
        let choices =
            choices.map(|(index, answer)| choice(index, &answer.text(), Some(answer.finish_reason())));
        let mut document = self.document(&choices.collect());
        document["usage"] = usage.clone();
        Reply::Document(document)
    }

    fn stream(self, answers: Vec<Answer>, usage: Option<Value>) -> Reply {
        let last = usage.map(|usage| {
            let mut document = self.document(&json!([]));
            document["usage"] = usage;
            Event::data(&document)
        });
        let choices = answers.into_iter().enumerate().flat_map(|(index, answer)| {
            let end = choice(index, "", Some(answer.finish_reason()));
            let words = answer.pieces.into_iter().enumerate();
            let words = words.map(move |(position, word)| (choice(index, &word, None), position > 0));
            words.chain(std::iter::once((end, false)))
        });
        let chunks = choices
            .map(move |(choice, is_paced)| Event::data(&self.document(&json!([choice]))).paced(is_paced));
        Reply::Events(Box::new(chunks.chain(last).chain(std::iter::once(Event::done()))))
    }

    fn document(&self, choices: &Value) -> Value {
        json!({"id": self.id, "object": "text_completion", "created": self.created, "model": MODEL,
            "choices": choices})
    }
}

fn choice(index: usize, text: &str, finish_reason: Option<&str>) -> Value {
    json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish_reason})
}

#[cfg(test)]
mod tests {
    use super::super::client::post;
    use super::*;

    #[test]
    fn each_prompt_is_echoed_in_its_turn() {
        let body = r#"{"model": "echo", "prompt": ["one", "two three"], "n": 2}"#;
        let completion = post("/v1/completions", body).document();
        assert_eq!(completion["object"], "text_completion");
        let texts: Vec<&Value> =
            completion["choices"].as_array().unwrap().iter().map(|choice| &choice["text"]).collect();
        assert_eq!(texts, ["You said: one", "You said: one", "You said: two three", "You said: two three"]);
        assert_eq!(completion["choices"][3]["index"], 3);
        assert_eq!(completion["usage"]["prompt_tokens"], 3);
        assert_eq!(completion["usage"]["completion_tokens"], 14);
    }

    #[test]
    fn a_stream_says_the_same_word_by_word() {
        let body = r#"{"model": "echo", "prompt": "one", "stream": true, "max_tokens": 2,
            "stream_options": {"include_usage": true}}"#;
        let chunks = post("/v1/completions", body).chunks();
        let texts: Vec<&str> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
        assert_eq!(texts, ["You", " said:", ""]);
        assert_eq!(chunks[2]["choices"][0]["finish_reason"], "length");
        assert_eq!(chunks[3]["usage"]["completion_tokens"], 2);
    }

    #[test]
    fn too_many_choices_are_refused() {
        for body in [
            r#"{"model": "echo", "prompt": ["1", "2", "3"], "n": 3}"#,
            r#"{"model": "echo", "prompt": ["1", "2", "3", "4", "5", "6", "7", "8", "9"]}"#,
            r#"{"model": "echo"}"#,
        ] {
            let answered = post("/v1/completions", body);
            assert_eq!((answered.status, &answered.document()["error"]["param"]), (400, &json!("prompt")));
        }
    }
}
