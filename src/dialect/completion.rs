//! Whether a stream came to its own end, seen in passing.

use memchr::memmem;

/// Looks at the complete events of a stream that passes verbatim for the dialect's own end signal.
#[derive(Clone, Copy, Debug)]
pub struct CompletionTap {
    signals: &'static [&'static [u8]],
    is_complete: bool,
}

/// Chat and legacy completions end in `[DONE]`; a finish reason, or an error said in band, will do.
/// Inside a JSON string a quote is escaped and a line end too: none of these can be content, as long as
/// `data:` begins a line.
static CHAT: [&[u8]; 6] = [
    b"data: [DONE]",
    b"data:[DONE]",
    b"\"finish_reason\":\"",
    b"\"finish_reason\": \"",
    b"data: {\"error\"",
    b"data:{\"error\"",
];

/// Responses end in an event of one of these types.
static RESPONSES: [&[u8]; 10] = [
    b"\"type\":\"response.completed\"",
    b"\"type\": \"response.completed\"",
    b"\"type\":\"response.incomplete\"",
    b"\"type\": \"response.incomplete\"",
    b"\"type\":\"response.failed\"",
    b"\"type\": \"response.failed\"",
    b"\"type\":\"error\"",
    b"\"type\": \"error\"",
    b"data: {\"error\"",
    b"data:{\"error\"",
];

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
        self.is_complete = self.is_complete || self.signals.iter().any(|signal| holds(events, signal));
    }

    /// Whether the end was signalled.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

fn holds(events: &[u8], signal: &[u8]) -> bool {
    memmem::find_iter(events, signal)
        .any(|at| signal[0] == b'"' || at == 0 || matches!(events[at - 1], b'\n' | b'\r'))
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
        assert!(completes(CompletionTap::chat(), "data: {}\n\ndata: [DONE]\n\n"));
        assert!(completes(CompletionTap::chat(), "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n"));
        assert!(!completes(CompletionTap::chat(), "data: {\"choices\":[{\"finish_reason\":null}]}\n\n"));
    }

    #[test]
    fn content_that_looks_like_an_end_is_none() {
        let content = "data: {\"choices\":[{\"delta\":{\"content\":\"data: [DONE] \\\"finish_reason\\\":\\\"stop\\\"\"}}]}\n\n";
        assert!(!completes(CompletionTap::chat(), content));
    }

    #[test]
    fn responses_end_in_their_own_events() {
        let event = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{}}\n\n";
        assert!(completes(CompletionTap::responses(), event));
        assert!(!completes(
            CompletionTap::responses(),
            "data: {\"type\":\"response.created\"}\n\ndata: [DONE]\n\n"
        ));
    }
}
