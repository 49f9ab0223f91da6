//! What is known of models: sizes and prices by name (`models.json`, which `tools/models` writes), what they
//! take by pattern (`models/rules.json`, written by hand), and what the operator knows better.

mod facts;
mod rule;
mod spelling;

use std::sync::LazyLock;

use facts::{Facts, Section};
pub use rule::{Change, FLAGS, Flag, Rule};
use spelling::{lower, spellings};

use super::Account;
use crate::{
    dialect::json::{ReadError, Reader},
    ir::Profile,
};

/// Profiles of all models that can be asked for.
#[derive(Clone, Debug)]
pub struct Catalog {
    built_in: &'static Table,
    /// The operator's rules, the last of those that fit wins.
    rules: Vec<Rule>,
    /// Accounts whose models are those of a provider of another name.
    accounts: Vec<(String, &'static str)>,
}

/// What comes with the gateway.
#[derive(Debug)]
struct Table {
    sections: Vec<Section>,
    rules: Vec<Rule>,
    /// Providers with those that they have models from.
    borrows: Vec<(String, Vec<String>)>,
}

static BUILT_IN: LazyLock<Table> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "both files are parts of the program, and a test reads them")]
    Table::read(include_str!("models.json"), include_str!("models/rules.json"))
        .expect("the program knows its models")
});

impl Catalog {
    /// What comes with the gateway; read once.
    pub fn built_in() -> Self {
        Self { built_in: &BUILT_IN, rules: Vec::new(), accounts: Vec::new() }
    }

    /// The same for these accounts, whose models are those of the provider that they are spoken to like.
    pub fn of(accounts: &[Account]) -> Self {
        let own_names = accounts.iter().filter(|account| account.name != account.provider.name());
        let accounts = own_names.map(|account| (account.name.clone(), account.provider.name())).collect();
        Self { accounts, ..Self::built_in() }
    }

    /// Adds a rule that wins over all before it.
    pub fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// What is known of a model, by the name of the account or provider and the provider's name of the model:
    /// the defaults, changed by the built-in rules in their order, what is known of the name itself, and the
    /// operator's rules.
    pub fn profile(&self, account: &str, model: &str) -> Profile {
        let provider = self.accounts.iter().find(|(name, _)| name == account).map(|(_, provider)| *provider);
        let owners: Vec<_> = [account].into_iter().chain(provider).collect();
        let name = lower(model);
        let spellings = spellings(&name);
        let mut profile = Profile::default();
        let apply = |rule: &Rule, owners: &[&str], profile: &mut Profile| {
            if rule.holds(owners, &spellings) {
                rule.apply(profile);
            }
        };
        self.built_in.rules.iter().for_each(|rule| apply(rule, &owners, &mut profile));
        if let Some(facts) = self.built_in.find(&owners, &spellings) {
            facts.apply(&mut profile);
        }
        // The operator means accounts, not whoever resembles them.
        self.rules.iter().for_each(|rule| apply(rule, &[account], &mut profile));
        profile
    }
}

impl Table {
    fn read(models: &str, rules: &str) -> Result<Self, ReadError> {
        let mut table = Self { sections: facts::read(models)?, rules: Vec::new(), borrows: Vec::new() };
        let mut reader = Reader::new(rules);
        reader.object(|name, reader| match name {
            "borrows" => reader.object(|borrower, reader| {
                table.borrows.push((borrower.to_owned(), rule::texts(reader)?));
                Ok(())
            }),
            "rules" => reader.array(|reader| {
                table.rules.push(Rule::read(reader)?);
                Ok(())
            }),
            _ => Err(ReadError::invalid("is not known")),
        })?;
        reader.end()?;
        Ok(table)
    }

    /// What is known of the name that is nearest to how it is spelled, at the nearest owner.
    fn find(&self, owners: &[&str], spellings: &[&str]) -> Option<&Facts> {
        let sections: Vec<_> = owners.iter().flat_map(|owner| self.sections_of(owner)).collect();
        spellings.iter().find_map(|name| sections.iter().find_map(|section| section.find(name)))
    }

    fn sections_of(&self, owner: &str) -> impl Iterator<Item = &Section> {
        let lenders = self.borrows.iter().find(|(borrower, _)| borrower == owner);
        let lenders = lenders.into_iter().flat_map(|(_, lenders)| lenders).map(String::as_str);
        let own = self.section(owner);
        own.into_iter().chain(lenders.filter_map(|lender| self.section(lender)))
    }

    fn section(&self, provider: &str) -> Option<&Section> {
        self.sections.iter().find(|section| *section.provider == *provider)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ir::{
        Effort::{self, High, Low, Max, Medium, Minimal, XHigh},
        Prices, Thinking,
    };

    fn profile(provider: &str, model: &str) -> Profile {
        Catalog::built_in().profile(provider, model)
    }

    #[test]
    fn an_unknown_claude_is_as_the_newest() {
        for (provider, model) in [
            ("anthropic", "claude-opus-7"),
            ("bedrock", "us.anthropic.claude-haiku-6-v1:0"),
            ("vertex", "claude-saga-1@20270101"),
            ("openrouter", "anthropic/claude-opus-6.5"),
        ] {
            let profile = profile(provider, model);
            assert_eq!(profile.output_tokens_max, Some(128_000), "{model}");
            assert_eq!(profile.thinking, Thinking::Adaptive, "{model}");
            assert!(!profile.takes_sampling && !profile.takes_prefill, "{model}");
            assert!(!profile.takes_sampling_at(Some(Effort::None)), "{model}");
            assert!(!profile.takes_forced_tools, "{model}");
            assert_eq!((profile.context_tokens_max, profile.prices), (None, None), "{model}");
        }
    }

    #[test]
    fn a_claude_to_4_5_takes_sampling_and_thinks_by_a_budget() {
        for model in
            ["claude-haiku-4-5", "claude-sonnet-4-5-20250929", "claude-opus-4-5", "claude-sonnet-4.5"]
        {
            let profile = profile("anthropic", model);
            assert_eq!(profile.output_tokens_max, Some(64_000), "{model}");
            assert_eq!(profile.thinking, Thinking::Budget, "{model}");
            assert!(profile.takes_sampling && profile.takes_prefill && profile.takes_forced_tools, "{model}");
            assert!(profile.takes_schema && !profile.takes_system_between, "{model}");
            assert!(!profile.takes_both_samplings && !profile.takes_penalties, "{model}");
        }
        assert_eq!(profile("anthropic", "claude-haiku-4-5").efforts, []);
        assert_eq!(profile("anthropic", "claude-opus-4-5").efforts, [Effort::None, Low, Medium, High]);
    }

    #[test]
    fn a_claude_before_4_5_has_no_schema_and_a_bound_of_its_own() {
        for (model, output_tokens_max, thinking) in [
            ("claude-opus-4-1-20250805", 32_000, Thinking::Budget),
            ("claude-opus-4-20250514", 32_000, Thinking::Budget),
            ("claude-sonnet-4-0", 64_000, Thinking::Budget),
            ("claude-3-7-sonnet-latest", 64_000, Thinking::Budget),
            ("claude-3.5-sonnet", 8192, Thinking::Never),
            ("claude-3-haiku-20240307", 4096, Thinking::Never),
            ("claude-2.1", 4096, Thinking::Never),
        ] {
            let profile = profile("anthropic", model);
            assert_eq!(profile.output_tokens_max, Some(output_tokens_max), "{model}");
            assert_eq!(profile.thinking, thinking, "{model}");
            assert!(
                profile.takes_sampling && profile.takes_both_samplings && !profile.takes_schema,
                "{model}"
            );
        }
    }

    #[test]
    fn a_claude_4_6_thinks_either_way_and_takes_no_prefill() {
        for model in ["claude-opus-4-6", "claude-sonnet-4-6"] {
            let profile = profile("anthropic", model);
            assert_eq!(profile.output_tokens_max, Some(128_000), "{model}");
            assert_eq!(profile.thinking, Thinking::AdaptiveOrBudget, "{model}");
            assert_eq!(profile.efforts, [Effort::None, Low, Medium, High, Max], "{model}");
            assert!(profile.takes_sampling && profile.takes_forced_tools, "{model}");
            assert!(!profile.takes_prefill && !profile.takes_system_between, "{model}");
        }
    }

    #[test]
    fn a_claude_from_4_7_on_takes_no_sampling_and_thinks_adaptively() {
        for (model, thinking, takes_forced_tools, takes_system_between) in [
            ("claude-opus-4-7", Thinking::Adaptive, true, false),
            ("claude-mythos-preview", Thinking::Always, true, false),
            ("claude-opus-4-8", Thinking::Adaptive, true, true),
            ("claude-sonnet-5", Thinking::Adaptive, true, true),
            ("claude-opus-5", Thinking::Adaptive, true, true),
            ("claude-fable-5", Thinking::Always, true, true),
            ("claude-mythos-5", Thinking::Always, true, true),
            ("claude-haiku-5-5", Thinking::Adaptive, true, true),
            ("claude-opus-5-5", Thinking::Always, false, true),
            ("claude-sonnet-5-5", Thinking::Always, false, true),
            ("claude-fable-5-1", Thinking::Always, false, true),
            ("claude-mythos-5-1", Thinking::Always, false, true),
        ] {
            let profile = profile("anthropic", model);
            assert_eq!(profile.output_tokens_max, Some(128_000), "{model}");
            assert_eq!(profile.thinking, thinking, "{model}");
            assert_eq!(profile.takes_forced_tools, takes_forced_tools, "{model}");
            assert_eq!(profile.takes_system_between, takes_system_between, "{model}");
            assert!(!profile.takes_sampling && !profile.takes_prefill, "{model}");
            assert_eq!(profile.efforts.last(), Some(&Max), "{model}");
            assert_eq!(profile.efforts.contains(&Effort::None), thinking == Thinking::Adaptive, "{model}");
        }
    }

    #[test]
    fn an_openai_model_that_reasons_takes_sampling_only_where_it_can_stop_reasoning() {
        for (model, is_taken_unsaid, is_taken_without) in [
            ("o3", false, false),
            ("gpt-5", false, false),
            ("gpt-5-mini-2025-08-07", false, false),
            ("gpt-5.1", true, true),
            ("gpt-5.2-2025-12-11", true, true),
            ("gpt-5.4-mini", true, true),
            ("gpt-5.5", false, true),
            ("gpt-5.6-sol", false, true),
            ("gpt-5.4-pro", false, false),
            ("gpt-6-astra", false, false),
            ("gpt-6-sol", false, true),
            ("gpt-7", false, false),
            ("gpt-4o", true, true),
        ] {
            let profile = profile("openai", model);
            assert_eq!(profile.takes_sampling_at(None), is_taken_unsaid, "{model}");
            assert_eq!(profile.takes_sampling_at(Some(Effort::None)), is_taken_without, "{model}");
            assert_eq!(profile.takes_sampling_at(Some(High)), model == "gpt-4o", "{model}");
            assert_eq!(profile.takes_penalties, model == "gpt-4o", "{model}");
        }
    }

    #[test]
    fn stop_sequences_are_refused_by_o3_and_what_came_after() {
        for (model, takes_stop) in [
            ("gpt-4o", true),
            ("o1", true),
            ("o3-mini", true),
            ("o3", false),
            ("o4-mini", false),
            ("gpt-5-nano", false),
            ("gpt-6-luna", false),
        ] {
            assert_eq!(profile("openai", model).takes_stop, takes_stop, "{model}");
        }
    }

    #[test]
    fn each_openai_model_knows_its_own_efforts() {
        for (model, efforts) in [
            ("o3", &[Low, Medium, High][..]),
            ("gpt-5", &[Minimal, Low, Medium, High]),
            ("gpt-5.1", &[Effort::None, Low, Medium, High]),
            ("gpt-5.2", &[Effort::None, Low, Medium, High, XHigh]),
            ("gpt-5.6-terra", &[Effort::None, Low, Medium, High, XHigh]),
            ("gpt-6-astra", &[Low, Medium, High, XHigh, Max]),
            ("gpt-6-sol", &[Effort::None, Low, Medium, High, XHigh, Max]),
            ("gpt-6-luna", &[Effort::None, Low, Medium, High, XHigh, Max]),
            ("gpt-6.1-sol", &[Low, Medium, High, XHigh, Max]),
            ("gpt-oss-120b", &[Low, Medium, High]),
            ("gpt-4o", &[]),
        ] {
            let profile = profile("openai", model);
            assert_eq!(profile.efforts, efforts, "{model}");
            let thinking = match efforts.first() {
                None => Thinking::Never,
                Some(Effort::None) => Thinking::Adaptive,
                Some(_) => Thinking::Always,
            };
            assert_eq!(profile.thinking, thinking, "{model}");
        }
    }

    #[test]
    fn some_openai_models_have_no_chat() {
        for model in [
            "o1-pro",
            "o3-pro-2025-06-10",
            "o4-mini-deep-research",
            "gpt-5-pro",
            "gpt-5.4-pro-2026-03-05",
            "gpt-5-codex",
            "gpt-5.1-codex-max",
            "gpt-5.3-codex",
        ] {
            for provider in ["openai", "azure"] {
                assert!(!profile(provider, model).has_chat, "{provider} {model}");
            }
            assert!(profile("openrouter", &format!("openai/{model}")).has_chat, "{model}");
        }
        for model in ["gpt-5", "gpt-5.4", "o3", "gpt-4o", "gpt-6-sol"] {
            assert!(profile("openai", model).has_chat, "{model}");
        }
    }

    #[test]
    fn from_gpt_5_4_on_tools_need_responses() {
        for (model, at_openai, at_azure) in [
            ("gpt-4o", false, false),
            ("o3", false, false),
            ("gpt-5-mini", false, false),
            ("gpt-5.2", false, false),
            ("gpt-5.4", true, false),
            ("gpt-5.5-2026-04-23", true, false),
            ("gpt-5.6-sol", true, true),
            ("gpt-6-sol", true, true),
            ("gpt-9", true, true),
        ] {
            assert_eq!(profile("openai", model).tools_need_responses, at_openai, "{model}");
            assert_eq!(profile("azure", model).tools_need_responses, at_azure, "{model}");
            assert!(!profile("openrouter", model).tools_need_responses, "{model}");
        }
    }

    #[test]
    fn a_gemini_before_3_thinks_by_a_budget_and_takes_no_names_of_calls() {
        for model in ["gemini-2.5-flash", "models/gemini-2.5-pro", "gemini-2.5-flash-lite"] {
            let profile = profile("gemini", model);
            assert_eq!(profile.thinking, Thinking::Budget, "{model}");
            assert!(profile.takes_sampling && profile.takes_penalties, "{model}");
            assert!(!profile.wants_signatures && !profile.takes_call_ids, "{model}");
            assert!(!profile.takes_schema_with_tools && !profile.takes_images_in_results, "{model}");
            assert!(!profile.takes_search_with_tools && !profile.takes_image_detail, "{model}");
            assert_eq!(profile.efforts.contains(&Effort::None), !model.contains("pro"), "{model}");
        }
        let bounds = |model| {
            let profile = profile("gemini", model);
            (profile.reasoning_tokens_min, profile.reasoning_tokens_max)
        };
        assert_eq!(bounds("gemini-2.5-flash"), (None, Some(24_576)));
        assert_eq!(bounds("gemini-2.5-flash-lite"), (Some(512), Some(24_576)));
        assert_eq!(bounds("gemini-2.5-pro"), (Some(128), Some(32_768)));
        assert_eq!(profile("gemini", "gemini-2.0-flash").thinking, Thinking::Never);
        assert!(!profile("gemini", "gemini-2.5-pro-preview-06-05").takes_penalties);
    }

    #[test]
    fn a_gemini_from_3_on_always_thinks_and_wants_its_signatures() {
        for (provider, model, takes_sampling, least) in [
            ("gemini", "gemini-3-pro-preview", true, Low),
            ("gemini", "gemini-3.1-pro-preview", true, Low),
            ("vertex", "publishers/google/models/gemini-3-flash-preview", true, Minimal),
            ("gemini", "gemini-3.5-flash", true, Minimal),
            ("gemini", "gemini-3.5-flash-lite", false, Minimal),
            ("gemini", "gemini-3.6-flash", false, Minimal),
            ("gemini", "gemini-3.7-flash", false, Low),
            ("gemini", "gemini-3.8-flash", false, Low),
            ("gemini", "gemini-flash-latest", false, Low),
            ("gemini", "gemini-5-xenon", false, Low),
        ] {
            let profile = profile(provider, model);
            assert_eq!(profile.thinking, Thinking::Always, "{model}");
            assert!(profile.wants_signatures && profile.takes_call_ids, "{model}");
            assert!(profile.takes_schema_with_tools && profile.takes_images_in_results, "{model}");
            assert!(!profile.takes_penalties, "{model}");
            assert_eq!(profile.takes_sampling, takes_sampling, "{model}");
            assert_eq!(
                (profile.efforts.first(), profile.efforts.last()),
                (Some(&least), Some(&High)),
                "{model}"
            );
        }
    }

    #[test]
    fn a_gemma_takes_no_system_message_from_google() {
        assert!(!profile("gemini", "gemma-3-27b-it").takes_system);
        assert!(profile("ollama", "gemma-3-27b-it").takes_system);
    }

    #[test]
    fn hosts_take_less_than_their_models() {
        assert!(!profile("groq", "llama-3.3-70b-versatile").takes_penalties);
        assert!(!profile("deepseek", "deepseek-chat").takes_schema);
        assert!(profile("deepseek", "deepseek-chat").wants_reasoning);
        assert!(!profile("cohere", "command-a-03-2025").takes_schema_with_tools);
        assert!(!profile("ollama", "llama3.2:3b").takes_forced_tools);
        assert!(!profile("bedrock", "us.meta.llama3-3-70b-instruct-v1:0").takes_forced_tools);
        assert!(!profile("bedrock", "us.meta.llama3-3-70b-instruct-v1:0").takes_images_in_results);
        assert!(profile("bedrock", "us.amazon.nova-pro-v1:0").takes_images_in_results);
        assert!(!profile("bedrock", "global.anthropic.claude-opus-5").takes_schema);
        assert_eq!(profile("bedrock", "global.anthropic.claude-opus-4-8").efforts.last(), Some(&XHigh));
        assert_eq!(profile("mistral", "mistral-small-latest").efforts, [Effort::None, High]);
        assert!(!profile("perplexity", "openai/gpt-5.2").has_chat && profile("perplexity", "sonar").has_chat);
    }

    #[test]
    fn a_grok_that_reasons_takes_neither_stop_nor_penalties() {
        for (model, takes_stop) in [
            ("grok-4", false),
            ("grok-4.6", false),
            ("grok-code-fast-1", false),
            ("grok-3-mini", false),
            ("grok-3", true),
            ("grok-4-fast-non-reasoning", true),
        ] {
            let profile = profile("xai", model);
            assert_eq!((profile.takes_stop, profile.takes_penalties), (takes_stop, takes_stop), "{model}");
        }
    }

    #[test]
    fn of_a_strange_model_nothing_is_known() {
        assert_eq!(profile("vllm", "my-own-model"), Profile::default());
        assert_eq!(profile("", ""), Profile::default());
    }

    #[test]
    fn prices_and_sizes_are_found_by_any_spelling() {
        let gpt_4o = Prices { input: 2.5, output: 10.0, cache_read: Some(1.25), cache_write: None };
        for (provider, model) in [
            ("openai", "gpt-4o"),
            ("openai", "GPT-4o"),
            ("openai", "gpt-4o-2024-08-06"),
            ("azure", "gpt-4o"),
            ("openrouter", "openai/gpt-4o:nitro"),
        ] {
            let profile = profile(provider, model);
            assert_eq!(profile.prices, Some(gpt_4o), "{provider} {model}");
            assert_eq!(profile.context_tokens_max, Some(128_000), "{provider} {model}");
            assert_eq!(profile.output_tokens_max, Some(16_384), "{provider} {model}");
        }
        let older = Prices { input: 5.0, output: 15.0, cache_read: None, cache_write: None };
        assert_eq!(profile("openai", "gpt-4o-2024-05-13").prices, Some(older));
    }

    #[test]
    fn a_lender_has_prices_of_its_own_where_they_differ() {
        let input = |provider, model| profile(provider, model).prices.map(|prices| prices.input);
        assert_eq!(input("anthropic", "claude-haiku-4-5-20251001"), Some(1.0));
        assert_eq!(input("vertex", "claude-haiku-4-5@20251001"), Some(1.0));
        assert_eq!(input("bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0"), Some(1.0));
        assert_eq!(input("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0"), Some(1.1));
        assert_eq!(input("openai", "gpt-4-turbo"), Some(10.0));
        assert_eq!(input("azure", "gpt-4-turbo"), Some(11.0));
        assert_eq!(input("nobody", "gpt-4-turbo"), None);
    }

    #[test]
    fn the_operators_rules_win_and_are_about_accounts() {
        let mut catalog = Catalog { accounts: vec![("lab".to_owned(), "openai")], ..Catalog::built_in() };
        let rule =
            |provider, pattern, tokens| Rule::new(provider, pattern, vec![Change::OutputTokensMax(tokens)]);
        catalog.add_rule(rule(None, "GPT-4*", 1));
        catalog.add_rule(rule(Some("openai"), "gpt-4o", 2));
        let tokens = |account, model| catalog.profile(account, model).output_tokens_max;
        assert_eq!(tokens("openai", "gpt-4o"), Some(2));
        assert_eq!(tokens("openai", "gpt-4o-2024-08-06"), Some(2));
        assert_eq!(tokens("openai", "gpt-4.1"), Some(1));
        assert_eq!(tokens("lab", "gpt-4o"), Some(1));
        assert_eq!(tokens("openai", "o3"), Some(100_000));
    }

    #[test]
    fn names_are_in_order_and_none_is_there_twice() {
        for section in &BUILT_IN.sections {
            assert!(section.models.is_sorted_by(|(one, _), (next, _)| one < next), "{}", section.provider);
        }
        let providers: Vec<_> = BUILT_IN.sections.iter().map(|section| &section.provider).collect();
        assert!(providers.is_sorted_by(|one, next| one < next), "{providers:?}");
    }

    #[test]
    fn each_name_can_be_asked_for_and_tells_what_no_other_does() {
        for section in &BUILT_IN.sections {
            for (name, facts) in &section.models {
                assert_eq!(lower(name), **name, "this spelling is never looked for");
                let spellings = spellings(name);
                assert_eq!(BUILT_IN.find(&[&section.provider], &spellings), Some(facts), "{name}");
                let others = spellings.iter().skip(1).find_map(|spelling| {
                    BUILT_IN.sections_of(&section.provider).find_map(|section| section.find(spelling))
                });
                let lent =
                    || BUILT_IN.sections_of(&section.provider).skip(1).find_map(|lender| lender.find(name));
                assert_ne!(lent().or(others), Some(facts), "{} {name} is told by others", section.provider);
            }
        }
    }

    #[test]
    fn each_rule_is_about_models_that_it_can_meet_and_is_there_once() {
        let mut seen = BTreeSet::new();
        for rule in &BUILT_IN.rules {
            let (providers, patterns) = rule.scope();
            assert!(!patterns.is_empty() && seen.insert(format!("{rule:?}")), "{rule:?}");
            for pattern in patterns {
                assert_eq!(lower(pattern), *pattern, "no name is spelled so");
                // A name of which the pattern is a spelling fits it.
                let name = pattern.replace('*', "x");
                let owner = providers.first().map_or("", String::as_str);
                assert!(rule.holds(&[owner], &spellings(&name)), "{pattern}");
            }
            let mut unique = patterns.to_vec();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), patterns.len(), "{patterns:?}");
        }
    }

    #[test]
    fn each_rule_changes_what_the_ones_before_it_say() {
        for (at, rule) in BUILT_IN.rules.iter().enumerate() {
            let (providers, patterns) = rule.scope();
            let owner = providers.first().map_or("", String::as_str);
            let is_new = patterns.iter().any(|pattern| {
                let name = pattern.replace('*', "x");
                let (mut profile, spellings) = (Profile::default(), spellings(&name));
                let earlier = BUILT_IN.rules.iter().take(at).filter(|rule| rule.holds(&[owner], &spellings));
                earlier.for_each(|rule| rule.apply(&mut profile));
                let before = profile.clone();
                rule.apply(&mut profile);
                profile != before
            });
            assert!(is_new, "{rule:?}");
        }
    }

    #[test]
    fn what_the_rules_say_of_reasoning_holds_together() {
        for rule in &BUILT_IN.rules {
            let (providers, patterns) = rule.scope();
            let owner = providers.first().map_or("", String::as_str);
            for pattern in patterns {
                let profile = profile(owner, &pattern.replace('*', "x"));
                assert!(profile.efforts.is_sorted_by(|one, next| one < next), "{pattern}");
                let is_off = profile.efforts.contains(&Effort::None);
                match profile.thinking {
                    Thinking::Always => assert!(!is_off, "{pattern}"),
                    Thinking::Never => assert!(profile.efforts.is_empty(), "{pattern}"),
                    _ => {}
                }
                let default = profile.default_effort;
                assert!(default.is_none_or(|effort| profile.efforts.contains(&effort)), "{pattern}");
            }
        }
    }

    #[test]
    fn whoever_borrows_is_a_provider_and_lenders_have_models() {
        for (borrower, lenders) in &BUILT_IN.borrows {
            assert!(crate::provider::find(borrower).is_some(), "{borrower}");
            for lender in lenders {
                assert!(BUILT_IN.section(lender).is_some(), "{lender}");
            }
        }
        for section in &BUILT_IN.sections {
            assert!(crate::provider::find(&section.provider).is_some(), "{}", section.provider);
        }
    }
}
