//! How Claude's reasoning is asked for, whoever serves it.

use super::json::Writer;
use crate::ir::{Effort, Profile, Reasoning, Thinking};

/// Fewer tokens of reasoning are refused.
const BUDGET_MIN: u64 = 1024;

/// What a request says of reasoning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Deliberation {
    /// Member `thinking`.
    pub(super) mode: Mode,
    /// Member `effort` of `output_config`.
    pub(super) effort: Option<Effort>,
    /// Whether that is less than what the client wants.
    pub(super) is_less: bool,
    is_hidden: bool,
}

/// How Claude is told to think.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Mode {
    /// Nothing is said of it.
    #[default]
    Unsaid,
    /// Not at all.
    Disabled,
    /// As it sees fit.
    Adaptive,
    /// With so many tokens.
    Budget(u64),
}

impl Deliberation {
    /// What has to be said; `lacks_thoughts` tells that it has called tools without saying why, which it
    /// refuses to have done while it thinks.
    pub(super) fn of(
        reasoning: Option<&Reasoning>,
        profile: &Profile,
        max_tokens: Option<u64>,
        lacks_thoughts: bool,
    ) -> Self {
        let Some(reasoning) = reasoning else { return Self::default() };
        let degree = reasoning.degree();
        if degree.is_none() && !reasoning.is_adaptive {
            return Self::default();
        }
        let less = Self { is_less: true, ..Self::default() };
        let is_off = degree == Some(Effort::None);
        let has_budget = reasoning.effort.is_none() && reasoning.budget_tokens.is_some();
        let off = Self { mode: Mode::Disabled, ..Self::default() };
        match profile.thinking {
            Thinking::Never | Thinking::Budget if is_off => Self::default(),
            Thinking::Never => less,
            Thinking::Always if is_off => less,
            _ if is_off => off,
            Thinking::Budget if lacks_thoughts => less,
            Thinking::Unknown | Thinking::Adaptive | Thinking::AdaptiveOrBudget if lacks_thoughts => {
                Self { is_less: true, ..off }
            }
            Thinking::Budget => Self::within(reasoning, max_tokens),
            Thinking::AdaptiveOrBudget if has_budget => Self::within(reasoning, max_tokens),
            // A Claude of which nothing is known is a new one.
            Thinking::Unknown | Thinking::Adaptive | Thinking::AdaptiveOrBudget | Thinking::Always => Self {
                mode: Mode::Adaptive,
                effort: degree.map(|degree| profile.nearest_effort(degree.max(Effort::Low))),
                is_less: false,
                is_hidden: reasoning.is_shown == Some(false),
            },
        }
    }

    /// A budget that leaves something for the answer, whose bound holds for both.
    fn within(reasoning: &Reasoning, max_tokens: Option<u64>) -> Self {
        let wanted = reasoning.budget_tokens.filter(|tokens| *tokens > 0);
        let wanted = wanted.unwrap_or_else(|| reasoning.effort.unwrap_or(Effort::Medium).budget_tokens());
        let wanted = wanted.max(BUDGET_MIN);
        match max_tokens {
            Some(max_tokens) if max_tokens <= BUDGET_MIN => Self { is_less: true, ..Self::default() },
            max_tokens => {
                let budget = max_tokens.map_or(wanted, |max_tokens| wanted.min(max_tokens - 1));
                Self { mode: Mode::Budget(budget), ..Self::default() }
            }
        }
    }

    /// Whether it is told to think.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.mode, Mode::Adaptive | Mode::Budget(_))
    }

    /// Writes the member `thinking`, if there is anything to be said.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let kind = match self.mode {
            Mode::Unsaid => return,
            Mode::Disabled => "disabled",
            Mode::Adaptive => "adaptive",
            Mode::Budget(_) => "enabled",
        };
        writer.member("thinking").object(|writer| {
            writer.member("type").string(kind);
            match self.mode {
                Mode::Budget(tokens) => writer.member("budget_tokens").count(tokens),
                // Without it what is thought comes back blank.
                Mode::Adaptive => {
                    writer.member("display").string(if self.is_hidden { "omitted" } else { "summarized" });
                }
                _ => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(thinking: Thinking, reasoning: Reasoning, max_tokens: u64) -> (String, Option<Effort>, bool) {
        let efforts = vec![Effort::Low, Effort::Medium, Effort::High, Effort::Max];
        let profile = Profile { thinking, efforts, ..Profile::default() };
        let said = Deliberation::of(Some(&reasoning), &profile, Some(max_tokens), false);
        let mut out = Vec::new();
        Writer::new(&mut out).object(|writer| said.write(writer));
        (String::from_utf8(out).unwrap(), said.effort, said.is_less)
    }

    fn effort(effort: Effort) -> Reasoning {
        Reasoning { effort: Some(effort), ..Reasoning::default() }
    }

    #[test]
    fn each_kind_of_model_is_asked_in_its_own_way() {
        let summarized = r#"{"thinking":{"type":"adaptive","display":"summarized"}}"#;
        for thinking in [Thinking::Unknown, Thinking::Adaptive, Thinking::AdaptiveOrBudget, Thinking::Always]
        {
            for (wanted, given) in [
                (Effort::Minimal, Effort::Low),
                (Effort::Medium, Effort::Medium),
                (Effort::XHigh, Effort::Max),
            ] {
                let expected = (summarized.to_owned(), Some(given), false);
                assert_eq!(said(thinking, effort(wanted), 64_000), expected, "{thinking:?}");
            }
        }
        let budget = |tokens: u64| {
            let text = format!(r#"{{"thinking":{{"type":"enabled","budget_tokens":{tokens}}}}}"#);
            (text, None, false)
        };
        for (wanted, tokens) in [(Effort::Minimal, 1024), (Effort::High, 4096), (Effort::Max, 16384)] {
            assert_eq!(said(Thinking::Budget, effort(wanted), 64_000), budget(tokens));
        }
        let by_tokens = Reasoning { budget_tokens: Some(3000), ..Reasoning::default() };
        assert_eq!(said(Thinking::AdaptiveOrBudget, by_tokens, 64_000), budget(3000));
        assert_eq!(said(Thinking::Adaptive, by_tokens, 64_000).1, Some(Effort::Medium));
    }

    #[test]
    fn a_budget_is_less_than_the_bound_of_the_answer() {
        assert!(said(Thinking::Budget, effort(Effort::High), 2000).0.contains("1999"));
        let nothing = ("{}".to_owned(), None, true);
        assert_eq!(said(Thinking::Budget, effort(Effort::High), 1024), nothing);
    }

    #[test]
    fn what_cannot_be_switched_off_is_told_and_what_is_off_is_not_asked_for() {
        let off = (r#"{"thinking":{"type":"disabled"}}"#.to_owned(), None, false);
        assert_eq!(said(Thinking::Adaptive, effort(Effort::None), 64_000), off);
        assert_eq!(said(Thinking::Budget, effort(Effort::None), 64_000), ("{}".to_owned(), None, false));
        assert_eq!(said(Thinking::Always, effort(Effort::None), 64_000), ("{}".to_owned(), None, true));
        assert_eq!(said(Thinking::Never, effort(Effort::Low), 64_000), ("{}".to_owned(), None, true));
        assert_eq!(said(Thinking::Never, effort(Effort::None), 64_000), ("{}".to_owned(), None, false));
        assert_eq!(said(Thinking::Adaptive, Reasoning::default(), 64_000), ("{}".to_owned(), None, false));
    }

    #[test]
    fn calls_without_thoughts_switch_it_off_where_that_can_be() {
        let mode = |thinking| {
            let profile = Profile { thinking, ..Profile::default() };
            let said = Deliberation::of(Some(&effort(Effort::Low)), &profile, None, true);
            (said.mode, said.is_less)
        };
        assert_eq!(mode(Thinking::Budget), (Mode::Unsaid, true));
        assert_eq!(mode(Thinking::Adaptive), (Mode::Disabled, true));
        assert_eq!(mode(Thinking::Always), (Mode::Adaptive, false));
    }
}
