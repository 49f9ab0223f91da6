//! How Google answers: `generationConfig`.

use super::{
    encode_request::Native,
    media::level_of,
    schema::{self, accepted},
};
use crate::{
    dialect::{
        Encoded, Recipient,
        json::{Reader, Writer},
    },
    ir::{Content, Effort, Format, Profile, Raw, Reasoning, Request, Text, Thinking},
};

/// Stop sequences that Google takes.
const STOP_MAX: usize = 5;
/// Tokens of the least reasoning, and of the most, where nothing is known of the model: all take so many.
const REASONING_TOKENS: (u64, u64) = (512, 24_576);

/// Writes `generationConfig`, perhaps an empty one; `is_bound` where the answer's shape is Google's to keep.
pub(super) fn write_config(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    native: &Native<'_>,
    is_bound: bool,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    writer.object(|writer| {
        let mut config = Config { writer, native };
        if let Some(max_tokens) = request.max_tokens {
            let known_max = recipient.profile.output_tokens_max.unwrap_or(u64::MAX);
            config.write("maxOutputTokens", |writer| writer.count(max_tokens.clamp(1, known_max.max(1))));
        }
        config.write_sampling(request, recipient.profile, encoded);
        config.write_stop(request, recipient.profile, encoded);
        if is_bound {
            config.write_format(&request.format);
        }
        if let Some(reasoning) = &request.reasoning {
            config.write_thinking(reasoning, recipient.profile, encoded);
        }
        config.write_speech(request, encoded);
        if !recipient.profile.takes_image_detail
            && let Some(level) = closest_look(request)
        {
            config.write("mediaResolution", |writer| writer.string(level));
        }
        for (name, value) in &native.config {
            config.writer.member_named(&Text::plain(name.as_str())).raw(value);
        }
    });
}

/// Members that the client does not say itself.
struct Config<'w, 'o, 'n> {
    writer: &'w mut Writer<'o>,
    native: &'n Native<'n>,
}

impl Config<'_, '_, '_> {
    fn write(&mut self, name: &str, value: impl FnOnce(&mut Writer<'_>)) {
        if self.native.config.iter().all(|(said, _)| said != name) {
            value(self.writer.member(name));
        }
    }

    fn write_sampling(&mut self, request: &Request<'_>, profile: &Profile, encoded: &mut Encoded) {
        let sampling = &request.sampling;
        for (param, name, value, is_taken) in [
            ("temperature", "temperature", &sampling.temperature, profile.takes_sampling),
            ("top_p", "topP", &sampling.top_p, profile.takes_sampling),
            ("top_k", "topK", &sampling.top_k, profile.takes_sampling),
            ("frequency_penalty", "frequencyPenalty", &sampling.frequency_penalty, profile.takes_penalties),
            ("presence_penalty", "presencePenalty", &sampling.presence_penalty, profile.takes_penalties),
            ("seed", "seed", &sampling.seed, true),
            ("top_logprobs", "logprobs", &sampling.top_logprobs, true),
        ] {
            match value {
                Some(value) if is_taken => self.write(name, |writer| writer.raw(value)),
                Some(_) => encoded.drop_param(param),
                None => {}
            }
        }
        if let Some(logprobs) = sampling.logprobs {
            self.write("responseLogprobs", |writer| writer.boolean(logprobs));
        }
        if let Some(choices) = sampling.choices {
            self.write("candidateCount", |writer| writer.count(choices));
        }
    }

    fn write_stop(&mut self, request: &Request<'_>, profile: &Profile, encoded: &mut Encoded) {
        let stop: Vec<_> = request.stop.iter().filter(|text| !text.is_empty()).collect();
        if stop.is_empty() {
            return;
        }
        if !profile.takes_stop {
            return encoded.drop_param("stop");
        }
        if stop.len() > STOP_MAX {
            encoded.drop_param("stop");
        }
        self.write("stopSequences", |writer| {
            writer.array(|writer| stop.iter().take(STOP_MAX).for_each(|text| writer.text(text)));
        });
    }

    fn write_format(&mut self, format: &Format<'_>) {
        match format {
            Format::Unsaid => {}
            Format::Text => self.write("responseMimeType", |writer| writer.string("text/plain")),
            Format::JsonObject | Format::JsonSchema { .. } => {
                self.write("responseMimeType", |writer| writer.string("application/json"));
            }
        }
        if let Format::JsonSchema { schema, .. } = format
            && !schema::is_empty(schema)
        {
            self.write("responseJsonSchema", |writer| writer.raw(&accepted(schema)));
        }
    }

    fn write_thinking(&mut self, reasoning: &Reasoning, profile: &Profile, encoded: &mut Encoded) {
        let degree = reasoning.degree();
        let is_off = degree == Some(Effort::None);
        if profile.thinking == Thinking::Never {
            if degree.is_some() && !is_off {
                encoded.drop_param("reasoning_effort");
            }
            return;
        }
        let by_tokens = match profile.thinking {
            Thinking::Budget => true,
            Thinking::AdaptiveOrBudget => reasoning.effort.is_none(),
            _ => false,
        };
        let is_asked = degree.is_some() || reasoning.is_adaptive;
        let is_shown = !is_off && reasoning.is_shown.unwrap_or(is_asked);
        self.write("thinkingConfig", |writer| {
            writer.object(|writer| {
                match (by_tokens, degree) {
                    (true, Some(_)) => writer.member("thinkingBudget").count(budget(reasoning, profile)),
                    (true, None) if reasoning.is_adaptive => writer.member("thinkingBudget").json("-1"),
                    (false, Some(degree)) => writer.member("thinkingLevel").string(level(degree, profile)),
                    _ => {}
                }
                writer.member("includeThoughts").boolean(is_shown);
            });
        });
    }

    fn write_speech(&mut self, request: &Request<'_>, encoded: &mut Encoded) {
        if let Some(kinds) = request.modalities.as_ref() {
            match modalities(kinds) {
                Some(kinds) => self.write("responseModalities", |writer| {
                    writer.array(|writer| kinds.iter().for_each(|kind| writer.text(kind)));
                }),
                None => encoded.drop_param("modalities"),
            }
        }
        let Some(audio) = &request.audio else { return };
        let (mut voice, mut format) = (None, None);
        let read = Reader::new(audio.as_str()).object_if_any(|name, reader| {
            match name {
                "voice" => voice = reader.text_if_any()?,
                "format" => format = reader.text_if_any()?,
                _ => {}
            }
            Ok(())
        });
        debug_assert!(read.is_ok());
        // Sound comes as it is: samples of 16 bits.
        if voice.is_none() || format.is_some_and(|format| !format.is("pcm16")) {
            encoded.drop_param("audio");
        }
        if let Some(voice) = voice {
            self.write("speechConfig", |writer| {
                writer.object(|writer| {
                    writer.member("voiceConfig").object(|writer| {
                        writer.member("prebuiltVoiceConfig").object(|writer| {
                            writer.member("voiceName").text(&voice);
                        });
                    });
                });
            });
        }
    }
}

/// How many tokens of reasoning.
fn budget(reasoning: &Reasoning, profile: &Profile) -> u64 {
    let (some, most) = REASONING_TOKENS;
    let least = profile.reasoning_tokens_min;
    let most = profile.reasoning_tokens_max.unwrap_or(most);
    let tokens = match (reasoning.effort, reasoning.budget_tokens) {
        (Some(Effort::None), _) | (None, Some(0)) => {
            let may_be_off = profile.efforts.is_empty() || profile.efforts.contains(&Effort::None);
            return if may_be_off { 0 } else { least.unwrap_or_default() };
        }
        (_, Some(tokens)) => tokens,
        (Some(Effort::Minimal), None) => least.unwrap_or(some),
        (Some(Effort::Max), None) => most,
        (effort, None) => effort.map(Effort::budget_tokens).unwrap_or_default(),
    };
    tokens.clamp(least.unwrap_or_default().min(most), most)
}

/// The degree by Google's names: it has none for not reasoning at all.
fn level(degree: Effort, profile: &Profile) -> &'static str {
    match profile.nearest_effort(degree) {
        Effort::None | Effort::Minimal if profile.efforts.contains(&Effort::Minimal) => "minimal",
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::XHigh if profile.efforts.contains(&Effort::XHigh) => "xhigh",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }
}

/// Kinds of answer by Google's names; none where that is no list of texts.
fn modalities(kinds: &Raw<'_>) -> Option<Vec<Text<'static>>> {
    let mut named = Vec::new();
    let mut reader = Reader::new(kinds.as_str());
    let read = reader.array(|reader| {
        named.push(Text::plain(reader.text()?.to_plain().to_ascii_uppercase()));
        Ok(())
    });
    read.ok().map(|()| named)
}

/// The level of the image that is looked at most closely, for models that look at all alike.
fn closest_look(request: &Request<'_>) -> Option<&'static str> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let levels = parts.filter_map(|part| match &part.content {
        Content::Image { detail: Some(detail), .. } => level_of(detail),
        _ => None,
    });
    // These models do not know the highest level.
    levels.map(|level| if level == "MEDIA_RESOLUTION_LOW" { level } else { "MEDIA_RESOLUTION_HIGH" }).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(reasoning: Reasoning, profile: &Profile) -> String {
        let native = Native::default();
        let mut out = Vec::new();
        let mut encoded = Encoded::default();
        Writer::new(&mut out).object(|writer| {
            Config { writer, native: &native }.write_thinking(&reasoning, profile, &mut encoded);
        });
        String::from_utf8(out).unwrap()
    }

    fn by(effort: Effort) -> Reasoning {
        Reasoning { effort: Some(effort), ..Reasoning::default() }
    }

    #[test]
    fn reasoning_is_asked_for_in_tokens_where_the_model_counts_them() {
        let mut profile = Profile {
            thinking: Thinking::Budget,
            efforts: vec![Effort::None, Effort::Low, Effort::High],
            reasoning_tokens_min: Some(1),
            reasoning_tokens_max: Some(24_576),
            ..Profile::default()
        };
        let tokens = |effort, profile: &Profile| budget(&by(effort), profile);
        let all = Effort::ALL.map(|effort| tokens(effort, &profile));
        assert_eq!(all, [0, 1, 1024, 2048, 4096, 8192, 24_576]);
        let many = Reasoning { budget_tokens: Some(99_999), ..Reasoning::default() };
        assert_eq!(budget(&many, &profile), 24_576);
        profile.efforts.remove(0);
        profile.reasoning_tokens_min = Some(128);
        assert_eq!((tokens(Effort::None, &profile), tokens(Effort::Minimal, &profile)), (128, 128));
        let off = r#"{"thinkingConfig":{"thinkingBudget":128,"includeThoughts":false}}"#;
        assert_eq!(thinking(by(Effort::None), &profile), off);
        let dynamic = Reasoning { is_adaptive: true, ..Reasoning::default() };
        let expected = r#"{"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}}"#;
        assert_eq!(thinking(dynamic, &profile), expected);
    }

    #[test]
    fn reasoning_is_asked_for_by_a_level_where_the_model_knows_levels() {
        let mut profile = Profile { thinking: Thinking::Always, ..Profile::default() };
        let levels = |profile: &Profile| Effort::ALL.map(|effort| level(effort, profile));
        assert_eq!(levels(&profile), ["low", "low", "low", "medium", "high", "high", "high"]);
        profile.efforts = vec![Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
        assert_eq!(levels(&profile), ["minimal", "minimal", "low", "medium", "high", "high", "high"]);
        profile.efforts = vec![Effort::Low, Effort::High, Effort::XHigh];
        assert_eq!(levels(&profile), ["low", "low", "low", "high", "high", "xhigh", "xhigh"]);
        let hidden = Reasoning { is_shown: Some(false), budget_tokens: Some(2000), ..Reasoning::default() };
        let expected = r#"{"thinkingConfig":{"thinkingLevel":"high","includeThoughts":false}}"#;
        assert_eq!(thinking(hidden, &profile), expected);
    }

    #[test]
    fn a_model_that_does_not_reason_is_not_asked_to() {
        let profile = Profile { thinking: Thinking::Never, ..Profile::default() };
        assert_eq!(thinking(by(Effort::High), &profile), "{}");
    }
}
