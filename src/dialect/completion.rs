//! Whether a stream came to its own end, seen in passing.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Looks at the complete events of a stream that passes verbatim for the dialect's own end signal.
#[derive(Clone, Copy, Debug)]
pub struct CompletionTap {
    signals: &'static LazyLock<Vec<Signal>>,
    said: Said,
}

/// What a stream has said of its end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Said {
    /// Nothing.
    Nothing,
    /// One of its choices has ended: the stream may end here.
    MayEnd,
    /// It has ended.
    Ended,
}

/// Something that ends a stream: bytes to look for, and what must stand around them.
#[derive(Debug)]
struct Signal {
    finder: Finder<'static>,
    is_in_place: fn(before: &[u8], after: &[u8]) -> bool,
    said: Said,
}

/// Chat and legacy completions end in `[DONE]`; a finish reason before an orderly end of the response, or
/// an error said in band, will do.
static CHAT: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    vec![
        signal("[DONE]", |before, _| begins_data(before), Said::Ended),
        signal("\"finish_reason\"", |_, after| has_string_value(after), Said::MayEnd),
        signal("\"error\"", |before, _| opens_data(before), Said::Ended),
    ]
});

/// Responses end in an event of one of these types.
static RESPONSES: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    let typed = |name| signal(name, |before, _| is_type(before), Said::Ended);
    vec![
        typed("\"response.completed\""),
        typed("\"response.incomplete\""),
        typed("\"response.failed\""),
        signal("\"error\"", |before, _| is_type(before) || opens_data(before), Said::Ended),
    ]
});

impl CompletionTap {
    /// For chat and legacy completions.
    pub fn chat() -> Self {
        Self { signals: &CHAT, said: Said::Nothing }
    }

    /// For responses.
    pub fn responses() -> Self {
        Self { signals: &RESPONSES, said: Said::Nothing }
    }

    /// Looks at whole events.
    pub fn push(&mut self, events: &[u8]) {
        for signal in self.signals.iter() {
            if signal.said > self.said && signal.is_in(events) {
                self.said = signal.said;
            }
        }
    }

    /// Whether an orderly end of the response is the end of the stream.
    pub fn is_complete(&self) -> bool {
        self.said >= Said::MayEnd
    }

    /// Whether the stream has said that it is at its end, whatever happens to the response.
    pub fn has_ended(&self) -> bool {
        self.said == Said::Ended
    }
}

fn signal(bytes: &'static str, is_in_place: fn(&[u8], &[u8]) -> bool, said: Said) -> Signal {
    Signal { finder: Finder::new(bytes), is_in_place, said }
}

impl Signal {
    fn is_in(&self, events: &[u8]) -> bool {
        let length = self.finder.needle().len();
        self.finder.find_iter(events).any(|at| (self.is_in_place)(&events[..at], &events[at + length..]))
    }
}

// In a JSON string a quote is escaped and a line end too: a bare quote, or a `data:` that begins a line,
// cannot be content.

/// What comes before is the start of a `data` line.
fn begins_data(before: &[u8]) -> bool {
    let line = before.trim_ascii_end().strip_suffix(b"data:");
    line.is_some_and(|line| matches!(line.last(), None | Some(b'\n' | b'\r')))
}

/// What comes before is the start of a `data` line that holds an object.
fn opens_data(before: &[u8]) -> bool {
    before.trim_ascii_end().strip_suffix(b"{").is_some_and(begins_data)
}

/// What comes before makes it the value of `type`.
fn is_type(before: &[u8]) -> bool {
    let key = before.trim_ascii_end().strip_suffix(b":");
    key.is_some_and(|key| key.trim_ascii_end().ends_with(b"\"type\""))
}

/// What comes after is a value, and a string.
fn has_string_value(after: &[u8]) -> bool {
    let value = after.trim_ascii_start().strip_prefix(b":");
    value.is_some_and(|value| value.trim_ascii_start().first() == Some(&b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn responses_end_in_their_own_events() {
        let event = "event: response.completed\ndata: {\"type\": \"response.completed\",\"response\":{}}\n\n";
        assert!(completes(CompletionTap::responses(), event));
        let created = "data: {\"type\":\"response.created\"}\n\ndata: [DONE]\n\n";
        assert!(!completes(CompletionTap::responses(), created));
    }
}
