//! A request to Cohere.

use super::{
    encode_message::{check, is_said, write_system, write_turn},
    encode_tools::Shape,
};
use crate::{
    dialect::{
        Encoded, Recipient, check_choices,
        json::Writer,
        turns::{self, Rules},
    },
    ir::{ApiError, Content, Effort, Message, Part, Raw, Reasoning, Request, Role, Text, Thinking},
};

/// Stop sequences that Cohere takes.
const STOP_MAX: usize = 5;

/// Members of Cohere that no other dialect has, which clients may say in its words.
const OWN_MEMBERS: [&str; 4] = ["documents", "citation_options", "safety_mode", "priority"];

/// Writes a request.
pub(super) fn encode_request(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    out: &mut Vec<u8>,
) -> Result<Encoded, ApiError> {
    let mut encoded = Encoded::default();
    check_choices(request, "Cohere")?;
    let (systems, messages) = turns::split_systems(&request.messages);
    let turns = turns::turns(messages, &Rules { is_said: &is_said, takes_system: true });
    note_unsaid(&request.messages, &mut encoded);
    check(&turns)?;
    let shape = Shape::of(request, recipient, &mut encoded);
    Writer::new(out).object(|writer| {
        if recipient.quirks.names_model {
            writer.member("model").text(&Text::plain(recipient.model));
        }
        writer.member("messages").array(|writer| {
            systems.iter().for_each(|message| write_system(message, writer));
            if shape.asks_in_words() {
                let words = Text::escaped("Answer with one JSON object and nothing else.");
                write_system(
                    &Message { role: Role::System, name: None, parts: vec![Part::text(words)] },
                    writer,
                );
            }
            turns.iter().for_each(|turn| write_turn(turn, &mut encoded, writer));
        });
        if request.is_streamed {
            writer.member("stream").boolean(true);
        }
        write_bounds(request, recipient, &mut encoded, writer);
        write_sampling(request, recipient, &mut encoded, writer);
        shape.write(&mut encoded, writer);
        write_thinking(request, recipient, &mut encoded, writer);
        write_rest(request, &mut encoded, writer);
    });
    Ok(encoded)
}

/// Names what the messages hold and Cohere has no place for.
fn note_unsaid(messages: &[Message<'_>], encoded: &mut Encoded) {
    for message in messages.iter().filter(|message| message.role != Role::User) {
        let is_media = |part: &Part<'_>| {
            matches!(
                part.content,
                Content::Image { .. } | Content::Audio(_) | Content::Video(_) | Content::File { .. }
            )
        };
        if message.parts.iter().any(is_media) {
            encoded.drop_param("messages[].content");
        }
    }
}

fn write_bounds(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    if let Some(max_tokens) = request.max_tokens {
        let most = recipient.profile.output_tokens_max.unwrap_or(u64::MAX);
        writer.member("max_tokens").count(max_tokens.min(most).max(1));
    }
    let stop: Vec<_> = request.stop.iter().filter(|text| !text.is_empty()).collect();
    let taken = if recipient.profile.takes_stop { stop.len().min(STOP_MAX) } else { 0 };
    if taken < stop.len() {
        encoded.drop_param("stop");
    }
    if taken > 0 {
        writer
            .member("stop_sequences")
            .array(|writer| stop.iter().take(taken).for_each(|text| writer.text(text)));
    }
}

/// Values beyond Cohere's bounds are brought within them; a penalty that is a reward has no place there.
fn write_sampling(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let sampling = &request.sampling;
    let profile = recipient.profile;
    let is_reward = |value: &Raw<'_>| value.as_number().is_some_and(|number| number < 0.0);
    let takes_sampling = profile.takes_sampling_at(request.reasoning.as_ref().and_then(Reasoning::degree));
    let takes_penalty =
        |value: &Option<Raw<'_>>| profile.takes_penalties && !value.as_ref().is_some_and(is_reward);
    let takes_top_p = takes_sampling && (profile.takes_both_samplings || sampling.temperature.is_none());
    for (name, given, value, is_taken, least, most) in [
        ("temperature", "temperature", &sampling.temperature, takes_sampling, "0", "1"),
        ("top_p", "p", &sampling.top_p, takes_top_p, "0.01", "0.99"),
        ("top_k", "k", &sampling.top_k, takes_sampling, "0", "500"),
        (
            "frequency_penalty",
            "frequency_penalty",
            &sampling.frequency_penalty,
            takes_penalty(&sampling.frequency_penalty),
            "0",
            "1",
        ),
        (
            "presence_penalty",
            "presence_penalty",
            &sampling.presence_penalty,
            takes_penalty(&sampling.presence_penalty),
            "0",
            "1",
        ),
    ] {
        match value {
            Some(value) if is_taken => writer.member(given).json(within(value, least, most)),
            Some(_) => encoded.drop_param(name),
            None => {}
        }
    }
    if let Some(seed) = &sampling.seed {
        writer.member("seed").raw(seed);
    }
    if let Some(logprobs) = sampling.logprobs {
        writer.member("logprobs").boolean(logprobs);
    }
}

fn within<'v>(value: &'v Raw<'_>, least: &'static str, most: &'static str) -> &'v str {
    let number = |text: &str| text.parse::<f64>().unwrap_or_default();
    match value.as_number() {
        Some(value) if value < number(least) => least,
        Some(value) if value > number(most) => most,
        _ => value.as_str(),
    }
}

fn write_thinking(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let Some(reasoning) = &request.reasoning else { return };
    let degree = reasoning.degree();
    if degree.is_none() && !reasoning.is_adaptive {
        return;
    }
    let is_off = degree == Some(Effort::None);
    match recipient.profile.thinking {
        Thinking::Never if is_off => return,
        Thinking::Never => return encoded.drop_param("reasoning_effort"),
        Thinking::Always if is_off => return encoded.drop_param("reasoning_effort"),
        _ => {}
    }
    writer.member("thinking").object(|writer| {
        writer.member("type").string(if is_off { "disabled" } else { "enabled" });
        if let Some(budget) = budget(reasoning).filter(|_| !is_off) {
            writer.member("token_budget").count(budget);
        }
    });
}

/// Tokens that it may take; none where the model decides, or may take all.
fn budget(reasoning: &Reasoning) -> Option<u64> {
    let by_effort = reasoning.effort.filter(|effort| *effort != Effort::Max).map(Effort::budget_tokens);
    reasoning.budget_tokens.or(by_effort)
}

fn write_rest(request: &Request<'_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    for (name, raw) in &request.extra {
        if OWN_MEMBERS.contains(&name.as_ref()) {
            writer.member(name).raw(raw);
        } else {
            encoded.drop_extra(name);
        }
    }
    if request.is_marked() {
        encoded.drop_param("cache_control");
    }
    encoded.drop_all_but(request, &["frequency_penalty", "presence_penalty", "seed", "logprobs"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{ClientDialect, Quirks, openai_chat::OpenAiChat},
        ir::Profile,
    };

    fn encoded_for(profile: &Profile, body: &str) -> Result<(String, Encoded), ApiError> {
        let request = OpenAiChat.decode_request(body).unwrap();
        let recipient = Recipient { model: "command-a", profile, quirks: &Quirks::OWNER, is_strict: false };
        let mut out = Vec::new();
        let encoded = encode_request(&request, &recipient, &mut out)?;
        Ok((String::from_utf8(out).unwrap(), encoded))
    }

    fn encoded(body: &str) -> String {
        encoded_for(&Profile::default(), body).unwrap().0
    }

    const TOOLS: &str = r#""messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]"#;

    #[test]
    fn a_conversation_with_a_call_is_said_as_cohere_wants_it() {
        let body = r#"{"model":"m","stream":true,"messages":[{"role":"developer","content":"S"},{"role":"user","content":"q"},
            {"role":"assistant","content":"I look","tool_calls":[{"id":"call_1","type":"function","function":{"name":"now","arguments":""}}]},
            {"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"system","content":"brief"},{"role":"user","content":"and?"}],
            "tools":[{"type":"function","function":{"name":"now","strict":true}}]}"#;
        let expected = [
            r#"{"model":"command-a","messages":[{"role":"system","content":"S"},{"role":"user","content":"q"},"#,
            r#"{"role":"assistant","tool_plan":"I look","tool_calls":[{"id":"call_1","type":"function","#,
            r#""function":{"name":"now","arguments":"{}"}}]},"#,
            r#"{"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"user","content":"and?"},"#,
            r#"{"role":"system","content":"brief"}],"stream":true,"#,
            r#""tools":[{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}],"#,
            r#""strict_tools":true}"#,
        ];
        assert_eq!(encoded(body), expected.concat());
    }

    #[test]
    fn a_choice_is_said_in_coheres_words() {
        let with = |choice: &str| encoded(&format!(r#"{{{TOOLS},"tool_choice":{choice}}}"#));
        assert!(!with("\"auto\"").contains("tool_choice"));
        assert!(with("\"required\"").ends_with(r#""tool_choice":"REQUIRED"}"#));
        assert!(with("\"none\"").ends_with(r#""tool_choice":"NONE"}"#));
        let named = with(r#"{"type":"function","function":{"name":"g"}}"#);
        assert!(
            named.contains("REQUIRED") && named.contains(r#""name":"g""#) && !named.contains(r#""name":"f""#)
        );
        let absent = format!(r#"{{{TOOLS},"tool_choice":{{"type":"function","function":{{"name":"h"}}}}}}"#);
        let error = encoded_for(&Profile::default(), &absent).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("tool_choice")));
        let none = encoded(r#"{"messages":[],"tools":[],"tool_choice":"required"}"#);
        assert!(!none.contains("tool"));
    }

    #[test]
    fn a_schema_binds_the_answer_and_beside_tools_a_tool_takes_it() {
        let format = r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","b":1,"a":2}}}"#;
        let alone = encoded(&format!(r#"{{"messages":[],{format}}}"#));
        assert!(alone.ends_with(
            r#""response_format":{"type":"json_object","json_schema":{"type":"object","b":1,"a":2}}}"#
        ));
        let (text, encoded_with) =
            encoded_for(&Profile::default(), &format!("{{{TOOLS},{format}}}")).unwrap();
        assert_eq!(encoded_with.emulation.answer_tool.as_deref(), Some("json_answer"));
        assert!(!text.contains("response_format") && text.ends_with(r#""tool_choice":"REQUIRED"}"#));
        let silent = encoded(&format!(r#"{{{TOOLS},"tool_choice":"none",{format}}}"#));
        assert!(silent.contains("response_format") && !silent.contains("tools"));
        let any = encoded(&format!(r#"{{{TOOLS},"response_format":{{"type":"json_object"}}}}"#));
        assert!(any.contains("one JSON object") && !any.contains("response_format"));
    }

    #[test]
    fn numbers_are_brought_within_bounds_and_keep_their_bytes() {
        let body = r#"{"messages":[],"temperature":1.7,"top_p":1,"top_k":900,"seed":7,"logprobs":true,"frequency_penalty":0.50,
            "presence_penalty":-1,"stop":["a","b","c","d","e","f"],"max_completion_tokens":9}"#;
        let (text, encoded) = encoded_for(&Profile::default(), body).unwrap();
        let said = [
            r#""max_tokens":9,"stop_sequences":["a","b","c","d","e"],"temperature":1,"p":0.99,"k":500,"#,
            r#""frequency_penalty":0.50,"seed":7,"logprobs":true}"#,
        ];
        assert!(text.ends_with(&said.concat()), "{text}");
        assert_eq!(encoded.dropped, ["stop", "presence_penalty"]);
    }

    #[test]
    fn reasoning_is_asked_for_by_a_number_of_tokens() {
        for (wanted, expected) in [
            (r#""reasoning_effort":"none""#, r#"{"type":"disabled"}"#),
            (r#""reasoning_effort":"medium""#, r#"{"type":"enabled","token_budget":2048}"#),
            (r#""reasoning_effort":"max""#, r#"{"type":"enabled"}"#),
            (
                r#""thinking":{"type":"enabled","budget_tokens":99}"#,
                r#"{"type":"enabled","token_budget":99}"#,
            ),
        ] {
            let text = encoded(&format!(r#"{{"messages":[],{wanted}}}"#));
            assert!(text.ends_with(&format!(r#""thinking":{expected}}}"#)), "{text}");
        }
        let never = Profile { thinking: Thinking::Never, ..Profile::default() };
        let (text, encoded) = encoded_for(&never, r#"{"messages":[],"reasoning_effort":"low"}"#).unwrap();
        assert!(!text.contains("thinking") && encoded.dropped == ["reasoning_effort"]);
    }

    #[test]
    fn images_and_texts_are_taken_and_other_files_are_not() {
        let body = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://h/i.png","detail":"low"}},
            {"type":"file","file":{"filename":"a.txt","file_data":"w6k="}}]}]}"#;
        let content = r#"[{"type":"image_url","image_url":{"url":"https://h/i.png","detail":"low"}},{"type":"text","text":"é"}]"#;
        assert!(encoded(body).contains(content));
        for part in [
            r#"{"type":"file","file":{"filename":"a.pdf","file_data":"JVBERi0xLjcKJeLjz9MK"}}"#,
            r#"{"type":"file","file":{"file_id":"file-1"}}"#,
            r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#,
        ] {
            let body = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
            let error = encoded_for(&Profile::default(), &body).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, Some("messages")), "{part}");
        }
    }

    #[test]
    fn results_hold_texts_and_what_else_is_in_them_comes_behind() {
        let body = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"f"}}]},
            {"role":"tool","tool_call_id":"a","content":[{"type":"image_url","image_url":{"url":"https://h/i.png"}}]}]}"#;
        let said = [
            r#"{"role":"tool","tool_call_id":"a","content":"(empty)"},"#,
            r#"{"role":"tool","tool_call_id":"b","content":"Error: No result was provided."},"#,
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://h/i.png"}}]}]"#,
        ];
        assert!(encoded(body).contains(&said.concat()));
    }

    #[test]
    fn what_cohere_does_not_know_is_named_and_its_own_words_are_passed_on() {
        let body = r#"{"messages":[{"role":"user","content":"q","name":"n"}],"logit_bias":{},"metadata":{},"service_tier":"flex","top_logprobs":2,
            "safety_mode":"STRICT","documents":[{"data":{}}],"unknown":1,"modalities":["text"],"store":false}"#;
        let (text, encoded) = encoded_for(&Profile::default(), body).unwrap();
        assert!(text.ends_with(r#""safety_mode":"STRICT","documents":[{"data":{}}]}"#), "{text}");
        assert_eq!(
            encoded.dropped,
            ["logit_bias", "top_logprobs", "metadata", "service_tier", "messages[].name"]
        );
        assert_eq!(encoded.dropped_extra, ["unknown"]);
        let error = encoded_for(&Profile::default(), r#"{"messages":[],"n":3}"#).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("n"));
    }
}
