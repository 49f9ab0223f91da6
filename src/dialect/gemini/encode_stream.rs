//! A stream of chunks for a client of Google's, as events or as one JSON list.

use super::{
    encode_document::{finish_name, write_call, write_end, write_media, write_text},
    error::encode_error,
    grounding::{CITATIONS_MAX, write_grounding},
    logprobs::write_logprobs,
    own_seal,
    usage::write_usage,
};
use crate::{
    dialect::{
        StreamEncoder, Wishes, choices,
        input::kind_of,
        json::{Kind, Writer},
    },
    ir::{ApiError, Citation, Event, Finish, Signature, Signed, Text, Usage},
};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    wishes: Wishes,
    id: Option<Text<'static>>,
    model: Option<Text<'static>>,
    choices: Vec<ChoiceState>,
    usage: Option<Usage>,
    has_chunks: bool,
    /// Inputs of calls that have been held at some time, bytes.
    held: usize,
}

#[derive(Debug, Default)]
struct ChoiceState {
    /// Calls whose inputs are not whole yet, since Google's come whole.
    calls: Vec<Call>,
    finish: Option<Finish>,
    /// What has been said, as it stands between quotes; sources are told by places in it.
    said: String,
    citations: Vec<Citation<'static>>,
}

/// A call that is held.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) tool: usize,
    pub(super) id: Text<'static>,
    pub(super) name: Text<'static>,
    /// As it stands between quotes.
    pub(super) input: String,
    pub(super) is_custom: bool,
    pub(super) seal: Option<Signature<'static>>,
}

/// Calls of one choice that are held; further ones are passed over.
const CALLS_MAX: usize = 1024;
/// Inputs of calls that are held; what comes beyond is passed over, bytes.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// An input that is looked at before its choice is at its end, bytes; it may have to be looked at often.
const EARLY_BYTES_MAX: usize = 64 * 1024;
/// What is kept of a choice to tell the places of sources in it, bytes.
const SAID_BYTES_MAX: usize = 256 * 1024;

impl Encoder {
    pub(super) const fn new(wishes: Wishes) -> Self {
        let choices = Vec::new();
        Self { wishes, id: None, model: None, choices, usage: None, has_chunks: false, held: 0 }
    }

    /// One chunk; `members` writes what is in it but the names of answer and model.
    fn chunk(&mut self, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        self.open(out);
        Writer::new(out).object(|writer| {
            members(writer);
            write_end(self.id.as_ref(), self.model.as_ref(), &self.wishes, writer);
        });
        out.extend_from_slice(if self.wishes.is_json_array { b"\n" } else { b"\r\n\r\n" });
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        let has_chunks = std::mem::replace(&mut self.has_chunks, true);
        out.extend_from_slice(match (self.wishes.is_json_array, has_chunks) {
            (false, _) => b"data: ",
            (true, false) => b"[",
            (true, true) => b",\n",
        });
    }

    /// A chunk with one part of one choice.
    fn part(&mut self, choice: usize, out: &mut Vec<u8>, part: impl FnOnce(&mut Writer<'_>)) {
        self.candidate(choice, out, part, |_| {});
    }

    /// A chunk with one part of one choice, and something beside it.
    fn candidate(
        &mut self,
        choice: usize,
        out: &mut Vec<u8>,
        part: impl FnOnce(&mut Writer<'_>),
        beside: impl FnOnce(&mut Writer<'_>),
    ) {
        self.state(choice);
        self.chunk(out, |writer| {
            writer.member("candidates").array(|writer| {
                writer.object(|writer| {
                    write_content(part, writer);
                    writer.member("index").count(choice as u64);
                    beside(writer);
                });
            });
        });
    }

    fn state(&mut self, choice: usize) -> &mut ChoiceState {
        choices::state(&mut self.choices, choice)
    }

    /// Tells the calls that are held, or those of them that are whole.
    fn flush(&mut self, choice: usize, is_over: bool, out: &mut Vec<u8>) {
        if self.state(choice).calls.is_empty() {
            return;
        }
        for call in std::mem::take(&mut self.state(choice).calls) {
            let is_whole = || kind_of(&Text::escaped(&call.input).to_plain()) == Some(Kind::Object);
            let may_be_whole = !call.is_custom && call.input.len() <= EARLY_BYTES_MAX;
            if is_over || may_be_whole && is_whole() {
                self.part(choice, out, |writer| write_call(&call, writer));
            } else {
                self.state(choice).calls.push(call);
            }
        }
    }

    fn begin_call(&mut self, choice: usize, call: Call) {
        let calls = &mut self.state(choice).calls;
        if calls.len() < CALLS_MAX {
            calls.push(call);
        }
    }

    fn input(&mut self, choice: usize, tool: usize, text: &Text<'_>) {
        let held = self.held + text.as_escaped().len();
        if held <= HELD_BYTES_MAX
            && let Some(call) = self.held_call(choice, tool)
        {
            call.input.push_str(text.as_escaped());
            self.held = held;
        }
    }

    fn held_call(&mut self, choice: usize, tool: usize) -> Option<&mut Call> {
        self.state(choice).calls.iter_mut().rev().find(|call| call.tool == tool)
    }

    fn sign(&mut self, choice: usize, on: Signed, seal: &Signature<'_>, out: &mut Vec<u8>) {
        let Some(data) = own_seal(Some(seal)) else { return };
        match on {
            Signed::Tool(tool) => {
                if let Some(call) = self.held_call(choice, tool) {
                    call.seal = Some(Signature { origin: seal.origin, data: data.clone().into_owned() });
                }
            }
            Signed::Text | Signed::Reasoning => {
                let is_thought = on == Signed::Reasoning;
                self.part(choice, out, |writer| write_text("", is_thought, Some(data), writer));
            }
        }
    }

    fn say(&mut self, choice: usize, text: &Text<'_>, is_thought: bool, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.flush(choice, false, out);
        let said = &mut self.state(choice).said;
        if !is_thought && said.len() + text.as_escaped().len() <= SAID_BYTES_MAX {
            said.push_str(text.as_escaped());
        }
        self.part(choice, out, |writer| write_text(text.as_escaped(), is_thought, None, writer));
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, model, .. } => {
                self.id = id.clone().map(Text::into_owned);
                self.model = model.clone().map(Text::into_owned);
            }
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.say(*choice, text, false, out);
            }
            Event::Reasoning { choice, text } => self.say(*choice, text, true, out),
            Event::Signature { choice, on, origin, data } => {
                let seal = Signature { origin: *origin, data: data.reborrow() };
                self.sign(*choice, *on, &seal, out);
            }
            Event::ToolBegin { choice, tool, id, name, is_custom } => {
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                let (tool, is_custom) = (*tool, *is_custom);
                self.begin_call(
                    *choice,
                    Call { tool, id, name, input: String::new(), is_custom, seal: None },
                );
            }
            Event::ToolInput { choice, tool, text } => self.input(*choice, *tool, text),
            Event::Media { choice, media_type, data } => {
                self.flush(*choice, false, out);
                self.part(*choice, out, |writer| write_media(media_type, data, writer));
            }
            Event::Citation { choice, citation } => {
                let citations = &mut self.state(*choice).citations;
                if citations.len() < CITATIONS_MAX {
                    citations.push(citation.clone().into_owned());
                }
            }
            Event::LogProbs { choice, content } => {
                self.candidate(
                    *choice,
                    out,
                    |writer| write_text("", false, None, writer),
                    |writer| write_logprobs([content].into_iter(), writer),
                );
            }
            Event::Opaque { choice, dialect, raw } if *dialect == super::NAME => {
                self.flush(*choice, false, out);
                self.part(*choice, out, |writer| writer.raw(raw));
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish { choice, reason, .. } => {
                self.flush(*choice, true, out);
                self.state(*choice).finish = Some(*reason);
            }
            Event::RedactedReasoning { .. } | Event::Opaque { .. } | Event::Ping | Event::Error(_) => {}
        }
    }

    /// The last chunk ends all choices, and tells what has been used up, which may come behind an end.
    fn finish(&mut self, out: &mut Vec<u8>) {
        self.state(0);
        (0..self.choices.len()).for_each(|choice| self.flush(choice, true, out));
        let choices = std::mem::take(&mut self.choices);
        let usage = self.usage;
        self.chunk(out, |writer| {
            writer.member("candidates").array(|writer| {
                for (index, choice) in choices.iter().enumerate() {
                    writer.object(|writer| {
                        write_content(|writer| write_text("", false, None, writer), writer);
                        writer.member("finishReason").string(finish_name(choice.finish));
                        writer.member("index").count(index as u64);
                        let said = Text::escaped(&choice.said).to_plain().into_owned();
                        write_grounding(&choice.citations, &said, writer);
                    });
                }
            });
            if let Some(usage) = &usage {
                writer.member("usageMetadata");
                write_usage(usage, writer);
            }
        });
        if self.wishes.is_json_array {
            out.extend_from_slice(b"]");
        }
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool {
        if self.wishes.is_json_array {
            self.open(out);
            encode_error(error, out);
            out.extend_from_slice(b"\n]");
        }
        self.wishes.is_json_array
    }

    fn heartbeat(&self) -> Option<&'static [u8]> {
        self.wishes.is_json_array.then_some(b"\n")
    }
}

fn write_content(part: impl FnOnce(&mut Writer<'_>), writer: &mut Writer<'_>) {
    writer.member("content").object(|writer| {
        writer.member("parts").array(part);
        writer.member("role").string("model");
    });
}
