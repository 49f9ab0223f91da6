//! What is known of all models whose names look alike, as changes of a profile.

use super::facts::Facts;
use crate::{
    dialect::json::{ReadError, Reader},
    ir::{Effort, Prices, Profile, Thinking},
};

/// What holds for the models whose names fit a pattern.
#[derive(Clone, Debug)]
pub struct Rule {
    /// At these alone; at every provider where there are none.
    providers: Vec<String>,
    /// In lower case, `*` for anything.
    patterns: Vec<String>,
    changes: Vec<Change>,
}

/// One thing that is known of a model.
#[derive(Clone, Debug)]
pub enum Change {
    /// Whether something holds.
    Flag(&'static Flag, bool),
    /// See `Profile::output_tokens_max`.
    OutputTokensMax(u64),
    /// See `Profile::context_tokens_max`.
    ContextTokensMax(u64),
    /// See `Profile::reasoning_tokens_min`.
    ReasoningTokensMin(u64),
    /// See `Profile::reasoning_tokens_max`.
    ReasoningTokensMax(u64),
    /// How its reasoning is asked for.
    Thinking(Thinking),
    /// Degrees of reasoning that it knows.
    Efforts(Vec<Effort>),
    /// The degree of a request without one.
    DefaultEffort(Effort),
    /// What it costs.
    Prices(Prices),
}

/// Something that holds for a model or does not.
#[derive(Debug)]
pub struct Flag {
    /// Its name in files.
    pub name: &'static str,
    field: fn(&mut Profile) -> &mut bool,
}

/// All flags of a profile.
pub static FLAGS: &[Flag] = &[
    Flag { name: "takes_sampling", field: |profile| &mut profile.takes_sampling },
    Flag {
        name: "takes_sampling_without_reasoning",
        field: |profile| &mut profile.takes_sampling_without_reasoning,
    },
    Flag { name: "takes_both_samplings", field: |profile| &mut profile.takes_both_samplings },
    Flag { name: "takes_penalties", field: |profile| &mut profile.takes_penalties },
    Flag { name: "takes_stop", field: |profile| &mut profile.takes_stop },
    Flag { name: "takes_prefill", field: |profile| &mut profile.takes_prefill },
    Flag { name: "takes_forced_tools", field: |profile| &mut profile.takes_forced_tools },
    Flag { name: "takes_system", field: |profile| &mut profile.takes_system },
    Flag { name: "takes_system_between", field: |profile| &mut profile.takes_system_between },
    Flag { name: "takes_schema", field: |profile| &mut profile.takes_schema },
    Flag { name: "takes_schema_with_tools", field: |profile| &mut profile.takes_schema_with_tools },
    Flag { name: "takes_call_ids", field: |profile| &mut profile.takes_call_ids },
    Flag { name: "takes_images_in_results", field: |profile| &mut profile.takes_images_in_results },
    Flag { name: "wants_signatures", field: |profile| &mut profile.wants_signatures },
    Flag { name: "takes_search_with_tools", field: |profile| &mut profile.takes_search_with_tools },
    Flag { name: "takes_image_detail", field: |profile| &mut profile.takes_image_detail },
    Flag { name: "wants_reasoning", field: |profile| &mut profile.wants_reasoning },
    Flag { name: "has_chat", field: |profile| &mut profile.has_chat },
    Flag { name: "tools_need_responses", field: |profile| &mut profile.tools_need_responses },
];

impl Rule {
    /// What holds for the models that fit a pattern, at one provider or at every one.
    pub fn new(provider: Option<&str>, pattern: &str, changes: Vec<Change>) -> Self {
        let providers = provider.map(str::to_owned).into_iter().collect();
        Self { providers, patterns: vec![super::spelling::lower(pattern)], changes }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut rule = Self { providers: Vec::new(), patterns: Vec::new(), changes: Vec::new() };
        reader.object(|name, reader| {
            match name {
                "why" => reader.skip()?,
                "providers" => rule.providers = texts(reader)?,
                "models" => rule.patterns = texts(reader)?,
                _ => rule.changes.push(Change::read(name, reader)?),
            }
            Ok(())
        })?;
        Ok(rule)
    }

    /// Whether it holds for a model, by all spellings of its name, at a provider, by all of its names.
    pub(super) fn holds(&self, owners: &[&str], spellings: &[&str]) -> bool {
        let is_here = self.providers.is_empty()
            || self.providers.iter().any(|provider| owners.contains(&provider.as_str()));
        is_here && self.patterns.iter().any(|pattern| spellings.iter().any(|name| fits(pattern, name)))
    }

    pub(super) fn apply(&self, profile: &mut Profile) {
        self.changes.iter().for_each(|change| change.apply(profile));
    }

    #[cfg(test)]
    pub(super) fn scope(&self) -> (&[String], &[String]) {
        (&self.providers, &self.patterns)
    }
}

impl Change {
    fn read(name: &str, reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) {
            return Ok(Self::Flag(flag, reader.boolean()?));
        }
        Ok(match name {
            "max_output_tokens" => Self::OutputTokensMax(reader.count()?),
            "max_context_tokens" => Self::ContextTokensMax(reader.count()?),
            "min_reasoning_tokens" => Self::ReasoningTokensMin(reader.count()?),
            "max_reasoning_tokens" => Self::ReasoningTokensMax(reader.count()?),
            "thinking" => Self::Thinking(known(Thinking::named, &reader.text()?.to_plain())?),
            "efforts" => {
                let names = texts(reader)?;
                let efforts = names.iter().map(|name| known(Effort::named, name));
                Self::Efforts(efforts.collect::<Result<_, _>>()?)
            }
            "default_effort" => Self::DefaultEffort(known(Effort::named, &reader.text()?.to_plain())?),
            _ => return Err(ReadError::invalid("is not known")),
        })
    }

    fn apply(&self, profile: &mut Profile) {
        match self {
            Self::Flag(flag, holds) => *(flag.field)(profile) = *holds,
            Self::OutputTokensMax(tokens) => profile.output_tokens_max = Some(*tokens),
            Self::ContextTokensMax(tokens) => profile.context_tokens_max = Some(*tokens),
            Self::ReasoningTokensMin(tokens) => profile.reasoning_tokens_min = Some(*tokens),
            Self::ReasoningTokensMax(tokens) => profile.reasoning_tokens_max = Some(*tokens),
            Self::Thinking(thinking) => profile.thinking = *thinking,
            Self::Efforts(efforts) => profile.efforts.clone_from(efforts),
            Self::DefaultEffort(effort) => profile.default_effort = Some(*effort),
            Self::Prices(prices) => profile.prices = Some(*prices),
        }
    }
}

impl Facts {
    pub(super) fn apply(&self, profile: &mut Profile) {
        profile.context_tokens_max = self.context_tokens.map(u64::from).or(profile.context_tokens_max);
        profile.output_tokens_max = self.output_tokens.map(u64::from).or(profile.output_tokens_max);
        profile.prices = self.prices.or(profile.prices);
    }
}

fn known<T>(named: fn(&str) -> Option<T>, name: &str) -> Result<T, ReadError> {
    named(name).ok_or_else(|| ReadError::invalid("is not known"))
}

/// A list of texts.
pub(super) fn texts(reader: &mut Reader<'_>) -> Result<Vec<String>, ReadError> {
    let mut texts = Vec::new();
    reader.array(|reader| {
        texts.push(reader.text()?.to_plain().into_owned());
        Ok(())
    })?;
    Ok(texts)
}

/// Whether a name is what a pattern says, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, expected) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-pro", false),
            ("gpt-5*", "gpt-5", true),
            ("gpt-5*", "gpt-4", false),
            ("*-pro", "gpt-5-pro", true),
            ("*-pro", "gpt-5-pro-max", false),
            ("claude-*-4-5*", "claude-haiku-4-5", true),
            ("claude-*-4-5*", "claude-4-5", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**", "a", true),
            ("*ab*ab", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_flag_is_that_of_its_name() {
        let mut reader = Reader::new(r#"{"models": ["a"], "takes_stop": false, "wants_signatures": true}"#);
        let mut profile = Profile::default();
        Rule::read(&mut reader).unwrap().apply(&mut profile);
        let expected = Profile { takes_stop: false, wants_signatures: true, ..Profile::default() };
        assert_eq!(profile, expected);
    }

    #[test]
    fn each_flag_has_a_field_of_its_own() {
        for flag in FLAGS {
            let mut profile = Profile::default();
            let field = (flag.field)(&mut profile);
            *field = !*field;
            let told = format!("{profile:?}");
            let untold = format!("{:?}", Profile::default());
            let changed = told.split(", ").zip(untold.split(", ")).filter(|(now, before)| now != before);
            let names: Vec<_> =
                changed.filter_map(|(now, _)| now.split_once(':')).map(|pair| pair.0).collect();
            assert_eq!(names, [flag.name]);
        }
    }

    #[test]
    fn a_rule_that_says_what_is_not_known_is_refused() {
        for text in [
            r#"{"models": ["a"], "takes_stops": true}"#,
            r#"{"models": ["a"], "thinking": "hard"}"#,
            r#"{"models": ["a"], "efforts": ["high", "higher"]}"#,
            r#"{"models": "a"}"#,
        ] {
            assert!(Rule::read(&mut Reader::new(text)).is_err(), "{text}");
        }
    }
}
