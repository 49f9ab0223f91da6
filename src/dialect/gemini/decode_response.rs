//! What Google answers: each chunk of a stream has the shape of a whole answer.

use super::{
    call_id, error,
    grounding::{CITATIONS_MAX, read_grounding},
    logprobs::read_logprobs,
    usage::read_usage,
};
use crate::{
    dialect::{
        ResponseDecoder, choices,
        json::{Kind, ReadError, Reader, compact},
    },
    ir::{ApiError, Citation, Event, Finish, Origin, Raw, Signed, Text},
};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    has_content: bool,
    has_failed: bool,
    is_whole: bool,
    id: String,
    /// Calls that got their names here.
    named: usize,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    has_begun: bool,
    has_finished: bool,
    calls: usize,
    /// What has been said, as it stands between quotes; sources are told by places in it.
    said: String,
    /// Sources that have been told, since chunks may repeat them.
    citations: Vec<Citation<'static>>,
}

/// What is kept of a choice to find the places of sources in it, bytes.
const SAID_BYTES_MAX: usize = 256 * 1024;

/// A part of what is said while it is read.
#[derive(Default)]
struct PartDraft<'a> {
    text: Option<Text<'a>>,
    is_thought: bool,
    seal: Option<Text<'a>>,
    call: Option<Call<'a>>,
    media: Option<(Text<'a>, Text<'a>)>,
    is_other: bool,
}

#[derive(Default)]
struct Call<'a> {
    id: Option<Text<'a>>,
    name: Option<Text<'a>>,
    input: Option<Raw<'a>>,
}

impl ResponseDecoder for Decoder {
    fn event(&mut self, _: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        if data.is_empty() || data.trim_start().starts_with("[DONE]") {
            return Ok(());
        }
        self.read(data, sink)
    }

    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        self.read(text, sink)?;
        self.is_whole = true;
        if self.choices.is_empty() && !self.has_failed {
            let message = "The provider answered with nothing. Try again.";
            sink(Event::Error(ApiError::provider(502, "upstream_empty_answer", message)));
        }
        for (choice, state) in self.choices.iter_mut().enumerate() {
            if state.has_begun && !std::mem::replace(&mut state.has_finished, true) {
                sink(Event::Finish { choice, reason: Finish::Stop, native: None, stop_sequence: None });
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        let is_at_end = |choice: &ChoiceState| choice.has_finished || !choice.has_begun;
        self.is_whole || !self.choices.is_empty() && self.choices.iter().all(is_at_end)
    }
}

impl Decoder {
    fn read(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let mut reader = Reader::new(text);
        if reader.kind() == Some(Kind::Array) {
            reader.array(|reader| self.chunk(reader, sink))?;
        } else {
            self.chunk(&mut reader, sink)?;
        }
        reader.end()
    }

    fn chunk(&mut self, reader: &mut Reader<'_>, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut id, mut model, mut candidates) = (None, None, None);
        let (mut usage, mut failure, mut block) = (None, None, None);
        reader.object(|name, reader| {
            match name {
                "responseId" => id = reader.text_if_any()?,
                "modelVersion" => model = reader.text_if_any()?,
                "candidates" => candidates = Some(reader.clone()),
                "usageMetadata" if reader.kind() == Some(Kind::Object) => usage = Some(read_usage(reader)?),
                "promptFeedback" => block = read_block(reader)?,
                "error" => failure = error::read_in_band(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(error) = failure {
            self.has_failed = true;
            sink(Event::Error(error));
            return Ok(());
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            self.id = id.as_ref().map(|id| id.to_plain().into_owned()).unwrap_or_default();
            sink(Event::Begin { id, model, created: None });
        }
        let mut position = 0;
        if let Some(mut reader) = candidates {
            reader.array_if_any(|reader| {
                self.candidate(reader, position, sink)?;
                position += 1;
                Ok(())
            })?;
        }
        if let Some((reason, message)) = block.filter(|_| position == 0) {
            let state = self.state(0);
            (state.has_begun, state.has_finished) = (true, true);
            sink(Event::Refusal { choice: 0, text: message.unwrap_or_else(|| reason.clone()) });
            let native = Some(reason);
            sink(Event::Finish { choice: 0, reason: Finish::ContentFilter, native, stop_sequence: None });
        }
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        Ok(())
    }

    fn candidate(
        &mut self,
        reader: &mut Reader<'_>,
        position: usize,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let (mut index, mut content, mut grounding) = (None, None, None);
        let (mut logprobs, mut finish, mut why) = (None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "index" => index = reader.count_if_any()?,
                "content" => content = Some(reader.clone()),
                "groundingMetadata" => grounding = Some(reader.clone()),
                "logprobsResult" => logprobs = read_logprobs(reader)?,
                "finishReason" => finish = reader.text_if_any()?,
                "finishMessage" => why = reader.text_if_any()?,
                _ => {}
            }
            Ok(())
        })?;
        let choice = index.and_then(|index| usize::try_from(index).ok()).unwrap_or(position);
        self.state(choice).has_begun = true;
        if let Some(mut reader) = content {
            reader.object_if_any(|name, reader| {
                if name == "parts" {
                    reader.array_if_any(|reader| self.part(reader, choice, sink))?;
                }
                Ok(())
            })?;
        }
        if let Some(reader) = grounding {
            self.cite(reader, choice, sink)?;
        }
        if let Some(content) = logprobs {
            sink(Event::LogProbs { choice, content });
        }
        if let Some(native) = finish.filter(|native| !native.is_empty()) {
            self.finish(choice, native, why, sink);
        }
        Ok(())
    }

    fn part(
        &mut self,
        reader: &mut Reader<'_>,
        choice: usize,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let mut whole = reader.clone();
        let PartDraft { text, is_thought, seal, call, media, is_other } = read_part(reader)?;
        let mut on = if is_thought { Signed::Reasoning } else { Signed::Text };
        if let Some(call) = call {
            let Some(tool) = self.call(call, choice, sink) else { return Ok(()) };
            on = Signed::Tool(tool);
        } else if let Some(text) = text {
            match text {
                text if text.is_empty() => {}
                text if is_thought => sink(Event::Reasoning { choice, text }),
                text => {
                    let said = &mut self.state(choice).said;
                    if said.len() + text.as_escaped().len() <= SAID_BYTES_MAX {
                        said.push_str(text.as_escaped());
                    }
                    self.has_content = true;
                    sink(Event::Text { choice, text });
                }
            }
        } else if let Some((media_type, data)) = media {
            // Images on the way to the last one are thoughts. No other dialect has a place for a seal on one,
            // and it must not come back elsewhere.
            if !is_thought {
                self.has_content = true;
                sink(Event::Media { choice, media_type, data });
            }
            return Ok(());
        } else if is_other {
            self.has_content = true;
            sink(Event::Opaque { choice, dialect: super::NAME, raw: whole.raw()? });
            return Ok(());
        }
        if let Some(data) = seal {
            sink(Event::Signature { choice, on, origin: Origin::Google, data });
        }
        Ok(())
    }

    /// A call, which always comes whole: its number.
    fn call(&mut self, call: Call<'_>, choice: usize, sink: &mut dyn FnMut(Event<'_>)) -> Option<usize> {
        let Call { id, name, input } = call;
        let name = name.filter(|name| !name.is_empty())?;
        let input = input.as_ref().map(|input| compact(input.as_str()));
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            self.named += 1;
            // An answer without a name must not give the same names as the next one.
            let seed = if self.id.is_empty() { input.as_deref().unwrap_or_default() } else { &self.id };
            call_id(seed, self.named)
        });
        self.has_content = true;
        let state = self.state(choice);
        let tool = state.calls;
        state.calls += 1;
        sink(Event::ToolBegin { choice, tool, id, name, is_custom: false });
        if let Some(input) = input {
            sink(Event::ToolInput { choice, tool, text: Text::plain(input) });
        }
        Some(tool)
    }

    fn cite(
        &mut self,
        reader: Reader<'_>,
        choice: usize,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let state = self.state(choice);
        let said = Text::escaped(&state.said).to_plain().into_owned();
        read_grounding(reader, &said, |citation| {
            if state.citations.len() < CITATIONS_MAX && !state.citations.contains(&citation) {
                state.citations.push(citation.clone().into_owned());
                sink(Event::Citation { choice, citation });
            }
        })
    }

    fn finish(
        &mut self,
        choice: usize,
        native: Text<'_>,
        why: Option<Text<'_>>,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let reason = finish_of(&native);
        // A call that went wrong within the model says nothing, and another try often helps.
        if is_broken(&native) && !self.has_content {
            self.has_failed = true;
            let why = why.map(|why| format!(": {}", why.to_plain())).unwrap_or_default();
            let message = format!("The provider's model went wrong ({}){why}. Try again.", native.to_plain());
            sink(Event::Error(ApiError::provider(502, "upstream_malformed_answer", message)));
            return;
        }
        self.state(choice).has_finished = true;
        sink(Event::Finish { choice, reason, native: Some(native), stop_sequence: None });
    }

    fn state(&mut self, choice: usize) -> &mut ChoiceState {
        choices::state(&mut self.choices, choice)
    }
}

/// What `finishReason` means.
fn finish_of(native: &Text<'_>) -> Finish {
    match native.as_escaped() {
        "STOP" => Finish::Stop,
        // What would go on, had its limit not been met.
        "MAX_TOKENS" | "CONTINUATION" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "OTHER"
        | "IMAGE_OTHER"
        | "NO_IMAGE" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

/// Whether the model has made a mistake.
fn is_broken(native: &Text<'_>) -> bool {
    matches!(
        native.as_escaped(),
        "MALFORMED_FUNCTION_CALL"
            | "MALFORMED_RESPONSE"
            | "UNEXPECTED_TOOL_CALL"
            | "TOO_MANY_TOOL_CALLS"
            | "MISSING_THOUGHT_SIGNATURE"
    )
}

/// Why nothing is answered, and in which words.
fn read_block<'a>(reader: &mut Reader<'a>) -> Result<Option<(Text<'a>, Option<Text<'a>>)>, ReadError> {
    let (mut reason, mut message) = (None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "blockReason" => reason = reader.text_if_any()?,
            "blockReasonMessage" => message = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(reason.map(|reason| (reason, message)))
}

fn read_part<'a>(reader: &mut Reader<'a>) -> Result<PartDraft<'a>, ReadError> {
    let mut part = PartDraft::default();
    reader.object_if_any(|name, reader| {
        match name {
            "text" => part.text = reader.text_if_any()?,
            "thought" => part.is_thought = reader.kind() == Some(Kind::Boolean) && reader.boolean()?,
            "thoughtSignature" => part.seal = reader.text_if_any()?.filter(|seal| !seal.is_empty()),
            "functionCall" => part.call = Some(read_call(reader)?),
            "inlineData" => part.media = read_media(reader)?,
            "partMetadata" | "videoMetadata" | "mediaResolution" => {}
            _ => part.is_other = true,
        }
        Ok(())
    })?;
    Ok(part)
}

fn read_call<'a>(reader: &mut Reader<'a>) -> Result<Call<'a>, ReadError> {
    let mut call = Call::default();
    reader.object_if_any(|name, reader| {
        match name {
            "id" => call.id = reader.text_if_any()?,
            "name" => call.name = reader.text_if_any()?,
            "args" => call.input = reader.raw_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(call)
}

fn read_media<'a>(reader: &mut Reader<'a>) -> Result<Option<(Text<'a>, Text<'a>)>, ReadError> {
    let (mut media_type, mut data) = (None, None);
    reader.object_if_any(|name, reader| {
        match name {
            "mimeType" => media_type = reader.text_if_any()?,
            "data" => data = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(media_type.zip(data.filter(|data| !data.is_empty())))
}
