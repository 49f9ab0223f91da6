//! What Cohere answers: a document, or events that name themselves.

use super::{error, usage::read_usage};
use crate::{
    dialect::{
        ResponseDecoder,
        json::{Kind, ReadError, Reader},
    },
    ir::{Citation, Event, Finish, Text},
};

/// Reads one answer, which has one choice.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    is_complete: bool,
    /// Calls so far.
    calls: usize,
    /// Whether the input of the last one has begun.
    has_input: bool,
}

impl ResponseDecoder for Decoder {
    fn event(&mut self, name: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        if data.trim_ascii().is_empty() || data.trim_start().starts_with("[DONE]") {
            return Ok(());
        }
        let (mut kind, mut id, mut delta) = (None, None, None);
        let mut reader = Reader::new(data);
        reader.object(|name, reader| {
            match name {
                "type" => kind = reader.text_if_any()?,
                "id" => id = reader.text_if_any()?,
                "delta" => delta = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        reader.end()?;
        let kind = kind.unwrap_or_else(|| Text::plain(name));
        let kind = kind.as_escaped();
        self.begin(id.filter(|_| kind == "message-start"), sink);
        let Some(mut delta) = delta else {
            self.is_complete |= kind == "message-end";
            return Ok(());
        };
        if kind == "message-end" {
            self.end(&mut delta, sink)
        } else {
            delta.object_if_any(
                |name, reader| {
                    if name == "message" { self.message(reader, sink) } else { Ok(()) }
                },
            )
        }
    }

    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut id, mut message) = (None, None);
        let mut reader = Reader::new(text);
        let mut end = reader.clone();
        reader.object(|name, reader| {
            match name {
                "id" => id = reader.text_if_any()?,
                "message" => message = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        reader.end()?;
        let mut message = message.ok_or_else(|| ReadError::missing("message"))?;
        if message.kind() == Some(Kind::Text) {
            let told = message.text()?.to_plain().into_owned();
            sink(Event::Error(error::gave_up(502, &told)));
            return Ok(());
        }
        self.begin(id, sink);
        self.message(&mut message, sink)?;
        self.end(&mut end, sink)
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl Decoder {
    fn begin(&mut self, id: Option<Text<'_>>, sink: &mut dyn FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.has_begun, true) {
            sink(Event::Begin { id, model: None, created: None });
        }
    }

    /// A message, or the next piece of one: what comes in pieces comes without the lists around it. What is
    /// called for comes behind what is thought of it, and sources behind what they are of.
    fn message(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut content, mut plan, mut calls, mut citations) = (None, None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "content" => content = Some(reader.clone()),
                "tool_plan" => plan = reader.text_if_any()?,
                "tool_calls" => calls = Some(reader.clone()),
                "citations" => citations = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(mut content) = content {
            each(&mut content, |reader| said(reader, sink))?;
        }
        if let Some(text) = plan.filter(|text| !text.is_empty()) {
            sink(Event::Reasoning { choice: 0, text });
        }
        if let Some(mut calls) = calls {
            each(&mut calls, |reader| self.call(reader, sink))?;
        }
        if let Some(mut citations) = citations {
            each(&mut citations, |reader| citation(reader, sink))?;
        }
        Ok(())
    }

    /// A call, or the next piece of the last one.
    fn call(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut id, mut name, mut input) = (None, None, None);
        reader.object_if_any(|member, reader| {
            match member {
                "id" => id = reader.text_if_any()?,
                "function" => reader.object_if_any(|member, reader| {
                    match member {
                        "name" => name = reader.text_if_any()?,
                        "arguments" => input = reader.text_if_any()?,
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            let tool = self.calls;
            self.calls += 1;
            self.has_input = false;
            let id = id.unwrap_or_else(|| Text::plain(format!("call_{tool}")));
            sink(Event::ToolBegin { choice: 0, tool, id, name, is_custom: false });
        }
        let Some(tool) = self.calls.checked_sub(1) else { return Ok(()) };
        // `null` is what a tool gets that takes nothing; no object begins so.
        let input = input.filter(|text| !text.is_empty() && (self.has_input || !text.is("null")));
        if let Some(text) = input {
            self.has_input = true;
            sink(Event::ToolInput { choice: 0, tool, text });
        }
        Ok(())
    }

    /// How the answer ends.
    fn end(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut native, mut usage, mut message) = (None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "finish_reason" => native = reader.text_if_any()?,
                "usage" => usage = read_usage(reader)?,
                "error" => message = reader.text_if_any()?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        let told = message.map(|message| message.to_plain().into_owned()).unwrap_or_default();
        let reason = native.as_ref().map(Text::as_escaped).unwrap_or_default();
        if let Some(error) = error::of_finish(reason, &told) {
            sink(Event::Error(error));
            return Ok(());
        }
        self.is_complete = true;
        let reason = finish_of(reason);
        sink(Event::Finish { choice: 0, reason, native, stop_sequence: None });
        Ok(())
    }
}

/// Reads a value, or each of a list of them.
fn each<'a>(
    reader: &mut Reader<'a>,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    if reader.kind() == Some(Kind::Array) { reader.array(read) } else { read(reader) }
}

/// What `finish_reason` means.
fn finish_of(native: &str) -> Finish {
    match native {
        "COMPLETE" | "STOP_SEQUENCE" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "TOOL_CALL" => Finish::ToolCalls,
        "ERROR_TOXIC" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

fn said(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    reader.object_if_any(|name, reader| {
        match name {
            "text" => {
                if let Some(text) = reader.text_if_any()?.filter(|text| !text.is_empty()) {
                    sink(Event::Text { choice: 0, text });
                }
            }
            "thinking" => {
                if let Some(text) = reader.text_if_any()?.filter(|text| !text.is_empty()) {
                    sink(Event::Reasoning { choice: 0, text });
                }
            }
            _ => {}
        }
        Ok(())
    })
}

/// Where something comes from; a document without an address is nobody's but Cohere's.
fn citation(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let mut whole = reader.clone();
    let mut citation = Citation::default();
    reader.object_if_any(|name, reader| {
        match name {
            "start" => citation.start = reader.count_if_any()?,
            "end" => citation.end = reader.count_if_any()?,
            "sources" => reader.array_if_any(|reader| {
                reader.object_if_any(|name, reader| {
                    if matches!(name, "document" | "tool_output") && citation.url.is_empty() {
                        source(reader, &mut citation)?;
                    }
                    Ok(())
                })
            })?,
            _ => {}
        }
        Ok(())
    })?;
    if !citation.url.is_empty() {
        sink(Event::Citation { choice: 0, citation });
    } else if whole.kind() == Some(Kind::Object) {
        let raw = whole.raw()?;
        sink(Event::Opaque { choice: 0, dialect: super::NAME, raw });
    }
    Ok(())
}

fn source<'a>(reader: &mut Reader<'a>, citation: &mut Citation<'a>) -> Result<(), ReadError> {
    reader.object_if_any(|name, reader| {
        match name {
            "url" => citation.url = reader.text_if_any()?.unwrap_or_default(),
            "title" => citation.title = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{
            Encoded, StreamFraming, Translator, Wishes,
            cohere::Cohere,
            fixtures::{Read, harmed, streamed, streamed_however_cut, whole},
            openai_chat::OpenAiChat,
        },
        ir::{Piece, Response, Usage},
    };

    const DOCUMENT: &str = r#"{"id":"c14","finish_reason":"TOOL_CALL","message":{"role":"assistant","tool_plan":"I look é",
        "tool_calls":[{"id":"f_1","type":"function","function":{"name":"f","arguments":"{\"n\": 12345678901234567890}"}},
        {"id":"f_2","type":"function","function":{"name":"g","arguments":"null"}}]},
        "usage":{"billed_units":{"input_tokens":2.0},"tokens":{"input_tokens":25.0,"output_tokens":8},"cached_tokens":5}}"#;

    fn sse(events: &[&str]) -> String {
        let with_name = |data: &&str| {
            let name = crate::dialect::json::member_text(data, "type").unwrap();
            format!("event: {name}\r\ndata: {data}\r\n\r\n")
        };
        events.iter().map(with_name).collect()
    }

    fn calls() -> String {
        sse(&[
            r#"{"type":"message-start","id":"c14","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
            r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I look"}}}"#,
            r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":" é"}}}"#,
            r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"f_1","type":"function","function":{"name":"f","arguments":""}}}}}"#,
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"n\": "}}}}}"#,
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"12345678901234567890}"}}}}}"#,
            r#"{"type":"tool-call-end","index":0}"#,
            r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"f_2","type":"function","function":{"name":"g","arguments":""}}}}}"#,
            r#"{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"null"}}}}}"#,
            r#"{"type":"debug","prompt":"x"}"#,
            r#"{"type":"message-end","id":"c14","delta":{"finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":25,"output_tokens":8.0},"cached_tokens":5}}}"#,
        ])
    }

    fn read(stream: &[u8]) -> Read {
        streamed(Decoder::default(), StreamFraming::Sse, [stream])
    }

    fn answer(text: &str) -> Response {
        whole(Decoder::default(), text).response
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let read = streamed_however_cut(Decoder::default, StreamFraming::Sse, &calls().into_bytes(), 3);
        assert!(read.is_complete && read.events.len() == 9, "{read:#?}");
    }

    #[test]
    fn a_document_and_a_stream_come_to_the_same_answer() {
        let Read { response, is_complete, .. } = whole(Decoder::default(), DOCUMENT);
        assert!(is_complete);
        assert_eq!(response, read(calls().as_bytes()).response);
        let choice = &response.choices[0];
        assert_eq!(
            (choice.finish, choice.reasoning().as_deref()),
            (Some(Finish::ToolCalls), Some("I look é"))
        );
        let usage = Usage { input_tokens: 25, output_tokens: 8, cache_read_tokens: 5, ..Usage::default() };
        assert_eq!(response.usage, Some(usage));
    }

    #[test]
    fn what_is_thought_said_and_cited_is_told_apart() {
        let text = r#"{"id":"c","finish_reason":"COMPLETE","message":{"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"Hi é"},{"type":"new"}],
            "citations":[{"start":0,"end":2,"text":"Hi","sources":[{"type":"document","id":"d","document":{"url":"https://h","title":"T"}}]},
            {"start":3,"end":4,"sources":[{"type":"tool","id":"x"}]}]}}"#;
        let stream = sse(&[
            r#"{"type":"message-start","id":"c","delta":{"message":{"role":"assistant"}}}"#,
            r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}"#,
            r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"t"}}}}"#,
            r#"{"type":"content-end","index":0}"#,
            r#"{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}}"#,
            r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Hi"}}}}"#,
            r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":" é"}}}}"#,
            r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2,"text":"Hi","sources":[{"type":"document","id":"d","document":{"url":"https://h","title":"T"}}]}}}}"#,
            r#"{"type":"citation-end","index":0}"#,
            r#"{"type":"citation-start","index":1,"delta":{"message":{"citations":{"start":3,"end":4,"sources":[{"type":"tool","id":"x"}]}}}}"#,
            r#"{"type":"content-end","index":1}"#,
            r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#,
        ]);
        let response = answer(text);
        assert_eq!(read(stream.as_bytes()).response, response);
        let choice = &response.choices[0];
        assert_eq!((choice.text().as_deref(), choice.reasoning().as_deref()), (Some("Hi é"), Some("t")));
        assert!(matches!(&choice.pieces[1], Piece::Text { citations, .. } if citations[0].end == Some(2)));
        assert!(matches!(&choice.pieces[2], Piece::Opaque { dialect: "cohere", .. }));
    }

    #[test]
    fn an_openai_client_reads_it() {
        let mut translator =
            Translator::new(&Cohere, true, &OpenAiChat, false, Encoded::default(), Wishes::default());
        let mut out = Vec::new();
        translator.push(calls().as_bytes(), &mut out).unwrap();
        translator.finish(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for said in [
            r#""reasoning_content":"I look é""#,
            r#""name":"g","arguments":"{}""#,
            r#""finish_reason":"tool_calls""#,
            r#""prompt_tokens":25"#,
        ] {
            assert!(text.contains(said), "{said} is not in {text}");
        }
    }

    #[test]
    fn reasons_are_read_and_a_failure_is_no_end() {
        for (native, reason) in [
            ("COMPLETE", Finish::Stop),
            ("STOP_SEQUENCE", Finish::Stop),
            ("MAX_TOKENS", Finish::Length),
            ("ERROR_TOXIC", Finish::ContentFilter),
            ("NEW", Finish::Other),
        ] {
            let end = format!(r#"{{"type":"message-end","delta":{{"finish_reason":"{native}"}}}}"#);
            let Read { response, is_complete, .. } = read(sse(&[&end]).as_bytes());
            assert!(is_complete && response.choices[0].finish == Some(reason), "{native}");
        }
        for (native, status) in [("ERROR", 502), ("TIMEOUT", 504)] {
            let end =
                format!(r#"{{"type":"message-end","delta":{{"finish_reason":"{native}","error":"m"}}}}"#);
            let Read { response, is_complete, .. } = read(sse(&[&end]).as_bytes());
            let error = response.error.unwrap();
            assert_eq!((error.status, error.message.as_str(), is_complete), (status, "m", false));
        }
    }

    #[test]
    fn what_breaks_off_or_is_no_answer_is_not_complete() {
        let stream = calls();
        let end = stream.find("event: message-end").unwrap();
        assert!(!read(&stream.as_bytes()[..end]).is_complete);
        for text in ["", "[]", "{}", r#"{"message":{}}x"#] {
            let mut decoder = Decoder::default();
            assert!(decoder.document(text, &mut |_| {}).is_err() && !decoder.is_complete(), "{text}");
        }
        let read = whole(Decoder::default(), r#"{"id":"i","message":"busy"}"#);
        assert!(read.response.error.is_some_and(|error| error.message == "busy") && !read.is_complete);
    }

    #[test]
    fn an_answer_that_is_cut_or_changed_anywhere_is_read_without_harm() {
        harmed(Decoder::default, &["content-delta", "message-end"], DOCUMENT);
    }
}
