//! What Bedrock answers: a document, or events whose names stand in the heads of their frames.

use super::{error, usage::read_usage};
use crate::{
    dialect::{
        ResponseDecoder,
        json::{Kind, ReadError, Reader},
    },
    ir::{Citation, Event, Finish, Origin, Raw, Signed, Text},
};

/// Blocks that are open at once; AWS ends one before it begins the next.
const BLOCKS_MAX: usize = 64;

/// Reads one answer, which has one choice.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    is_complete: bool,
    /// Calls so far.
    calls: usize,
    /// Numbers of blocks that are calls, with those of the calls.
    open: Vec<(Option<u64>, usize)>,
}

impl ResponseDecoder for Decoder {
    fn event(&mut self, name: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        if error::is_error(name) {
            sink(Event::Error(error::in_band(name, data)));
            return Ok(());
        }
        let mut reader = Reader::new(data);
        match name {
            "messageStart" => {
                reader.skip()?;
                self.begin(sink);
            }
            "contentBlockStart" | "contentBlockDelta" => {
                self.begin(sink);
                self.delta(&mut reader, sink)?;
            }
            "contentBlockStop" => {
                let mut index = None;
                reader.object_if_any(|name, reader| {
                    if name == "contentBlockIndex" {
                        index = reader.count_if_any()?;
                    }
                    Ok(())
                })?;
                self.open.retain(|(block, _)| *block != index);
            }
            "messageStop" | "metadata" => {
                self.begin(sink);
                self.rest(&mut reader, sink)?;
            }
            // What AWS may add has no meaning yet.
            _ => return Ok(()),
        }
        reader.end()
    }

    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        if let Some(error) = error::in_document(text) {
            sink(Event::Error(error));
            return Ok(());
        }
        let mut reader = Reader::new(text);
        let (mut content, mut rest) = (None, reader.clone());
        reader.object(|name, reader| {
            if name == "output" {
                reader.object_if_any(|name, reader| {
                    if name == "message" {
                        reader.object_if_any(|name, reader| {
                            if name == "content" {
                                content = Some(reader.clone());
                            }
                            Ok(())
                        })?;
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        reader.end()?;
        let mut content = content.ok_or_else(|| ReadError::missing("output.message.content"))?;
        self.begin(sink);
        content.array_if_any(|reader| self.block(reader, sink))?;
        self.rest(&mut rest, sink)
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl Decoder {
    fn begin(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.has_begun, true) {
            sink(Event::Begin { id: None, model: None, created: None });
        }
    }

    /// The beginning or the next piece of a block.
    fn delta(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut index, mut piece) = (None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "contentBlockIndex" => index = reader.count_if_any()?,
                "start" | "delta" => piece = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        let Some(mut piece) = piece else { return Ok(()) };
        piece.object_if_any(|name, reader| match name {
            "toolUse" => self.call(reader, index, sink),
            "citation" => citation(reader, sink),
            name => said(name, reader, sink),
        })
    }

    /// A whole block.
    fn block(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        reader.object_if_any(|name, reader| match name {
            "toolUse" => {
                let index = Some(self.calls as u64);
                self.call(reader, index, sink)
            }
            "citationsContent" => cited(reader, sink),
            name => said(name, reader, sink),
        })
    }

    /// A call with its name, its input, or both.
    fn call(
        &mut self,
        reader: &mut Reader<'_>,
        index: Option<u64>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (mut id, mut name, mut input) = (None, None, None);
        reader.object_if_any(|member, reader| {
            match member {
                "toolUseId" => id = reader.text_if_any()?,
                "name" => name = reader.text_if_any()?,
                "input" => input = Some(reader.raw()?),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(name) = name {
            let tool = self.calls;
            self.calls += 1;
            self.open.retain(|(block, _)| *block != index);
            if self.open.len() == BLOCKS_MAX {
                self.open.remove(0);
            }
            self.open.push((index, tool));
            let id = id.unwrap_or_else(|| Text::plain(format!("call_{tool}")));
            sink(Event::ToolBegin { choice: 0, tool, id, name, is_custom: false });
        }
        let open = self.open.iter().find(|(block, _)| *block == index);
        let (Some((_, tool)), Some(input)) = (open, input) else { return Ok(()) };
        // A whole call has an object, a streamed one pieces of its text. What is called with nothing has no
        // pieces.
        let text = match input.as_text() {
            Some(piece) => piece,
            None if input.as_str() == "{}" => return Ok(()),
            None => Text::plain(input.as_str()),
        };
        if !text.is_empty() {
            sink(Event::ToolInput { choice: 0, tool: *tool, text });
        }
        Ok(())
    }

    /// All but what is said.
    fn rest(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut native, mut stop_sequence, mut usage) = (None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "stopReason" => native = reader.text_if_any()?,
                "additionalModelResponseFields" => reader.object_if_any(|name, reader| {
                    if name == "stop_sequence" {
                        stop_sequence = reader.text_if_any()?;
                    }
                    Ok(())
                })?,
                "usage" => usage = read_usage(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(native) = native {
            self.is_complete = true;
            let reason = finish_of(&native);
            sink(Event::Finish { choice: 0, reason, native: Some(native), stop_sequence });
        }
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        Ok(())
    }
}

/// What `stopReason` means.
fn finish_of(native: &Text<'_>) -> Finish {
    match native.as_escaped() {
        "end_turn" | "stop_sequence" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

/// Something that is the same in a stream as in a document.
fn said(name: &str, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    match name {
        "text" => {
            if let Some(text) = reader.text_if_any()?.filter(|text| !text.is_empty()) {
                sink(Event::Text { choice: 0, text });
            }
            Ok(())
        }
        "reasoningContent" => reasoning(reader, sink),
        "image" => image(reader, sink),
        _ => reader.skip(),
    }
}

/// `{"reasoningText": {"text", "signature"}}` in a document, and the same without its frame in a stream. AWS
/// does not tell whose seal it is; only Claude's models have one.
fn reasoning(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let (mut text, mut seal, mut redacted, mut inner) = (None, None, None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "text" => text = reader.text_if_any()?,
            "signature" => seal = reader.text_if_any()?,
            "redactedContent" => redacted = reader.text_if_any()?,
            "reasoningText" => inner = Some(reader.clone()),
            _ => {}
        }
        Ok(())
    })?;
    if let Some(mut inner) = inner {
        return reasoning(&mut inner, sink);
    }
    let (choice, origin) = (0, Origin::Anthropic);
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        sink(Event::Reasoning { choice, text });
    }
    if let Some(data) = seal.filter(|seal| !seal.is_empty()) {
        sink(Event::Signature { choice, on: Signed::Reasoning, origin, data });
    }
    if let Some(data) = redacted.filter(|data| !data.is_empty()) {
        sink(Event::RedactedReasoning { choice, origin, data });
    }
    Ok(())
}

fn image(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let (mut format, mut data) = (None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "format" => format = reader.text_if_any()?,
            "source" => reader.object_if_any(|name, reader| {
                if name == "bytes" {
                    data = reader.text_if_any()?;
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if let Some(data) = data {
        let format = format.unwrap_or_else(|| Text::escaped("png"));
        let media_type = Text::plain(format!("image/{}", format.to_plain()));
        sink(Event::Media { choice: 0, media_type, data });
    }
    Ok(())
}

/// Something said, with where it comes from.
fn cited(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let mut citations = None;
    reader.object_if_any(|name, reader| {
        match name {
            "content" => {
                reader.array_if_any(|reader| reader.object_if_any(|name, reader| said(name, reader, sink)))?
            }
            "citations" => citations = Some(reader.clone()),
            _ => {}
        }
        Ok(())
    })?;
    let Some(mut citations) = citations else { return Ok(()) };
    citations.array_if_any(|reader| citation(reader, sink))
}

/// Where something comes from; a place in a document of the request is nobody's but Converse's.
fn citation(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let mut whole = reader.clone();
    let (mut url, mut title, mut quote) = (None, None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "title" => title = reader.text_if_any()?,
            "sourceContent" => reader.array_if_any(|reader| {
                reader.object_if_any(|name, reader| {
                    if name == "text" {
                        quote = quote.take().or(reader.text_if_any()?);
                    }
                    Ok(())
                })
            })?,
            "location" => reader.object_if_any(|name, reader| {
                if name == "web" {
                    reader.object_if_any(|name, reader| {
                        if name == "url" {
                            url = reader.text_if_any()?;
                        }
                        Ok(())
                    })?;
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    match url {
        Some(url) => {
            let citation = Citation { url, title, quote, ..Citation::default() };
            sink(Event::Citation { choice: 0, citation });
        }
        None if whole.kind() == Some(Kind::Object) => {
            let raw: Raw<'_> = whole.raw()?;
            sink(Event::Opaque { choice: 0, dialect: super::NAME, raw });
        }
        None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{
            Encoded, StreamFraming, Translator, Wishes,
            converse::Converse,
            event_stream::frame,
            fixtures::{Read, harmed, streamed, streamed_however_cut, whole},
            openai_chat::OpenAiChat,
        },
        ir::{Piece, Response, Usage},
    };

    const DOCUMENT: &str = r#"{"output":{"message":{"role":"assistant","content":[
        {"reasoningContent":{"reasoningText":{"text":"because é","signature":"seal"}}},
        {"reasoningContent":{"redactedContent":"ZA=="}},
        {"text":"Hello \ud83d\ude00"},
        {"toolUse":{"toolUseId":"tooluse_1","name":"now","input":{"z":12345678901234567890,"a": 1.0}}},
        {"toolUse":{"toolUseId":"tooluse_2","name":"now","input":{}}}]}},
        "stopReason":"tool_use","metrics":{"latencyMs":1},
        "usage":{"inputTokens":20,"outputTokens":8,"totalTokens":33,"cacheReadInputTokens":5,"cacheWriteInputTokens":null}}"#;

    fn stream() -> Vec<u8> {
        [
            ("messageStart", r#"{"role":"assistant","p":"abc"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"because "}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"é"}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"seal"}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"ZA=="}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"Hello \ud83d"},"p":"abcdefg"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"\ude00"}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
            ("contentBlockStart", r#"{"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"tooluse_1","name":"now"}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":""}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"z\":12345678901234567890,"}}}"#),
            ("contentBlockDelta", r#"{"delta":{"toolUse":{"input":"\"a\": 1.0}"}},"contentBlockIndex":3}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
            ("somethingNew", r#"{"x":[]}"#),
            ("contentBlockStart", r#"{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"tooluse_2","name":"now"}}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":4}"#),
            ("messageStop", r#"{"stopReason":"tool_use"}"#),
            ("metadata", r#"{"usage":{"inputTokens":20,"outputTokens":8,"cacheReadInputTokens":5},"metrics":{"latencyMs":1}}"#),
        ]
        .iter()
        .flat_map(|(name, payload)| frame(name, payload))
        .collect()
    }

    fn read(stream: &[u8]) -> Read {
        streamed(Decoder::default(), StreamFraming::EventStream, [stream])
    }

    fn answer(text: &str) -> Response {
        whole(Decoder::default(), text).response
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let read = streamed_however_cut(Decoder::default, StreamFraming::EventStream, &stream(), 60);
        assert!(read.is_complete && read.events.len() == 13, "{read:#?}");
    }

    #[test]
    fn a_document_and_a_stream_come_to_the_same_answer() {
        let Read { response, is_complete, .. } = whole(Decoder::default(), DOCUMENT);
        assert!(is_complete);
        assert_eq!(response, read(&stream()).response);
        let choice = &response.choices[0];
        assert_eq!(choice.finish, Some(Finish::ToolCalls));
        let numbers: Vec<_> = choice
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::ToolCall { tool, .. } => Some(*tool),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [0, 1]);
        let usage = Usage { input_tokens: 25, output_tokens: 8, cache_read_tokens: 5, ..Usage::default() };
        assert_eq!(response.usage, Some(usage));
    }

    #[test]
    fn an_openai_client_reads_it() {
        let mut translator =
            Translator::new(&Converse, true, &OpenAiChat, true, Encoded::default(), Wishes::default());
        let mut out = Vec::new();
        translator.push(&stream(), &mut out).unwrap();
        translator.finish(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for said in [
            r#""reasoning_content":"because ""#,
            r#""format":"anthropic-claude-v1""#,
            r#""id":"tooluse_2""#,
            r#""arguments":"{}""#,
            r#""finish_reason":"tool_calls""#,
            "data: [DONE]",
        ] {
            assert!(text.contains(said), "{said} is not in {text}");
        }
    }

    #[test]
    fn an_exception_within_a_stream_is_an_error_with_its_status() {
        for (name, status) in [
            ("throttlingException", 429),
            ("modelStreamErrorException", 502),
            ("internalServerException", 500),
            ("serviceUnavailableException", 503),
            ("validationException", 400),
            ("somethingNewException", 502),
            ("InternalFailure", 500),
        ] {
            let Read { response, is_complete, .. } = read(&frame(name, r#"{"message":"m"}"#));
            let error = response.error.unwrap();
            assert_eq!((error.status, error.message.as_str(), is_complete), (status, "m", false), "{name}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_complete() {
        let stream = stream();
        let end = stream.len() - frame("messageStop", r#"{"stopReason":"tool_use"}"#).len() - 150;
        assert!(!read(&stream[..end]).is_complete);
    }

    #[test]
    fn reasons_are_read_and_what_is_unknown_is_passed_over() {
        for (native, reason) in [
            ("end_turn", Finish::Stop),
            ("stop_sequence", Finish::Stop),
            ("max_tokens", Finish::Length),
            ("model_context_window_exceeded", Finish::Length),
            ("guardrail_intervened", Finish::ContentFilter),
            ("content_filtered", Finish::ContentFilter),
            ("malformed_tool_use", Finish::Other),
            ("new", Finish::Other),
        ] {
            let text = format!(
                r#"{{"output":{{"message":{{"content":[{{"new":{{}}}},{{"text":7}},3,{{"text":"a"}}]}}}},"stopReason":"{native}","usage":3}}"#
            );
            let response = answer(&text);
            let choice = &response.choices[0];
            assert_eq!((choice.finish, choice.text().as_deref()), (Some(reason), Some("a")));
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let read = whole(Decoder::default(), r#"{"__type":"x#ThrottlingException","message":"m"}"#);
        assert!(read.response.error.is_some_and(|error| error.status == 429) && !read.is_complete);
        for text in ["", "[]", "{}", r#"{"output":{}}"#, r#"{"output":{"message":{"content":[]}}}x"#] {
            let mut decoder = Decoder::default();
            assert!(decoder.document(text, &mut |_| {}).is_err() && !decoder.is_complete(), "{text}");
        }
    }

    #[test]
    fn citations_of_the_web_are_told_and_others_are_kept() {
        let text = r#"{"output":{"message":{"content":[{"citationsContent":{"content":[{"text":"a"}],"citations":[
            {"title":"t","sourceContent":[{"text":"q"}],"location":{"web":{"url":"https://h"}}},
            {"title":"d","location":{"documentChar":{"start":1}}}]}}]}},"stopReason":"end_turn"}"#;
        let response = answer(text);
        let pieces = &response.choices[0].pieces;
        assert!(matches!(&pieces[0], Piece::Text { citations, .. } if citations[0].url.is("https://h")));
        assert!(
            matches!(&pieces[1], Piece::Opaque { dialect: "converse", raw } if raw.as_str().contains("documentChar"))
        );
    }

    #[test]
    fn an_answer_that_is_cut_or_changed_anywhere_is_read_without_harm() {
        harmed(Decoder::default, &["contentBlockStart", "messageStop", "metadata"], DOCUMENT);
    }
}
