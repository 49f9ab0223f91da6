//! A request to a provider that speaks OpenAI's dialect, for a client that speaks another.

use super::encode_message::write_messages;
use crate::{
    dialect::{Encoded, Recipient, json::Writer},
    ir::{ApiError, Effort, Format, Reasoning, Request, Thinking, Tool, ToolChoice, ToolKind},
};

/// Stop sequences that OpenAI takes.
const STOP_MAX: usize = 4;

/// Members that no other dialect has, and that OpenAI takes as they are.
const KNOWN: [&str; 4] = ["moderation", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"];

/// Writes a request.
pub(super) fn encode_request(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    out: &mut Vec<u8>,
) -> Result<Encoded, ApiError> {
    let mut encoded = Encoded::default();
    Writer::new(out).object(|writer| {
        writer.member("model").string(crate::ir::Text::plain(recipient.model).as_escaped());
        write_messages(request, recipient, writer);
        if request.is_streamed {
            writer.member("stream").boolean(true);
            if recipient.quirks.takes_stream_options {
                // What is not wanted by the client is wanted by the gateway's books.
                writer.member("stream_options").object(|writer| writer.member("include_usage").boolean(true));
            }
        }
        write_bounds(request, recipient, &mut encoded, writer);
        write_sampling(request, recipient, &mut encoded, writer);
        write_tools(request, writer, &mut encoded);
        write_format(&request.format, writer);
        if let Some(reasoning) = &request.reasoning {
            write_reasoning(reasoning, recipient, &mut encoded, writer);
        }
        write_rest(request, recipient, &mut encoded, writer);
    });
    Ok(encoded)
}

fn write_bounds(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    if let Some(max_tokens) = request.max_tokens {
        let name = if recipient.quirks.says_max_tokens { "max_tokens" } else { "max_completion_tokens" };
        writer.member(name).count(max_tokens);
    }
    let stop: Vec<_> = request.stop.iter().filter(|text| !text.is_empty()).collect();
    if stop.is_empty() {
        return;
    }
    if !recipient.profile.takes_stop {
        return encoded.drop_param("stop");
    }
    if stop.len() > STOP_MAX {
        encoded.drop_param("stop");
    }
    writer.member("stop").array(|writer| stop.iter().take(STOP_MAX).for_each(|text| writer.text(text)));
}

fn write_sampling(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let sampling = &request.sampling;
    let profile = recipient.profile;
    let takes_sampling = profile.takes_sampling_at(request.reasoning.as_ref().and_then(Reasoning::degree));
    for (name, value, is_taken) in [
        ("temperature", &sampling.temperature, takes_sampling),
        ("top_p", &sampling.top_p, takes_sampling),
        ("top_k", &sampling.top_k, false),
        ("frequency_penalty", &sampling.frequency_penalty, profile.takes_penalties),
        ("presence_penalty", &sampling.presence_penalty, profile.takes_penalties),
        ("seed", &sampling.seed, true),
        ("logit_bias", &sampling.logit_bias, profile.takes_penalties),
        ("top_logprobs", &sampling.top_logprobs, takes_sampling),
    ] {
        match value {
            Some(value) if is_taken => writer.member(name).raw(value),
            Some(_) => encoded.drop_param(name),
            None => {}
        }
    }
    if let Some(choices) = sampling.choices {
        writer.member("n").count(choices);
    }
    match sampling.logprobs {
        Some(true) if !takes_sampling => encoded.drop_param("logprobs"),
        Some(logprobs) => writer.member("logprobs").boolean(logprobs),
        None => {}
    }
}

fn write_tools(request: &Request<'_>, writer: &mut Writer<'_>, encoded: &mut Encoded) {
    if request
        .tools
        .iter()
        .any(|tool| matches!(tool.kind, ToolKind::Native { dialect, .. } if dialect != super::NAME))
    {
        encoded.drop_param("tools");
    }
    let tools: Vec<_> = request.tools.iter().filter(|tool| is_known(tool)).collect();
    // Without tools OpenAI refuses whatever is said of them.
    if tools.is_empty() {
        return;
    }
    writer.member("tools").array(|writer| tools.iter().for_each(|tool| write_tool(tool, writer)));
    if let Some(choice) = &request.tool_choice {
        writer.member("tool_choice");
        write_choice(choice, writer);
    }
    if let Some(is_parallel) = request.parallel_tool_calls {
        writer.member("parallel_tool_calls").boolean(is_parallel);
    }
}

fn is_known(tool: &Tool<'_>) -> bool {
    !matches!(tool.kind, ToolKind::Native { dialect, .. } if dialect != super::NAME)
}

fn write_tool(tool: &Tool<'_>, writer: &mut Writer<'_>) {
    match &tool.kind {
        ToolKind::Function { name, description, parameters, is_strict } => writer.object(|writer| {
            writer.member("type").string("function");
            writer.member("function").object(|writer| {
                writer.member("name").text(name);
                if let Some(description) = description {
                    writer.member("description").text(description);
                }
                if let Some(parameters) = parameters {
                    writer.member("parameters").raw(parameters);
                }
                if let Some(is_strict) = is_strict {
                    writer.member("strict").boolean(*is_strict);
                }
            });
        }),
        ToolKind::Custom { name, description, format } => writer.object(|writer| {
            writer.member("type").string("custom");
            writer.member("custom").object(|writer| {
                writer.member("name").text(name);
                if let Some(description) = description {
                    writer.member("description").text(description);
                }
                if let Some(format) = format {
                    writer.member("format").raw(format);
                }
            });
        }),
        ToolKind::Native { raw, .. } => writer.raw(raw),
    }
}

fn write_choice(choice: &ToolChoice<'_>, writer: &mut Writer<'_>) {
    match choice {
        ToolChoice::Auto => writer.string("auto"),
        ToolChoice::None => writer.string("none"),
        ToolChoice::Required => writer.string("required"),
        ToolChoice::Named { name, is_custom } => {
            let kind = if *is_custom { "custom" } else { "function" };
            writer.object(|writer| {
                writer.member("type").string(kind);
                writer.member(kind).object(|writer| writer.member("name").text(name));
            });
        }
        ToolChoice::Allowed { is_required, names } => writer.object(|writer| {
            writer.member("type").string("allowed_tools");
            writer.member("allowed_tools").object(|writer| {
                writer.member("mode").string(if *is_required { "required" } else { "auto" });
                writer.member("tools").array(|writer| {
                    for name in names {
                        writer.object(|writer| {
                            writer.member("type").string("function");
                            writer.member("function").object(|writer| writer.member("name").text(name));
                        });
                    }
                });
            });
        }),
    }
}

fn write_format(format: &Format<'_>, writer: &mut Writer<'_>) {
    let kind = match format {
        Format::Unsaid => return,
        Format::Text => "text",
        Format::JsonObject => "json_object",
        Format::JsonSchema { .. } => "json_schema",
    };
    writer.member("response_format").object(|writer| {
        writer.member("type").string(kind);
        if let Format::JsonSchema { name, description, schema, is_strict } = format {
            writer.member("json_schema").object(|writer| {
                writer.member("name").text(name);
                if let Some(description) = description {
                    writer.member("description").text(description);
                }
                writer.member("schema").raw(schema);
                if let Some(is_strict) = is_strict {
                    writer.member("strict").boolean(*is_strict);
                }
            });
        }
    });
}

fn write_reasoning(
    reasoning: &Reasoning,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let Some(effort) = reasoning.degree() else { return };
    if recipient.profile.thinking != Thinking::Never {
        let effort = recipient.profile.nearest_effort(effort);
        writer.member("reasoning_effort").string(effort.name());
    } else if effort != Effort::None {
        encoded.drop_param("reasoning_effort");
    }
}

fn write_rest(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    if request.is_marked() && !recipient.quirks.takes_cache_marks {
        encoded.drop_param("cache_control");
    }
    if let Some(user) = &request.user {
        writer.member("user").text(user);
    }
    for (name, value) in [("service_tier", &request.service_tier), ("verbosity", &request.verbosity)] {
        match value {
            Some(value) if name != "service_tier" || recipient.quirks.takes_service_tier => {
                writer.member(name).text(value);
            }
            Some(_) => encoded.drop_param(name),
            None => {}
        }
    }
    // Models that take no penalties take none of the older wishes; metadata is of what is stored only.
    let takes_wishes = recipient.profile.takes_penalties;
    for (name, value, is_taken) in [
        ("metadata", &request.metadata, request.is_stored == Some(true)),
        ("web_search_options", &request.web_search, takes_wishes),
        ("modalities", &request.modalities, takes_wishes),
        ("audio", &request.audio, takes_wishes),
        ("prediction", &request.prediction, takes_wishes),
    ] {
        match value {
            Some(value) if is_taken => writer.member(name).raw(value),
            Some(_) => encoded.drop_param(name),
            None => {}
        }
    }
    if let Some(is_stored) = request.is_stored {
        writer.member("store").boolean(is_stored);
    }
    if request.is_marked_beside_parts() {
        encoded.drop_param("cache_control");
    }
    for (name, value) in &request.extra {
        if KNOWN.contains(&&**name) {
            writer.member(name).raw(value);
        } else {
            encoded.drop_extra(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{ClientDialect, Quirks, openai_chat::OpenAiChat},
        ir::Profile,
    };

    /// What is dropped of a request for a model.
    fn dropped(profile: &Profile, members: &str) -> Vec<&'static str> {
        let body =
            format!(r#"{{"model": "m", "messages": [{{"role": "user", "content": "a"}}], {members}}}"#);
        let request = OpenAiChat.decode_request(&body).unwrap();
        let recipient = Recipient { model: "m", profile, quirks: &Quirks::OWNER, is_strict: false };
        let mut out = Vec::new();
        let encoded = encode_request(&request, &recipient, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for name in &encoded.dropped {
            assert!(!out.contains(&format!("\"{name}\"")), "{out}");
        }
        encoded.dropped
    }

    #[test]
    fn sampling_is_dropped_while_the_model_reasons() {
        let profile = Profile { takes_sampling: false, ..Profile::default() };
        let sampling = r#""temperature": 0.2, "top_p": 0.5, "logprobs": true, "top_logprobs": 2"#;
        let all = ["temperature", "top_p", "top_logprobs", "logprobs"];
        assert_eq!(dropped(&profile, sampling), all);
        assert_eq!(dropped(&profile, &format!(r#"{sampling}, "reasoning_effort": "low""#)), all);
        assert!(dropped(&profile, &format!(r#"{sampling}, "reasoning_effort": "none""#)).is_empty());
        assert!(dropped(&Profile::default(), sampling).is_empty());
        assert!(dropped(&profile, r#""logprobs": false"#).is_empty());
        let always = Profile { efforts: vec![Effort::Low, Effort::High], ..profile };
        assert_eq!(dropped(&always, &format!(r#"{sampling}, "reasoning_effort": "none""#)), all);
    }

    #[test]
    fn a_model_that_does_not_reason_is_not_told_to() {
        let profile = Profile { thinking: Thinking::Never, ..Profile::default() };
        assert_eq!(dropped(&profile, r#""reasoning_effort": "low""#), ["reasoning_effort"]);
        assert!(dropped(&profile, r#""reasoning_effort": "none""#).is_empty());
    }

    #[test]
    fn metadata_goes_where_the_answer_is_stored() {
        let profile = Profile::default();
        assert_eq!(dropped(&profile, r#""metadata": {"a": "b"}"#), ["metadata"]);
        assert!(dropped(&profile, r#""metadata": {"a": "b"}, "store": true"#).is_empty());
    }

    #[test]
    fn a_search_is_not_asked_of_models_that_refuse_it() {
        let profile = Profile { takes_penalties: false, ..Profile::default() };
        assert_eq!(dropped(&profile, r#""web_search_options": {}"#), ["web_search_options"]);
        assert!(dropped(&Profile::default(), r#""web_search_options": {}"#).is_empty());
    }

    #[test]
    fn a_bias_for_tokens_goes_with_the_penalties() {
        let profile = Profile { takes_penalties: false, ..Profile::default() };
        let members = r#""frequency_penalty": 1, "presence_penalty": 1, "logit_bias": {"1": 2}, "seed": 3"#;
        assert_eq!(dropped(&profile, members), ["frequency_penalty", "presence_penalty", "logit_bias"]);
    }
}
