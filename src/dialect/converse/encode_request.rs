//! A request to Bedrock. Its model and whether it is streamed stand in the path.

use super::{
    encode_message::{Marks, MessageWriter, check, count_marks, has_thoughts, is_said, write_text},
    encode_parameters::{max_tokens, write_additional, write_format, write_inference, write_rest},
    encode_reasoning::Deliberated,
    encode_tools::{Situation, Toolbox},
    family::Family,
    media::DocumentNames,
};
use crate::{
    dialect::{
        Encoded, Recipient, check_choices,
        json::Writer,
        turns::{self, Block, Rules, Said, Turn},
    },
    ir::{ApiError, Content, Format, Message, Part, Request, Role, Text},
};

/// Marks for the cache that AWS takes in a request.
const MARKS_MAX: usize = 4;

/// Writes a request.
pub(super) fn encode_request(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    out: &mut Vec<u8>,
) -> Result<Encoded, ApiError> {
    let mut encoded = Encoded::default();
    check_choices(request, "Bedrock")?;
    let family = Family::of(recipient.model);
    // Where a model takes no system, its user says what that would.
    let takes_system = recipient.profile.takes_system;
    let (systems, messages) =
        if takes_system { turns::split_systems(&request.messages) } else { (&[][..], &request.messages[..]) };
    let is_said = |part: &Part<'_>, role| is_said(part, role, family);
    let mut turns = turns::turns(messages, &Rules { is_said: &is_said, takes_system: false });
    note_unsaid(&request.messages, family, &mut encoded);
    check(&turns)?;
    turns::begin_with_user(&mut turns);

    let has_calls = turns.iter().any(|turn| !turn.answers.is_empty());
    let max_tokens = max_tokens(request, recipient, family);
    let lacks_thoughts = lacks_thoughts(&turns);
    let deliberated = Deliberated::of(request, recipient, family, max_tokens, lacks_thoughts, &mut encoded);
    let situation = Situation { family, thinks: deliberated.binds(), has_calls };
    let mut toolbox = Toolbox::of(request, recipient, situation, &mut encoded);
    if request.format == Format::JsonObject {
        toolbox.instructions.push("Answer with one JSON object and nothing else.".into());
    }
    // Others than Claude want a user to speak last.
    if family == Family::Claude && recipient.profile.takes_prefill && !deliberated.binds() {
        trim_prefill(&mut turns);
    } else {
        turns::end_with_user(&mut turns);
    }
    if let Some(last) = turns.last_mut().filter(|_| !takes_system) {
        let words = toolbox.instructions.drain(..).map(Said::Ours);
        last.blocks.extend(words.map(|said| Block { said, cache: None }));
    }
    let system: Vec<_> = systems
        .iter()
        .flat_map(|message| &message.parts)
        .filter(|part| is_said(part, Role::System))
        .collect();
    let mut marks = Allotment::of(request, &system, &turns, &toolbox, family, &mut encoded);

    Writer::new(out).object(|writer| {
        write_system(&system, &toolbox.instructions, &mut marks.system, writer);
        write_inference(request, recipient, &deliberated, max_tokens, &mut encoded, writer);
        let last = turns.len() - 1;
        let mut message_writer = MessageWriter {
            family,
            takes_images_in_results: recipient.profile.takes_images_in_results,
            marks: marks.messages,
            documents: DocumentNames::default(),
            encoded: &mut encoded,
        };
        writer.member("messages").array(|writer| {
            for (position, turn) in turns.iter().enumerate() {
                let mark = request.cache.as_ref().filter(|_| position == last);
                message_writer.write(turn, mark, writer);
            }
        });
        toolbox.write(&mut marks.tools, &mut encoded, writer);
        write_format(request, recipient, family, writer);
        write_additional(request, recipient, family, &deliberated, &toolbox, &mut encoded, writer);
        write_rest(request, recipient, &mut encoded, writer);
    });
    Ok(encoded)
}

/// Names what the messages hold and Converse has no place for.
fn note_unsaid(messages: &[Message<'_>], family: Family, encoded: &mut Encoded) {
    for message in messages {
        for part in &message.parts {
            let is_lost = match &part.content {
                Content::Image { .. } | Content::Audio(_) | Content::Video(_) | Content::File { .. } => {
                    !is_said(part, message.role, family)
                }
                _ => false,
            };
            if is_lost {
                encoded.drop_param("messages[].content");
            }
            if matches!(&part.content, Content::Image { detail: Some(detail), .. } if !detail.is("auto")) {
                encoded.drop_param("detail");
            }
        }
    }
}

/// Whether the last turn of the model calls tools, and none of its turns says what it has thought.
fn lacks_thoughts(turns: &[Turn<'_, '_>]) -> bool {
    let last = turns.iter().rev().find(|turn| turn.role == Role::Assistant);
    last.is_some_and(|turn| turn.calls().next().is_some()) && !turns.iter().any(has_thoughts)
}

/// An answer that a client has begun must not end in white space.
fn trim_prefill(turns: &mut [Turn<'_, '_>]) {
    let Some(last) = turns.last_mut().filter(|turn| turn.role == Role::Assistant) else { return };
    if let Some(block) = last.blocks.last_mut()
        && let Said::Part(Part { content: Content::Text(text), .. }) = block.said
    {
        block.said = Said::Ours(Text::plain(text.to_plain().trim_end().to_owned()));
    }
}

/// Which marks for the cache are written, by where they stand.
struct Allotment {
    system: Marks,
    tools: Marks,
    messages: Marks,
}

impl Allotment {
    /// Those of tools and system come first, of each the last ones: they reach the furthest.
    fn of(
        request: &Request<'_>,
        system: &[&Part<'_>],
        turns: &[Turn<'_, '_>],
        toolbox: &Toolbox<'_, '_>,
        family: Family,
        encoded: &mut Encoded,
    ) -> Self {
        let mut left = if family.takes_marks() { MARKS_MAX } else { 0 };
        let mut allot = |count: usize| {
            let skipped = count.saturating_sub(left);
            left -= count - skipped;
            Marks { skipped, take_ttl: family == Family::Claude }
        };
        let of_tools = toolbox.count_marks();
        // Marks between tools are refused by all others.
        let tools = if family == Family::Claude {
            allot(of_tools)
        } else {
            Marks { skipped: of_tools, take_ttl: false }
        };
        let of_system = system.iter().filter(|part| part.cache.is_some()).count();
        let of_messages: usize = turns.iter().map(count_marks).sum();
        let of_messages = of_messages + usize::from(request.cache.is_some());
        let system = allot(of_system);
        let messages = allot(of_messages);
        if [(tools, of_tools), (system, of_system), (messages, of_messages)]
            .iter()
            .any(|(marks, _)| marks.skipped > 0)
        {
            encoded.drop_param("cache_control");
        }
        Self { system, tools, messages }
    }
}

fn write_system(system: &[&Part<'_>], instructions: &[Text<'_>], marks: &mut Marks, writer: &mut Writer<'_>) {
    if system.is_empty() && instructions.is_empty() {
        return;
    }
    writer.member("system").array(|writer| {
        for part in system {
            if let Content::Text(text) | Content::Refusal(text) = &part.content {
                write_text(text, writer);
            }
            marks.write(part.cache.as_ref(), writer);
        }
        instructions.iter().for_each(|text| write_text(text, writer));
    });
}

#[cfg(test)]
mod tests {
    use crate::{
        dialect::converse::fixtures::{CLAUDE, claude, encoded_for, member},
        ir::Profile,
    };

    const GOLDEN: &str = r#"{"model":"claude-x","stream":true,"stream_options":{"include_usage":true},"parallel_tool_calls":false,
        "messages":[{"role":"system","content":"S"},{"role":"user","content":"q"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"now","arguments":""}}]},
        {"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"user","content":"and?"}],
        "tools":[{"type":"function","function":{"name":"now"}}]}"#;

    #[test]
    fn a_conversation_with_a_call_is_said_as_bedrock_wants_it() {
        let profile = Profile { output_tokens_max: Some(64_000), ..Profile::default() };
        let (text, encoded) = encoded_for(CLAUDE, &profile, GOLDEN).unwrap();
        let expected = [
            r#"{"system":[{"text":"S"}],"inferenceConfig":{"maxTokens":64000},"#,
            r#""messages":[{"role":"user","content":[{"text":"q"}]},"#,
            r#"{"role":"assistant","content":[{"toolUse":{"toolUseId":"call_1","name":"now","input":{}}}]},"#,
            r#"{"role":"user","content":[{"toolResult":{"toolUseId":"call_1","content":[{"text":"12:00"}],"#,
            r#""status":"success"}},{"text":"and?"}]}],"#,
            r#""toolConfig":{"tools":[{"toolSpec":{"name":"now","description":"now","#,
            r#""inputSchema":{"json":{"type":"object","properties":{}}}}}]},"#,
            r#""additionalModelRequestFields":{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}}"#,
        ];
        assert_eq!(text, expected.concat());
        assert!(encoded.dropped.is_empty() && encoded.dropped_extra.is_empty());
    }

    #[test]
    fn only_claude_is_told_to_call_one_tool_at_a_time() {
        let (text, encoded) = encoded_for("meta.llama4", &Profile::default(), GOLDEN).unwrap();
        assert!(!text.contains("additionalModelRequestFields") && !text.contains("inferenceConfig"));
        assert_eq!(encoded.dropped, ["parallel_tool_calls"]);
    }

    #[test]
    fn a_user_speaks_first_and_last() {
        let begun = r#"{"messages":[{"role":"assistant","content":"a \n"}]}"#;
        let messages =
            r#"[{"role":"user","content":[{"text":"."}]},{"role":"assistant","content":[{"text":"a"}]}]"#;
        assert_eq!(member(&claude(begun), "messages"), messages);
        for (model, profile) in [
            (CLAUDE, Profile { takes_prefill: false, ..Profile::default() }),
            ("amazon.nova-pro-v1:0", Profile::default()),
        ] {
            let (text, _) = encoded_for(model, &profile, begun).unwrap();
            assert!(text.contains(r#"{"role":"user","content":[{"text":"Continue."}]}]"#), "{text}");
        }
        let system = claude(r#"{"messages":[{"role":"system","content":"S"}]}"#);
        assert_eq!(
            system,
            r#"{"system":[{"text":"S"}],"messages":[{"role":"user","content":[{"text":"."}]}]}"#
        );
    }

    #[test]
    fn a_model_without_a_system_is_told_by_its_user() {
        let body = r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"q"}],"response_format":{"type":"json_object"}}"#;
        let profile = Profile { takes_system: false, ..Profile::default() };
        let (text, _) = encoded_for("amazon.titan-text", &profile, body).unwrap();
        let said = [
            r#"{"messages":[{"role":"user","content":[{"text":"<system-reminder>\nS\n</system-reminder>"},"#,
            r#"{"text":"q"},{"text":"Answer with one JSON object and nothing else."}]}]}"#,
        ];
        assert_eq!(text, said.concat());
    }

    #[test]
    fn what_a_system_says_between_is_said_by_the_user() {
        let text = claude(
            r#"{"messages":[{"role":"user","content":"q"},{"role":"developer","content":"be brief"},{"role":"user","content":"r"}]}"#,
        );
        let said = r#"[{"role":"user","content":[{"text":"q"},{"text":"<system-reminder>\nbe brief\n</system-reminder>"},{"text":"r"}]}]"#;
        assert_eq!(member(&text, "messages"), said);
    }

    #[test]
    fn only_claudes_own_signed_reasoning_comes_back_and_only_to_claude() {
        let body = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","reasoning_details":[
            {"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1"},
            {"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1"},
            {"type":"reasoning.text","text":"u","format":"anthropic-claude-v1"},
            {"type":"reasoning.text","text":"v","signature":"s","format":"google-gemini-v1"}]},{"role":"user","content":"r"}]}"#;
        let thought = [
            r#"[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},"#,
            r#"{"reasoningContent":{"redactedContent":"d"}},{"text":"a"}]"#,
        ];
        assert!(claude(body).contains(&thought.concat()));
        let (other, _) = encoded_for("amazon.nova-2-lite-v1:0", &Profile::default(), body).unwrap();
        assert!(!other.contains("reasoningContent"));
    }

    #[test]
    fn calls_without_tools_get_one_that_nobody_has() {
        let body =
            GOLDEN.replace(r#""tools":[{"type":"function","function":{"name":"now"}}]"#, r#""tools":[]"#);
        let text = claude(&body);
        assert!(member(&text, "toolConfig").contains(r#""name":"no_tool""#), "{text}");
        assert!(!text.contains("tool_choice"));
        let plain =
            claude(r#"{"messages":[{"role":"user","content":"q"}],"tools":[],"tool_choice":"required"}"#);
        assert!(!plain.contains("toolConfig"));
    }

    #[test]
    fn a_choice_is_said_in_converses_words() {
        let with = |choice: &str| {
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":"q"}}],"tools":[{{"type":"function","function":{{"name":"f.g"}}}},{{"type":"function","function":{{"name":"h"}}}}],"tool_choice":{choice}}}"#
            );
            let (text, encoded) = encoded_for(CLAUDE, &Profile::default(), &body).unwrap();
            (member(&text, "toolConfig"), member(&text, "system"), encoded)
        };
        assert!(!with("\"auto\"").0.contains("toolChoice"));
        assert!(with("\"required\"").0.contains(r#""toolChoice":{"any":{}}"#));
        let (config, _, encoded) = with(r#"{"type":"function","function":{"name":"f.g"}}"#);
        let given = encoded.emulation.names;
        assert!(config.contains(r#""toolChoice":{"tool":{"name":"f_g_"#), "{config}");
        assert!(!given.is_empty());
        let allowed = r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"h"}}]}}"#;
        let (config, ..) = with(allowed);
        assert!(config.contains(r#""any""#) && !config.contains("f_g"));
        assert_eq!(with("\"none\"").0, "");
        let asked = GOLDEN.replace("\"tools\"", "\"tool_choice\":\"none\",\"tools\"");
        let text = claude(&asked);
        assert!(text.contains("toolConfig") && member(&text, "system").contains("Do not call any tool."));
    }

    #[test]
    fn a_call_that_cannot_be_forced_is_asked_for_in_words() {
        let body = r#"{"messages":[{"role":"user","content":"q"}],"reasoning_effort":"high","tool_choice":"required",
            "tools":[{"type":"function","function":{"name":"f"}}],"temperature":0.5}"#;
        let (text, encoded) = encoded_for(CLAUDE, &Profile::default(), body).unwrap();
        assert!(!text.contains("toolChoice") && member(&text, "system").contains("Call at least one"));
        assert_eq!(encoded.dropped, ["tool_choice", "temperature"]);
        let thinking =
            r#"{"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}}"#;
        assert_eq!(member(&text, "additionalModelRequestFields"), thinking);
    }

    #[test]
    fn of_many_marks_the_last_of_system_and_messages_count() {
        let marked = |text: &str| {
            format!(r#"{{"type":"text","text":"{text}","cache_control":{{"type":"ephemeral","ttl":"1h"}}}}"#)
        };
        let users = ["a", "b", "c", "d"].map(marked).join(",");
        let body = format!(
            r#"{{"messages":[{{"role":"system","content":[{}]}},{{"role":"user","content":[{users}]}}]}}"#,
            marked("S")
        );
        let (text, encoded) = encoded_for(CLAUDE, &Profile::default(), &body).unwrap();
        let point = r#"{"cachePoint":{"type":"default","ttl":"1h"}}"#;
        assert_eq!(member(&text, "system"), format!(r#"[{{"text":"S"}},{point}]"#));
        let content = format!(
            r#"[{{"text":"a"}},{{"text":"b"}},{point},{{"text":"c"}},{point},{{"text":"d"}},{point}]"#
        );
        assert!(text.contains(&content), "{text}");
        assert_eq!(encoded.dropped, ["cache_control"]);
        let (nova, _) = encoded_for("amazon.nova-pro-v1:0", &Profile::default(), &body).unwrap();
        assert!(nova.contains(r#"{"cachePoint":{"type":"default"}}"#));
        let (llama, encoded) = encoded_for("meta.llama4", &Profile::default(), &body).unwrap();
        assert!(!llama.contains("cachePoint") && encoded.dropped == ["cache_control"]);
    }

    #[test]
    fn images_are_bytes_and_stand_where_the_model_takes_them() {
        let image = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}"#;
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":[{image}]}},{{"role":"assistant","tool_calls":[{{"id":"a","function":{{"name":"f","arguments":"[1]"}}}}]}},
            {{"role":"tool","tool_call_id":"a","content":[{image}]}}]}}"#
        );
        let block = r#"{"image":{"format":"png","source":{"bytes":"iVBORw0KGgo="}}}"#;
        let text = claude(&body);
        assert!(text.contains(&format!(r#""content":[{block}],"status":"success"}}}}]"#)), "{text}");
        assert!(text.contains(r#""input":{"input":[1]}"#));
        let beside = Profile { takes_images_in_results: false, ..Profile::default() };
        let (text, _) = encoded_for(CLAUDE, &beside, &body).unwrap();
        assert!(
            text.contains(&format!(r#""content":[{{"text":"(empty)"}}],"status":"success"}}}},{block}]"#)),
            "{text}"
        );
        let remote = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://h/i.png"}}]}]}"#;
        let error = encoded_for(CLAUDE, &Profile::default(), remote).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("unsupported_image_url")));
        let sound = r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}]}]}"#;
        let error = encoded_for(CLAUDE, &Profile::default(), sound).unwrap_err();
        assert_eq!((error.status, error.code), (400, Some("unsupported_parameter")));
        let document = r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"JVBERi0xLjcKJeLjz9MK"}}]}]}"#;
        let said = r#"[{"document":{"format":"pdf","name":"a","source":{"bytes":"JVBERi0xLjcKJeLjz9MK"}}},{"text":"."}]"#;
        assert!(claude(document).contains(said));
    }

    #[test]
    fn a_call_that_nobody_answered_has_failed() {
        let body = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"a b","function":{"name":"f"}}]}]}"#;
        let text = claude(body);
        let result = r#""content":[{"text":"No result was provided."}],"status":"error"}}]}]"#;
        assert!(text.contains(result) && text.contains(r#""toolUseId":"a_b_"#), "{text}");
    }

    #[test]
    fn a_custom_tool_is_a_function_with_one_text() {
        let body = r#"{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"custom","custom":{"name":"sql","format":{"type":"text"}}},{"type":"web_search"}]}"#;
        let (text, encoded) = encoded_for(CLAUDE, &Profile::default(), body).unwrap();
        assert_eq!(encoded.emulation.custom_tools, ["sql"]);
        assert_eq!(encoded.dropped, ["tools"]);
        assert!(text.contains(r#""required":["input"]"#) && text.contains("Format of the input"));
    }

    #[test]
    fn a_strict_tool_binds_claude_where_its_schema_can() {
        let with = |model: &str, schema: &str| {
            let body = format!(
                r#"{{"messages":[{{"role":"user","content":"q"}}],"tools":[{{"type":"function","function":{{"name":"f","strict":true,"parameters":{schema}}}}}]}}"#
            );
            let (text, encoded) = encoded_for(model, &Profile::default(), &body).unwrap();
            (text.contains(r#""strict":true"#), encoded.dropped)
        };
        let closed = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
        assert_eq!(with(CLAUDE, closed), (true, vec![]));
        assert_eq!(with(CLAUDE, r#"{"type":"object","properties":{}}"#), (false, vec!["strict"]));
        assert_eq!(with("amazon.nova-pro-v1:0", closed), (false, vec!["strict"]));
    }
}
