//! The conversation for a provider of Claude.

use super::media;
use crate::{
    dialect::{
        Encoded, NameRule, Quirks, Recipient, input,
        json::Writer,
        turns::{self, Answer, Block, Rules, Said, Turn},
    },
    ir::{ApiError, CacheMark, Content, Media, Message, Origin, Part, Request, Role, Text, ToolCall},
};

/// What may stand in a name of a call.
const ID_RULE: NameRule = NameRule::words(128);
/// Marks for the cache that a request may have.
const MARKS_MAX: usize = 4;

/// A conversation, arranged as Claude wants it.
#[derive(Debug)]
pub(super) struct Conversation<'r, 'a> {
    /// What the system says before all others.
    system: Vec<&'r Part<'a>>,
    turns: Vec<Turn<'r, 'a>>,
    /// Marks that are left out, since there are too many: of tools, the system and messages.
    pub(super) skipped: [usize; 3],
}

/// Whether anything in a conversation calls a tool or tells what came of a call.
pub(super) fn has_calls(messages: &[Message<'_>]) -> bool {
    let is_call = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_) | Content::ToolResult(_));
    messages.iter().any(|message| message.parts.iter().any(is_call))
}

/// Whether tools have been called and nothing of what was thought before is there to be told again.
pub(super) fn lacks_thoughts(messages: &[Message<'_>]) -> bool {
    let said = || {
        messages.iter().filter(|message| message.role == Role::Assistant).flat_map(|message| &message.parts)
    };
    said().any(|part| matches!(part.content, Content::ToolCall(_))) && !said().any(is_thought)
}

/// Whether a part is something that Claude has thought, and can read again.
fn is_thought(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Reasoning(_) => part.signature.as_ref().is_some_and(|seal| seal.origin == Origin::Anthropic),
        Content::RedactedReasoning { origin, .. } => *origin == Origin::Anthropic,
        _ => false,
    }
}

/// What can be said by whom.
fn is_said(part: &Part<'_>, role: Role) -> bool {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => !text.is_blank(),
        Content::Reasoning(_) | Content::RedactedReasoning { .. } => {
            role == Role::Assistant && is_thought(part)
        }
        Content::Opaque { dialect, .. } => {
            *dialect == super::NAME && matches!(role, Role::User | Role::Assistant)
        }
        Content::Image { .. } | Content::File { .. } => role == Role::User,
        _ => false,
    }
}

impl<'r, 'a> Conversation<'r, 'a> {
    /// Arranges the messages of a request; `thinks` tells whether Claude is asked to think.
    pub(super) fn of(
        request: &'r Request<'a>,
        recipient: &Recipient<'_>,
        thinks: bool,
        encoded: &mut Encoded,
    ) -> Result<Self, ApiError> {
        media::check(&request.messages, recipient.quirks)?;
        note_lost(&request.messages, encoded);
        let is_system = |message: &&Message<'_>| matches!(message.role, Role::System | Role::Developer);
        let leading = request.messages.iter().take_while(is_system).count();
        let (front, rest) = request.messages.split_at(leading);
        let said = front.iter().flat_map(|message| &message.parts).filter(|part| is_said(part, Role::System));
        let system: Vec<_> = said.collect();
        let rules = Rules { is_said: &is_said, takes_system: recipient.profile.takes_system_between };
        let mut turns = turns::turns(rest, &rules);
        turns.iter_mut().for_each(settle);
        turns::begin_with_user(&mut turns);
        let is_open = turns.last().is_some_and(|turn| turn.role == Role::Assistant);
        if is_open && (thinks || !recipient.profile.takes_prefill) {
            turns::end_with_user(&mut turns);
        }
        let skipped = skipped_marks(request, &system, &turns);
        Ok(Self { system, turns, skipped })
    }

    /// Writes the member `system`, with what the gateway adds to it.
    pub(super) fn write_system(&self, instructions: &[Text<'_>], writer: &mut Writer<'_>) {
        if self.system.is_empty() && instructions.is_empty() {
            return;
        }
        let mut skipped = self.skipped[1];
        writer.member("system").array(|writer| {
            for part in &self.system {
                let cache = kept_mark(part.cache.as_ref(), &mut skipped);
                if let Content::Text(text) | Content::Refusal(text) = &part.content {
                    write_text(text, cache, writer);
                }
            }
            instructions.iter().for_each(|text| write_text(text, None, writer));
        });
    }

    /// Writes the member `messages`.
    pub(super) fn write_messages(&self, encoded: &mut Encoded, quirks: &Quirks, writer: &mut Writer<'_>) {
        let mut skipped = self.skipped[2];
        writer.member("messages").array(|writer| {
            for (position, turn) in self.turns.iter().enumerate() {
                let is_prefill = turn.role == Role::Assistant && position + 1 == self.turns.len();
                writer.object(|writer| {
                    writer.member("role").string(match turn.role {
                        Role::Assistant => "assistant",
                        Role::User => "user",
                        Role::System | Role::Developer => "system",
                    });
                    writer.member("content").array(|writer| {
                        for answer in &turn.answers {
                            let cache = kept_mark(answer.cache, &mut skipped);
                            writer.object(|writer| write_answer(answer, cache, quirks, writer));
                        }
                        for (place, block) in turn.blocks.iter().enumerate() {
                            let cache = kept_mark(block.cache, &mut skipped);
                            let is_last = is_prefill && place + 1 == turn.blocks.len();
                            write_block(block, cache, is_last, quirks, encoded, writer);
                        }
                    });
                });
            }
        });
    }
}

/// Notes what no turn has a place for.
fn note_lost(messages: &[Message<'_>], encoded: &mut Encoded) {
    for message in messages {
        for part in &message.parts {
            match &part.content {
                Content::Image { detail: Some(detail), .. } if !detail.is("auto") => {
                    encoded.drop_param("detail")
                }
                Content::Opaque { dialect, .. } if *dialect != super::NAME => encoded.drop_param("messages"),
                Content::Image { .. } | Content::Audio(_) | Content::Video(_) | Content::File { .. }
                    if message.role != Role::User =>
                {
                    encoded.drop_param("messages");
                }
                _ => {}
            }
        }
    }
}

/// A turn does not end with a thought, and no thought is marked.
fn settle(turn: &mut Turn<'_, '_>) {
    let is_thought = |block: &Block<'_, '_>| matches!(block.said, Said::Part(part) if is_thought(part));
    while turn.blocks.pop_if(|block| is_thought(block)).is_some() {}
    let mut before = None;
    for position in 0..turn.blocks.len() {
        let Some(block) = turn.blocks.get_mut(position) else { return };
        if !is_thought(block) {
            before = Some(position);
        } else if let (Some(mark), Some(before)) = (block.cache.take(), before)
            && let Some(before) = turn.blocks.get_mut(before)
        {
            before.cache.get_or_insert(mark);
        }
    }
}

/// Marks that are too many: those of messages go first, and of each kind the first ones.
fn skipped_marks(request: &Request<'_>, system: &[&Part<'_>], turns: &[Turn<'_, '_>]) -> [usize; 3] {
    let tools = request.tools.iter().filter(|tool| tool.cache.is_some()).count();
    let system = system.iter().filter(|part| part.cache.is_some()).count();
    let in_turn = |turn: &Turn<'_, '_>| {
        let answers = turn.answers.iter().filter(|answer| answer.cache.is_some()).count();
        answers + turn.blocks.iter().filter(|block| block.cache.is_some()).count()
    };
    let messages: usize = turns.iter().map(in_turn).sum();
    let all = tools + system + messages + usize::from(request.cache.is_some());
    let mut surplus = all.saturating_sub(MARKS_MAX);
    let mut skip = |count: usize| {
        let skipped = count.min(surplus);
        surplus -= skipped;
        skipped
    };
    let messages = skip(messages);
    let tools = skip(tools);
    [tools, skip(system), messages]
}

/// A mark, unless it is one too many.
pub(super) fn kept_mark<'m, 'a>(
    mark: Option<&'m CacheMark<'a>>,
    skipped: &mut usize,
) -> Option<&'m CacheMark<'a>> {
    match skipped.checked_sub(1) {
        Some(fewer) if mark.is_some() => {
            *skipped = fewer;
            None
        }
        _ => mark,
    }
}

/// Writes the member `cache_control`.
pub(super) fn write_mark(mark: Option<&CacheMark<'_>>, writer: &mut Writer<'_>) {
    let Some(mark) = mark else { return };
    writer.member("cache_control").object(|writer| {
        writer.member("type").string("ephemeral");
        if let Some(ttl) = &mark.ttl {
            // Claude knows five minutes and one hour; others know longer lives.
            writer.member("ttl").string(if ttl.is("5m") { "5m" } else { "1h" });
        }
    });
}

fn write_text(text: &Text<'_>, cache: Option<&CacheMark<'_>>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("text");
        writer.member("text").text(text);
        write_mark(cache, writer);
    });
}

fn write_answer(
    answer: &Answer<'_, '_>,
    cache: Option<&CacheMark<'_>>,
    quirks: &Quirks,
    writer: &mut Writer<'_>,
) {
    writer.member("type").string("tool_result");
    writer.member("tool_use_id").string(&ID_RULE.apply(&answer.id));
    match answer.result {
        None => {
            writer.member("content").string("No result was given.");
            writer.member("is_error").boolean(true);
        }
        Some(result) => {
            let parts: Vec<_> = result.parts.iter().filter(|part| is_said(part, Role::User)).collect();
            match &parts[..] {
                [] => {}
                [Part { content: Content::Text(text), native: None, .. }] => {
                    writer.member("content").text(text)
                }
                parts => writer.member("content").array(|writer| {
                    parts.iter().for_each(|part| write_part(part, None, quirks, writer));
                }),
            }
            if result.is_error {
                writer.member("is_error").boolean(true);
            }
        }
    }
    write_mark(cache, writer);
}

fn write_block(
    block: &Block<'_, '_>,
    cache: Option<&CacheMark<'_>>,
    is_prefill: bool,
    quirks: &Quirks,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    match &block.said {
        Said::Part(Part { content: Content::Text(text), .. }) if is_prefill => {
            write_text(&without_end(text), cache, writer);
        }
        Said::Part(part) => write_part(part, cache, quirks, writer),
        Said::Ours(text) => write_text(text, cache, writer),
        Said::Operator(text) => {
            let told = format!("<system-reminder>\\n{}\\n</system-reminder>", text.as_escaped());
            write_text(&Text::escaped(&told), cache, writer);
        }
        Said::Call { call, id, .. } => write_call(call, id, cache, encoded, writer),
    }
}

/// Claude refuses to go on behind white space.
fn without_end<'t>(text: &'t Text<'_>) -> Text<'t> {
    let plain = text.to_plain();
    let trimmed = plain.trim_end();
    if trimmed.len() == plain.len() { text.reborrow() } else { Text::plain(trimmed.to_owned()) }
}

fn write_call(
    call: &ToolCall<'_>,
    id: &Text<'_>,
    cache: Option<&CacheMark<'_>>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let name = encoded.emulation.names.replace(&call.name, super::encode_tools::NAME_RULE);
    writer.object(|writer| {
        writer.member("type").string("tool_use");
        writer.member("id").string(&ID_RULE.apply(id));
        writer.member("name").string(&name);
        writer.member("input").raw(&input::object_of(call));
        write_mark(cache, writer);
    });
}

fn write_part(part: &Part<'_>, cache: Option<&CacheMark<'_>>, quirks: &Quirks, writer: &mut Writer<'_>) {
    // What was fetched for a host that fetches nothing does not stand in the client's words.
    let is_as_told = quirks.fetches_urls
        || !matches!(part.content, Content::File { media: Media::Data { .. } | Media::Url { .. }, .. });
    if let Some(native) = &part.native
        && native.dialect == super::NAME
        && is_as_told
        && cache == part.cache.as_ref()
    {
        return writer.raw(&native.raw);
    }
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => write_text(text, cache, writer),
        Content::Reasoning(text) => writer.object(|writer| {
            writer.member("type").string("thinking");
            writer.member("thinking").text(text);
            writer.member("signature").text_or(part.signature.as_ref().map(|seal| &seal.data), "");
        }),
        Content::RedactedReasoning { data, .. } => writer.object(|writer| {
            writer.member("type").string("redacted_thinking");
            writer.member("data").text(data);
        }),
        Content::Opaque { raw, .. } => writer.raw(raw),
        content => {
            // What cannot be written has been refused before.
            if let Ok(Some(block)) = media::block_of(content, quirks) {
                writer.object(|writer| {
                    block.write(writer);
                    write_mark(cache, writer);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asked, asked_messages};
    use crate::ir::Profile;

    const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ";
    const USER: &str = r#"{"role":"user","content":"q"}"#;
    const Q: &str = r#"{"role":"user","content":[{"type":"text","text":"q"}]}"#;

    fn messages(messages: &[&str]) -> String {
        let asked = asked_messages(&messages.join(","), &Profile::default());
        let start = asked.find("\"messages\":").unwrap();
        let end = asked.find(",\"tools\"").unwrap_or(asked.len());
        asked[start + "\"messages\":[".len()..end - 1].to_owned()
    }

    #[test]
    fn somebody_always_asks_something() {
        let placeholder = r#"{"role":"user","content":[{"type":"text","text":"."}]}"#;
        let system = r#"{"role":"system","content":"S"}"#;
        assert_eq!(messages(&[system]), placeholder);
        assert_eq!(messages(&[r#"{"role":"user","content":[{"type":"text","text":" \n"}]}"#]), placeholder);
        let answer = r#"{"role":"assistant","content":"a"}"#;
        let said = r#"{"role":"assistant","content":[{"type":"text","text":"a"}]}"#;
        assert_eq!(messages(&[answer, USER]), format!("{placeholder},{said},{Q}"));
        assert_eq!(messages(&[USER, r#"{"role":"assistant","content":""}"#]), Q);
    }

    #[test]
    fn an_answer_that_is_begun_goes_on_where_the_model_takes_that() {
        let begun = r#"{"role":"assistant","content":"{\"a\": \n"}"#;
        let prefill =
            format!(r#"{Q},{{"role":"assistant","content":[{{"type":"text","text":"{{\"a\":"}}]}}"#);
        assert_eq!(messages(&[USER, begun]), prefill);
        let profile = Profile { takes_prefill: false, ..Profile::default() };
        let asked = asked_messages(&[USER, begun].join(","), &profile);
        assert!(asked.ends_with(
            r#""text":"{\"a\": \n"}]},{"role":"user","content":[{"type":"text","text":"Continue."}]}]"#
        ));
    }

    #[test]
    fn calls_and_results_have_names_that_claude_takes_and_every_call_a_result() {
        let calls = r#"{"role":"assistant","content":"","tool_calls":[{"id":"a.1","function":{"name":"f.g","arguments":"[1]"}},{"id":"b","function":{"name":"f.g","arguments":"{"}}]}"#;
        let told = messages(&[USER, calls, USER, r#"{"role":"tool","tool_call_id":"a.1","content":[]}"#]);
        let id = told.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
        let name = told.split("\"name\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(id.starts_with("a_1_") && name.starts_with("f_g_"), "{told}");
        let expected = format!(
            r#"{Q},{{"role":"assistant","content":[{{"type":"tool_use","id":"{id}","name":"{name}","input":{{"input":[1]}}}},{{"type":"tool_use","id":"b","name":"{name}","input":{{"_raw":"{{"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{id}"}},{{"type":"tool_result","tool_use_id":"b","content":"No result was given.","is_error":true}},{{"type":"text","text":"q"}}]}}"#
        );
        assert_eq!(told, expected);
    }

    #[test]
    fn only_what_claude_has_signed_is_thought_again() {
        let detail = |format: &str| {
            format!(r#"{{"type":"reasoning.text","text":" h\n","signature":"s==","format":"{format}"}}"#)
        };
        let answer = |details: &str| {
            format!(
                r#"{{"role":"assistant","content":"a","reasoning_content":"h","reasoning_details":[{details}]}}"#
            )
        };
        let said = r#"{"type":"text","text":"a"}"#;
        let told = messages(&[USER, &answer(&detail("anthropic-claude-v1")), USER]);
        assert!(
            told.contains(&format!(r#"[{{"type":"thinking","thinking":" h\n","signature":"s=="}},{said}]"#)),
            "{told}"
        );
        for foreign in [detail("google-gemini-v1"), String::new()] {
            assert!(messages(&[USER, &answer(&foreign), USER]).contains(&format!(r#""content":[{said}]"#)));
        }
        let silent = answer(&detail("anthropic-claude-v1")).replace(r#""content":"a""#, r#""content":"""#);
        let twice = Q.replace("}]", "},{\"type\":\"text\",\"text\":\"q\"}]");
        assert_eq!(messages(&[USER, &silent, USER]), twice);
    }

    #[test]
    fn images_and_documents_are_said_in_the_blocks_that_claude_has() {
        let part = |part: String| messages(&[&format!(r#"{{"role":"user","content":[{part}]}}"#)]);
        for (given, expected) in [
            (
                format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/jpeg;base64,{PNG}"}}}}"#),
                format!(r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{PNG}"}}}}"#),
            ),
            (
                r#"{"type":"image_url","image_url":"https://h/a"}"#.to_owned(),
                r#"{"type":"image","source":{"type":"url","url":"https://h/a"}}"#.to_owned(),
            ),
            (
                r#"{"type":"image_url","image_url":"data:application/pdf;base64,JVBERi0xLjcKJeLjz9MK"}"#.to_owned(),
                r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjcKJeLjz9MK"}}"#.to_owned(),
            ),
            (
                r#"{"type":"file","file":{"filename":"a.txt","file_data":"YQo="}}"#.to_owned(),
                r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a\n"},"title":"a.txt"}"#.to_owned(),
            ),
            (
                r#"{"type":"file","file":{"file_id":"file_011"}}"#.to_owned(),
                r#"{"type":"document","source":{"type":"file","file_id":"file_011"}}"#.to_owned(),
            ),
        ] {
            assert_eq!(part(given), format!(r#"{{"role":"user","content":[{expected}]}}"#));
        }
        for (given, code) in [
            (r#"{"type":"input_audio","input_audio":{"data":"YQo=","format":"wav"}}"#, "unsupported_audio"),
            (r#"{"type":"video_url","video_url":{"url":"https://h/v.mp4"}}"#, "unsupported_video"),
            (r#"{"type":"file","file":{"file_id":"file-abc"}}"#, "unsupported_file_id"),
            (r#"{"type":"file","file":{"filename":"a.docx","file_data":"YQo="}}"#, "unsupported_file"),
        ] {
            let members = format!(r#""messages":[{{"role":"user","content":[{given}]}}]"#);
            let error = asked(&members, &Profile::default()).unwrap_err();
            assert_eq!(
                (error.status, error.code, error.param.as_deref()),
                (400, Some(code), Some("messages"))
            );
        }
    }

    #[test]
    fn of_too_many_marks_the_first_ones_of_messages_go() {
        let mark = r#""cache_control":{"type":"ephemeral","ttl":"30m"}"#;
        let said = |role: &str, text: &str| {
            format!(r#"{{"role":"{role}","content":[{{"type":"text","text":"{text}",{mark}}}]}}"#)
        };
        let all: Vec<_> = [said("system", "S")]
            .into_iter()
            .chain("abcde".chars().map(|text| said("user", &text.to_string())))
            .collect();
        let tool = format!(r#""tools":[{{"type":"function","function":{{"name":"f"}},{mark}}}]"#);
        let (asked, _) =
            asked(&format!(r#""messages":[{}],{tool}"#, all.join(",")), &Profile::default()).unwrap();
        let kept = r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#;
        assert_eq!(asked.matches(kept).count(), 4);
        for text in ["S", "d", "e"] {
            assert!(asked.contains(&format!(r#""text":"{text}"{kept}"#)), "{asked}");
        }
        assert!(asked.contains(&format!(r#""properties":{{}}}}{kept}"#)), "{asked}");
    }

    #[test]
    fn a_system_message_between_others_stays_where_it_is() {
        let system = r#"{"role":"developer","content":"S"}"#;
        let told = messages(&[USER, system]);
        assert_eq!(told, format!(r#"{Q},{{"role":"system","content":[{{"type":"text","text":"S"}}]}}"#));
        let profile = Profile { takes_system_between: false, ..Profile::default() };
        let asked = asked_messages(&[USER, system].join(","), &profile);
        assert!(asked.ends_with(r#"{"type":"text","text":"q"},{"type":"text","text":"<system-reminder>\nS\n</system-reminder>"}]}]"#));
    }
}
