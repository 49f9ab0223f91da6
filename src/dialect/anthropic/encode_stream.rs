//! A stream of events for an Anthropic client: blocks one after another, each from its start to its stop.

use super::{kept_seal, usage::write_usage};
use crate::{
    dialect::{StreamEncoder, Wishes, json::Writer},
    ir::{Citation, Event, Finish, Origin, Signed, Text, Usage},
};

/// Events that wait until a block ends; beyond, it is ended at once, and what still comes of it is lost.
const WAITING_EVENTS_MAX: usize = 4096;
/// Texts of these events, bytes.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    wishes: Wishes,
    id: Option<Text<'static>>,
    model: Option<Text<'static>>,
    has_begun: bool,
    /// The block that is open.
    open: Option<Open>,
    /// Number of the next block.
    next: u64,
    /// What comes behind a call whose input is not whole yet.
    waiting: Vec<Event<'static>>,
    waiting_bytes: usize,
    calls_tools: bool,
    usage: Usage,
    ending: Ending,
}

/// Why an answer ends.
#[derive(Debug, Default)]
pub(super) struct Ending {
    reason: Option<Finish>,
    native: Option<Text<'static>>,
    stop_sequence: Option<Text<'static>>,
}

#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    Call { tool: usize, input: Balance },
}

/// How far the text of a JSON object has come.
#[derive(Debug, Default)]
struct Balance {
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    has_begun: bool,
}

impl Encoder {
    pub(super) fn new(wishes: Wishes) -> Self {
        Self {
            wishes,
            id: None,
            model: None,
            has_begun: false,
            open: None,
            next: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            calls_tools: false,
            usage: Usage::default(),
            ending: Ending::default(),
        }
    }

    /// Writes an event, or keeps it until the call that is open has come to its end.
    fn take(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match (&mut self.open, event) {
            (Some(Open::Call { tool, input }), Event::ToolInput { tool: of, text, .. }) if of == tool => {
                // An empty object is what no input means.
                let is_nothing = !input.has_begun && text.is("{}");
                input.read(&text.to_plain());
                if !is_nothing {
                    self.delta("input_json_delta", "partial_json", text, out);
                }
            }
            (Some(Open::Call { input, .. }), _) if !input.is_whole() => self.wait(event, out),
            _ => self.write(event, out),
        }
    }

    fn wait(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.waiting.len() == WAITING_EVENTS_MAX || self.waiting_bytes > WAITING_BYTES_MAX {
            self.close(out);
            self.release(out);
            return self.take(event, out);
        }
        let Some((event, bytes)) = kept(event) else { return };
        self.waiting.push(event);
        self.waiting_bytes += bytes;
    }

    /// Writes what has waited, until the next call that is not whole.
    fn release(&mut self, out: &mut Vec<u8>) {
        self.waiting_bytes = 0;
        for event in std::mem::take(&mut self.waiting) {
            self.take(&event, out);
        }
    }

    /// Writes an event behind all that came before.
    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            // Other models tell in words why they refuse.
            Event::Text { text, .. } | Event::Refusal { text, .. } => {
                if !matches!(self.open, Some(Open::Text)) {
                    self.begin_block(Some(Open::Text), out, |writer| {
                        writer.member("type").string("text");
                        writer.member("text").string("");
                    });
                }
                self.delta("text_delta", "text", text, out);
            }
            Event::Reasoning { text, .. } => {
                self.think(out);
                self.delta("thinking_delta", "thinking", text, out);
            }
            Event::Signature { on: Signed::Reasoning, origin, data, .. } => {
                self.think(out);
                let seal = kept_seal(*origin, data);
                self.delta("signature_delta", "signature", &Text::escaped(&seal), out);
                self.close(out);
            }
            Event::RedactedReasoning { origin, data, .. } => {
                self.whole_block(out, |writer| write_redacted(*origin, data, writer));
            }
            Event::ToolBegin { tool, id, name, .. } => {
                self.calls_tools = true;
                let open = Open::Call { tool: *tool, input: Balance::default() };
                self.begin_block(Some(open), out, |writer| {
                    writer.member("type").string("tool_use");
                    writer.member("id").text(id);
                    writer.member("name").text(name);
                    writer.member("input").object(|_| {});
                });
            }
            Event::Citation { citation, .. } if matches!(self.open, Some(Open::Text)) => {
                self.in_block(out, |writer| {
                    writer.member("type").string("citations_delta");
                    writer.member("citation").object(|writer| write_citation(citation, writer));
                });
            }
            Event::Media { media_type, data, .. } if is_image(media_type) => {
                self.whole_block(out, |writer| write_image(media_type, data, writer));
            }
            Event::Opaque { dialect, raw, .. } if *dialect == super::NAME => {
                self.close(out);
                self.begin(out);
                let index = self.next;
                write_event("content_block_start", out, |writer| {
                    writer.member("index").count(index);
                    writer.member("content_block").raw(raw);
                });
                self.stop(out);
            }
            // What no client of this dialect could read. Input of a call that has been given up comes too late.
            _ => {}
        }
    }

    fn think(&mut self, out: &mut Vec<u8>) {
        if !matches!(self.open, Some(Open::Thinking)) {
            self.begin_block(Some(Open::Thinking), out, |writer| {
                writer.member("type").string("thinking");
                writer.member("thinking").string("");
                writer.member("signature").string("");
            });
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let Self { wishes, id, model, usage, .. } = self;
        write_event("message_start", out, |writer| {
            writer.member("message").object(|writer| {
                writer.member("id").text_or(id.as_ref(), &wishes.id);
                writer.member("type").string("message");
                writer.member("role").string("assistant");
                writer.member("model").text_or(model.as_ref(), &wishes.model);
                writer.member("content").array(|_| {});
                writer.member("stop_reason").null();
                writer.member("stop_sequence").null();
                writer.member("usage");
                write_usage(usage, writer);
            });
        });
    }

    fn begin_block(&mut self, open: Option<Open>, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        self.close(out);
        self.begin(out);
        let index = self.next;
        write_event("content_block_start", out, |writer| {
            writer.member("index").count(index);
            writer.member("content_block").object(members);
        });
        self.open = open;
    }

    fn whole_block(&mut self, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        self.begin_block(None, out, members);
        self.stop(out);
    }

    fn delta(&self, kind: &str, name: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        self.in_block(out, |writer| {
            writer.member("type").string(kind);
            writer.member(name).text(text);
        });
    }

    fn in_block(&self, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
        write_event("content_block_delta", out, |writer| {
            writer.member("index").count(self.next);
            writer.member("delta").object(members);
        });
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            self.stop(out);
        }
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        write_event("content_block_stop", out, |writer| writer.member("index").count(self.next));
        self.next += 1;
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, model, .. } => {
                self.id = id.clone().map(Text::into_owned);
                self.model = model.clone().map(Text::into_owned);
            }
            Event::Usage(usage) => self.usage = *usage,
            Event::Text { choice: 0, text } | Event::Reasoning { choice: 0, text } if text.is_empty() => {}
            Event::Finish { choice: 0, reason, native, stop_sequence } => {
                let [native, stop_sequence] =
                    [native, stop_sequence].map(|text| text.clone().map(Text::into_owned));
                self.ending = Ending { reason: Some(*reason), native, stop_sequence };
            }
            Event::Text { choice: 0, .. }
            | Event::Refusal { choice: 0, .. }
            | Event::Reasoning { choice: 0, .. }
            | Event::RedactedReasoning { choice: 0, .. }
            | Event::Signature { choice: 0, .. }
            | Event::ToolBegin { choice: 0, .. }
            | Event::Media { choice: 0, .. }
            | Event::Citation { choice: 0, .. }
            | Event::Opaque { choice: 0, .. } => self.take(event, out),
            Event::ToolInput { choice: 0, .. } => {
                self.take(event, out);
                while matches!(&self.open, Some(Open::Call { input, .. }) if input.is_whole())
                    && !self.waiting.is_empty()
                {
                    self.close(out);
                    self.release(out);
                }
            }
            // The dialect has one choice, and no likelihoods.
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            self.close(out);
            self.release(out);
        }
        self.close(out);
        self.begin(out);
        let Self { ending, calls_tools, usage, .. } = self;
        write_event("message_delta", out, |writer| {
            writer.member("delta").object(|writer| ending.write(*calls_tools, writer));
            writer.member("usage");
            write_usage(usage, writer);
        });
        write_event("message_stop", out, |_| {});
    }
}

impl Ending {
    pub(super) fn new(
        reason: Option<Finish>,
        native: Option<Text<'static>>,
        stop_sequence: Option<Text<'static>>,
    ) -> Self {
        Self { reason, native, stop_sequence }
    }

    /// Writes the members `stop_reason` and `stop_sequence`.
    pub(super) fn write(&self, calls_tools: bool, writer: &mut Writer<'_>) {
        writer.member("stop_reason").string(self.stop_reason(calls_tools));
        writer.member("stop_sequence").text_or_null(self.stop_sequence.as_ref());
    }

    /// Whether tools are called is seen by the calls: an agent waits for ever on one that is not told.
    fn stop_reason(&self, calls_tools: bool) -> &'static str {
        const NATIVE: [&str; 5] =
            ["stop_sequence", "pause_turn", "model_context_window_exceeded", "compaction", "refusal"];
        match self.reason {
            Some(Finish::Stop | Finish::Other | Finish::ToolCalls) | None if calls_tools => return "tool_use",
            _ if self.stop_sequence.is_some() => return "stop_sequence",
            _ => {}
        }
        if let Some(native) = &self.native
            && let Some(known) = NATIVE.into_iter().find(|known| native.is(known))
        {
            return known;
        }
        match self.reason {
            Some(Finish::Length) => "max_tokens",
            Some(Finish::ContentFilter) => "refusal",
            Some(Finish::Stop | Finish::Other | Finish::ToolCalls) | None => "end_turn",
        }
    }
}

impl Balance {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_in_string => self.is_escaped = true,
                b'"' => self.is_in_string = !self.is_in_string,
                b'{' | b'[' if !self.is_in_string => self.depth += 1,
                b'}' | b']' if !self.is_in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.has_begun |= !byte.is_ascii_whitespace();
        }
    }

    fn is_whole(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.is_in_string
    }
}

/// What the client gets of an event that waits, and how many bytes its texts are.
fn kept(event: &Event<'_>) -> Option<(Event<'static>, usize)> {
    let owned = |text: &Text<'_>| text.clone().into_owned();
    let choice = 0;
    let bytes = |text: &Text<'_>| text.as_escaped().len();
    Some(match event {
        Event::Text { text, .. } => (Event::Text { choice, text: owned(text) }, bytes(text)),
        Event::Refusal { text, .. } => (Event::Refusal { choice, text: owned(text) }, bytes(text)),
        Event::Reasoning { text, .. } => (Event::Reasoning { choice, text: owned(text) }, bytes(text)),
        Event::RedactedReasoning { origin, data, .. } => {
            (Event::RedactedReasoning { choice, origin: *origin, data: owned(data) }, bytes(data))
        }
        Event::Signature { on, origin, data, .. } => {
            (Event::Signature { choice, on: *on, origin: *origin, data: owned(data) }, bytes(data))
        }
        Event::ToolBegin { tool, id, name, is_custom, .. } => {
            let (tool, is_custom) = (*tool, *is_custom);
            let begin = Event::ToolBegin { choice, tool, id: owned(id), name: owned(name), is_custom };
            (begin, bytes(id) + bytes(name))
        }
        Event::ToolInput { tool, text, .. } => {
            (Event::ToolInput { choice, tool: *tool, text: owned(text) }, bytes(text))
        }
        Event::Media { media_type, data, .. } => {
            (Event::Media { choice, media_type: owned(media_type), data: owned(data) }, bytes(data))
        }
        Event::Citation { citation, .. } => {
            let length = bytes(&citation.url) + citation.quote.as_ref().map_or(0, bytes);
            (Event::Citation { choice, citation: citation.clone().into_owned() }, length)
        }
        Event::Opaque { dialect, raw, .. } => {
            (Event::Opaque { choice, dialect, raw: raw.clone().into_owned() }, raw.as_str().len())
        }
        Event::Begin { .. }
        | Event::LogProbs { .. }
        | Event::Usage(_)
        | Event::Finish { .. }
        | Event::Error(_)
        | Event::Ping => return None,
    })
}

/// One event; `members` writes what follows its type.
fn write_event(kind: &str, out: &mut Vec<u8>, members: impl FnOnce(&mut Writer<'_>)) {
    for piece in ["event: ", kind, "\ndata: "] {
        out.extend_from_slice(piece.as_bytes());
    }
    Writer::new(out).object(|writer| {
        writer.member("type").string(kind);
        members(writer);
    });
    out.extend_from_slice(b"\n\n");
}

/// Reasoning that only its maker can read.
pub(super) fn write_redacted(origin: Origin, data: &Text<'_>, writer: &mut Writer<'_>) {
    writer.member("type").string("redacted_thinking");
    writer.member("data").string(&kept_seal(origin, data));
}

/// What the dialect has a block for.
pub(super) fn is_image(media_type: &Text<'_>) -> bool {
    media_type.as_escaped().starts_with("image/")
}

/// An image in an answer, which no Claude gives.
pub(super) fn write_image(media_type: &Text<'_>, data: &Text<'_>, writer: &mut Writer<'_>) {
    writer.member("type").string("image");
    writer.member("source").object(|writer| {
        writer.member("type").string("base64");
        writer.member("media_type").text(media_type);
        writer.member("data").text(data);
    });
}

/// Where something said comes from, as Claude tells it of the web; its own place there nobody else knows.
pub(super) fn write_citation(citation: &Citation<'_>, writer: &mut Writer<'_>) {
    writer.member("type").string("web_search_result_location");
    writer.member("url").text(&citation.url);
    writer.member("title").text_or_null(citation.title.as_ref());
    writer.member("cited_text").text(citation.quote.as_ref().unwrap_or(&Text::escaped("")));
    writer.member("encrypted_index").string("");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(events: &[Event<'_>]) -> String {
        let wishes = Wishes { model: "m".to_owned(), id: "i".to_owned(), ..Wishes::default() };
        let mut encoder = Encoder::new(wishes);
        let mut out = Vec::new();
        events.iter().for_each(|event| encoder.push(event, &mut out));
        encoder.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn text(text: &'static str) -> Event<'static> {
        Event::Text { choice: 0, text: text.into() }
    }

    fn begin(tool: usize) -> Event<'static> {
        Event::ToolBegin { choice: 0, tool, id: "t".into(), name: "f".into(), is_custom: false }
    }

    fn input(tool: usize, text: &'static str) -> Event<'static> {
        Event::ToolInput { choice: 0, tool, text: text.into() }
    }

    fn end(reason: Finish, native: &'static str, stop_sequence: Option<&'static str>) -> Event<'static> {
        let stop_sequence = stop_sequence.map(Text::from);
        Event::Finish { choice: 0, reason, native: Some(native.into()), stop_sequence }
    }

    /// The blocks of a stream, each with its deltas.
    fn blocks(events: &[Event<'_>]) -> Vec<String> {
        let told = told(events);
        let mut blocks = Vec::new();
        let mut is_open = false;
        for event in told.split("\n\n") {
            if event.starts_with("event: content_block_start") {
                assert!(!std::mem::replace(&mut is_open, true));
                blocks.push(String::new());
            } else if event.starts_with("event: content_block_delta") {
                let delta = event.rsplit_once("\":\"").unwrap().1;
                blocks.last_mut().unwrap().push_str(delta.strip_suffix("\"}}").unwrap());
            } else if event.starts_with("event: content_block_stop") {
                assert!(std::mem::replace(&mut is_open, false));
                assert!(event.contains(&format!("\"index\":{}}}", blocks.len() - 1)));
            }
        }
        assert!(!is_open);
        blocks
    }

    #[test]
    fn an_answer_without_a_word_is_whole() {
        let told = told(&[]);
        let kinds: Vec<_> =
            told.split("\n\n").filter_map(|event| event.split_once('\n')).map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["event: message_start", "event: message_delta", "event: message_stop"]);
        assert!(told.contains(r#""stop_reason":"end_turn","stop_sequence":null"#));
    }

    #[test]
    fn the_end_is_told_by_what_was_said() {
        for (events, expected) in [
            (vec![text("a"), end(Finish::Stop, "stop", None)], r#""end_turn","stop_sequence":null"#),
            (
                vec![text("a"), begin(0), end(Finish::Stop, "stop", None)],
                r#""tool_use","stop_sequence":null"#,
            ),
            (
                vec![text("a"), end(Finish::ToolCalls, "tool_calls", None)],
                r#""end_turn","stop_sequence":null"#,
            ),
            (
                vec![begin(0), input(0, "{"), end(Finish::Length, "length", None)],
                r#""max_tokens","stop_sequence":null"#,
            ),
            (vec![end(Finish::Stop, "stop_sequence", Some("x"))], r#""stop_sequence","stop_sequence":"x""#),
            (vec![end(Finish::Other, "pause_turn", None)], r#""pause_turn","stop_sequence":null"#),
            (vec![end(Finish::ContentFilter, "content_filter", None)], r#""refusal","stop_sequence":null"#),
        ] {
            assert!(told(&events).contains(&format!("\"stop_reason\":{expected}")), "{events:?}");
        }
    }

    #[test]
    fn one_block_is_open_at_a_time_however_calls_come() {
        let events = [
            begin(0),
            begin(1),
            begin(2),
            input(2, "{2"),
            input(1, "{1"),
            input(0, "{}"),
            input(1, "}"),
            text("a"),
            input(2, "}"),
        ];
        assert_eq!(blocks(&events), ["", "{1}", "{2}", "a"]);
        let events = [
            begin(0),
            input(0, "{\"a\":\"}"),
            begin(1),
            input(0, "\"}"),
            text("a"),
            input(1, "{}"),
            text("b"),
        ];
        assert_eq!(blocks(&events), [r#"{\"a\":\"}\"}"#, "", "ab"]);
        assert_eq!(blocks(&[begin(0), begin(1), text("a")]), ["", "", "a"]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut encoder = Encoder::new(Wishes::default());
        let mut out = Vec::new();
        encoder.push(&begin(0), &mut out);
        let long = "x".repeat(WAITING_BYTES_MAX / 8);
        for number in 0..100 {
            encoder.push(&begin(1 + number), &mut out);
            encoder.push(&Event::Text { choice: 0, text: Text::escaped(&long) }, &mut out);
            assert!(
                encoder.waiting.len() <= WAITING_EVENTS_MAX
                    && encoder.waiting_bytes <= WAITING_BYTES_MAX + long.len()
            );
        }
    }

    #[test]
    fn each_seal_ends_its_thought() {
        let thought = |said: &'static str| Event::Reasoning { choice: 0, text: said.into() };
        let seal = |data: &'static str| Event::Signature {
            choice: 0,
            on: Signed::Reasoning,
            origin: Origin::Anthropic,
            data: data.into(),
        };
        assert_eq!(
            blocks(&[thought("a"), seal("=1"), thought("b"), seal("=2"), seal("=3"), text("t")]),
            ["a=1", "b=2", "=3", "t"]
        );
    }
}
