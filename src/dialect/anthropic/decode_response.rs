//! What a provider of Claude answers.

use super::{error, usage::Told};
use crate::{
    dialect::{
        ResponseDecoder,
        json::{Kind, ReadError, Reader, Writer},
    },
    ir::{Citation, Event, Finish, Origin, Raw, Signed, Text},
};

/// Blocks that may be open at once; what belongs to further ones is passed over.
const BLOCKS_MAX: usize = 64;
/// Input of a tool that the provider runs itself, bytes; a longer one is passed over.
const SERVER_INPUT_BYTES_MAX: usize = 1024 * 1024;

/// Reads one answer, which has one choice.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    has_finished: bool,
    is_complete: bool,
    /// Blocks that have begun and not ended.
    open: Vec<Block>,
    calls: usize,
    usage: Told,
}

#[derive(Debug)]
struct Block {
    index: u64,
    kind: BlockKind,
}

#[derive(Debug)]
enum BlockKind {
    /// What is said or thought.
    Plain,
    /// A call, with an input that was there at its beginning.
    Call { tool: usize, whole: Option<String>, has_input: bool },
    /// A call of a tool that the provider runs, as it began, and its input.
    Server { begun: String, input: String },
}

impl ResponseDecoder for Decoder {
    fn event(&mut self, name: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        // Some hosts end their streams as OpenAI does.
        if !data.trim_ascii_start().starts_with('{') {
            return Ok(());
        }
        let (mut kind, mut index, mut whole) = (None, None, None);
        let (mut message, mut block, mut delta, mut failure) = (None, None, None, None);
        let mut has_usage = false;
        let mut reader = Reader::new(data);
        reader.object(|name, reader| {
            match name {
                "type" => kind = reader.text_if_any()?,
                "index" => index = reader.count_if_any()?,
                "message" => message = Some(reader.clone()),
                "content_block" => {
                    block = Some(reader.clone());
                    whole = Some(reader.raw()?);
                }
                "delta" => delta = Some(reader.clone()),
                "usage" => has_usage = self.usage.read(reader)?,
                "error" if reader.kind() != Some(Kind::Null) => failure = Some(error::read_in_band(reader)?),
                _ => {}
            }
            Ok(())
        })?;
        reader.end()?;
        if let Some(error) = failure {
            sink(Event::Error(error));
            return Ok(());
        }
        let kind = kind.map_or_else(|| name.to_owned(), |kind| kind.to_plain().into_owned());
        let index = index.unwrap_or_default();
        match (kind.as_str(), message, block, delta) {
            ("message_start", Some(mut message), ..) => self.message(&mut message, false, sink)?,
            ("content_block_start", _, Some(mut block), _) => {
                let whole = whole.unwrap_or_else(|| Raw::new("{}"));
                self.begin_block(index, &mut block, &whole, sink)?;
            }
            ("content_block_delta", .., Some(mut delta)) => self.delta(index, &mut delta, sink)?,
            ("content_block_stop", ..) => self.end_block(index, sink),
            ("message_delta", _, _, delta) => {
                if has_usage {
                    sink(Event::Usage(self.usage.usage()));
                }
                if let Some(mut delta) = delta {
                    self.ending(&mut delta, sink)?;
                }
            }
            ("message_stop", ..) => {
                self.end(sink);
                self.is_complete = true;
            }
            ("ping", ..) => sink(Event::Ping),
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let mut reader = Reader::new(text);
        let mut failure = None;
        let mut message = reader.clone();
        reader.object(|name, reader| {
            if name == "error" && reader.kind() != Some(Kind::Null) {
                failure = Some(error::read_in_band(reader)?);
            }
            Ok(())
        })?;
        reader.end()?;
        if let Some(error) = failure {
            sink(Event::Error(error));
            return Ok(());
        }
        self.message(&mut message, true, sink)?;
        self.end(sink);
        self.is_complete = true;
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }
}

impl Decoder {
    /// A message as it begins, or the whole of it.
    fn message(
        &mut self,
        reader: &mut Reader<'_>,
        is_whole: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (mut id, mut model, mut content, mut has_usage) = (None, None, None, false);
        let mut ending = reader.clone();
        reader.object_if_any(|name, reader| {
            match name {
                "id" => id = reader.text_if_any()?,
                "model" => model = reader.text_if_any()?,
                "content" => content = Some(reader.clone()),
                "usage" => has_usage = self.usage.read(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        if !std::mem::replace(&mut self.has_begun, true) {
            sink(Event::Begin { id, model, created: None });
        }
        match content {
            // Tools that were called by a program stand in it from the beginning.
            Some(mut content) => content.array_if_any(|reader| self.whole_block(reader, sink))?,
            None if is_whole => return Err(ReadError::missing("content")),
            None => {}
        }
        if has_usage {
            sink(Event::Usage(self.usage.usage()));
        }
        if is_whole { self.ending(&mut ending, sink) } else { Ok(()) }
    }

    fn whole_block(
        &mut self,
        reader: &mut Reader<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let mut block = reader.clone();
        let whole = reader.raw()?;
        // A number that no block of a stream has.
        self.begin_block(u64::MAX, &mut block, &whole, sink)?;
        self.end_block(u64::MAX, sink);
        Ok(())
    }

    fn begin_block(
        &mut self,
        index: u64,
        reader: &mut Reader<'_>,
        whole: &Raw<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (mut kind, mut text, mut seal, mut id, mut name) = (None, None, None, None, None);
        let (mut input, mut citations) = (None, None);
        reader.object_if_any(|member, reader| {
            match member {
                "type" => kind = reader.text_if_any()?,
                "text" | "thinking" | "data" => text = reader.text_if_any()?,
                "signature" => seal = reader.text_if_any()?,
                "id" => id = reader.text_if_any()?,
                "name" => name = reader.text_if_any()?,
                "input" => input = Some(reader.raw()?),
                "citations" => citations = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        let (choice, origin) = (0, Origin::Anthropic);
        let kind = kind.unwrap_or_default();
        let text = text.filter(|text| !text.is_empty());
        let block = match kind.as_escaped() {
            "text" => {
                if let Some(text) = text {
                    sink(Event::Text { choice, text });
                }
                if let Some(mut citations) = citations {
                    citations.array_if_any(|reader| citation(reader, sink))?;
                }
                BlockKind::Plain
            }
            "thinking" => {
                if let Some(text) = text {
                    sink(Event::Reasoning { choice, text });
                }
                if let Some(data) = seal.filter(|seal| !seal.is_empty()) {
                    sink(Event::Signature { choice, on: Signed::Reasoning, origin, data });
                }
                BlockKind::Plain
            }
            "redacted_thinking" => {
                if let Some(data) = text {
                    sink(Event::RedactedReasoning { choice, origin, data });
                }
                BlockKind::Plain
            }
            "tool_use" => {
                let tool = self.calls;
                self.calls += 1;
                let id = id.unwrap_or_else(|| Text::plain(format!("toolu_{tool}")));
                let name = name.unwrap_or_default();
                sink(Event::ToolBegin { choice, tool, id, name, is_custom: false });
                let whole = input.filter(|input| input.is_object() && !is_empty(input));
                let whole = whole.map(|input| input.as_str().to_owned());
                BlockKind::Call { tool, whole, has_input: false }
            }
            "server_tool_use" | "mcp_tool_use" => {
                BlockKind::Server { begun: whole.as_str().to_owned(), input: String::new() }
            }
            _ => {
                sink(Event::Opaque { choice, dialect: super::NAME, raw: whole.reborrow() });
                BlockKind::Plain
            }
        };
        if self.open.len() < BLOCKS_MAX {
            self.open.push(Block { index, kind: block });
        }
        Ok(())
    }

    fn delta(
        &mut self,
        index: u64,
        reader: &mut Reader<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (mut kind, mut text, mut source) = (None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "type" => kind = reader.text_if_any()?,
                "text" | "thinking" | "signature" | "partial_json" => text = reader.text_if_any()?,
                "citation" => source = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(mut source) = source {
            return citation(&mut source, sink);
        }
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(()) };
        let (choice, origin) = (0, Origin::Anthropic);
        match kind.unwrap_or_default().as_escaped() {
            "text_delta" => sink(Event::Text { choice, text }),
            "thinking_delta" => sink(Event::Reasoning { choice, text }),
            "signature_delta" => {
                sink(Event::Signature { choice, on: Signed::Reasoning, origin, data: text });
            }
            "input_json_delta" => match self.block(index) {
                Some(BlockKind::Call { tool, has_input, .. }) => {
                    *has_input = true;
                    sink(Event::ToolInput { choice, tool: *tool, text });
                }
                Some(BlockKind::Server { input, .. }) if input.len() < SERVER_INPUT_BYTES_MAX => {
                    input.push_str(text.as_escaped());
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn end_block(&mut self, index: u64, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(position) = self.open.iter().rposition(|block| block.index == index) else { return };
        let choice = 0;
        match self.open.remove(position).kind {
            BlockKind::Call { tool, whole: Some(input), has_input: false } => {
                sink(Event::ToolInput { choice, tool, text: Text::plain(input) });
            }
            BlockKind::Server { begun, input } => {
                let raw = with_input(&begun, &Text::escaped(&input).to_plain());
                sink(Event::Opaque { choice, dialect: super::NAME, raw });
            }
            BlockKind::Plain | BlockKind::Call { .. } => {}
        }
    }

    /// Why it ends, where that is told.
    fn ending(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut native, mut stop_sequence, mut explanation) = (None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "stop_reason" => native = reader.text_if_any()?,
                "stop_sequence" => stop_sequence = reader.text_if_any()?,
                "stop_details" => {
                    reader.object_if_any(|name, reader| {
                        if name == "explanation" {
                            explanation = reader.text_if_any()?;
                        }
                        Ok(())
                    })?;
                }
                _ => {}
            }
            Ok(())
        })?;
        let Some(native) = native else { return Ok(()) };
        let choice = 0;
        self.close_blocks(sink);
        if let Some(text) = explanation.filter(|text| !text.is_empty()) {
            sink(Event::Refusal { choice, text });
        }
        self.has_finished = true;
        let reason = match native.as_escaped() {
            "end_turn" | "stop_sequence" => Finish::Stop,
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "tool_use" => Finish::ToolCalls,
            "refusal" => Finish::ContentFilter,
            // `pause_turn` and `compaction` too: the client may ask again with what has come so far.
            _ => Finish::Other,
        };
        sink(Event::Finish { choice, reason, native: Some(native), stop_sequence });
        Ok(())
    }

    /// Ends what the provider has left open.
    fn end(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        self.close_blocks(sink);
        if !std::mem::replace(&mut self.has_finished, true) {
            sink(Event::Finish { choice: 0, reason: Finish::Stop, native: None, stop_sequence: None });
        }
    }

    fn close_blocks(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        while let Some(first) = self.open.first().map(|block| block.index) {
            self.end_block(first, sink);
        }
    }

    fn block(&mut self, index: u64) -> Option<&mut BlockKind> {
        self.open.iter_mut().rev().find(|block| block.index == index).map(|block| &mut block.kind)
    }
}

fn is_empty(object: &Raw<'_>) -> bool {
    object.as_str().strip_prefix('{').is_some_and(|rest| rest.trim_ascii_start() == "}")
}

/// A block with what came of its input, if that is whole.
fn with_input(block: &str, input: &str) -> Raw<'static> {
    let is_whole = {
        let mut reader = Reader::new(input);
        reader.kind() == Some(Kind::Object) && reader.skip().and_then(|()| reader.end()).is_ok()
    };
    let mut out = Vec::with_capacity(block.len() + input.len());
    let mut read = Ok(());
    Writer::new(&mut out).object(|writer| {
        read = Reader::new(block).object(|name, reader| {
            writer.member_named(&Text::plain(name));
            if name == "input" && is_whole {
                writer.json(input)
            } else {
                writer.raw(&reader.raw()?)
            }
            Ok(())
        });
    });
    match String::from_utf8(out) {
        Ok(json) if read.is_ok() && is_whole => Raw::owned(json),
        _ => Raw::owned(block.to_owned()),
    }
}

/// Where something said comes from; only what can be looked up is told.
fn citation(reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let mut citation = Citation::default();
    reader.object_if_any(|name, reader| {
        match name {
            "url" | "source" => citation.url = reader.text_if_any()?.unwrap_or_default(),
            "title" => citation.title = reader.text_if_any()?,
            "cited_text" => citation.quote = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    })?;
    if !citation.url.is_empty() {
        sink(Event::Citation { choice: 0, citation });
    }
    Ok(())
}
