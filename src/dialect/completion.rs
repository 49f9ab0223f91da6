//! Whether a stream came to its own end, seen in passing.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Looks at the complete events of a stream that passes verbatim for the dialect's own end signal.
#[derive(Clone, Copy, Debug)]
pub struct CompletionTap {
    signals: &'static LazyLock<Vec<Signal>>,
    is_complete: bool,
}

/// Something that ends a stream: bytes to look for, and what must stand around them.
#[derive(Debug)]
struct Signal {
    finder: Finder<'static>,
    around: Around,
}

/// What tells a signal from content. In a JSON string a quote is escaped and a line end too, so that a bare
/// quote, or a `data:` that begins a line, cannot be content.
#[derive(Clone, Copy, Debug)]
enum Around {
    /// `data:` at the start of a line comes before it.
    Data,
    /// A string comes after it, and not null.
    StringAfter,
    /// `"type":` comes before it.
    TypeBefore,
}

/// Chat and legacy completions end in `[DONE]`; a finish reason, or an error said in band, will do.
static CHAT: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    vec![
        signal("[DONE]", Around::Data),
        signal("\"finish_reason\":", Around::StringAfter),
        signal("{\"error\"", Around::Data),
    ]
});

/// Responses end in an event of one of these types.
static RESPONSES: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    vec![
        signal("\"response.completed\"", Around::TypeBefore),
        signal("\"response.incomplete\"", Around::TypeBefore),
        signal("\"response.failed\"", Around::TypeBefore),
        signal("\"error\"", Around::TypeBefore),
        signal("{\"error\"", Around::Data),
    ]
});

impl CompletionTap {
    /// For chat and legacy completions.
    pub fn chat() -> Self {
        Self { signals: &CHAT, is_complete: false }
    }

    /// For responses.
    pub fn responses() -> Self {
        Self { signals: &RESPONSES, is_complete: false }
    }

    /// Looks at whole events.
    pub fn push(&mut self, events: &[u8]) {
        self.is_complete = self.is_complete || self.signals.iter().any(|signal| signal.is_in(events));
    }

    /// Whether the end was signalled.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

fn signal(bytes: &'static str, around: Around) -> Signal {
    Signal { finder: Finder::new(bytes), around }
}

impl Signal {
    fn is_in(&self, events: &[u8]) -> bool {
        self.finder.find_iter(events).any(|at| {
            let (before, after) = (&events[..at], &events[at + self.finder.needle().len()..]);
            match self.around {
                Around::StringAfter => after.trim_ascii_start().first() == Some(&b'"'),
                Around::TypeBefore => before.trim_ascii_end().ends_with(b"\"type\":"),
                Around::Data => before
                    .trim_ascii_end()
                    .strip_suffix(b"data:")
                    .is_some_and(|line| matches!(line.last(), None | Some(b'\n' | b'\r'))),
            }
        })
    }
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
        ] {
            assert!(completes(CompletionTap::chat(), events), "{events}");
        }
        assert!(!completes(CompletionTap::chat(), "data: {\"choices\":[{\"finish_reason\":null}]}\n\n"));
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
