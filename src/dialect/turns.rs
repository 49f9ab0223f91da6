//! A conversation in turns, for providers that refuse one whose calls and results do not fit each other:
//! whatever a client has cut off, doubled or left empty, each call is followed by its one result.

use std::collections::HashMap;

use crate::ir::{CacheMark, Content, Message, Part, Role, Signature, Text, ToolCall, ToolResult};

/// What is said where something has to be said and nothing is.
const PLACEHOLDER: &str = ".";
/// What asks for an answer behind one that is no longer open.
const GO_ON: &str = "Continue.";

/// All that one speaker says before another one does.
#[derive(Debug)]
pub(super) struct Turn<'r, 'a> {
    /// Developers are systems, and systems are users where the provider knows no such turn.
    pub(super) role: Role,
    /// Results of all calls of the turn before, in the order of these.
    pub(super) answers: Vec<Answer<'r, 'a>>,
    /// What is said, in its order.
    pub(super) blocks: Vec<Block<'r, 'a>>,
    /// By the client's names of calls: how many have it, or which answers they wait for, the first one last.
    calls: HashMap<&'r Text<'a>, Vec<usize>>,
}

/// The result of a call.
#[derive(Debug)]
pub(super) struct Answer<'r, 'a> {
    /// Name of the call, different from all others of its turn.
    pub(super) id: Text<'r>,
    /// None where the client gave none.
    pub(super) result: Option<&'r ToolResult<'a>>,
    /// Marks everything up to here for the provider's cache.
    pub(super) cache: Option<&'r CacheMark<'a>>,
}

/// Something said.
#[derive(Debug)]
pub(super) struct Block<'r, 'a> {
    /// What it is.
    pub(super) said: Said<'r, 'a>,
    /// Marks everything up to here for the provider's cache.
    pub(super) cache: Option<&'r CacheMark<'a>>,
}

/// What is said.
#[derive(Debug)]
pub(super) enum Said<'r, 'a> {
    /// As the client says it: no call, no result.
    Part(&'r Part<'a>),
    /// A call, by a name that is different from all others of its turn.
    Call { call: &'r ToolCall<'a>, id: Text<'r>, signature: Option<&'r Signature<'a>> },
    /// What a system message says between others, to a provider that knows none there.
    Operator(&'r Text<'a>),
    /// What no client says.
    Ours(Text<'static>),
}

/// What a provider wants of turns.
pub(super) struct Rules<'f> {
    /// Whether a part can be said by this role.
    pub(super) is_said: &'f dyn Fn(&Part<'_>, Role) -> bool,
    /// Whether systems have turns of their own.
    pub(super) takes_system: bool,
}

/// What systems say before all others, and the rest.
pub(super) fn split_systems<'m, 'a>(messages: &'m [Message<'a>]) -> (&'m [Message<'a>], &'m [Message<'a>]) {
    let is_system = |message: &&Message<'_>| matches!(message.role, Role::System | Role::Developer);
    messages.split_at(messages.iter().take_while(is_system).count())
}

/// Puts a conversation into turns; two that follow each other have different roles.
pub(super) fn turns<'r, 'a>(messages: &'r [Message<'a>], rules: &Rules<'_>) -> Vec<Turn<'r, 'a>> {
    let mut turns = Vec::new();
    // Nothing may stand between calls and their results, nor between two messages of the user.
    let mut held = Vec::new();
    for message in messages {
        match message.role {
            Role::Assistant => {
                release(&mut turns, &mut held, rules);
                push_assistant(&mut turns, message, rules);
            }
            Role::User => {
                let turn = turn_of(&mut turns, Role::User);
                message.parts.iter().for_each(|part| turn.push(part, Role::User, rules));
            }
            Role::System | Role::Developer if rules.takes_system => held.push(message),
            Role::System | Role::Developer => push_operator(&mut turns, message, rules),
        }
    }
    release(&mut turns, &mut held, rules);
    if turns.last().is_some_and(|turn| turn.calls().next().is_some()) {
        turn_of(&mut turns, Role::User);
    }
    for turn in &mut turns {
        if turn.answers.is_empty() && turn.blocks.is_empty() {
            turn.blocks.push(Block::ours(PLACEHOLDER));
        }
    }
    turns
}

/// Lets a user speak first.
pub(super) fn begin_with_user(turns: &mut Vec<Turn<'_, '_>>) {
    if turns.first().is_none_or(|turn| turn.role != Role::User) {
        let mut turn = Turn::new(Role::User);
        turn.blocks.push(Block::ours(PLACEHOLDER));
        turns.insert(0, turn);
    }
}

/// Lets a user speak last.
pub(super) fn end_with_user(turns: &mut Vec<Turn<'_, '_>>) {
    if turns.last().is_some_and(|turn| turn.role != Role::User) {
        let mut turn = Turn::new(Role::User);
        turn.blocks.push(Block::ours(GO_ON));
        turns.push(turn);
    }
}

/// A system speaks behind a user; where none has spoken, a user passes on what it says.
fn release<'r, 'a>(turns: &mut Vec<Turn<'r, 'a>>, held: &mut Vec<&'r Message<'a>>, rules: &Rules<'_>) {
    let is_user = |turn: &Turn<'_, '_>| turn.role != Role::Assistant || turn.calls().next().is_some();
    let push = if turns.last().is_some_and(is_user) { push_system } else { push_operator };
    held.drain(..).for_each(|message| push(turns, message, rules));
}

fn push_system<'r, 'a>(turns: &mut Vec<Turn<'r, 'a>>, message: &'r Message<'a>, rules: &Rules<'_>) {
    if message.parts.iter().any(|part| (rules.is_said)(part, Role::System)) {
        let turn = turn_of(turns, Role::System);
        message.parts.iter().for_each(|part| turn.push(part, Role::System, rules));
    }
}

fn push_operator<'r, 'a>(turns: &mut Vec<Turn<'r, 'a>>, message: &'r Message<'a>, rules: &Rules<'_>) {
    let texts = message.parts.iter().filter(|part| (rules.is_said)(part, Role::System));
    let blocks: Vec<_> = texts.filter_map(operator).collect();
    if !blocks.is_empty() {
        turn_of(turns, Role::User).blocks.extend(blocks);
    }
}

/// What an assistant only thinks is no turn, and neither is what is left out.
fn push_assistant<'r, 'a>(turns: &mut Vec<Turn<'r, 'a>>, message: &'r Message<'a>, rules: &Rules<'_>) {
    let is_turn = |part: &Part<'_>| match part.content {
        Content::ToolCall(_) => true,
        Content::Reasoning(_) | Content::RedactedReasoning { .. } => false,
        _ => (rules.is_said)(part, Role::Assistant),
    };
    if message.parts.iter().any(is_turn) {
        let turn = turn_of(turns, Role::Assistant);
        message.parts.iter().for_each(|part| turn.push(part, Role::Assistant, rules));
    }
}

fn operator<'r, 'a>(part: &'r Part<'a>) -> Option<Block<'r, 'a>> {
    let Content::Text(text) = &part.content else { return None };
    Some(Block { said: Said::Operator(text), cache: part.cache.as_ref() })
}

/// The last turn, if it has this role, or a new one. What answers calls is a user.
fn turn_of<'t, 'r, 'a>(turns: &'t mut Vec<Turn<'r, 'a>>, role: Role) -> &'t mut Turn<'r, 'a> {
    if turns.last().is_none_or(|turn| turn.role != role) {
        let answers = turns.last().map(Turn::answering).filter(|turn| !turn.answers.is_empty());
        let is_user = role == Role::User && answers.is_some();
        turns.extend(answers);
        if !is_user {
            turns.push(Turn::new(role));
        }
    }
    let last = turns.len() - 1;
    &mut turns[last]
}

impl<'r, 'a> Turn<'r, 'a> {
    fn new(role: Role) -> Self {
        Self { role, answers: Vec::new(), blocks: Vec::new(), calls: HashMap::new() }
    }

    /// A user's turn that waits for the results of this one's calls.
    fn answering(&self) -> Self {
        let mut turn = Self::new(Role::User);
        let answer = |id: &Text<'r>| Answer { id: id.clone(), result: None, cache: None };
        turn.answers = self.calls().map(|(_, id)| answer(id)).collect();
        for (position, (call, _)) in self.calls().enumerate() {
            turn.calls.entry(&call.id).or_default().push(position);
        }
        turn.calls.values_mut().for_each(|positions| positions.reverse());
        turn
    }

    /// The calls of the turn, with their names.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&'r ToolCall<'a>, &Text<'r>)> {
        self.blocks.iter().filter_map(|block| match &block.said {
            Said::Call { call, id, .. } => Some((*call, id)),
            _ => None,
        })
    }

    fn push(&mut self, part: &'r Part<'a>, role: Role, rules: &Rules<'_>) {
        let cache = part.cache.as_ref();
        let said = match &part.content {
            Content::ToolResult(result) => return self.answer(result, cache, rules),
            Content::ToolCall(call) => {
                Said::Call { call, id: self.free_id(&call.id), signature: part.signature.as_ref() }
            }
            _ if (rules.is_said)(part, role) => Said::Part(part),
            _ => {
                if let Some(last) = self.blocks.last_mut() {
                    last.cache = last.cache.or(cache);
                }
                return;
            }
        };
        self.blocks.push(Block { said, cache });
    }

    /// The last result of a call counts. One that answers nothing is something that the user says.
    fn answer(&mut self, result: &'r ToolResult<'a>, cache: Option<&'r CacheMark<'a>>, rules: &Rules<'_>) {
        let waiting = self.calls.get_mut(&result.id);
        let position =
            waiting.and_then(
                |positions| {
                    if positions.len() > 1 { positions.pop() } else { positions.last().copied() }
                },
            );
        match position.and_then(|position| self.answers.get_mut(position)) {
            Some(answer) => {
                let inner = result.parts.iter().rev().find_map(|part| part.cache.as_ref());
                (answer.result, answer.cache) = (Some(result), cache.or(inner));
            }
            None => result.parts.iter().for_each(|part| self.push(part, Role::User, rules)),
        }
    }

    /// The name of a call, with a number behind it where another call of the turn has it.
    fn free_id(&mut self, told: &'r Text<'a>) -> Text<'r> {
        let same = self.calls.entry(told).or_default();
        same.push(self.blocks.len());
        match same.len() {
            1 => told.reborrow(),
            number => Text::plain(format!("{}_{number}", told.to_plain())),
        }
    }
}

impl Block<'_, '_> {
    fn ours(text: &'static str) -> Self {
        Self { said: Said::Ours(text.into()), cache: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{ClientDialect, openai_chat::OpenAiChat};

    const USER: &str = r#"{"role":"user","content":"q"}"#;
    const CALLS: &str = r#"{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"g"}}]}"#;

    fn result(id: &str, text: &str) -> String {
        format!(r#"{{"role":"tool","tool_call_id":"{id}","content":"{text}"}}"#)
    }

    /// The turns, one word a block.
    fn told(messages: &[&str]) -> Vec<String> {
        told_by(messages, false)
    }

    fn told_by(messages: &[&str], takes_system: bool) -> Vec<String> {
        let body = format!(r#"{{"messages":[{}]}}"#, messages.join(","));
        let request = OpenAiChat.decode_request(&body).unwrap();
        let is_said = |part: &Part<'_>, _| matches!(&part.content, Content::Text(text) if !text.is_blank());
        let turns = turns(&request.messages, &Rules { is_said: &is_said, takes_system });
        let text = |part: &Part<'_>| match &part.content {
            Content::Text(text) => text.to_plain().into_owned(),
            other => format!("{other:?}"),
        };
        turns
            .iter()
            .map(|turn| {
                let mut words = vec![format!("{:?}", turn.role)];
                words.extend(turn.answers.iter().map(|answer| {
                    let parts = answer.result.map(|result| result.parts.iter().map(text).collect::<String>());
                    format!("{}={}", answer.id.to_plain(), parts.as_deref().unwrap_or("?"))
                }));
                words.extend(turn.blocks.iter().map(|block| match &block.said {
                    Said::Part(part) => text(part),
                    Said::Call { call, id, .. } => format!("{}({})", call.name.to_plain(), id.to_plain()),
                    Said::Operator(text) => format!("!{}", text.to_plain()),
                    Said::Ours(text) => text.to_plain().into_owned(),
                }));
                words.join(" ")
            })
            .collect()
    }

    #[test]
    fn results_come_first_all_together_and_in_the_order_of_their_calls() {
        let between = r#"{"role":"user","content":"steer"}"#;
        let (a, b) = (result("a", "1"), result("b", "2"));
        let expected = ["User q", "Assistant f(a) g(b)", "User a=1 b=2 steer"];
        assert_eq!(told(&[USER, CALLS, &b, between, &a]), expected);
        let system = r#"{"role":"system","content":"s"}"#;
        let expected = ["User q", "Assistant f(a) g(b)", "User a=1 b=2 !s"];
        assert_eq!(told(&[USER, CALLS, system, &a, &b]), expected);
        let expected = ["User q", "Assistant f(a) g(b)", "User a=1 b=2", "System s"];
        assert_eq!(told_by(&[USER, CALLS, &a, &b, system], true), expected);
        assert_eq!(told_by(&[USER, CALLS, system, &a, &b], true), expected);
    }

    #[test]
    fn a_system_speaks_between_a_user_and_an_assistant_only() {
        let system = r#"{"role":"system","content":"s"}"#;
        let answer = r#"{"role":"assistant","content":"a"}"#;
        for (messages, expected) in [
            (&[USER, system][..], &["User q", "System s"][..]),
            (&[USER, system, USER], &["User q q", "System s"]),
            (&[USER, system, answer], &["User q", "System s", "Assistant a"]),
            (
                &[USER, answer, system, USER, answer],
                &["User q", "Assistant a", "User q", "System s", "Assistant a"],
            ),
            (&[USER, answer, system, answer], &["User q", "Assistant a", "User !s", "Assistant a"]),
            (&[USER, answer, system, system], &["User q", "Assistant a", "User !s !s"]),
            (&[USER, answer, system], &["User q", "Assistant a", "User !s"]),
        ] {
            assert_eq!(told_by(messages, true), expected, "{messages:?}");
        }
    }

    #[test]
    fn a_call_without_a_result_gets_one_wherever_the_conversation_ends() {
        let expected = ["User q", "Assistant f(a) g(b)", "User a=? b=?"];
        assert_eq!(told(&[USER, CALLS]), expected);
        let expected = ["User q", "Assistant f(a) g(b)", "User a=? b=2 q"];
        assert_eq!(told(&[USER, CALLS, &result("b", "2"), USER]), expected);
        let system = r#"{"role":"system","content":"s"}"#;
        let expected = ["User q", "Assistant f(a) g(b)", "User a=? b=?", "System s"];
        assert_eq!(told_by(&[USER, CALLS, system], true), expected);
    }

    #[test]
    fn a_result_without_a_call_is_what_the_user_says_and_of_two_the_last_counts() {
        assert_eq!(told(&[&result("x", "1"), USER]), ["User 1 q"]);
        let (first, last, other) = (result("a", "1"), result("a", "2"), result("b", "3"));
        let turns = told(&[USER, CALLS, &first, &last, &other]);
        assert_eq!(turns[2], "User a=2 b=3");
        let late = told(&[USER, CALLS, &first, &other, r#"{"role":"assistant","content":"t"}"#, &last]);
        assert_eq!(late[2..], ["User a=1 b=3", "Assistant t", "User 2"]);
    }

    #[test]
    fn two_calls_of_one_name_get_two_and_their_results_in_order() {
        let calls = r#"{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"a","function":{"name":"g"}}]}"#;
        let turns = told(&[USER, calls, &result("a", "1"), &result("a", "2")]);
        assert_eq!(turns[1..], ["Assistant f(a) g(a_2)", "User a=1 a_2=2"]);
    }

    #[test]
    fn what_is_empty_is_no_turn_of_the_assistant_and_a_placeholder_of_the_user() {
        let silent = r#"{"role":"assistant","content":" "}"#;
        assert_eq!(told(&[USER, silent, USER]), ["User q q"]);
        assert_eq!(told(&[r#"{"role":"user","content":[]}"#]), ["User ."]);
        let mut turns = Vec::new();
        begin_with_user(&mut turns);
        turns.push(Turn::new(Role::Assistant));
        end_with_user(&mut turns);
        assert_eq!(
            turns.iter().map(|turn| turn.role).collect::<Vec<_>>(),
            [Role::User, Role::Assistant, Role::User]
        );
    }

    #[test]
    fn a_mark_on_what_is_left_out_moves_to_what_stands_before() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},
            {"type":"text","text":"","cache_control":{"type":"ephemeral"}}]}]}"#;
        let request = OpenAiChat.decode_request(body).unwrap();
        let is_said = |part: &Part<'_>, _| matches!(&part.content, Content::Text(text) if !text.is_blank());
        let turns = turns(&request.messages, &Rules { is_said: &is_said, takes_system: false });
        assert!(turns[0].blocks.len() == 1 && turns[0].blocks[0].cache.is_some());
    }
}
