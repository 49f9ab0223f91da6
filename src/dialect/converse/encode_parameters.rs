//! How an answer is made: bounds, sampling, its shape, and what only the model's maker or AWS knows.

use super::{
    encode_reasoning::Deliberated,
    encode_tools::{Toolbox, takes_schema, tool_name},
    family::Family,
};
use crate::{
    dialect::{
        Encoded, Names, Recipient,
        anthropic::schema::binding,
        json::{Reader, Writer},
    },
    ir::{Format, Raw, Reasoning, Request, Text},
};

/// Members of Converse that no other dialect has, which clients may say in its words.
const OWN_MEMBERS: [&str; 4] =
    ["additionalModelResponseFieldPaths", "guardrailConfig", "performanceConfig", "promptVariables"];
/// The member that is told to the model as it is.
const ADDITIONAL: &str = "additionalModelRequestFields";

/// Claude answers little where it is not told how much it may; others have bounds of their own.
pub(super) fn max_tokens(request: &Request<'_>, recipient: &Recipient<'_>, family: Family) -> Option<u64> {
    let most = recipient.profile.output_tokens_max;
    let wanted = request.max_tokens.or_else(|| most.filter(|_| family == Family::Claude))?;
    Some(wanted.min(most.unwrap_or(u64::MAX)).max(1))
}

/// Writes the member `inferenceConfig`, if there is anything to be said.
pub(super) fn write_inference(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    deliberated: &Deliberated,
    max_tokens: Option<u64>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let profile = recipient.profile;
    let sampling = &request.sampling;
    let takes_sampling = takes_sampling(request, recipient, deliberated);
    let temperature = taken(sampling.temperature.as_ref(), takes_sampling, "temperature", encoded);
    let takes_top_p = takes_sampling && (profile.takes_both_samplings || temperature.is_none());
    let top_p = taken(sampling.top_p.as_ref(), takes_top_p, "top_p", encoded);
    // What is empty is refused by AWS, and what is blank by Claude.
    let stop: Vec<_> = request.stop.iter().filter(|text| !text.is_blank() && profile.takes_stop).collect();
    if stop.len() < request.stop.iter().filter(|text| !text.is_empty()).count() {
        encoded.drop_param("stop");
    }
    if max_tokens.is_none() && temperature.is_none() && top_p.is_none() && stop.is_empty() {
        return;
    }
    writer.member("inferenceConfig").object(|writer| {
        if let Some(max_tokens) = max_tokens {
            writer.member("maxTokens").count(max_tokens);
        }
        for (name, value) in [("temperature", temperature), ("topP", top_p)] {
            if let Some(value) = value {
                let is_above = value.as_number().is_some_and(|number| number > 1.0);
                writer.member(name).json(if is_above { "1" } else { value.as_str() });
            }
        }
        if !stop.is_empty() {
            writer.member("stopSequences").array(|writer| stop.iter().for_each(|text| writer.text(text)));
        }
    });
}

fn takes_sampling(request: &Request<'_>, recipient: &Recipient<'_>, deliberated: &Deliberated) -> bool {
    let degree = request.reasoning.as_ref().and_then(Reasoning::degree);
    recipient.profile.takes_sampling_at(degree) && !deliberated.binds()
}

fn taken<'v, 'a>(
    value: Option<&'v Raw<'a>>,
    is_taken: bool,
    name: &'static str,
    encoded: &mut Encoded,
) -> Option<&'v Raw<'a>> {
    if value.is_some() && !is_taken {
        encoded.drop_param(name);
    }
    value.filter(|_| is_taken)
}

/// Writes the member `outputConfig`, where a schema binds the answer.
pub(super) fn write_format(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    family: Family,
    writer: &mut Writer<'_>,
) {
    let Format::JsonSchema { name, description, schema, .. } = &request.format else { return };
    if !takes_schema(request, recipient) {
        return;
    }
    // Claude refuses what cannot bind it, whoever serves it.
    let schema = if family == Family::Claude { binding(schema) } else { schema.clone() };
    writer.member("outputConfig").object(|writer| {
        writer.member("textFormat").object(|writer| {
            writer.member("type").string("json_schema");
            writer.member("structure").object(|writer| {
                writer.member("jsonSchema").object(|writer| {
                    writer.member("schema").text(&Text::plain(schema.as_str()));
                    writer.member("name").string(&tool_name(name, &mut Names::default()));
                    if let Some(description) = description {
                        writer.member("description").text(description);
                    }
                });
            });
        });
    });
}

/// Writes what is said in the words of the model's maker, behind what the client says so itself.
pub(super) fn write_additional(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    family: Family,
    deliberated: &Deliberated,
    toolbox: &Toolbox<'_, '_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let told = request.extra.iter().rev().find(|(name, raw)| name == ADDITIONAL && raw.is_object());
    let told = told.map_or("{}", |(_, raw)| raw.as_str());
    let mut ours = Vec::new();
    Writer::new(&mut ours).object(|writer| {
        deliberated.write(writer);
        let takes_top_k = family == Family::Claude && takes_sampling(request, recipient, deliberated);
        if let Some(top_k) = taken(request.sampling.top_k.as_ref(), takes_top_k, "top_k", encoded) {
            writer.member("top_k").raw(top_k);
        }
        toolbox.write_native_choice(encoded, writer);
    });
    let ours = String::from_utf8_lossy(&ours);
    let mut ours = members(&ours);
    let theirs = members(told);
    ours.retain(|(name, _)| !theirs.iter().any(|(other, _)| other == name));
    if ours.is_empty() && theirs.is_empty() {
        return;
    }
    writer.member(ADDITIONAL).object(|writer| {
        for (name, value) in theirs.iter().chain(&ours) {
            writer.member_named(&Text::plain(name.as_str())).raw(value);
        }
    });
}

/// The members of an object that has been read before.
fn members(object: &str) -> Vec<(String, Raw<'_>)> {
    let mut members = Vec::new();
    let read = Reader::new(object).object(|name, reader| {
        members.push((name.to_owned(), reader.raw()?));
        Ok(())
    });
    debug_assert!(read.is_ok(), "{object} is no object");
    members
}

/// Writes what is said in Converse's words, and names what is not said.
pub(super) fn write_rest(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    if let Some(metadata) = &request.metadata {
        if is_text_map(metadata) {
            writer.member("requestMetadata").raw(metadata);
        } else {
            encoded.drop_param("metadata");
        }
    }
    if let Some(tier) = &request.service_tier {
        let kind = match tier.as_escaped() {
            "auto" => Some(None),
            "default" => Some(Some("default")),
            "flex" => Some(Some("flex")),
            "priority" | "fast" => Some(Some("priority")),
            "scale" | "reserved" => Some(Some("reserved")),
            _ => None,
        };
        match kind.filter(|_| recipient.quirks.takes_service_tier) {
            Some(Some(kind)) => {
                writer.member("serviceTier").object(|writer| writer.member("type").string(kind));
            }
            Some(None) => {}
            None => encoded.drop_param("service_tier"),
        }
    }
    for (name, raw) in &request.extra {
        if OWN_MEMBERS.contains(&name.as_ref()) {
            writer.member(name).raw(raw);
        } else if name != ADDITIONAL || !raw.is_object() {
            encoded.drop_extra(name);
        }
    }
    encoded.drop_all_but(request, &["metadata", "service_tier"]);
}

/// Whether all values are texts, as AWS wants them.
fn is_text_map(metadata: &Raw<'_>) -> bool {
    let mut are_texts = metadata.is_object();
    let read = Reader::new(metadata.as_str()).object(|_, reader| {
        are_texts &= reader.raw()?.as_text().is_some();
        Ok(())
    });
    are_texts && read.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::converse::fixtures::{CLAUDE, claude, dropped, encoded_for, member},
        ir::{Effort, Profile, Thinking},
    };

    #[test]
    fn a_schema_binds_the_answer_or_a_tool_takes_it() {
        let body = r#"{"messages":[{"role":"user","content":"q"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","b":1,"a":"\u00e9"}}}}"#;
        let nova = "amazon.nova-pro-v1:0";
        let text = encoded_for(nova, &Profile::default(), body).unwrap().0;
        let bound = r#"{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\",\"b\":1,\"a\":\"\\u00e9\"}","name":"n"}}}}"#;
        assert_eq!(member(&text, "outputConfig"), bound);
        let loose = body.replace(r#""b":1"#, r#""properties":{"n":{"type":"integer","minimum":1}}"#);
        assert!(claude(&loose).contains(r#"additionalProperties\":false"#));
        let (text, _) = encoded_for(nova, &Profile::default(), &loose).unwrap();
        assert!(text.contains(r#"{\"n\":{\"type\":\"integer\",\"minimum\":1}}"#));
        let old = Profile { takes_schema: false, ..Profile::default() };
        let list = body.replace(r#""type":"object""#, r#""type":"array""#);
        let (text, encoded) = encoded_for(CLAUDE, &old, &list).unwrap();
        assert!(!text.contains("toolConfig") && member(&text, "system").contains("JSON schema"));
        assert_eq!(encoded.dropped, ["response_format"]);
        let (text, encoded) = encoded_for("meta.llama4", &old, body).unwrap();
        assert_eq!(encoded.emulation.answer_tool.as_deref(), Some("json_answer"));
        assert!(text.contains(r#""inputSchema":{"json":{"type":"object","b":1,"a":"\u00e9"}}"#), "{text}");
        assert!(text.contains(r#""toolChoice":{"tool":{"name":"json_answer"}}"#));
        let (text, _) = encoded_for(CLAUDE, &old, body).unwrap();
        let choice =
            r#"{"tool_choice":{"type":"tool","name":"json_answer","disable_parallel_tool_use":true}}"#;
        assert_eq!(member(&text, ADDITIONAL), choice);
        let json = claude(
            r#"{"messages":[{"role":"user","content":"q"}],"response_format":{"type":"json_object"}}"#,
        );
        assert!(member(&json, "system").contains("JSON object"));
    }

    #[test]
    fn what_bedrock_does_not_know_is_named_and_what_would_mean_something_else_is_refused() {
        let body = r#"{"messages":[{"role":"user","content":"q","name":"n"}],"seed":1,"logit_bias":{},"user":"u","store":true,"n":1,
            "frequency_penalty":1,"service_tier":"priority","metadata":{"a":"b"},"performanceConfig":{"latency":"optimized"},
            "stop":["","a"],"temperature":1.5,"top_p":0.10,"unknown":1,
            "additionalModelRequestFields":{"top_k":9,"anthropic_beta":["x"]},"top_k":3}"#;
        let (text, encoded) = encoded_for(CLAUDE, &Profile::default(), body).unwrap();
        for said in [
            r#""inferenceConfig":{"temperature":1,"topP":0.10,"stopSequences":["a"]}"#,
            r#""requestMetadata":{"a":"b"}"#,
            r#""serviceTier":{"type":"priority"}"#,
            r#""performanceConfig":{"latency":"optimized"}"#,
            r#""additionalModelRequestFields":{"top_k":9,"anthropic_beta":["x"]}"#,
        ] {
            assert!(text.contains(said), "{said} is not in {text}");
        }
        assert_eq!(
            encoded.dropped,
            ["frequency_penalty", "seed", "logit_bias", "user", "store", "messages[].name"]
        );
        assert_eq!(encoded.dropped_extra, ["unknown"]);
        assert_eq!(dropped(CLAUDE, r#"{"messages":[],"stop":"\n"}"#), ["stop"]);
        let many = r#"{"messages":[],"n":2}"#;
        let error = encoded_for(CLAUDE, &Profile::default(), many).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("n")));
    }

    #[test]
    fn reasoning_is_asked_for_in_the_words_of_each_maker() {
        for (model, effort, expected) in [
            ("openai.gpt-oss-120b-1:0", "xhigh", r#"{"reasoning_effort":"high"}"#),
            ("openai.gpt-5.4", "xhigh", r#"{"reasoning":{"effort":"xhigh"}}"#),
            (
                "us.amazon.nova-2-lite-v1:0",
                "minimal",
                r#"{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}"#,
            ),
            ("us.amazon.nova-2-lite-v1:0", "none", r#"{"reasoningConfig":{"type":"disabled"}}"#),
            ("meta.llama4", "high", ""),
        ] {
            let body =
                format!(r#"{{"messages":[{{"role":"user","content":"q"}}],"reasoning_effort":"{effort}"}}"#);
            let (text, encoded) = encoded_for(model, &Profile::default(), &body).unwrap();
            assert_eq!(member(&text, ADDITIONAL), expected, "{model}");
            assert_eq!(encoded.dropped.is_empty(), !expected.is_empty(), "{model}");
        }
        let budget = Profile {
            thinking: Thinking::Budget,
            output_tokens_max: Some(64_000),
            efforts: vec![Effort::Low],
            ..Profile::default()
        };
        let body = r#"{"messages":[{"role":"user","content":"q"}],"reasoning_effort":"medium","top_k":5}"#;
        let (text, encoded) = encoded_for(CLAUDE, &budget, body).unwrap();
        assert_eq!(member(&text, ADDITIONAL), r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#);
        assert_eq!(encoded.dropped, ["top_k"]);
    }
}
