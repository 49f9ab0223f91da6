//! What stands in a request for something that a provider does not have, and how its answer is read then.

use std::{collections::HashSet, iter};

use super::{Names, choices::state};
use crate::ir::{Event, Finish, Text, Tool};

/// What was emulated in a request.
#[derive(Clone, Debug, Default)]
pub struct Emulation {
    /// Names of tools that had to be replaced.
    pub names: Names,
    /// The provider's names of tools that take a text, given to it as functions with the one parameter
    /// [`TEXT_PARAMETER`].
    pub custom_tools: Vec<String>,
    /// The provider's name of a tool whose input is the answer.
    pub answer_tool: Option<String>,
}

/// Name of a tool whose input is the answer; behind it a number, where a tool of the client's has that name.
const ANSWER_TOOL: &str = "json_answer";

/// A name for a tool whose input is the answer, which none of the others has.
pub(super) fn answer_tool_name(others: &[&Tool<'_>]) -> String {
    let taken: HashSet<_> = others.iter().filter_map(|tool| tool.kind.name()).map(Text::to_plain).collect();
    let numbered = (2..).map(|number| format!("{ANSWER_TOOL}_{number}"));
    let mut names = iter::once(ANSWER_TOOL.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}

/// Name of the parameter that holds the text of an emulated custom tool.
pub const TEXT_PARAMETER: &str = "input";

/// Undoes an emulation in the events of an answer, and keeps the promises that readers of events rely on:
/// each choice ends once, for a reason that fits what it holds, and each call of a function has an input.
#[derive(Debug, Default)]
pub(super) struct Restoration {
    emulation: Emulation,
    /// Whether inputs of several calls may come in turns.
    interleaves: bool,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    has_finished: bool,
    calls_tools: bool,
    /// Calls of functions of whose inputs nothing has come.
    silent: Vec<usize>,
    /// Numbers that the provider gave to calls which are the answer.
    answers: Vec<usize>,
    /// Texts of custom tools, by the numbers of their calls.
    custom: Vec<(usize, String)>,
}

impl Restoration {
    pub(super) fn new(emulation: Emulation, interleaves: bool) -> Self {
        Self { emulation, interleaves, choices: Vec::new() }
    }

    /// Passes an event on as it is meant.
    pub(super) fn take(&mut self, event: Event<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let Self { emulation, interleaves, choices } = self;
        match event {
            Event::ToolBegin { choice, tool, id, name, is_custom } => {
                let state = state(choices, choice);
                if !*interleaves {
                    // SDKs take a call for whole where the next one begins.
                    state.close(choice, sink);
                    state.restore_texts(choice, sink);
                }
                if emulation.answer_tool.as_ref().is_some_and(|answer| name.is(answer)) {
                    return state.answers.push(tool);
                }
                state.calls_tools = true;
                let is_emulated = emulation.custom_tools.iter().any(|custom| name.is(custom));
                if is_emulated {
                    state.custom.push((tool, String::new()));
                } else if !is_custom {
                    state.silent.push(tool);
                }
                let name = emulation.names.original(name);
                sink(Event::ToolBegin { choice, tool, id, name, is_custom: is_custom || is_emulated });
            }
            Event::ToolInput { choice, tool, text } => {
                let state = state(choices, choice);
                if state.answers.contains(&tool) {
                    // The input is said within a string; the answer is what that string says.
                    return sink(Event::Text { choice, text });
                }
                if let Some((_, input)) = state.custom.iter_mut().find(|(number, _)| *number == tool) {
                    return input.push_str(text.as_escaped());
                }
                if text.is_empty() {
                    return;
                }
                state.silent.retain(|silent| *silent != tool);
                sink(Event::ToolInput { choice, tool, text });
            }
            Event::Finish { choice, reason, native, stop_sequence } => {
                let state = state(choices, choice);
                state.close(choice, sink);
                state.restore_texts(choice, sink);
                if std::mem::replace(&mut state.has_finished, true) {
                    return;
                }
                let reason = match reason {
                    Finish::Stop | Finish::Other if state.calls_tools => Finish::ToolCalls,
                    Finish::ToolCalls if !state.calls_tools => Finish::Stop,
                    reason => reason,
                };
                sink(Event::Finish { choice, reason, native, stop_sequence });
            }
            event => sink(event),
        }
    }

    /// Ends what the provider has left open.
    pub(super) fn finish(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        for (choice, state) in self.choices.iter_mut().enumerate() {
            state.close(choice, sink);
            state.restore_texts(choice, sink);
        }
    }
}

impl ChoiceState {
    /// A function that is called with nothing is called with an empty object. Where inputs come in turns, only the
    /// end tells that nothing comes.
    fn close(&mut self, choice: usize, sink: &mut dyn FnMut(Event<'_>)) {
        for tool in self.silent.drain(..) {
            sink(Event::ToolInput { choice, tool, text: Text::escaped("{}") });
        }
    }

    /// Tells the inputs of custom tools, which can be read only when they are whole.
    fn restore_texts(&mut self, choice: usize, sink: &mut dyn FnMut(Event<'_>)) {
        for (tool, input) in self.custom.drain(..) {
            let json = Text::escaped(&input).to_plain().into_owned();
            let text = super::json::member_text(&json, TEXT_PARAMETER);
            let text = text.map_or_else(|| Text::escaped(&input), Text::plain);
            sink(Event::ToolInput { choice, tool, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(emulation: Emulation, events: &[Event<'static>]) -> Vec<String> {
        restored_from(true, emulation, events)
    }

    fn restored_from(interleaves: bool, emulation: Emulation, events: &[Event<'static>]) -> Vec<String> {
        let mut restoration = Restoration::new(emulation, interleaves);
        let mut seen = Vec::new();
        let mut sink = |event: Event<'_>| {
            seen.push(match event {
                Event::Text { text, .. } => format!("says {}", text.as_escaped()),
                Event::ToolBegin { name, is_custom, .. } => {
                    format!("calls {} {is_custom}", name.as_escaped())
                }
                Event::ToolInput { text, .. } => format!("with {}", text.as_escaped()),
                Event::Finish { reason, .. } => format!("ends {reason:?}"),
                _ => String::new(),
            });
        };
        events.iter().for_each(|event| restoration.take(event.clone(), &mut sink));
        restoration.finish(&mut sink);
        seen
    }

    fn begin(name: &'static str) -> Event<'static> {
        Event::ToolBegin { choice: 0, tool: 0, id: "c".into(), name: name.into(), is_custom: false }
    }

    fn input(text: &'static str) -> Event<'static> {
        Event::ToolInput { choice: 0, tool: 0, text: Text::escaped(text) }
    }

    fn end(reason: Finish) -> Event<'static> {
        Event::Finish { choice: 0, reason, native: None, stop_sequence: None }
    }

    #[test]
    fn a_choice_that_calls_ends_for_that_reason_and_once() {
        let events = [begin("f"), end(Finish::Stop), end(Finish::Stop)];
        assert_eq!(restored(Emulation::default(), &events), ["calls f false", "with {}", "ends ToolCalls"]);
        assert_eq!(restored(Emulation::default(), &[end(Finish::ToolCalls)]), ["ends Stop"]);
        let cut = [begin("f"), input("{\\\"a"), end(Finish::Length)];
        assert_eq!(restored(Emulation::default(), &cut)[2], "ends Length");
    }

    #[test]
    fn inputs_that_come_in_turns_are_whole() {
        let second = |event| match event {
            Event::ToolBegin { choice, id, name, is_custom, .. } => {
                Event::ToolBegin { choice, tool: 1, id, name, is_custom }
            }
            Event::ToolInput { choice, text, .. } => Event::ToolInput { choice, tool: 1, text },
            other => other,
        };
        let events = [begin("f"), second(begin("g")), input("{1"), second(input("{2")), input("}")];
        let expected = ["calls f false", "calls g false", "with {1", "with {2", "with }"];
        assert_eq!(restored(Emulation::default(), &events), expected);
    }

    #[test]
    fn a_call_is_whole_before_the_next_one_where_they_come_one_by_one() {
        let emulation = Emulation { custom_tools: vec!["sql".to_owned()], ..Emulation::default() };
        let next = |name| Event::ToolBegin { choice: 0, tool: 1, id: "d".into(), name, is_custom: false };
        let events = [begin("f"), next("g".into())];
        let expected = ["calls f false", "with {}", "calls g false", "with {}"];
        assert_eq!(restored_from(false, emulation.clone(), &events), expected);
        let events = [begin("sql"), input("{\\\"input\\\":\\\"a\\\"}"), next("f".into())];
        let expected = ["calls sql true", "with a", "calls f false", "with {}"];
        assert_eq!(restored_from(false, emulation, &events), expected);
    }

    #[test]
    fn a_tool_that_stands_for_the_answer_is_the_answer() {
        let emulation = Emulation { answer_tool: Some("answer".to_owned()), ..Emulation::default() };
        let events = [begin("answer"), input("{\\\"a\\\":"), input("1}"), end(Finish::ToolCalls)];
        assert_eq!(restored(emulation, &events), ["says {\\\"a\\\":", "says 1}", "ends Stop"]);
    }

    #[test]
    fn a_custom_tool_gets_its_text_back() {
        let emulation = Emulation { custom_tools: vec!["sql".to_owned()], ..Emulation::default() };
        let events = [begin("sql"), input("{\\\"input\\\":\\\"a"), input("\\\\nb\\\"}"), end(Finish::Stop)];
        assert_eq!(restored(emulation, &events), ["calls sql true", "with a\\nb", "ends ToolCalls"]);
    }
}
