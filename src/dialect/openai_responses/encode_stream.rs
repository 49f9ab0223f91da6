//! A stream of events for a client of the Responses API.

use super::{
    encode_document::Answer,
    encode_item::{Content, Item, Part, sealed, write_citation, write_logprobs, write_summary},
    error::write_error_members,
    seal::{About, wrap},
};
use crate::{
    dialect::{StreamEncoder, Wishes, json::Writer},
    ir::{ApiError, Citation, Event, Finish, Origin, Raw, Signed, Text},
};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    wishes: Wishes,
    has_begun: bool,
    /// What names of items have in common.
    stem: String,
    answer: Answer,
    /// Of what is said, thought and called, bytes.
    held_bytes: usize,
    events: EventWriter,
}

/// What the last event of a stream can tell again, bytes; what goes beyond stands only in the events before.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, model, created } => self.begin(id.as_ref(), model.as_ref(), *created, out),
            Event::Usage(usage) => self.answer.usage = Some(*usage),
            Event::Text { choice: 0, text } if !text.is_empty() => self.say(text, out),
            Event::Refusal { choice: 0, text } if !text.is_empty() => self.refuse(text, out),
            Event::Reasoning { choice: 0, text } if !text.is_empty() => self.think(text, out),
            Event::RedactedReasoning { choice: 0, origin, data } => {
                self.add_whole(sealed(&About::Redacted, *origin, data), out);
            }
            Event::Signature { choice: 0, on, origin, data } => self.sign(*on, *origin, data, out),
            Event::ToolBegin { choice: 0, tool, id, name, is_custom } => {
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                let (tool, is_custom) = (*tool, *is_custom);
                self.add(Content::Call { tool, id, name, input: String::new(), is_custom }, out);
            }
            Event::ToolInput { choice: 0, tool, text } => self.give(*tool, text, out),
            Event::Media { choice: 0, media_type, data } if media_type.as_escaped().starts_with("image/") => {
                let (media_type, data) = (media_type.clone().into_owned(), data.clone().into_owned());
                self.add_whole(Content::Image { media_type, data }, out);
            }
            Event::Citation { choice: 0, citation } => self.cite(citation, out),
            Event::LogProbs { choice: 0, content } => self.tell_likelihoods(content, out),
            Event::Opaque { choice: 0, dialect, raw } => {
                let raw = raw.in_one_line().into_owned();
                if *dialect == super::NAME {
                    self.add_whole(Content::Native(raw), out);
                } else {
                    self.answer.strange.push((dialect, raw));
                }
            }
            Event::Finish { choice: 0, reason, .. } => self.end(*reason, out),
            // There is one choice, and nothing to hear in it.
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.complete(out);
        let (kind, status) = match self.answer.incomplete() {
            Some(_) => ("response.incomplete", "incomplete"),
            None => ("response.completed", "completed"),
        };
        let Self { answer, events, .. } = self;
        events.tell(kind, out, |writer| answer.write(status, writer.member("response")));
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool {
        self.begin(None, None, None, out);
        let Self { answer, events, .. } = self;
        events.tell("error", out, |writer| write_error_members(error, writer));
        answer.error = Some(error.clone());
        events.tell("response.failed", out, |writer| answer.write("failed", writer.member("response")));
        true
    }
}

impl Encoder {
    /// For one stream.
    pub(super) fn new(wishes: Wishes) -> Self {
        Self {
            wishes,
            has_begun: false,
            stem: String::new(),
            answer: Answer::default(),
            held_bytes: 0,
            events: EventWriter::default(),
        }
    }

    /// For an answer that is written only as a whole.
    pub(super) fn silent(wishes: Wishes) -> Self {
        let events = EventWriter { is_silent: true, ..EventWriter::default() };
        Self { events, ..Self::new(wishes) }
    }

    /// Writes the answer as a whole.
    pub(super) fn write_whole(&mut self, out: &mut Vec<u8>) {
        self.complete(&mut Vec::new());
        let status = if self.answer.incomplete().is_some() { "incomplete" } else { "completed" };
        self.answer.write(status, &mut Writer::new(out));
    }

    fn begin(
        &mut self,
        id: Option<&Text<'_>>,
        model: Option<&Text<'_>>,
        created: Option<u64>,
        out: &mut Vec<u8>,
    ) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let owned = |text: Option<&Text<'_>>, wish: &str| match text.filter(|text| !text.is_empty()) {
            Some(text) => text.clone().into_owned(),
            None => Text::plain(wish.to_owned()),
        };
        let id = owned(id, &self.wishes.id);
        let id = id.as_escaped();
        let stem = id.strip_prefix("resp_").or_else(|| id.strip_prefix("chatcmpl-"));
        self.stem = stem.unwrap_or(id).to_owned();
        self.answer.id = format!("resp_{}", self.stem);
        self.answer.model = owned(model, &self.wishes.model);
        self.answer.created = created.unwrap_or(self.wishes.created);
        let Self { answer, events, .. } = self;
        for kind in ["response.created", "response.in_progress"] {
            events.tell(kind, out, |writer| answer.write("in_progress", writer.member("response")));
        }
    }

    /// Ends the answer where the provider has not.
    fn complete(&mut self, out: &mut Vec<u8>) {
        self.begin(None, None, None, out);
        self.end(self.answer.finish.unwrap_or(Finish::Stop), out);
    }

    /// Ends what is open; the last of it was cut off where the answer was.
    fn end(&mut self, reason: Finish, out: &mut Vec<u8>) {
        self.answer.finish = Some(reason);
        let count = self.answer.items.len();
        for position in 0..count {
            let is_cut = self.answer.incomplete().is_some() && position + 1 == count;
            self.close(position, is_cut, out);
        }
    }

    /// A new item. What was said or thought before is at its end then; the input of a call may still come.
    fn add(&mut self, content: Content, out: &mut Vec<u8>) -> usize {
        self.begin(None, None, None, out);
        let position = self.answer.items.len();
        if let Some(last) = self.answer.items.last()
            && !matches!(last.content, Content::Call { .. })
        {
            self.close(position - 1, false, out);
        }
        let item = Item::new(&self.stem, position, content);
        self.events.tell_item("response.output_item.added", position, &item, out);
        self.answer.items.push(item);
        position
    }

    /// A new item to which nothing is added.
    fn add_whole(&mut self, content: Content, out: &mut Vec<u8>) {
        let position = self.add(content, out);
        self.close(position, false, out);
    }

    fn close(&mut self, position: usize, is_cut: bool, out: &mut Vec<u8>) {
        let Some(item) = self.answer.items.get_mut(position).filter(|item| !item.is_whole) else { return };
        match &item.content {
            Content::Message(_) => self.events.close_part(position, item, out),
            Content::Reasoning { text, .. } if !text.is_empty() => {
                let events = &mut self.events;
                events.tell_of("response.reasoning_summary_text.done", position, item, out, |writer| {
                    writer.member("summary_index").count(0);
                    writer.member("text").string(text);
                });
                events.tell_of("response.reasoning_summary_part.done", position, item, out, |writer| {
                    writer.member("summary_index").count(0);
                    write_summary(text, writer.member("part"));
                });
            }
            Content::Call { input, is_custom, .. } => {
                let (kind, member) = if *is_custom {
                    ("response.custom_tool_call_input.done", "input")
                } else {
                    ("response.function_call_arguments.done", "arguments")
                };
                self.events.tell_of(kind, position, item, out, |writer| writer.member(member).string(input));
            }
            Content::Reasoning { .. } | Content::Image { .. } | Content::Native(_) => {}
        }
        (item.is_whole, item.is_cut) = (true, is_cut);
        self.events.tell_item("response.output_item.done", position, item, out);
    }

    /// The message that is open, at a part of a kind; both are begun where they are not there.
    fn open_part(&mut self, part: Part, out: &mut Vec<u8>) -> usize {
        let position = match self.answer.items.last() {
            Some(Item { content: Content::Message(_), is_whole: false, .. }) => self.answer.items.len() - 1,
            _ => self.add(Content::Message(Vec::new()), out),
        };
        let Some(item) = self.answer.items.get_mut(position) else { return position };
        if let Content::Message(parts) = &item.content
            && parts.last().is_some_and(|last| last.is_like(&part))
        {
            return position;
        }
        self.events.close_part(position, item, out);
        if let Content::Message(parts) = &mut item.content {
            parts.push(part);
            self.events.tell_open_part("response.content_part.added", position, item, out, |part, writer| {
                part.write(writer.member("part"));
            });
        }
        position
    }

    fn say(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        let position = self.open_part(Part::said(), out);
        let is_kept = self.is_kept(text);
        let Some(item) = self.answer.items.get_mut(position) else { return };
        self.events.tell_open_part("response.output_text.delta", position, item, out, |_, writer| {
            writer.member("delta").text(text);
            writer.member("logprobs").array(|_| {});
        });
        if let Some(Part::Text { text: said, .. }) = item.open_part().filter(|_| is_kept) {
            said.push_str(text.as_escaped());
        }
    }

    fn refuse(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        let position = self.open_part(Part::Refusal(String::new()), out);
        let is_kept = self.is_kept(text);
        let Some(item) = self.answer.items.get_mut(position) else { return };
        self.events.tell_open_part("response.refusal.delta", position, item, out, |_, writer| {
            writer.member("delta").text(text);
        });
        if let Some(Part::Refusal(said)) = item.open_part().filter(|_| is_kept) {
            said.push_str(text.as_escaped());
        }
    }

    fn cite(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let position = self.open_part(Part::said(), out);
        let Some(item) = self.answer.items.get_mut(position) else { return };
        let kind = "response.output_text.annotation.added";
        self.events.tell_open_part(kind, position, item, out, |part, writer| {
            let known = if let Part::Text { citations, .. } = part { citations.len() } else { 0 };
            writer.member("annotation_index").count(known as u64);
            write_citation(citation, writer.member("annotation"));
        });
        if let Some(Part::Text { citations, .. }) = item.open_part() {
            citations.push(citation.clone().into_owned());
        }
    }

    /// Likelihoods come behind the text that they are of: a piece without text tells them.
    fn tell_likelihoods(&mut self, content: &Raw<'_>, out: &mut Vec<u8>) {
        let content = content.in_one_line();
        let is_said = |item: &Item| matches!(&item.content, Content::Message(parts) if matches!(parts.last(), Some(Part::Text { .. })));
        let Some(position) = self.answer.items.iter().rposition(is_said) else { return };
        let Some(item) = self.answer.items.get_mut(position) else { return };
        if !item.is_whole {
            self.events.tell_open_part("response.output_text.delta", position, item, out, |_, writer| {
                writer.member("delta").string("");
                writer.member("logprobs").raw(&content);
            });
        }
        if let Some(Part::Text { logprobs, .. }) = item.open_part() {
            logprobs.push(content.into_owned());
        }
    }

    fn think(&mut self, text: &Text<'_>, out: &mut Vec<u8>) {
        let is_open = |item: &Item| matches!(item.content, Content::Reasoning { .. }) && !item.is_whole;
        let is_new = !self.answer.items.last().is_some_and(is_open);
        if is_new {
            self.add(Content::Reasoning { text: String::new(), encrypted: None }, out);
        }
        let is_kept = self.is_kept(text);
        let position = self.answer.items.len() - 1;
        let Some(item) = self.answer.items.get_mut(position) else { return };
        if is_new {
            let kind = "response.reasoning_summary_part.added";
            self.events.tell_of(kind, position, item, out, |writer| {
                writer.member("summary_index").count(0);
                write_summary("", writer.member("part"));
            });
        }
        self.events.tell_of("response.reasoning_summary_text.delta", position, item, out, |writer| {
            writer.member("summary_index").count(0);
            writer.member("delta").text(text);
        });
        if let Content::Reasoning { text: thought, .. } = &mut item.content
            && is_kept
        {
            thought.push_str(text.as_escaped());
        }
    }

    /// A seal ends what it is on; that on a text or a call stands in an item of its own.
    fn sign(&mut self, on: Signed, origin: Origin, data: &Text<'_>, out: &mut Vec<u8>) {
        let about = match on {
            Signed::Reasoning => {
                let last = self.answer.items.last_mut().filter(|item| !item.is_whole);
                if let Some(Content::Reasoning { encrypted, .. }) = last.map(|item| &mut item.content) {
                    *encrypted = Some(wrap(&About::Reasoning, origin, data));
                    return self.close(self.answer.items.len() - 1, false, out);
                }
                About::Reasoning
            }
            Signed::Text => About::Text,
            Signed::Tool(number) => {
                let call = self.answer.items.iter().rev().find_map(|item| match &item.content {
                    Content::Call { tool, id, .. } if *tool == number => Some(id),
                    _ => None,
                });
                let Some(id) = call else { return };
                About::Call(id.to_plain().into_owned())
            }
        };
        self.add_whole(sealed(&about, origin, data), out);
    }

    fn give(&mut self, number: usize, text: &Text<'_>, out: &mut Vec<u8>) {
        let is_it = |item: &Item| matches!(&item.content, Content::Call { tool, .. } if *tool == number);
        let Some(position) = self.answer.items.iter().rposition(is_it) else { return };
        let is_kept = self.is_kept(text);
        let Some(item) = self.answer.items.get_mut(position).filter(|item| !item.is_whole) else { return };
        let is_custom = matches!(item.content, Content::Call { is_custom: true, .. });
        let kind = if is_custom {
            "response.custom_tool_call_input.delta"
        } else {
            "response.function_call_arguments.delta"
        };
        self.events.tell_of(kind, position, item, out, |writer| writer.member("delta").text(text));
        if let Content::Call { input, .. } = &mut item.content
            && is_kept
        {
            input.push_str(text.as_escaped());
        }
    }

    fn is_kept(&mut self, text: &Text<'_>) -> bool {
        self.held_bytes = self.held_bytes.saturating_add(text.as_escaped().len());
        self.held_bytes <= ANSWER_BYTES_MAX
    }
}

/// Writes events, and counts them.
#[derive(Debug, Default)]
struct EventWriter {
    is_silent: bool,
    /// Number of the next one.
    number: u64,
}

impl EventWriter {
    /// An event; `members` writes what is in it.
    fn tell(&mut self, kind: &str, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        if self.is_silent {
            return;
        }
        for piece in ["event: ", kind, "\ndata: "] {
            out.extend_from_slice(piece.as_bytes());
        }
        Writer::new(out).object(|writer| {
            writer.member("type").string(kind);
            writer.member("sequence_number").count(self.number);
            members(writer);
        });
        out.extend_from_slice(b"\n\n");
        self.number += 1;
    }

    /// An event that tells a whole item.
    fn tell_item(&mut self, kind: &str, position: usize, item: &Item, out: &mut Vec<u8>) {
        self.tell(kind, out, |writer| {
            writer.member("output_index").count(position as u64);
            item.write(writer.member("item"));
        });
    }

    /// An event of something in an item.
    fn tell_of(
        &mut self,
        kind: &str,
        position: usize,
        item: &Item,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Writer<'_>),
    ) {
        self.tell(kind, out, |writer| {
            writer.member("item_id").string(&item.id);
            writer.member("output_index").count(position as u64);
            members(writer);
        });
    }

    /// An event of the last part of a message.
    fn tell_open_part(
        &mut self,
        kind: &str,
        position: usize,
        item: &Item,
        out: &mut Vec<u8>,
        members: impl FnOnce(&Part, &mut Writer<'_>),
    ) {
        let Content::Message(parts) = &item.content else { return };
        let Some(part) = parts.last() else { return };
        self.tell_of(kind, position, item, out, |writer| {
            writer.member("content_index").count(parts.len() as u64 - 1);
            members(part, writer);
        });
    }

    /// The end of the last part of a message.
    fn close_part(&mut self, position: usize, item: &Item, out: &mut Vec<u8>) {
        let Content::Message(parts) = &item.content else { return };
        let kind = match parts.last() {
            None => return,
            Some(Part::Text { .. }) => "response.output_text.done",
            Some(Part::Refusal(_)) => "response.refusal.done",
        };
        self.tell_open_part(kind, position, item, out, |part, writer| match part {
            Part::Text { text, logprobs, .. } => {
                writer.member("text").string(text);
                write_logprobs(logprobs, writer.member("logprobs"));
            }
            Part::Refusal(text) => writer.member("refusal").string(text),
        });
        self.tell_open_part("response.content_part.done", position, item, out, |part, writer| {
            part.write(writer.member("part"));
        });
    }
}
