//! Each parameter of OpenAI's chats changes what a provider is asked, or is named as dropped, or refuses the
//! request: nothing is lost silently.

use bifrost::{
    dialect::{PROVIDERS, ProviderDialect},
    ir::{Profile, Thinking},
};

use crate::{
    pairs::{asked, client},
    sections::check_between,
};

/// A parameter, the rest of a request in which it means something, and the names that may be told of it.
struct Parameter {
    name: &'static str,
    value: &'static str,
    context: &'static str,
    told_as: &'static [&'static str],
}

const TOOLS: &str =
    r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]"#;

const fn alone(name: &'static str, value: &'static str) -> Parameter {
    Parameter { name, value, context: "", told_as: &[] }
}

const fn beside(context: &'static str, name: &'static str, value: &'static str) -> Parameter {
    Parameter { name, value, context, told_as: &[] }
}

impl Parameter {
    const fn told_as(self, told_as: &'static [&'static str]) -> Self {
        Self { told_as, ..self }
    }
}

/// All that a request to OpenAI may hold beside `model` and `messages`, and what clients add to it. `stream` and
/// `stream_options` are the gateway's own affair.
const PARAMETERS: &[Parameter] = &[
    alone("max_completion_tokens", "77"),
    alone("max_tokens", "77"),
    alone("temperature", "0.5"),
    alone("top_p", "0.5"),
    alone("top_k", "7"),
    alone("frequency_penalty", "0.5"),
    alone("presence_penalty", "0.5"),
    alone("seed", "7"),
    alone("stop", r#"["END"]"#),
    alone("n", "2"),
    alone("logit_bias", r#"{"50256":-100}"#),
    alone("logprobs", "true"),
    beside(r#""logprobs":true"#, "top_logprobs", "3"),
    alone("tools", r#"[{"type":"function","function":{"name":"f"}}]"#),
    beside(TOOLS, "tool_choice", r#""required""#),
    beside(TOOLS, "parallel_tool_calls", "false"),
    alone("functions", r#"[{"name":"f"}]"#).told_as(&["tools"]),
    beside(r#""functions":[{"name":"f"}]"#, "function_call", r#"{"name":"f"}"#).told_as(&["tool_choice"]),
    alone(
        "response_format",
        r#"{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}"#,
    ),
    alone("reasoning_effort", r#""low""#),
    alone("verbosity", r#""low""#),
    alone("modalities", r#"["text","audio"]"#),
    beside(r#""modalities":["text","audio"]"#, "audio", r#"{"format":"wav","voice":"alloy"}"#),
    alone("prediction", r#"{"type":"content","content":"a"}"#),
    alone("web_search_options", "{}"),
    alone("user", r#""u1""#),
    alone("safety_identifier", r#""u1""#).told_as(&["user"]),
    alone("metadata", r#"{"a":"b"}"#),
    alone("store", "true"),
    alone("service_tier", r#""flex""#),
    alone("prompt_cache_key", r#""k""#),
    alone("prompt_cache_options", r#"{"mode":"explicit"}"#),
    alone("prompt_cache_retention", r#""24h""#),
    alone("moderation", r#"{"model":"m"}"#),
    alone("cache_control", r#"{"type":"ephemeral"}"#),
    alone("thinking", r#"{"type":"enabled","budget_tokens":2048}"#).told_as(&["reasoning_effort"]),
    alone("reasoning", r#"{"effort":"high"}"#).told_as(&["reasoning_effort"]),
    alone("messages[].name", r#"[{"role":"user","name":"n","content":"a"}]"#).told_as(&["name"]),
    beside(IMAGE, "messages[].content[].detail", DETAILED_IMAGE).told_as(&["detail"]),
    alone("messages[].content[].cache_control", MARKED).told_as(&["cache_control"]),
    alone("min_p", "0.1"),
    alone("anything_else", "1"),
];

const IMAGE: &str = r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]"#;
const DETAILED_IMAGE: &str = r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo=","detail":"high"}}]}]"#;
const MARKED: &str =
    r#"[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}]"#;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Carried,
    Dropped,
    Refused,
    Lost,
}

fn fate(parameter: &Parameter, provider: &dyn ProviderDialect, profile: Option<&Profile>) -> Fate {
    let Parameter { name, value, context, told_as } = *parameter;
    // Of members that stand there twice the last one counts.
    let member = format!("\"{}\":{value}", if name.starts_with("messages[]") { "messages" } else { name });
    let body = |members: &[&str]| {
        let messages = r#""messages":[{"role":"user","content":"a"}]"#;
        let members = members.iter().copied().filter(|member| !member.is_empty());
        let members: Vec<_> = [messages].into_iter().chain(members).collect();
        format!("{{\"model\":\"m\",{}}}", members.join(","))
    };
    let client = client("openai_chat");
    let is_named = |told: &str| told == name || told_as.contains(&told);
    // Where what it stands beside is refused, it is too.
    let Ok((without, _)) = asked(client, provider, profile, &body(&[context])) else { return Fate::Refused };
    let (with, after) = match asked(client, provider, profile, &body(&[context, &member])) {
        Ok(asked) => asked,
        Err(error) => {
            assert_eq!(error.status, 400);
            return if error.param.as_deref().is_some_and(is_named) { Fate::Refused } else { Fate::Lost };
        }
    };
    let is_dropped = after.dropped.iter().copied().any(is_named)
        || after.dropped_extra.iter().map(String::as_str).any(is_named);
    if is_dropped {
        Fate::Dropped
    } else if with != without {
        Fate::Carried
    } else {
        Fate::Lost
    }
}

/// Profiles that forbid as much as one can.
fn profiles() -> [Profile; 4] {
    let least = Profile {
        takes_sampling: false,
        takes_sampling_without_reasoning: false,
        takes_penalties: false,
        takes_stop: false,
        takes_forced_tools: false,
        takes_schema: false,
        takes_schema_with_tools: false,
        takes_search_with_tools: false,
        thinking: Thinking::Never,
        ..Profile::default()
    };
    let budget = Profile { thinking: Thinking::Budget, output_tokens_max: Some(4096), ..Profile::default() };
    let always = Profile { thinking: Thinking::Always, takes_sampling: false, ..Profile::default() };
    [Profile::default(), least, budget, always]
}

#[test]
fn no_parameter_is_lost_silently() {
    let mut lost = Vec::new();
    for provider in PROVIDERS {
        for parameter in PARAMETERS {
            let known = profiles();
            let profiles = known.iter().map(Some).chain([None]);
            for (number, profile) in profiles.enumerate() {
                if fate(parameter, provider, profile) == Fate::Lost {
                    lost.push(format!("{} by {} with profile {number}", parameter.name, provider.name()));
                }
            }
        }
    }
    assert!(lost.is_empty(), "these are lost:\n{}", lost.join("\n"));
}

#[test]
fn the_readme_says_what_each_provider_takes() {
    let names: Vec<_> = PROVIDERS.iter().map(|provider| format!("`{}`", provider.name())).collect();
    let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for parameter in PARAMETERS {
        let cells = PROVIDERS.map(|provider| match fate(parameter, provider, Some(&Profile::default())) {
            Fate::Carried => "yes",
            Fate::Dropped => "dropped",
            Fate::Refused => "refused",
            Fate::Lost => "LOST",
        });
        table.push_str(&format!("| `{}` | {} |\n", parameter.name, cells.join(" | ")));
    }
    check_between("README.md", ("<!-- parameters: begin -->", "<!-- parameters: end -->"), &table);
}
