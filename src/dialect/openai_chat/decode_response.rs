//! What a provider answers that speaks OpenAI's dialect, by its letter or nearly so.

use super::{decode_message, error, usage::read_usage};
use crate::{
    dialect::{
        ResponseDecoder, choices, data_uri,
        json::{Kind, ReadError, Reader},
    },
    ir::{Citation, Content, Event, Finish, Media, Raw, Signed, Text},
};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    has_begun: bool,
    is_complete: bool,
    id: String,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    has_begun: bool,
    has_finished: bool,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    /// The provider's number of it.
    index: Option<u64>,
    id: String,
}

impl ResponseDecoder for Decoder {
    fn event(&mut self, _: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        if data.trim_start().starts_with("[DONE]") {
            self.is_complete = true;
            self.end(sink);
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        self.read(data, false, sink)
    }

    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        self.read(text, true, sink)?;
        self.is_complete = true;
        self.end(sink);
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.is_complete || self.choices.iter().any(|choice| choice.has_finished)
    }
}

impl Decoder {
    fn read(&mut self, text: &str, is_whole: bool, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
        let (mut id, mut model, mut created) = (None, None, None);
        let (mut choices, mut usage, mut failure) = (None, None, None);
        let mut reader = Reader::new(text);
        reader.object(|name, reader| {
            match name {
                "id" => id = reader.text_if_any()?,
                "model" => model = reader.text_if_any()?,
                "created" => created = reader.count_if_any()?,
                "choices" => choices = Some(reader.clone()),
                "usage" => usage = read_usage(reader)?.or(usage),
                "error" => failure = error::read_in_band(reader)?,
                "x_groq" => reader.object_if_any(|name, reader| {
                    match name {
                        "usage" => usage = usage.or(read_usage(reader)?),
                        "error" => failure = error::read_in_band(reader)?,
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        reader.end()?;
        if let Some(error) = failure {
            sink(Event::Error(error));
            return Ok(());
        }
        if !self.has_begun {
            self.has_begun = true;
            self.id = id.as_ref().map(|id| id.to_plain().into_owned()).unwrap_or_default();
            sink(Event::Begin { id, model, created });
        }
        if let Some(mut reader) = choices {
            let mut position = 0;
            reader.array_if_any(|reader| {
                self.choice(reader, position, is_whole, sink)?;
                position += 1;
                Ok(())
            })?;
        } else if is_whole {
            return Err(ReadError::missing("choices"));
        }
        if let Some(usage) = usage {
            sink(Event::Usage(usage));
        }
        Ok(())
    }

    fn choice(
        &mut self,
        reader: &mut Reader<'_>,
        position: usize,
        is_whole: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let mut index = None;
        let (mut delta, mut finish, mut logprobs) = (None, None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "index" => index = reader.count_if_any()?,
                "delta" | "message" => delta = Some(reader.clone()),
                "text" => delta = delta.take().or_else(|| Some(reader.clone())),
                "finish_reason" => finish = reader.text_if_any()?,
                "logprobs" => reader.object_if_any(|name, reader| {
                    if name == "content" && reader.kind() == Some(Kind::Array) {
                        logprobs = Some(reader.raw()?);
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        let choice = index.and_then(|index| usize::try_from(index).ok()).unwrap_or(position);
        self.state(choice).has_begun = true;
        if let Some(mut reader) = delta {
            self.delta(&mut reader, choice, is_whole, sink)?;
        }
        if let Some(content) = logprobs.filter(|content: &Raw<'_>| content.as_str() != "[]") {
            sink(Event::LogProbs { choice, content });
        }
        if let Some(native) = finish.filter(|native| !native.is_empty()) {
            self.state(choice).has_finished = true;
            let reason = finish_of(&native);
            sink(Event::Finish { choice, reason, native: Some(native), stop_sequence: None });
        }
        Ok(())
    }

    fn delta(
        &mut self,
        reader: &mut Reader<'_>,
        choice: usize,
        is_whole: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        if reader.kind() == Some(Kind::Text) {
            let text = reader.text()?;
            sink(Event::Text { choice, text });
            return Ok(());
        }
        // What is thought comes before what is said, wherever it stands.
        let (mut said, mut refused, mut sources, mut seen) = (None, None, None, None);
        let (mut calls, mut legacy_call) = (None, None);
        let mut seal = None;
        let mut has_reasoning = false;
        reader.object_if_any(|name, reader| {
            match name {
                "reasoning_content" | "reasoning" if !has_reasoning => {
                    if let Some(text) = reader.text_if_any()?.filter(|text| !text.is_empty()) {
                        has_reasoning = true;
                        sink(Event::Reasoning { choice, text });
                    }
                }
                "reasoning_details" => details(reader, choice, sink)?,
                "content" => said = Some(reader.clone()),
                "refusal" => refused = reader.text_if_any()?.filter(|text| !text.is_empty()),
                "tool_calls" => calls = Some(reader.clone()),
                "function_call" => legacy_call = Some(reader.clone()),
                "annotations" => sources = Some(reader.clone()),
                "images" => seen = Some(reader.clone()),
                "extra_content" => seal = decode_message::google_signature(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        if let Some(mut reader) = said {
            content(&mut reader, choice, sink)?;
        }
        if let Some(text) = refused {
            sink(Event::Refusal { choice, text });
        }
        if let Some(mut reader) = legacy_call {
            self.call(&mut reader, choice, Some(0), true, sink)?;
        }
        if let Some(mut reader) = sources {
            reader.array_if_any(|reader| citation(reader, choice, sink))?;
        }
        if let Some(mut reader) = seen {
            reader.array_if_any(|reader| image(reader, choice, sink))?;
        }
        if let Some(signature) = seal {
            sink(Event::Signature {
                choice,
                on: Signed::Text,
                origin: signature.origin,
                data: signature.data,
            });
        }
        if let Some(mut reader) = calls {
            let mut position = 0;
            reader.array_if_any(|reader| {
                self.call(reader, choice, is_whole.then_some(position), false, sink)?;
                position += 1;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A call, or the next piece of one; `position` where it stands in a whole list.
    fn call(
        &mut self,
        reader: &mut Reader<'_>,
        choice: usize,
        position: Option<u64>,
        is_legacy: bool,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), ReadError> {
        let mut index = None;
        let (mut id, mut name, mut input, mut is_custom, mut seal) = (None, None, None, false, None);
        reader.object_if_any(|member, reader| {
            match member {
                "index" => index = reader.count_if_any()?,
                "id" => id = reader.text_if_any()?,
                "function" | "custom" => {
                    is_custom = member == "custom";
                    reader.object_if_any(|member, reader| {
                        match member {
                            "name" => name = reader.text_if_any()?,
                            "arguments" | "input" => input = input_of(reader)?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                }
                "name" if is_legacy => name = reader.text_if_any()?,
                "arguments" if is_legacy => input = input_of(reader)?,
                "extra_content" => seal = decode_message::google_signature(reader)?,
                _ => {}
            }
            Ok(())
        })?;
        let id = id.filter(|id| !id.is_empty() && !id.is("null"));
        let name = name.filter(|name| !name.is_empty());
        let answer = self.id.clone();
        let calls = &mut self.state(choice).calls;
        let index = position.or(index);
        // Some providers give all calls the number 0, or none: another id is another call.
        let known = calls.iter().rposition(|call| match (index, &id) {
            (Some(_), Some(id)) => call.index == index && (call.id.is_empty() || id.is(&call.id)),
            (Some(_), None) => call.index == index,
            (None, Some(id)) => id.is(&call.id),
            (None, None) => true,
        });
        let tool = match (known, name) {
            (Some(tool), _) => tool,
            (None, None) => return Ok(()),
            (None, Some(name)) => {
                let tool = calls.len();
                let named = id.as_ref().map(|id| id.to_plain().into_owned());
                let given = if is_legacy { Some(name.to_plain().into_owned()) } else { named };
                let given = given.unwrap_or_else(|| format!("call_{answer}_{tool}"));
                calls.push(Call { index, id: id.map(|id| id.to_plain().into_owned()).unwrap_or_default() });
                sink(Event::ToolBegin { choice, tool, id: Text::plain(given), name, is_custom });
                tool
            }
        };
        if let Some(text) = input.filter(|text| !text.is_empty()) {
            sink(Event::ToolInput { choice, tool, text });
        }
        if let Some(signature) = seal {
            let on = Signed::Tool(tool);
            sink(Event::Signature { choice, on, origin: signature.origin, data: signature.data });
        }
        Ok(())
    }

    /// Ends the choices for which the provider gave no reason.
    fn end(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        for (choice, state) in self.choices.iter_mut().enumerate() {
            if state.has_begun && !std::mem::replace(&mut state.has_finished, true) {
                sink(Event::Finish { choice, reason: Finish::Stop, native: None, stop_sequence: None });
            }
        }
    }

    fn state(&mut self, choice: usize) -> &mut ChoiceState {
        choices::state(&mut self.choices, choice)
    }
}

/// What `finish_reason` means, with what compatible servers say in its place.
fn finish_of(native: &Text<'_>) -> Finish {
    match native.as_escaped() {
        "length" | "max_tokens" | "model_length" | "MAX_TOKENS" | "insufficient_system_resource" => {
            Finish::Length
        }
        "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
        "content_filter" | "SAFETY" | "refusal" => Finish::ContentFilter,
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "STOP" => Finish::Stop,
        _ => Finish::Other,
    }
}

/// A text, or Mistral's list of what is said and thought.
fn content(reader: &mut Reader<'_>, choice: usize, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    if reader.kind() != Some(Kind::Array) {
        if let Some(text) = reader.text_if_any()?.filter(|text| !text.is_empty()) {
            sink(Event::Text { choice, text });
        }
        return Ok(());
    }
    reader.array(|reader| {
        let (mut text, mut thinking) = (None, None);
        reader.object_if_any(|name, reader| {
            match name {
                "text" => text = reader.text_if_any()?,
                "thinking" => thinking = Some(reader.clone()),
                _ => {}
            }
            Ok(())
        })?;
        if let Some(text) = text {
            sink(Event::Text { choice, text });
        }
        let Some(mut reader) = thinking else { return Ok(()) };
        if reader.kind() == Some(Kind::Text) {
            let text = reader.text()?;
            sink(Event::Reasoning { choice, text });
            return Ok(());
        }
        reader.array_if_any(|reader| {
            reader.object_if_any(|name, reader| {
                if name == "text"
                    && let Some(text) = reader.text_if_any()?
                {
                    sink(Event::Reasoning { choice, text });
                }
                Ok(())
            })
        })
    })
}

/// Reasoning that has to come back as it is; what is thought in it has been told beside it.
fn details(reader: &mut Reader<'_>, choice: usize, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    reader.array_if_any(|reader| {
        let Some(part) = decode_message::reasoning_detail(reader)? else { return Ok(()) };
        if let Content::RedactedReasoning { origin, data } = part.content {
            sink(Event::RedactedReasoning { choice, origin, data });
        } else if let Some(signature) = part.signature {
            let (origin, data) = (signature.origin, signature.data);
            sink(Event::Signature { choice, on: Signed::Reasoning, origin, data });
        }
        Ok(())
    })
}

/// Arguments as a text; some servers give the object itself.
fn input_of<'a>(reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, ReadError> {
    if reader.kind() == Some(Kind::Object) {
        return Ok(Some(Text::plain(reader.raw()?.as_str().to_owned())));
    }
    reader.text_if_any()
}

fn citation(
    reader: &mut Reader<'_>,
    choice: usize,
    sink: &mut dyn FnMut(Event<'_>),
) -> Result<(), ReadError> {
    reader.object_if_any(|name, reader| {
        if name == "url_citation"
            && let Some(citation) = url_citation(reader)?
        {
            sink(Event::Citation { choice, citation });
        }
        Ok(())
    })
}

/// Where something said comes from; none where no URL tells it.
pub(in crate::dialect) fn url_citation<'a>(
    reader: &mut Reader<'a>,
) -> Result<Option<Citation<'a>>, ReadError> {
    let mut citation = Citation::default();
    reader.object_if_any(|name, reader| {
        match name {
            "url" => citation.url = reader.text_if_any()?.unwrap_or_default(),
            "title" => citation.title = reader.text_if_any()?,
            "start_index" => citation.start = reader.count_if_any()?,
            "end_index" => citation.end = reader.count_if_any()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(Some(citation).filter(|citation| !citation.url.is_empty()))
}

fn image(reader: &mut Reader<'_>, choice: usize, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError> {
    let mut url = None;
    reader.object_if_any(|name, reader| {
        if name == "image_url" {
            reader.object_if_any(|name, reader| {
                if name == "url" {
                    url = reader.text_if_any()?;
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    match url.map(data_uri::media) {
        Some(Ok(Media::Data { media_type, data })) => {
            sink(Event::Media { choice, media_type, data });
        }
        Some(Ok(Media::Url { url, .. })) => {
            sink(Event::Text { choice, text: Text::plain(format!("![image]({})", url.to_plain())) });
        }
        _ => {}
    }
    Ok(())
}
