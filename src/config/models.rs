//! What the operator knows of models better than the gateway: `models`, by provider and pattern.

use super::{
    limits,
    reader::{Field, Section},
};
use crate::{
    ir::{Effort, Prices, Thinking},
    provider::{self, Account, Catalog, Change, FLAGS, Rule},
};

/// Adds what the file says of the models of these accounts.
pub(super) fn read_all(file: &Section<'_>, accounts: &[Account], catalog: &mut Catalog) {
    let is_provider =
        |name: &str| accounts.iter().any(|account| account.name == name) || provider::find(name).is_some();
    for (name, field) in file.entries() {
        let name = name.trim().to_lowercase();
        // As in a request, what stands before the first `/` counts where it is a provider's name.
        let scoped = name.split_once('/').filter(|(provider, _)| is_provider(provider));
        let (provider, pattern) =
            scoped.map_or((None, name.as_str()), |(provider, pattern)| (Some(provider), pattern));
        if pattern.is_empty() {
            field.mistake(
                "this names no model",
                "Write provider/model or a pattern such as provider/claude-*",
            );
        }
        catalog.add_rule(Rule::new(provider, pattern, field.inside(read)));
    }
}

fn read(file: &Section<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    let flags = FLAGS.iter().filter_map(|flag| Some(Change::Flag(flag, file.field(flag.name).boolean()?)));
    changes.extend(flags);
    let tokens = |name| file.field(name).whole_number(limits::MODEL_TOKENS);
    changes.extend(tokens("max_output_tokens").map(Change::OutputTokensMax));
    changes.extend(tokens("max_context_tokens").map(Change::ContextTokensMax));
    changes.extend(tokens("min_reasoning_tokens").map(Change::ReasoningTokensMin));
    changes.extend(tokens("max_reasoning_tokens").map(Change::ReasoningTokensMax));
    let thinking = file.field("thinking");
    changes
        .extend(named(&thinking, Thinking::named, &Thinking::ALL.map(Thinking::name)).map(Change::Thinking));
    if let Some(list) = file.field("efforts").list() {
        let mut efforts: Vec<_> = list.iter().filter_map(effort).collect();
        efforts.sort_unstable();
        efforts.dedup();
        changes.push(Change::Efforts(efforts));
    }
    changes.extend(effort(&file.field("default_effort")).map(Change::DefaultEffort));
    let prices = file.field("prices");
    if prices.is_present() {
        changes.extend(prices.inside(read_prices).map(Change::Prices));
    }
    changes
}

/// Dollars for a million tokens.
fn read_prices(file: &Section<'_>) -> Option<Prices> {
    let price = |name| file.field(name).number_from_zero();
    for name in ["input", "output"] {
        if !file.field(name).is_present() {
            file.field(name).mistake("a price is missing", "Write dollars for a million tokens, or 0");
        }
    }
    let [cache_read, cache_write] = ["cache_read", "cache_write"].map(price);
    Some(Prices { input: price("input")?, output: price("output")?, cache_read, cache_write })
}

fn effort(field: &Field<'_>) -> Option<Effort> {
    named(field, Effort::named, &Effort::ALL.map(Effort::name))
}

fn named<T>(field: &Field<'_>, find: fn(&str) -> Option<T>, names: &[&str]) -> Option<T> {
    let found = find(field.text()?);
    if found.is_none() {
        field.mistake(
            "this is not one of the names that can stand here",
            format!("Use one of: {}", names.join(", ")),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::{
        config::fixture::{accepted, mistaken_paths},
        ir::{Effort, Prices, Profile, Thinking},
    };

    const LAB: &str = r#""lab": {"network_config": {"base_url": "http://127.0.0.1:9"},
        "custom_provider_config": {"base_provider_type": "openai", "is_key_less": true}}"#;

    fn configured(models: &str) -> (impl Fn(&str, &str) -> Profile, Vec<String>) {
        let openai = r#""openai": {"keys": [{"value": "a"}]}"#;
        let text = format!(r#"{{"providers": {{{LAB}, {openai}}}, "models": {models}}}"#);
        let (snapshot, warnings) = accepted(&text);
        (move |account: &str, model: &str| snapshot.models.profile(account, model), warnings)
    }

    fn mistakes(models: &str) -> Vec<String> {
        mistaken_paths(&format!(r#"{{"providers": {{{LAB}}}, "models": {models}}}"#))
    }

    #[test]
    fn every_field_of_a_profile_can_be_said() {
        let (profile, warnings) = configured(
            r#"{"lab/x*": {
                "max_output_tokens": 8192, "max_context_tokens": 32768, "takes_sampling": false,
                "takes_sampling_without_reasoning": false, "takes_both_samplings": false, "takes_penalties": false,
                "takes_stop": false, "takes_prefill": false, "takes_forced_tools": false, "takes_system": false,
                "takes_system_between": false, "takes_schema": false, "takes_schema_with_tools": false,
                "takes_call_ids": false, "takes_images_in_results": false, "wants_signatures": true,
                "takes_search_with_tools": false, "takes_image_detail": false, "wants_reasoning": true,
                "min_reasoning_tokens": 16, "max_reasoning_tokens": 4096, "thinking": "adaptive", "efforts": ["high", "none"],
                "default_effort": "high", "has_chat": false, "tools_need_responses": true,
                "prices": {"input": 1, "output": 2.5, "cache_read": 0.1, "cache_write": 0}
            }}"#,
        );
        assert!(warnings.is_empty(), "{warnings:?}");
        let prices = Prices { input: 1.0, output: 2.5, cache_read: Some(0.1), cache_write: Some(0.0) };
        let expected = Profile {
            output_tokens_max: Some(8192),
            context_tokens_max: Some(32_768),
            takes_sampling: false,
            takes_sampling_without_reasoning: false,
            takes_both_samplings: false,
            takes_penalties: false,
            takes_stop: false,
            takes_prefill: false,
            takes_forced_tools: false,
            takes_system: false,
            takes_system_between: false,
            takes_schema: false,
            takes_schema_with_tools: false,
            takes_call_ids: false,
            takes_images_in_results: false,
            wants_signatures: true,
            takes_search_with_tools: false,
            takes_image_detail: false,
            wants_reasoning: true,
            thinking: Thinking::Adaptive,
            reasoning_tokens_min: Some(16),
            reasoning_tokens_max: Some(4096),
            efforts: vec![Effort::None, Effort::High],
            default_effort: Some(Effort::High),
            has_chat: false,
            tools_need_responses: true,
            prices: Some(prices),
        };
        assert_eq!(profile("lab", "X-large"), expected);
        assert_eq!(profile("lab", "y"), Profile::default());
    }

    #[test]
    fn a_name_before_the_slash_counts_where_it_is_a_providers() {
        let (profile, _) = configured(
            r#"{"openai/o3": {"takes_stop": true}, "meta/llama*": {"takes_stop": false},
                "lab/meta/llama-2": {"takes_stop": true}}"#,
        );
        assert!(profile("openai", "o3-2025-04-16").takes_stop && !profile("lab", "o3").takes_stop);
        assert!(!profile("openai", "meta/llama-2").takes_stop && !profile("lab", "meta/llama-3").takes_stop);
        assert!(profile("lab", "meta/llama-2").takes_stop);
    }

    #[test]
    fn later_rules_win_and_what_they_do_not_say_stays() {
        let (profile, _) = configured(
            r#"{"gpt-4*": {"takes_stop": false, "max_output_tokens": 10}, "gpt-4o*": {"takes_stop": true}}"#,
        );
        let gpt_4o = profile("openai", "gpt-4o");
        assert_eq!((gpt_4o.takes_stop, gpt_4o.output_tokens_max), (true, Some(10)));
        assert!(gpt_4o.prices.is_some());
        assert!(!profile("openai", "gpt-4.1").takes_stop);
    }

    #[test]
    fn a_custom_provider_has_the_models_of_its_base() {
        let (profile, _) = configured("{}");
        assert_eq!(profile("lab", "gpt-5.4"), profile("openai", "gpt-5.4"));
    }

    #[test]
    fn mistakes_are_told_with_their_paths() {
        let paths = mistakes(
            r#"{"": {}, "lab/": {}, "lab/a*": {"takes_stop": 1, "max_output_tokens": 0, "thinking": "hard",
                "efforts": ["high", "higher"], "default_effort": 3, "prices": {"input": -1}}, "b": []}"#,
        );
        let inside = |path: &str| format!("models[\"lab/a*\"].{path}");
        let expected = [
            "models[\"\"]".to_owned(),
            "models[\"lab/\"]".to_owned(),
            inside("takes_stop"),
            inside("max_output_tokens"),
            inside("thinking"),
            inside("efforts[1]"),
            inside("default_effort"),
            inside("prices.output"),
            inside("prices.input"),
            "models.b".to_owned(),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn what_is_not_known_of_a_model_is_warned_of() {
        let (_, warnings) =
            configured(r#"{"a": {"takes_stops": true, "prices": {"input": 1, "output": 1, "in": 1}}}"#);
        let expected = ["models.a.prices.in", "models.a.takes_stops"];
        let expected =
            expected.map(|path| format!("{path}: this is not known. Check the spelling, or remove it."));
        assert_eq!(warnings, expected);
    }
}
