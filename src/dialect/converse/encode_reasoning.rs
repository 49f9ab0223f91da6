//! Reasoning, which Converse leaves to the words of each model's maker.

use super::family::Family;
use crate::{
    dialect::{Encoded, Recipient, claude::Deliberation, json::Writer},
    ir::{Effort, Profile, Request, Thinking},
};

/// How reasoning is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deliberated {
    /// In Claude's words.
    Claude(Deliberation),
    /// `{"reasoning_effort": …}`
    Effort(Effort),
    /// `{"reasoning": {"effort": …}}`
    Gpt(Effort),
    /// `{"reasoningConfig": …}`; none where it is off.
    Nova(Option<Effort>),
    Unsaid,
}

impl Deliberated {
    /// What has to be said.
    pub(super) fn of(
        request: &Request<'_>,
        recipient: &Recipient<'_>,
        family: Family,
        max_tokens: Option<u64>,
        lacks_thoughts: bool,
        encoded: &mut Encoded,
    ) -> Self {
        let reasoning = request.reasoning.as_ref();
        let profile = recipient.profile;
        if family == Family::Claude {
            let said = Deliberation::of(reasoning, profile, max_tokens, lacks_thoughts);
            if said.is_less {
                encoded.drop_param("reasoning_effort");
            }
            return Self::Claude(said);
        }
        let Some(degree) = reasoning.and_then(|reasoning| reasoning.degree()) else { return Self::Unsaid };
        let is_off = degree == Effort::None;
        match family {
            _ if profile.thinking == Thinking::Never && is_off => Self::Unsaid,
            _ if profile.thinking == Thinking::Never => Self::less(encoded),
            Family::Gpt => Self::Gpt(profile.nearest_effort(degree)),
            Family::Nova2 => Self::Nova((!is_off).then(|| within(profile, degree))),
            // They always reason.
            Family::OpenWeights if is_off => Self::less(encoded),
            Family::OpenWeights => Self::Effort(within(profile, degree)),
            _ if is_off => Self::Unsaid,
            _ => Self::less(encoded),
        }
    }

    fn less(encoded: &mut Encoded) -> Self {
        encoded.drop_param("reasoning_effort");
        Self::Unsaid
    }

    /// Whether the model is told to think in a way that forbids it to be forced, or sampled otherwise.
    pub(super) fn binds(&self) -> bool {
        matches!(self, Self::Claude(said) if said.is_on())
    }

    /// Writes the members that say it.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Claude(said) => {
                said.write(writer);
                if let Some(effort) = said.effort {
                    write_effort("output_config", effort, writer);
                }
            }
            Self::Effort(effort) => writer.member("reasoning_effort").string(effort.name()),
            Self::Gpt(effort) => write_effort("reasoning", *effort, writer),
            Self::Nova(effort) => writer.member("reasoningConfig").object(|writer| {
                writer.member("type").string(if effort.is_some() { "enabled" } else { "disabled" });
                if let Some(effort) = effort {
                    writer.member("maxReasoningEffort").string(effort.name());
                }
            }),
            Self::Unsaid => {}
        }
    }
}

/// What models know that know but three degrees, where their profile tells no other.
fn within(profile: &Profile, degree: Effort) -> Effort {
    if profile.efforts.is_empty() {
        degree.clamp(Effort::Low, Effort::High)
    } else {
        profile.nearest_effort(degree)
    }
}

fn write_effort(name: &str, effort: Effort, writer: &mut Writer<'_>) {
    writer.member(name).object(|writer| writer.member("effort").string(effort.name()));
}
