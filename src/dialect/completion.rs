//! Whether a stream came to its own end, seen in passing.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

/// Looks at the complete events of a stream that passes verbatim for the dialect's own end signal.
#[derive(Clone, Debug)]
pub struct CompletionTap {
    dialect: Dialect,
    has_ended: bool,
    /// The last bytes of chat, in two parts: whether a choice had ended is only asked at the end.
    recent: [Vec<u8>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Dialect {
    /// Ends in `[DONE]`, or an error said in band; a finish reason before an orderly end of the response
    /// will do.
    Chat,
    /// Ends in an event of a certain type.
    Typed(&'static LazyLock<Vec<Signal>>),
    /// Has no end signal; a finish reason before an orderly end of the response is one.
    Generate,
}

/// Something that ends a stream of responses: bytes to look for, and what must stand before them.
#[derive(Debug)]
struct Signal {
    finder: Finder<'static>,
    is_in_place: fn(before: &[u8]) -> bool,
}

/// Bytes of chat in which a finish reason is looked for; it is in one of the last events.
const RECENT_BYTES: usize = 2 * 1024;

static RESPONSES: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    let typed = |name| Signal { finder: Finder::new(name), is_in_place: is_type };
    vec![
        typed("\"response.completed\""),
        typed("\"response.incomplete\""),
        typed("\"response.failed\""),
        Signal {
            finder: Finder::new("\"error\""),
            is_in_place: |before| is_type(before) || opens_data(before),
        },
    ]
});

static MESSAGES: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    ["\"message_stop\"", "\"error\""]
        .into_iter()
        .map(|name| Signal { finder: Finder::new(name), is_in_place: is_type })
        .collect()
});

impl CompletionTap {
    /// For chat and legacy completions.
    pub fn chat() -> Self {
        Self { dialect: Dialect::Chat, has_ended: false, recent: Default::default() }
    }

    /// For responses.
    pub fn responses() -> Self {
        Self { dialect: Dialect::Typed(&RESPONSES), has_ended: false, recent: Default::default() }
    }

    /// For Anthropic's messages.
    pub fn messages() -> Self {
        Self { dialect: Dialect::Typed(&MESSAGES), has_ended: false, recent: Default::default() }
    }

    /// For what Gemini generates.
    pub fn generate() -> Self {
        Self { dialect: Dialect::Generate, has_ended: false, recent: Default::default() }
    }

    /// Looks at whole events.
    pub fn push(&mut self, events: &[u8]) {
        if self.has_ended {
            return;
        }
        match self.dialect {
            Dialect::Chat => {
                self.has_ended = data_lines(events).any(is_last);
                self.remember(events);
            }
            Dialect::Typed(signals) => self.has_ended = signals.iter().any(|signal| signal.is_in(events)),
            Dialect::Generate => self.remember(events),
        }
    }

    /// Whether an orderly end of the response is the end of the stream.
    pub fn is_complete(&self) -> bool {
        self.has_ended
            || match self.dialect {
                Dialect::Chat => has_finish_reason(&self.recent.concat(), b"\"finish_reason\""),
                // What was asked is refused by a reason of its own, and an error ends it as well.
                Dialect::Generate => {
                    let names: [&[u8]; 3] = [b"\"finishReason\"", b"\"blockReason\"", b"\"status\""];
                    names.iter().any(|name| has_finish_reason(&self.recent.concat(), name))
                }
                Dialect::Typed(_) => false,
            }
    }

    /// Whether the stream has said that it is at its end, whatever happens to the response.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn remember(&mut self, events: &[u8]) {
        let [before, now] = &mut self.recent;
        if now.len() >= RECENT_BYTES {
            std::mem::swap(before, now);
            now.clear();
        }
        now.extend_from_slice(&events[events.len().saturating_sub(RECENT_BYTES)..]);
    }
}

impl Signal {
    fn is_in(&self, events: &[u8]) -> bool {
        self.finder.find_iter(events).any(|at| (self.is_in_place)(&events[..at]))
    }
}

/// What stands behind each `data:` that begins a line, blanks before it removed.
fn data_lines(events: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = memchr::memchr2_iter(b'\n', b'\r', events).map(|end| end + 1);
    std::iter::once(0).chain(starts).filter_map(|start| {
        let line = events.get(start..)?.strip_prefix(b"data:")?;
        Some(without_blanks_at_start(line))
    })
}

/// Whether these data end a chat.
fn is_last(data: &[u8]) -> bool {
    let opened = data.strip_prefix(b"{").map(without_blanks_at_start);
    data.starts_with(b"[DONE]") || opened.is_some_and(|object| object.starts_with(b"\"error\""))
}

/// Whether one of the choices has ended.
fn has_finish_reason(events: &[u8], name: &[u8]) -> bool {
    memmem::find_iter(events, name).any(|at| has_string_value(&events[at + name.len()..]))
}

// In a JSON string a quote is escaped and a line end too: a bare quote, or a `data:` that begins a line,
// cannot be content.

/// What comes before is the start of a `data` line.
fn begins_data(before: &[u8]) -> bool {
    let line = without_blanks_at_end(before).strip_suffix(b"data:");
    line.is_some_and(|line| matches!(line.last(), None | Some(b'\n' | b'\r')))
}

/// What comes before is the start of a `data` line that holds an object.
fn opens_data(before: &[u8]) -> bool {
    without_blanks_at_end(before).strip_suffix(b"{").is_some_and(begins_data)
}

/// What comes before makes it the value of `type`.
fn is_type(before: &[u8]) -> bool {
    let key = without_blanks_at_end(before).strip_suffix(b":");
    key.is_some_and(|key| without_blanks_at_end(key).ends_with(b"\"type\""))
}

/// What comes after is a value, and a string.
fn has_string_value(after: &[u8]) -> bool {
    let value = without_blanks_at_start(after).strip_prefix(b":");
    value.is_some_and(|value| without_blanks_at_start(value).first() == Some(&b'"'))
}

// A line end is no blank: what stands on the next line may belong to another event.

fn without_blanks_at_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn without_blanks_at_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finish_reason_counts_if_it_is_in_one_of_the_last_events() {
        let finish = b"data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n";
        let word =
            b"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"},\"finish_reason\":null}]}\n\n";
        let mut tap = CompletionTap::chat();
        tap.push(finish);
        (0..10).for_each(|_| tap.push(word));
        assert!(tap.is_complete());
        (0..1000).for_each(|_| tap.push(word));
        assert!(!tap.is_complete());
        tap.push(&[&word.repeat(1000)[..], finish].concat());
        assert!(tap.is_complete() && !tap.has_ended());
    }

    fn completes(mut tap: CompletionTap, events: &str) -> bool {
        tap.push(events.as_bytes());
        tap.is_complete()
    }

    #[test]
    fn a_chat_ends_in_done_or_a_finish_reason() {
        for events in [
            "data: {}\n\ndata: [DONE]\n\n",
            "data:[DONE]\n\n",
            ": c\rdata: [DONE]\r\r",
            "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[{\"finish_reason\": \"stop\"}]}\n\n",
            "data: {\"error\":{\"message\":\"m\"}}\n\n",
            "data: { \"error\" : {}}\n\n",
            "data: {\"choices\":[{\"finish_reason\" : \"stop\"}]}\n\n",
        ] {
            assert!(completes(CompletionTap::chat(), events), "{events}");
        }
        assert!(!completes(CompletionTap::chat(), "data: {\"choices\":[{\"finish_reason\":null}]}\n\n"));
    }

    #[test]
    fn an_end_does_not_reach_over_lines() {
        for events in
            ["data:\n\n[DONE]\n\n", "data: {\n\n\"error\"\n\n", "data: \"finish_reason\":\n\n\"\n\n"]
        {
            assert!(!completes(CompletionTap::chat(), events), "{events}");
        }
        let event = "data: {\"type\":\n\n\"response.completed\"\n\n";
        assert!(!completes(CompletionTap::responses(), event));
    }

    #[test]
    fn one_finished_choice_is_not_yet_the_end() {
        let mut tap = CompletionTap::chat();
        tap.push(b"data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n");
        assert!(tap.is_complete() && !tap.has_ended());
        tap.push(b"data: [DONE]\n\n");
        assert!(tap.has_ended());
    }

    #[test]
    fn content_that_looks_like_an_end_is_none() {
        let content = r#"data: [DONE] \"finish_reason\":\"stop\" data: {\"error\""#;
        let event = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n");
        assert!(!completes(CompletionTap::chat(), &event));
        let event =
            r#"data: {"type":"response.output_text.delta","delta":"\"type\":\"response.completed\""}"#;
        assert!(!completes(CompletionTap::responses(), event));
    }

    #[test]
    fn messages_end_in_an_event_of_that_type() {
        let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        assert!(completes(CompletionTap::messages(), stop));
        let error = "event: error\ndata: {\"type\": \"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        assert!(completes(CompletionTap::messages(), error));
        let delta = r#"data: {"type":"content_block_delta","delta":{"text":"\"type\":\"message_stop\""}}"#;
        assert!(!completes(CompletionTap::messages(), delta));
    }

    #[test]
    fn what_is_generated_ends_with_a_reason() {
        let last = "data: {\"candidates\":[{\"finishReason\": \"STOP\"}]}\r\n\r\n";
        assert!(completes(CompletionTap::generate(), last));
        assert!(completes(
            CompletionTap::generate(),
            "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n"
        ));
        assert!(!completes(CompletionTap::generate(), "data: {\"candidates\":[{\"content\":{}}]}\r\n\r\n"));
    }

    #[test]
    fn responses_end_in_their_own_events() {
        let event = "event: response.completed\ndata: {\"type\": \"response.completed\",\"response\":{}}\n\n";
        assert!(completes(CompletionTap::responses(), event));
        let created = "data: {\"type\":\"response.created\"}\n\ndata: [DONE]\n\n";
        assert!(!completes(CompletionTap::responses(), created));
    }
}
