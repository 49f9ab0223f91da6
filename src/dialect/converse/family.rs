//! Whose model it is: Converse says most things alike for all, and some only in its maker's words.

/// Models that are asked in the same words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Family {
    Claude,
    Nova,
    /// Those that reason.
    Nova2,
    Mistral,
    /// Those that take `reasoning_effort`.
    OpenWeights,
    /// OpenAI's own.
    Gpt,
    Other,
}

/// Parts of ids, the first that is found wins. An id may have a region before it and a version behind it, and
/// the ARN of a profile that AWS keeps holds one too; only that of a profile of one's own tells no maker.
const FAMILIES: [(&str, Family); 7] = [
    ("anthropic.claude", Family::Claude),
    ("amazon.nova-2", Family::Nova2),
    ("amazon.nova", Family::Nova),
    ("mistral.", Family::Mistral),
    ("openai.gpt-oss", Family::OpenWeights),
    ("deepseek.", Family::OpenWeights),
    ("openai.gpt", Family::Gpt),
];

impl Family {
    /// By the id of a model.
    pub(super) fn of(model: &str) -> Self {
        let known = FAMILIES.iter().find(|(part, _)| model.contains(part));
        known.map_or(Self::Other, |(_, family)| *family)
    }

    /// Whether marks for the cache are taken; others refuse a request that has one.
    pub(super) fn takes_marks(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Nova2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_found_in_ids_profiles_and_arns() {
        for (model, expected) in [
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            ("eu.anthropic.claude-opus-4-6-v1", Family::Claude),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-v1:0",
                Family::Claude,
            ),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova2),
            ("amazon.nova-pro-v1:0", Family::Nova),
            ("openai.gpt-oss-120b-1:0", Family::OpenWeights),
            ("openai.gpt-5.4", Family::Gpt),
            ("meta.llama4-scout-17b-instruct-v1:0", Family::Other),
        ] {
            assert_eq!(Family::of(model), expected, "{model}");
        }
    }
}
