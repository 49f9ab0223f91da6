//! What the calls of an answer came with, from its events.

use super::{Sealed, Thought};
use crate::{
    dialect::choices::state,
    ir::{Event, Origin, Signed, Text},
};

/// What is gathered of one answer, bytes; what comes behind is passed over.
const GATHERED_BYTES_MAX: usize = 1024 * 1024;
/// Calls of one choice that are looked at.
const CALLS_MAX: usize = 1024;

/// Gathers the seals of one answer.
#[derive(Debug)]
pub(in crate::dialect) struct Gatherer {
    origin: Origin,
    choices: Vec<Choice>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Choice {
    /// Reasoning whose seal has not come.
    unsealed: String,
    /// Before the next call.
    thoughts: Vec<Thought>,
    has_said: bool,
    /// Numbers and names of calls.
    calls: Vec<(usize, String, Sealed)>,
}

impl Gatherer {
    /// For seals of one family.
    pub(in crate::dialect) fn new(origin: Origin) -> Self {
        Self { origin, choices: Vec::new(), bytes: 0 }
    }

    /// Takes the next event in.
    pub(in crate::dialect) fn see(&mut self, event: &Event<'_>) {
        self.bytes += match event {
            Event::Reasoning { text: held, .. }
            | Event::RedactedReasoning { data: held, .. }
            | Event::Signature { data: held, .. } => held.as_escaped().len(),
            _ => 0,
        };
        if self.bytes > GATHERED_BYTES_MAX {
            return;
        }
        match event {
            Event::Text { choice, .. } | Event::Refusal { choice, .. } => {
                let choice = state(&mut self.choices, *choice);
                choice.has_said = true;
                choice.unsealed.clear();
            }
            Event::Reasoning { choice, text } => {
                state(&mut self.choices, *choice).unsealed.push_str(text.as_escaped());
            }
            Event::RedactedReasoning { choice, origin, data } if *origin == self.origin => {
                state(&mut self.choices, *choice).think(None, data);
            }
            Event::Signature { choice, on, origin, data } if *origin == self.origin => {
                let choice = state(&mut self.choices, *choice);
                match on {
                    Signed::Reasoning => {
                        let text = std::mem::take(&mut choice.unsealed);
                        choice.think(Some(text), data);
                    }
                    Signed::Tool(tool) => {
                        let call = choice.calls.iter_mut().rfind(|(number, ..)| number == tool);
                        if let Some((.., sealed)) = call {
                            sealed.seal.get_or_insert_with(|| data.as_escaped().to_owned());
                        }
                    }
                    // No call is lost without it.
                    Signed::Text => {}
                }
            }
            Event::ToolBegin { choice, tool, id, .. } => {
                let choice = state(&mut self.choices, *choice);
                choice.unsealed.clear();
                let thoughts = std::mem::take(&mut choice.thoughts);
                if choice.calls.len() < CALLS_MAX {
                    let sealed = Sealed { origin: self.origin, thoughts, seal: None };
                    choice.calls.push((*tool, id.to_plain().into_owned(), sealed));
                }
            }
            _ => {}
        }
    }

    /// Calls that came with something sealed, by their names; none where that was too much, since a part of it
    /// is of no use.
    pub(in crate::dialect) fn take(&mut self) -> Vec<(String, Sealed)> {
        if self.bytes > GATHERED_BYTES_MAX {
            return Vec::new();
        }
        let calls = self.choices.iter_mut().flat_map(|choice| choice.calls.drain(..));
        calls.filter(|(.., sealed)| !sealed.is_empty()).map(|(_, id, sealed)| (id, sealed)).collect()
    }
}

impl Choice {
    fn think(&mut self, text: Option<String>, data: &Text<'_>) {
        let data = data.as_escaped().to_owned();
        self.thoughts.push(Thought { text, data, is_first: !self.has_said });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(origin: Origin, events: &[Event<'static>]) -> Vec<(String, Sealed)> {
        let mut gatherer = Gatherer::new(origin);
        events.iter().for_each(|event| gatherer.see(event));
        gatherer.take()
    }

    fn thinks(text: &'static str) -> Event<'static> {
        Event::Reasoning { choice: 0, text: Text::escaped(text) }
    }

    fn seals(on: Signed, origin: Origin, data: &'static str) -> Event<'static> {
        Event::Signature { choice: 0, on, origin, data: data.into() }
    }

    fn says() -> Event<'static> {
        Event::Text { choice: 0, text: "Well.".into() }
    }

    fn calls(tool: usize, id: &'static str) -> Event<'static> {
        Event::ToolBegin { choice: 0, tool, id: id.into(), name: "f".into(), is_custom: false }
    }

    fn thought(text: Option<&str>, data: &str, is_first: bool) -> Thought {
        Thought { text: text.map(str::to_owned), data: data.to_owned(), is_first }
    }

    #[test]
    fn a_call_keeps_what_was_thought_before_it_as_it_was_said() {
        let origin = Origin::Anthropic;
        let events = [
            thinks("a\\n"),
            thinks("b"),
            seals(Signed::Reasoning, origin, "S1=="),
            Event::RedactedReasoning { choice: 0, origin, data: "R".into() },
            says(),
            thinks("c"),
            seals(Signed::Reasoning, origin, "S2"),
            calls(0, "one"),
            calls(1, "two"),
            seals(Signed::Reasoning, origin, "S3"),
            calls(2, "three"),
        ];
        let found = gathered(origin, &events);
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["one", "three"]);
        let expected =
            [thought(Some("a\\nb"), "S1==", true), thought(None, "R", true), thought(Some("c"), "S2", false)];
        assert_eq!(found[0].1.thoughts, expected);
        assert_eq!(found[1].1.thoughts, [thought(Some(""), "S3", false)]);
    }

    #[test]
    fn a_seal_on_a_call_is_that_calls() {
        let seal = |tool| seals(Signed::Tool(tool), Origin::Google, "S");
        let events = [thinks("not sealed"), calls(0, "one"), seal(0), calls(1, "two")];
        let found = gathered(Origin::Google, &events);
        assert_eq!((found.len(), found[0].0.as_str()), (1, "one"));
        assert_eq!((found[0].1.seal.as_deref(), found[0].1.thoughts.len()), (Some("S"), 0));
    }

    #[test]
    fn what_others_have_sealed_is_not_gathered_nor_what_belongs_to_no_call() {
        let foreign = seals(Signed::Reasoning, Origin::Google, "S");
        assert_eq!(gathered(Origin::Anthropic, &[thinks("a"), foreign, calls(0, "one")]), []);
        let own = seals(Signed::Reasoning, Origin::Anthropic, "S");
        assert_eq!(gathered(Origin::Anthropic, &[thinks("a"), own, says()]), []);
    }

    #[test]
    fn too_much_of_it_is_not_kept_in_part() {
        let long = Text::plain("a".repeat(GATHERED_BYTES_MAX));
        let mut gatherer = Gatherer::new(Origin::Anthropic);
        gatherer.see(&seals(Signed::Reasoning, Origin::Anthropic, "S"));
        gatherer.see(&Event::Reasoning { choice: 0, text: long });
        gatherer.see(&calls(0, "one"));
        assert_eq!(gatherer.take(), []);
    }
}
