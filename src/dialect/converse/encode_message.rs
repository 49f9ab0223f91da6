//! The turns of a conversation, and what a system says before them.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    encode_tools::tool_name,
    family::Family,
    media::{DocumentNames, Kind, medium},
};
use crate::{
    dialect::{
        Encoded, NameRule, input,
        json::Writer,
        turns::{Answer, Block, Said, Turn},
    },
    ir::{ApiError, CacheMark, Content, Origin, Part, Role, Signature, Text, ToolResult},
};

/// What Converse takes as the name of a call.
const CALL_IDS: NameRule = NameRule { is_allowed: may_be_in_id, may_begin: may_be_in_id, length_max: 64 };
/// Mistral's models take these, and nothing else.
const MISTRAL_ID_BYTES: usize = 9;

/// What stands where a tool has said nothing.
const EMPTY_RESULT: &str = "(empty)";
/// What stands where a client has left a call without a result.
const NO_RESULT: &str = "No result was provided.";
/// What is said beside a document, which must not stand alone.
const BESIDE_DOCUMENT: &str = ".";

/// Writes turns.
pub(super) struct MessageWriter<'e> {
    pub(super) family: Family,
    pub(super) takes_images_in_results: bool,
    pub(super) marks: Marks,
    pub(super) documents: DocumentNames,
    pub(super) encoded: &'e mut Encoded,
}

/// Marks for the cache, of which AWS takes few: the last ones count, since they reach the furthest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Those that are left out before the first one is written.
    pub(super) skipped: usize,
    /// Whether they may live longer.
    pub(super) take_ttl: bool,
}

impl Marks {
    /// Writes a mark as the block that it is for Converse, if there is one.
    pub(super) fn write(&mut self, mark: Option<&CacheMark<'_>>, writer: &mut Writer<'_>) {
        let Some(mark) = mark else { return };
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        writer.object(|writer| {
            writer.member("cachePoint").object(|writer| {
                writer.member("type").string("default");
                let ttl = mark.ttl.as_ref().filter(|ttl| self.take_ttl && (ttl.is("5m") || ttl.is("1h")));
                if let Some(ttl) = ttl {
                    writer.member("ttl").text(ttl);
                }
            });
        });
    }
}

/// Marks in a turn.
pub(super) fn count_marks(turn: &Turn<'_, '_>) -> usize {
    let of_blocks = turn.blocks.iter().filter(|block| mark_of(block).is_some()).count();
    of_blocks + usize::from(turn.answers.iter().any(|answer| answer.cache.is_some()))
}

/// Its mark; what is thought takes none.
fn mark_of<'r>(block: &Block<'r, '_>) -> Option<&'r CacheMark<'r>> {
    let is_thought = matches!(&block.said, Said::Part(part) if is_thought(part));
    block.cache.filter(|_| !is_thought)
}

fn is_thought(part: &Part<'_>) -> bool {
    matches!(part.content, Content::Reasoning(_) | Content::RedactedReasoning { .. })
}

/// Whether a turn holds something thought.
pub(super) fn has_thoughts(turn: &Turn<'_, '_>) -> bool {
    turn.blocks.iter().any(|block| matches!(&block.said, Said::Part(part) if is_thought(part)))
}

/// Whether Converse takes a part of what this role says; images are the user's alone, and nobody can read what
/// other makers' models have thought.
pub(super) fn is_said(part: &Part<'_>, role: Role, family: Family) -> bool {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => !text.is_blank(),
        Content::Image { .. } | Content::Audio(_) | Content::Video(_) | Content::File { .. } => {
            role == Role::User
        }
        Content::Reasoning(_) => family == Family::Claude && seal_of(part).is_some(),
        Content::RedactedReasoning { origin, .. } => family == Family::Claude && *origin == Origin::Anthropic,
        _ => false,
    }
}

/// Claude's own seal; without one it refuses what it has thought.
fn seal_of<'p>(part: &'p Part<'_>) -> Option<&'p Text<'p>> {
    let seal = part.signature.as_ref().filter(|Signature { origin, .. }| *origin == Origin::Anthropic);
    seal.map(|seal| &seal.data)
}

/// An error where something in the turns cannot be taken.
pub(super) fn check(turns: &[Turn<'_, '_>]) -> Result<(), ApiError> {
    for turn in turns {
        let results = turn.answers.iter().filter_map(|answer| answer.result);
        results.flat_map(|result| &result.parts).try_for_each(|part| medium(&part.content).map(drop))?;
        for block in &turn.blocks {
            if let Said::Part(part) = block.said {
                medium(&part.content)?;
            }
        }
    }
    Ok(())
}

impl MessageWriter<'_> {
    /// Writes a turn.
    pub(super) fn write(
        &mut self,
        turn: &Turn<'_, '_>,
        last_mark: Option<&CacheMark<'_>>,
        writer: &mut Writer<'_>,
    ) {
        writer.object(|writer| {
            let role = if turn.role == Role::Assistant { "assistant" } else { "user" };
            writer.member("role").string(role);
            writer.member("content").array(|writer| {
                self.write_answers(&turn.answers, writer);
                let (mut has_text, mut has_document) = (false, false);
                for block in &turn.blocks {
                    has_document |= self.write_block(block, writer);
                    has_text |= is_text(block);
                    self.marks.write(mark_of(block), writer);
                }
                if has_document && !has_text {
                    write_text(&BESIDE_DOCUMENT.into(), writer);
                }
                self.marks.write(last_mark, writer);
            });
        });
    }

    /// Results, with nothing between them, and behind them what they cannot hold.
    fn write_answers(&mut self, answers: &[Answer<'_, '_>], writer: &mut Writer<'_>) {
        answers.iter().for_each(|answer| self.write_answer(answer, writer));
        if !self.takes_images_in_results {
            let results = answers.iter().filter_map(|answer| answer.result);
            for part in results.flat_map(|result| &result.parts) {
                self.write_medium(part, writer);
            }
        }
        self.marks.write(answers.iter().rev().find_map(|answer| answer.cache), writer);
    }

    fn write_answer(&mut self, answer: &Answer<'_, '_>, writer: &mut Writer<'_>) {
        writer.object(|writer| {
            writer.member("toolResult").object(|writer| {
                writer.member("toolUseId").string(&call_id(&answer.id, self.family));
                writer.member("content").array(|writer| match answer.result {
                    Some(result) => self.write_result(result, writer),
                    None => write_text(&NO_RESULT.into(), writer),
                });
                let has_failed = answer.result.is_none_or(|result| result.is_error);
                writer.member("status").string(if has_failed { "error" } else { "success" });
            });
        });
    }

    fn write_result(&mut self, result: &ToolResult<'_>, writer: &mut Writer<'_>) {
        let mut is_empty = true;
        for part in &result.parts {
            match &part.content {
                Content::Text(text) | Content::Refusal(text) if !text.is_blank() => {
                    write_text(text, writer);
                    is_empty = false;
                }
                _ if self.takes_images_in_results => {
                    is_empty &= self.write_medium(part, writer).is_none();
                }
                _ => {}
            }
        }
        if is_empty {
            write_text(&EMPTY_RESULT.into(), writer);
        }
    }

    /// Writes a block; whether it is a document.
    fn write_block(&mut self, block: &Block<'_, '_>, writer: &mut Writer<'_>) -> bool {
        match &block.said {
            Said::Part(part) => return self.write_part(part, writer),
            Said::Ours(text) => write_text(text, writer),
            // The role `system` within a conversation is taken by few models, and no list tells by which.
            Said::Operator(text) => writer.object(|writer| {
                let pieces = ["<system-reminder>\\n", text.as_escaped(), "\\n</system-reminder>"];
                writer.member("text").joined(pieces);
            }),
            Said::Call { call, id, .. } => writer.object(|writer| {
                writer.member("toolUse").object(|writer| {
                    writer.member("toolUseId").string(&call_id(id, self.family));
                    writer.member("name").string(&tool_name(&call.name, &mut self.encoded.emulation.names));
                    writer.member("input").raw(&input::object_of(call));
                });
            }),
        }
        false
    }

    fn write_part(&mut self, part: &Part<'_>, writer: &mut Writer<'_>) -> bool {
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => write_text(text, writer),
            Content::Reasoning(text) => writer.object(|writer| {
                writer.member("reasoningContent").object(|writer| {
                    writer.member("reasoningText").object(|writer| {
                        writer.member("text").text(text);
                        if let Some(seal) = seal_of(part) {
                            writer.member("signature").text(seal);
                        }
                    });
                });
            }),
            Content::RedactedReasoning { data, .. } => writer.object(|writer| {
                writer
                    .member("reasoningContent")
                    .object(|writer| writer.member("redactedContent").text(data));
            }),
            _ => return self.write_medium(part, writer) == Some(Kind::Document),
        }
        false
    }

    fn write_medium(&mut self, part: &Part<'_>, writer: &mut Writer<'_>) -> Option<Kind> {
        let medium = medium(&part.content).ok().flatten()?;
        medium.write(&mut self.documents, writer);
        Some(medium.kind)
    }
}

/// Writes a block that is a text.
pub(super) fn write_text(text: &Text<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| writer.member("text").text(text));
}

fn is_text(block: &Block<'_, '_>) -> bool {
    match &block.said {
        Said::Part(part) => matches!(part.content, Content::Text(_) | Content::Refusal(_)),
        Said::Operator(_) | Said::Ours(_) => true,
        Said::Call { .. } => false,
    }
}

/// The name of a call: the same in every turn and every request.
fn call_id<'n>(id: &'n Text<'_>, family: Family) -> Cow<'n, str> {
    if family != Family::Mistral {
        return CALL_IDS.apply(id);
    }
    let escaped = id.as_escaped();
    if escaped.len() == MISTRAL_ID_BYTES && escaped.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(escaped);
    }
    let mut hasher = DefaultHasher::new();
    id.to_plain().hash(&mut hasher);
    Cow::Owned(format!("{:09x}", hasher.finish() & 0xf_ffff_ffff))
}

const fn may_be_in_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_calls_are_what_the_model_takes_and_always_the_same() {
        let id = |told: &str, family| call_id(&Text::plain(told), family).into_owned();
        assert_eq!(id("toolu_a.b:c-1", Family::Claude), "toolu_a.b:c-1");
        let long = "x".repeat(65);
        for told in ["a b", "", "a\"", &long] {
            let given = id(told, Family::Claude);
            assert!(given.len() <= 64 && given.bytes().all(may_be_in_id), "{given}");
            assert_eq!(given, id(told, Family::Claude));
        }
        assert_ne!(id(&long, Family::Claude), id(&"x".repeat(66), Family::Claude));
        assert_eq!(id("AbC123xyz", Family::Mistral), "AbC123xyz");
        let given = id("call_1", Family::Mistral);
        assert!(given.len() == 9 && given.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
