//! The tokens that an answer tells, seen in passing.

use super::json;
use crate::ir::Usage;

/// Looks at what passes verbatim; what it told last holds.
#[derive(Clone, Copy, Debug)]
pub struct UsageTap {
    /// Objects around the one that tells, in an event.
    event_depth: usize,
    told: Option<Usage>,
}

impl UsageTap {
    /// For all dialects but that of responses.
    pub fn chat() -> Self {
        Self { event_depth: 0, told: None }
    }

    /// For responses, whose last event holds the whole response.
    pub fn responses() -> Self {
        Self { event_depth: 1, told: None }
    }

    /// Looks at whole events.
    pub fn push_events(&mut self, events: &[u8]) {
        self.told = json::find_usage(events, self.event_depth, true).or(self.told);
    }

    /// Looks at a document, or at its end.
    pub fn push_document(&mut self, end: &[u8]) {
        self.told = json::find_usage(end, 0, false).or(self.told);
    }

    /// Takes what somebody else has read.
    pub fn tell(&mut self, usage: Usage) {
        self.told = Some(usage);
    }

    /// What has been told so far.
    pub fn told(&self) -> Option<Usage> {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tap: UsageTap, events: &[&str]) -> Option<(u64, u64)> {
        let mut tap = tap;
        events.iter().for_each(|events| tap.push_events(events.as_bytes()));
        tap.told().map(|usage| (usage.input_tokens, usage.output_tokens))
    }

    #[test]
    fn a_stream_tells_usage_in_its_last_chunk() {
        let chat = [
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}\n\ndata: [DONE]\n\n",
        ];
        assert_eq!(told(UsageTap::chat(), &chat), Some((5, 6)));
        assert_eq!(told(UsageTap::chat(), &chat[..1]), None);
        let responses = "event: response.completed\r\ndata: {\"type\":\"response.completed\",\"response\":\
                         {\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\r\n\r\n";
        assert_eq!(told(UsageTap::responses(), &[responses]), Some((1, 2)));
        assert_eq!(told(UsageTap::chat(), &[responses]), None);
    }
}
