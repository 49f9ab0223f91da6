//! What a model answers that is reached by the Responses API.

use super::{
    decode_message::{BREAK, read_generated, read_reasoning},
    seal::{self, About},
};
use crate::{
    dialect::{
        ResponseDecoder,
        json::{Kind, ReadError, Reader},
        openai_chat::{read_in_band, read_usage, url_citation},
    },
    ir::{ApiError, Event, Finish, Raw, Signature, Signed, Text},
};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    is_complete: bool,
    items: Vec<Item>,
    tools: usize,
}

/// What has been told of an item; whatever has not is read from the whole of it.
#[derive(Debug, Default)]
struct Item {
    /// Its place in the answer.
    index: u64,
    /// The number of the call that it is.
    tool: Option<usize>,
    /// Name of that call.
    call_id: String,
    /// Whether anything of what is in it has been told.
    is_told: bool,
    is_whole: bool,
}

/// Items of one answer; further ones are passed over.
const ITEMS_MAX: usize = 4096;

/// An event of a stream; its other members are read by nobody.
#[derive(Default)]
struct Told<'a> {
    kind: Option<Text<'a>>,
    index: u64,
    summary: u64,
    /// The next piece, or a whole input.
    text: Option<Text<'a>>,
    logprobs: Option<Raw<'a>>,
    item: Option<Reader<'a>>,
    annotation: Option<Reader<'a>>,
    response: Option<Reader<'a>>,
    error: Option<Reader<'a>>,
}

impl ResponseDecoder for Decoder {
    fn event(&mut self, name: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        if data.is_empty() || data.trim_start().starts_with("[DONE]") {
            return Ok(());
        }
        let mut told = Told::read(data)?;
        let kind = told.kind.take();
        let kind = kind.as_ref().map_or(name, |kind| kind.as_escaped());
        if kind == "error" || kind.is_empty() && told.error.is_some() {
            self.is_complete = true;
            // It stands in the event, or one level deeper.
            let error = read_in_band(&mut told.error.unwrap_or_else(|| Reader::new(data)))?;
            sink(Event::Error(error.unwrap_or_else(|| broken_off("error"))));
            return Ok(());
        }
        if let Some(response) = &told.response {
            let answer = Answer::read(&mut response.clone())?;
            self.begin(&answer, sink);
            if matches!(
                kind,
                "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled"
            ) {
                let status = kind.trim_start_matches("response.");
                return self.end(answer, status, sink);
            }
            return Ok(());
        }
        self.begin(&Answer::default(), sink);
        self.step(kind, told, sink)
    }

    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let mut reader = Reader::new(text);
        let answer = Answer::read(&mut reader)?;
        reader.end()?;
        self.begin(&answer, sink);
        if answer.output.is_none() && answer.error.is_none() {
            return Err(ReadError::missing("output"));
        }
        let status = answer.status.clone().unwrap_or_else(|| Text::escaped("completed"));
        self.end(answer, status.as_escaped(), sink)
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl Decoder {
    fn begin(&mut self, answer: &Answer<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let (id, model) = (answer.id.clone(), answer.model.clone());
            sink(Event::Begin { id, model, created: answer.created });
        }
    }

    fn step(&mut self, kind: &str, told: Told<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        match kind {
            "response.output_item.added" => {
                // Servers that number all items alike begin another one nonetheless.
                if let Some(mut item) = told.item.filter(|_| self.items.len() < ITEMS_MAX) {
                    self.items.push(Item { index: told.index, ..Item::default() });
                    self.call(told.index, &mut item, false, sink)?;
                }
                return Ok(());
            }
            "response.output_item.done" => {
                return told.item.map_or(Ok(()), |mut item| self.whole(told.index, &mut item, sink));
            }
            "response.output_text.annotation.added" => {
                return told.annotation.map_or(Ok(()), |mut annotation| citation(&mut annotation, sink));
            }
            "response.reasoning_summary_part.added" => {
                if told.summary > 0 {
                    sink(Event::Reasoning { choice: 0, text: Text::escaped(BREAK) });
                }
                return Ok(());
            }
            _ => {}
        }
        let is_said = kind == "response.output_text.delta";
        let Some(text) = told.text.filter(|text| !text.is_empty()) else {
            logprobs(told.logprobs.filter(|_| is_said), sink);
            return Ok(());
        };
        let Some(item) = self.item(told.index) else { return Ok(()) };
        match kind {
            "response.output_text.delta" => {
                sink(Event::Text { choice: 0, text });
                logprobs(told.logprobs, sink);
            }
            "response.refusal.delta" => sink(Event::Refusal { choice: 0, text }),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                sink(Event::Reasoning { choice: 0, text });
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let Some(tool) = item.tool else { return Ok(()) };
                sink(Event::ToolInput { choice: 0, tool, text });
            }
            _ => return Ok(()),
        }
        item.is_told = true;
        Ok(())
    }

    fn item(&mut self, index: u64) -> Option<&mut Item> {
        let position = self.items.iter().rposition(|item| item.index == index);
        let position = match position {
            Some(position) => position,
            None if self.items.len() < ITEMS_MAX => {
                self.items.push(Item { index, ..Item::default() });
                self.items.len() - 1
            }
            None => return None,
        };
        self.items.get_mut(position)
    }

    /// An item that is there as a whole: tells of it what has not been told.
    fn whole(
        &mut self,
        index: u64,
        reader: &mut Reader<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let mut kind = None;
        reader.clone().object_if_any(|name, reader| {
            if name == "type" {
                kind = reader.text_if_any()?;
            }
            Ok(())
        })?;
        let Some(item) = self.item(index) else { return reader.skip() };
        if std::mem::replace(&mut item.is_whole, true) {
            return reader.skip();
        }
        let is_told = item.is_told;
        match kind.as_ref().map_or("", Text::as_escaped) {
            "message" if is_told => reader.skip(),
            "message" => message(reader, sink),
            "reasoning" => self.reasoning(reader, is_told, sink),
            "function_call" | "custom_tool_call" => self.call(index, reader, true, sink),
            "image_generation_call" => {
                if let (Some(data), media_type) = read_generated(reader)? {
                    sink(Event::Media { choice: 0, media_type, data });
                }
                Ok(())
            }
            "" => reader.skip(),
            _ => {
                sink(Event::Opaque { choice: 0, dialect: super::NAME, raw: reader.raw()? });
                Ok(())
            }
        }
    }

    /// A reasoning item; what seals something stands in it.
    fn reasoning(
        &self,
        reader: &mut Reader<'_>,
        is_told: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (text, encrypted) = read_reasoning(reader)?;
        let is_readable = is_told || !text.is_empty();
        if !is_told && !text.is_empty() {
            sink(Event::Reasoning { choice: 0, text });
        }
        let Some(encrypted) = encrypted else { return Ok(()) };
        let (about, Signature { origin, data }) = seal::unwrap(encrypted, is_readable);
        let on = match about {
            About::Redacted => {
                sink(Event::RedactedReasoning { choice: 0, origin, data });
                return Ok(());
            }
            About::Reasoning => Some(Signed::Reasoning),
            About::Text => Some(Signed::Text),
            About::Call(id) => {
                let call = self.items.iter().rev().find(|item| item.tool.is_some() && item.call_id == id);
                call.and_then(|item| item.tool).map(Signed::Tool)
            }
        };
        if let Some(on) = on {
            sink(Event::Signature { choice: 0, on, origin, data });
        }
        Ok(())
    }

    /// An item that may be a call; its input is read only from the whole of it.
    fn call(
        &mut self,
        index: u64,
        reader: &mut Reader<'_>,
        is_whole: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (mut kind, mut id, mut name, mut input) = (None, None, None, None);
        reader.object_if_any(|member, reader| {
            match member {
                "type" => kind = reader.text_if_any()?,
                "call_id" => id = reader.text_if_any()?,
                "name" => name = reader.text_if_any()?,
                "arguments" | "input" => input = reader.text_if_any()?,
                _ => {}
            }
            Ok(())
        })?;
        let is_custom = match kind.as_ref().map_or("", Text::as_escaped) {
            "custom_tool_call" => true,
            "function_call" => false,
            _ => return Ok(()),
        };
        let next = self.tools;
        let (Some(item), Some(name)) = (self.item(index), name) else { return Ok(()) };
        let tool = match item.tool {
            Some(tool) => tool,
            None => {
                item.tool = Some(next);
                let id = id.unwrap_or_else(|| Text::plain(format!("call_{next}")));
                item.call_id = id.to_plain().into_owned();
                sink(Event::ToolBegin { choice: 0, tool: next, id, name, is_custom });
                next
            }
        };
        if let Some(text) = input.filter(|text| is_whole && !item.is_told && !text.is_empty()) {
            item.is_told = true;
            sink(Event::ToolInput { choice: 0, tool, text });
        }
        self.tools = self.tools.max(tool + 1);
        Ok(())
    }

    fn end(
        &mut self,
        answer: Answer<'_>,
        status: &str,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let error = answer.error.map(|mut error| read_in_band(&mut error)).transpose()?.flatten();
        if error.is_some() || matches!(status, "failed" | "cancelled") {
            if let Some(usage) = answer.usage {
                sink(Event::Usage(usage));
            }
            self.is_complete = true;
            sink(Event::Error(error.unwrap_or_else(|| broken_off(status))));
            return Ok(());
        }
        // Where a stream has told its items, numbers at its end may be others.
        if let Some(mut output) = answer.output.filter(|_| self.items.is_empty()) {
            let mut index = 0;
            output.array_if_any(|reader| {
                self.whole(index, reader, sink)?;
                index += 1;
                Ok(())
            })?;
        }
        if let Some(usage) = answer.usage {
            sink(Event::Usage(usage));
        }
        // An answer that is still to come is none.
        if matches!(status, "queued" | "in_progress") {
            return Ok(());
        }
        self.is_complete = true;
        let native = answer.reason.unwrap_or_else(|| Text::plain(status.to_owned()));
        let reason = match (status, native.as_escaped()) {
            ("incomplete", "max_output_tokens") => Finish::Length,
            ("incomplete", "content_filter") => Finish::ContentFilter,
            ("incomplete", _) => Finish::Other,
            _ if self.tools > 0 => Finish::ToolCalls,
            _ => Finish::Stop,
        };
        sink(Event::Finish { choice: 0, reason, native: Some(native), stop_sequence: None });
        Ok(())
    }
}

impl<'a> Told<'a> {
    fn read(data: &'a str) -> Result<Self, ReadError> {
        let mut told = Self::default();
        let mut reader = Reader::new(data);
        reader.object(|name, reader| {
            match name {
                "type" => told.kind = reader.text_if_any()?,
                "output_index" => told.index = reader.count_if_any()?.unwrap_or_default(),
                "summary_index" => told.summary = reader.count_if_any()?.unwrap_or_default(),
                "delta" => told.text = reader.text_if_any()?,
                "logprobs" if reader.kind() == Some(Kind::Array) => told.logprobs = Some(reader.raw()?),
                "item" => told.item = Some(reader.clone()),
                "annotation" => told.annotation = Some(reader.clone()),
                "response" => told.response = Some(reader.clone()),
                "error" if reader.kind() != Some(Kind::Null) => told.error = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        reader.end().map(|()| told)
    }
}

/// An answer as it stands in a document, or in the first and the last event of a stream.
#[derive(Default)]
struct Answer<'a> {
    id: Option<Text<'a>>,
    model: Option<Text<'a>>,
    created: Option<u64>,
    status: Option<Text<'a>>,
    /// Why it is incomplete.
    reason: Option<Text<'a>>,
    output: Option<Reader<'a>>,
    usage: Option<crate::ir::Usage>,
    error: Option<Reader<'a>>,
}

impl<'a> Answer<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ReadError> {
        let mut answer = Self::default();
        reader.object_if_any(|name, reader| {
            match name {
                "id" => answer.id = reader.text_if_any()?,
                "model" => answer.model = reader.text_if_any()?,
                "created_at" => answer.created = reader.count_if_any()?,
                "status" => answer.status = reader.text_if_any()?,
                "incomplete_details" => reader.object_if_any(|name, reader| {
                    if name == "reason" {
                        answer.reason = reader.text_if_any()?;
                    }
                    Ok(())
                })?,
                "output" => answer.output = Some(reader.clone()),
                "usage" => answer.usage = read_usage(reader)?,
                "error" if reader.kind() != Some(Kind::Null) => answer.error = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        Ok(answer)
    }
}

fn broken_off(status: &str) -> ApiError {
    let message = format!("The provider ended its answer with the status {status} and did not say why.");
    ApiError::provider(502, "upstream_error", message)
}

fn logprobs(content: Option<Raw<'_>>, sink: &mut dyn FnMut(Event<'_>)) {
    if let Some(content) = content.filter(|content| content.as_str() != "[]") {
        sink(Event::LogProbs { choice: 0, content });
    }
}

/// A message of which nothing has been told.
fn message(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    reader.object_if_any(|name, reader| {
        if name != "content" {
            return Ok(());
        }
        reader.array_if_any(|reader| {
            let (mut text, mut refusal, mut annotations, mut likelihoods) = (None, None, None, None);
            reader.object_if_any(|name, reader| {
                match name {
                    "text" => text = reader.text_if_any()?,
                    "refusal" => refusal = reader.text_if_any()?,
                    "annotations" => annotations = Some(reader.clone()),
                    "logprobs" if reader.kind() == Some(Kind::Array) => likelihoods = Some(reader.raw()?),
                    _ => {}
                }
                Ok(())
            })?;
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                sink(Event::Text { choice: 0, text });
            }
            if let Some(text) = refusal.filter(|text| !text.is_empty()) {
                sink(Event::Refusal { choice: 0, text });
            }
            logprobs(likelihoods, sink);
            let Some(mut annotations) = annotations else { return Ok(()) };
            annotations.array_if_any(|reader| citation(reader, sink))
        })
    })
}

fn citation(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    if let Some(citation) = url_citation(reader)? {
        sink(Event::Citation { choice: 0, citation });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{fixtures::harmed, sse::EventReader},
        ir::{Piece, Response},
    };

    fn read(stream: &str) -> (Response, bool) {
        let mut response = Response::default();
        let mut decoder = Decoder::default();
        let read = EventReader::default().push(stream.as_bytes(), |name, data| {
            decoder.event(name, data, &mut |event| response.push(&event))
        });
        read.unwrap();
        (response, decoder.is_complete())
    }

    const STREAM: &str = concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"created_at\":7.0,\"status\":\"in_progress\",\"output\":[],\"usage\":null,\"error\":null}}\n\n",
        "event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"response\":{\"id\":\"resp_1\"}}\n\n",
        "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[]}}\n\n",
        "event: response.reasoning_summary_part.added\ndata: {\"type\":\"response.reasoning_summary_part.added\",\"output_index\":0,\"summary_index\":0,\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}\n\n",
        "event: response.reasoning_summary_text.delta\ndata: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":0,\"summary_index\":0,\"delta\":\"h\"}\n\n",
        "event: response.reasoning_summary_part.added\ndata: {\"type\":\"response.reasoning_summary_part.added\",\"output_index\":0,\"summary_index\":1}\n\n",
        "event: response.reasoning_summary_text.delta\ndata: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":0,\"summary_index\":1,\"delta\":\"m\"}\n\n",
        "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"h\"},{\"type\":\"summary_text\",\"text\":\"m\"}],\"encrypted_content\":\"E\"}}\n\n",
        "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":0,\"delta\":\"a\",\"logprobs\":[{\"token\":\"a\",\"logprob\":-1}]}\n\n",
        "event: response.some_new.event\ndata: {\"type\":\"response.some_new.event\",\"delta\":\"x\"}\n\n",
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":0,\"delta\":\"b\",\"logprobs\":[]}\n\n",
        "event: response.output_text.annotation.added\ndata: {\"type\":\"response.output_text.annotation.added\",\"output_index\":1,\"annotation\":{\"type\":\"url_citation\",\"url\":\"https://h\",\"title\":\"t\",\"start_index\":0,\"end_index\":2}}\n\n",
        "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"output_index\":1,\"text\":\"ab\"}\n\n",
        "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"ab\"}]}}\n\n",
        "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":2,\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"\"}}\n\n",
        "event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":2,\"delta\":\"{}\"}\n\n",
        "event: response.function_call_arguments.done\ndata: {\"type\":\"response.function_call_arguments.done\",\"output_index\":2,\"arguments\":\"{}\"}\n\n",
        "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":2,\"item\":{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"}}\n\n",
    );

    const END: &str = concat!(
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",",
        "\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"ab\"}]},",
        "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"}],",
        "\"usage\":{\"input_tokens\":9,\"output_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":4},\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":14}}}\n\n",
    );

    #[test]
    fn all_that_a_stream_tells_is_told_once() {
        let (response, is_complete) = read(&format!("{STREAM}{END}"));
        assert!(is_complete);
        assert_eq!((response.id, response.created), (Some(Text::escaped("resp_1")), Some(7)));
        let [choice] = &response.choices[..] else { panic!() };
        let [thought, said, call] = &choice.pieces[..] else { panic!("{choice:?}") };
        assert!(matches!(thought, Piece::Reasoning { text, signature: Some(seal) }
            if text == "h\\n\\nm" && seal.origin == crate::ir::Origin::OpenAi && seal.data.is("E")));
        assert!(matches!(said, Piece::Text { text, citations, .. } if text == "ab" && citations.len() == 1));
        assert!(matches!(call, Piece::ToolCall { id, input, .. } if id.is("c1") && input == "{}"));
        assert_eq!((choice.finish, choice.logprobs.len()), (Some(Finish::ToolCalls), 1));
        let usage = response.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.reasoning_tokens), (9, 4, 2));
    }

    #[test]
    fn a_stream_that_tells_nothing_but_its_end_is_read_from_that() {
        let (response, is_complete) = read(END);
        let [choice] = &response.choices[..] else { panic!() };
        assert!(is_complete && choice.calls_tools() && choice.text().as_deref() == Some("ab"));
    }

    #[test]
    fn calls_that_a_server_numbers_alike_are_several() {
        let call = |id: &str| {
            let item =
                format!(r#"{{"type":"function_call","call_id":"{id}","name":"f","arguments":"{id}"}}"#);
            ["added", "done"].map(|step| {
                format!("data: {{\"type\":\"response.output_item.{step}\",\"output_index\":0,\"item\":{item}}}\n\n")
            })
        };
        let (response, _) = read(&[call("c1"), call("c2")].as_flattened().concat());
        let inputs = response.choices[0].pieces.iter().map(|piece| match piece {
            Piece::ToolCall { input, .. } => &**input,
            other => panic!("{other:?}"),
        });
        assert_eq!(inputs.collect::<Vec<_>>(), ["c1", "c2"]);
    }

    #[test]
    fn no_harm_comes_of_an_answer_that_is_cut_or_changed() {
        let answer = r#"{"id":"r","status":"completed","created_at":7,"output":[
            {"type":"reasoning","summary":[{"text":"a"}],"content":[{"text":"b"}],"encrypted_content":"bf1:google:call.YzE:s"},
            {"type":"message","content":[{"type":"output_text","text":"t","logprobs":[1],"annotations":[{"url":"u"}]}]},
            {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},{"type":"image_generation_call","result":"QQ=="}],
            "usage":{"input_tokens":1},"incomplete_details":{"reason":"x"},"error":null}"#;
        harmed(Decoder::default, &["error", "response.completed"], answer);
        let event = r#"{"output_index":0,"summary_index":1,"delta":"d","logprobs":[1],"annotation":{"url":"u"},
            "item":{"type":"custom_tool_call","call_id":"c","name":"f","input":"i"},"response":{"output":[]}}"#;
        let names = ["response.output_item.added", "response.output_item.done", "response.output_text.delta"];
        harmed(Decoder::default, &names, event);
    }

    #[test]
    fn a_stream_without_its_end_is_not_complete() {
        assert!(!read(STREAM).1);
    }

    #[test]
    fn an_end_says_why() {
        let ends = |kind: &str, rest: &str| {
            let event = format!("data: {{\"type\":\"{kind}\",\"response\":{{\"output\":[]{rest}}}}}\n\n");
            let (response, is_complete) = read(&event);
            assert!(is_complete);
            (response.choices.first().and_then(|choice| choice.finish), response.error)
        };
        let incomplete = |reason: &str| format!(",\"incomplete_details\":{{\"reason\":\"{reason}\"}}");
        assert_eq!(ends("response.incomplete", &incomplete("max_output_tokens")).0, Some(Finish::Length));
        assert_eq!(ends("response.incomplete", &incomplete("content_filter")).0, Some(Finish::ContentFilter));
        assert_eq!(ends("response.incomplete", &incomplete("x")).0, Some(Finish::Other));
        let (finish, error) =
            ends("response.failed", ",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}");
        let error = error.unwrap();
        assert_eq!((finish, error.status, error.message.as_str()), (None, 429, "m"));
        assert!(ends("response.failed", "").1.is_some() && ends("response.cancelled", "").1.is_some());
    }

    #[test]
    fn an_error_is_read_wherever_it_stands() {
        for event in [
            r#"{"type":"error","code":"invalid_prompt","message":"m","param":null,"sequence_number":1}"#,
            r#"{"type":"error","error":{"type":"invalid_request_error","code":null,"message":"m"}}"#,
            r#"{"error":{"type":"invalid_request_error","message":"m"}}"#,
        ] {
            let (response, is_complete) = read(&format!("data: {event}\n\n"));
            let error = response.error.unwrap();
            assert_eq!((is_complete, error.status, error.message.as_str()), (true, 400, "m"), "{event}");
        }
    }

    #[test]
    fn a_document_that_is_no_answer_is_refused_or_incomplete() {
        let document = |text| {
            let mut decoder = Decoder::default();
            decoder.document(text, &mut |_| {}).map(|()| decoder.is_complete())
        };
        assert!(document("{}").is_err() && document("[]").is_err() && document("{\"output\":[]").is_err());
        assert_eq!(document(r#"{"output":[],"status":"queued"}"#), Ok(false));
        assert_eq!(document(r#"{"output":[{"type":"new_item","x":1},7]}"#), Ok(true));
        assert_eq!(document(r#"{"error":{"message":"m"}}"#), Ok(true));
    }
}
