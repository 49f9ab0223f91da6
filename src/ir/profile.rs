//! What a model takes, and what it costs: facts from a data file, decided by no code.

use super::Effort;

/// What is known of a model. The default is a model of which nothing is known: it is asked for whatever the
/// client wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Tokens of an answer, reasoning included.
    pub output_tokens_max: Option<u64>,
    /// Tokens of request and answer together.
    pub context_tokens_max: Option<u64>,
    /// Whether temperature, top_p and top_k may be chosen, and probabilities of tokens asked for.
    pub takes_sampling: bool,
    /// Whether they may while it does not reason, where else they may not.
    pub takes_sampling_without_reasoning: bool,
    /// Whether temperature and top_p may be chosen both.
    pub takes_both_samplings: bool,
    /// Whether it takes frequency and presence penalties, and a bias for tokens.
    pub takes_penalties: bool,
    /// Whether stop sequences may be given.
    pub takes_stop: bool,
    /// Whether the client may begin the answer itself, with a last message of the assistant.
    pub takes_prefill: bool,
    /// Whether a call of a tool may be forced.
    pub takes_forced_tools: bool,
    /// Whether it takes system messages.
    pub takes_system: bool,
    /// Whether a system message may stand between others.
    pub takes_system_between: bool,
    /// Whether a schema can bind its answer.
    pub takes_schema: bool,
    /// Whether it may be given tools and a schema at once.
    pub takes_schema_with_tools: bool,
    /// Whether calls and results carry names of their own (`id`).
    pub takes_call_ids: bool,
    /// Whether results of tools may hold images.
    pub takes_images_in_results: bool,
    /// Whether signatures have to come back with calls of tools.
    pub wants_signatures: bool,
    /// Whether it may search the web where it is given tools.
    pub takes_search_with_tools: bool,
    /// Whether each image may say how closely it is looked at; elsewhere all are looked at alike.
    pub takes_image_detail: bool,
    /// Whether its reasoning has to come back with calls of tools, as text.
    pub wants_reasoning: bool,
    /// How its reasoning is asked for.
    pub thinking: Thinking,
    /// Tokens of reasoning below which it cannot be asked for any.
    pub reasoning_tokens_min: Option<u64>,
    /// Tokens of reasoning beyond which it cannot be asked for more.
    pub reasoning_tokens_max: Option<u64>,
    /// Degrees of reasoning that it knows, from the least to the most; empty where nothing is known.
    pub efforts: Vec<Effort>,
    /// The degree of which a request without one is, where that is known.
    pub default_effort: Option<Effort>,
    /// Whether it can be asked by chat completions.
    pub has_chat: bool,
    /// Whether it takes tools in chat completions only when it does not reason.
    pub tools_need_responses: bool,
    /// Dollars for a million tokens, where that is known.
    pub prices: Option<Prices>,
}

/// How a model's reasoning is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Thinking {
    /// Nothing is known.
    Unknown,
    /// It does not reason.
    Never,
    /// By a number of tokens.
    Budget,
    /// By a degree; it decides how much that is, and may be told not to reason.
    Adaptive,
    /// By a degree, or by a number of tokens.
    AdaptiveOrBudget,
    /// By a degree; it always reasons.
    Always,
}

impl Thinking {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Never, Self::Budget, Self::Adaptive, Self::AdaptiveOrBudget, Self::Always];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Never => "never",
            Self::Budget => "budget",
            Self::Adaptive => "adaptive",
            Self::AdaptiveOrBudget => "adaptive_or_budget",
            Self::Always => "always",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|thinking| thinking.name() == name)
    }
}

/// Dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prices {
    /// Of the request.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
    /// Of the request, read from a cache.
    pub cache_read: Option<f64>,
    /// Of the request, written to a cache.
    pub cache_write: Option<f64>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            output_tokens_max: None,
            context_tokens_max: None,
            takes_sampling: true,
            takes_sampling_without_reasoning: true,
            takes_both_samplings: true,
            takes_penalties: true,
            takes_stop: true,
            takes_prefill: true,
            takes_forced_tools: true,
            takes_system: true,
            takes_system_between: true,
            takes_schema: true,
            takes_schema_with_tools: true,
            takes_call_ids: true,
            takes_images_in_results: true,
            wants_signatures: false,
            takes_search_with_tools: true,
            takes_image_detail: true,
            wants_reasoning: false,
            thinking: Thinking::Unknown,
            reasoning_tokens_min: None,
            reasoning_tokens_max: None,
            efforts: Vec::new(),
            default_effort: None,
            has_chat: true,
            tools_need_responses: false,
            prices: None,
        }
    }
}

impl Profile {
    /// The degree that it knows which comes closest to the one wanted: not a lesser one, where there is one.
    pub fn nearest_effort(&self, wanted: Effort) -> Effort {
        let next = self.efforts.iter().copied().find(|effort| *effort >= wanted);
        next.or_else(|| self.efforts.last().copied()).unwrap_or(wanted)
    }

    /// Whether temperature and the like may be chosen in a request that wants that degree of reasoning.
    pub fn takes_sampling_at(&self, wanted: Option<Effort>) -> bool {
        let effort = wanted.map(|effort| self.nearest_effort(effort)).or(self.default_effort);
        self.takes_sampling || (self.takes_sampling_without_reasoning && effort == Some(Effort::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_effort_is_not_a_lesser_one_where_there_is_one() {
        let efforts = vec![Effort::Low, Effort::High];
        let profile = Profile { efforts, ..Profile::default() };
        for (wanted, expected) in [
            (Effort::None, Effort::Low),
            (Effort::Low, Effort::Low),
            (Effort::Medium, Effort::High),
            (Effort::Max, Effort::High),
        ] {
            assert_eq!(profile.nearest_effort(wanted), expected);
        }
        assert_eq!(Profile::default().nearest_effort(Effort::XHigh), Effort::XHigh);
    }

    #[test]
    fn sampling_may_hang_on_whether_it_reasons() {
        let mut profile = Profile { takes_sampling: false, ..Profile::default() };
        assert!(profile.takes_sampling_at(Some(Effort::None)));
        assert!(!profile.takes_sampling_at(None) && !profile.takes_sampling_at(Some(Effort::Low)));
        profile.default_effort = Some(Effort::None);
        assert!(profile.takes_sampling_at(None) && !profile.takes_sampling_at(Some(Effort::Low)));
        profile.takes_sampling_without_reasoning = false;
        assert!(!profile.takes_sampling_at(None));
        let efforts = vec![Effort::Low];
        let always = Profile { takes_sampling: false, efforts, ..Profile::default() };
        assert!(!always.takes_sampling_at(Some(Effort::None)));
    }

    #[test]
    fn a_way_of_thinking_is_found_by_its_name() {
        assert!(Thinking::ALL.iter().all(|thinking| Thinking::named(thinking.name()) == Some(*thinking)));
    }
}
