//! A stream of pieces for a client of the completions of old.

use super::encode_document::{write_choice, write_front};
use crate::{
    dialect::{StreamEncoder, Wishes, json::Writer, openai_chat::write_usage},
    ir::{Event, Finish, Text, Usage},
};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    wishes: Wishes,
    /// What every piece begins with; empty before the first.
    front: Vec<u8>,
    /// The choices that have ended.
    ended: Vec<usize>,
    usage: Option<Usage>,
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, model, created } => self.begin(id.as_ref(), model.as_ref(), *created),
            Event::Text { choice, text } | Event::Refusal { choice, text } if !text.is_empty() => {
                self.write(out, |writer| write_choice(*choice, [text.as_escaped()], None, writer));
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish { choice, reason, .. } => self.end(*choice, *reason, out),
            // Nothing else stands in a completion.
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.ended.is_empty() {
            self.end(0, Finish::Stop, out);
        }
        if self.wishes.includes_usage {
            out.extend_from_slice(&self.front);
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            write_usage(&self.usage.unwrap_or_default(), &mut Writer::new(out));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl Encoder {
    pub(super) const fn new(wishes: Wishes) -> Self {
        Self { wishes, front: Vec::new(), ended: Vec::new(), usage: None }
    }

    fn begin(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, created: Option<u64>) {
        let mut front = b"data: ".to_vec();
        let wishes = &self.wishes;
        Writer::new(&mut front).object(|writer| write_front(id, model, created, wishes, writer));
        front.pop();
        self.front = front;
    }

    fn write(&mut self, out: &mut Vec<u8>, choice: impl FnOnce(&mut Writer<'_>)) {
        if self.front.is_empty() {
            self.begin(None, None, None);
        }
        out.extend_from_slice(&self.front);
        out.extend_from_slice(b",\"choices\":");
        Writer::new(out).array(choice);
        out.extend_from_slice(if self.wishes.includes_usage { b",\"usage\":null}\n\n" } else { b"}\n\n" });
    }

    fn end(&mut self, choice: usize, reason: Finish, out: &mut Vec<u8>) {
        self.ended.push(choice);
        self.write(out, |writer| write_choice(choice, [], Some(reason), writer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{ClientDialect, openai_completion::OpenAiCompletion},
        ir::Response,
    };

    fn events() -> Vec<Event<'static>> {
        let text = |choice, text| Event::Text { choice, text: Text::escaped(text) };
        let end = |choice, reason| Event::Finish { choice, reason, native: None, stop_sequence: None };
        vec![
            Event::Begin { id: Some("cmpl-1".into()), model: Some("m".into()), created: Some(7) },
            Event::Reasoning { choice: 0, text: "hm".into() },
            text(0, "a\\n"),
            text(1, "c"),
            text(0, "b"),
            end(1, Finish::ToolCalls),
            end(0, Finish::Length),
            Event::Usage(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() }),
        ]
    }

    #[test]
    fn a_stream_is_of_pieces_of_its_document() {
        let wishes = Wishes { includes_usage: true, ..Wishes::default() };
        let mut encoder = Encoder::new(wishes);
        let mut out = Vec::new();
        events().iter().for_each(|event| encoder.push(event, &mut out));
        encoder.finish(&mut out);
        let piece = |choice: &str| {
            format!(
                "data: {{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"m\",\
                 \"choices\":[{choice}],\"usage\":null}}\n\n"
            )
        };
        let choice = |index: u8, text: &str, finish: &str| {
            format!(r#"{{"index":{index},"text":"{text}","logprobs":null,"finish_reason":{finish}}}"#)
        };
        let stream = String::from_utf8(out).unwrap();
        let expected = [
            piece(&choice(0, "a\\n", "null")),
            piece(&choice(1, "c", "null")),
            piece(&choice(0, "b", "null")),
            piece(&choice(1, "", "\"stop\"")),
            piece(&choice(0, "", "\"length\"")),
        ]
        .concat();
        let rest = stream.strip_prefix(&expected).unwrap();
        assert!(
            rest.contains(r#""choices":[],"usage":{"prompt_tokens":3,"#)
                && rest.ends_with("data: [DONE]\n\n")
        );

        let mut response = Response::default();
        events().iter().for_each(|event| response.push(event));
        let mut out = Vec::new();
        OpenAiCompletion.encode_document(&response, &Wishes::default(), &mut out);
        let document = String::from_utf8(out).unwrap();
        let choices = format!("{},{}", choice(0, "a\\nb", "\"length\""), choice(1, "c", "\"stop\""));
        assert!(document.contains(&format!("\"choices\":[{choices}],\"usage\":{{\"prompt_tokens\":3,")));
    }

    #[test]
    fn an_answer_without_a_word_is_one() {
        let mut out = Vec::new();
        Encoder::new(Wishes { id: "chatcmpl-2".to_owned(), ..Wishes::default() }).finish(&mut out);
        let stream = String::from_utf8(out).unwrap();
        assert!(
            stream.starts_with("data: {\"id\":\"cmpl-2\"") && stream.contains("\"finish_reason\":\"stop\"")
        );
        let mut out = Vec::new();
        OpenAiCompletion.encode_document(&Response::default(), &Wishes::default(), &mut out);
        assert!(String::from_utf8(out).unwrap().contains("\"text\":\"\""));
    }
}
