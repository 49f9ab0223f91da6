//! How a client of Google's wants to be answered: `generationConfig`.

use super::{camel, decode_request::push_extra, schema::standard};
use crate::{
    dialect::json::{Kind, ReadError, Reader, Writer},
    ir::{Effort, Format, Raw, Reasoning, Request, Text},
};

/// The shape of an answer while it is read.
#[derive(Default)]
struct Shape<'a> {
    media_type: Option<Text<'a>>,
    /// Google's own kind of schema.
    own: Option<Raw<'a>>,
    schema: Option<Raw<'a>>,
}

/// Reads `generationConfig`.
pub(super) fn config<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), ReadError> {
    let mut shape = Shape::default();
    let mut rest = Vec::new();
    reader.object(|name, reader| {
        let sampling = &mut request.sampling;
        match &*camel(name) {
            "maxOutputTokens" => request.max_tokens = reader.count_unless_null()?,
            "temperature" => sampling.temperature = reader.number_unless_null()?,
            "topP" => sampling.top_p = reader.number_unless_null()?,
            "topK" => sampling.top_k = reader.number_unless_null()?,
            "frequencyPenalty" => sampling.frequency_penalty = reader.number_unless_null()?,
            "presencePenalty" => sampling.presence_penalty = reader.number_unless_null()?,
            "seed" => sampling.seed = reader.number_unless_null()?,
            "candidateCount" => sampling.choices = reader.count_unless_null()?,
            "responseLogprobs" => sampling.logprobs = reader.boolean_unless_null()?,
            "logprobs" => sampling.top_logprobs = reader.number_unless_null()?,
            "stopSequences" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        request.stop.push(reader.text()?);
                        Ok(())
                    })
                })?;
            }
            "responseMimeType" => shape.media_type = reader.text_unless_null()?,
            "responseSchema" => shape.own = reader.raw_unless_null()?,
            "responseJsonSchema" | "ResponseJsonSchema" => shape.schema = reader.raw_unless_null()?,
            "thinkingConfig" => request.reasoning = reader.unless_null(thinking)?,
            "responseModalities" => request.modalities = reader.unless_null(modalities)?,
            "speechConfig" => match voice(&mut reader.clone())? {
                Some(voice) => {
                    reader.skip()?;
                    request.audio = Some(voice);
                }
                None => rest.extend(reader.raw_unless_null()?.map(|raw| ("speechConfig".to_owned(), raw))),
            },
            other => rest.extend(reader.raw_unless_null()?.map(|raw| (other.to_owned(), raw))),
        }
        Ok(())
    })?;
    request.format = shape.into_format(&mut rest);
    push_extra(request, "generationConfig", &rest);
    Ok(())
}

impl<'a> Shape<'a> {
    fn into_format(self, rest: &mut Vec<(String, Raw<'a>)>) -> Format<'a> {
        let Self { media_type, own, schema } = self;
        let is = |kind: &str| media_type.as_ref().is_some_and(|told| told.is(kind));
        if is("application/json") || media_type.is_none() && (own.is_some() || schema.is_some()) {
            let schema = schema.or_else(|| own.as_ref().map(standard));
            return schema.map_or(Format::JsonObject, |schema| Format::JsonSchema {
                name: Text::escaped("output"),
                description: None,
                schema,
                is_strict: None,
            });
        }
        if is("text/plain") {
            return Format::Text;
        }
        let Some(media_type) = media_type else { return Format::Unsaid };
        // One word of several, which only Google knows.
        rest.push(("responseMimeType".to_owned(), Raw::owned(format!("\"{}\"", media_type.as_escaped()))));
        rest.extend(own.map(|own| ("responseSchema".to_owned(), own)));
        rest.extend(schema.map(|schema| ("responseJsonSchema".to_owned(), schema)));
        Format::Unsaid
    }
}

fn thinking(reader: &mut Reader<'_>) -> Result<Reasoning, ReadError> {
    let mut wanted = Reasoning::default();
    reader.object(|name, reader| {
        match &*camel(name) {
            "includeThoughts" => wanted.is_shown = reader.boolean_unless_null()?,
            "thinkingBudget" => match reader.number_unless_null()? {
                Some(dynamic) if dynamic.as_str().starts_with('-') => wanted.is_adaptive = true,
                Some(budget) => match Reader::new(budget.as_str()).count()? {
                    0 => wanted.effort = Some(Effort::None),
                    tokens => wanted.budget_tokens = Some(tokens),
                },
                None => {}
            },
            "thinkingLevel" => {
                let level = reader.text_unless_null()?.map(|level| level.to_plain().to_ascii_lowercase());
                let known = level.as_deref().and_then(Effort::named);
                if level.is_some_and(|level| known.is_none() && level != "thinking_level_unspecified") {
                    return Err(ReadError::invalid("must be minimal, low, medium or high"));
                }
                wanted.effort = known.or(wanted.effort);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(wanted)
}

/// A list by OpenAI's names.
fn modalities(reader: &mut Reader<'_>) -> Result<Raw<'static>, ReadError> {
    let mut names = Vec::new();
    reader.array(|reader| {
        names.push(Text::plain(reader.text()?.to_plain().to_ascii_lowercase()));
        Ok(())
    })?;
    let mut out = Vec::new();
    Writer::new(&mut out).array(|writer| names.iter().for_each(|name| writer.text(name)));
    Ok(Raw::owned(String::from_utf8_lossy(&out).into_owned()))
}

/// One voice that has a name, as OpenAI says it; none where there is more to `speechConfig`.
fn voice(reader: &mut Reader<'_>) -> Result<Option<Raw<'static>>, ReadError> {
    let (mut voice, mut has_more) = (None, false);
    let mut within = |names: &[&str], reader: &mut Reader<'_>| -> Result<(), ReadError> {
        // Each object holds just the next one.
        fn step<'a>(
            names: &[&str],
            reader: &mut Reader<'a>,
            voice: &mut Option<Text<'a>>,
            has_more: &mut bool,
        ) -> Result<(), ReadError> {
            let [first, rest @ ..] = names else {
                *voice = reader.text_if_any()?;
                return Ok(());
            };
            reader.object_if_any(|name, reader| {
                if camel(name) == *first {
                    return step(rest, reader, voice, has_more);
                }
                *has_more = true;
                Ok(())
            })
        }
        let mut named = None;
        step(names, reader, &mut named, &mut has_more)?;
        voice = named.map(|named| Text::plain(named.to_plain().into_owned()));
        Ok(())
    };
    if reader.kind() != Some(Kind::Object) {
        return reader.skip().map(|()| None);
    }
    within(&["voiceConfig", "prebuiltVoiceConfig", "voiceName"], reader)?;
    let Some(voice) = voice.filter(|_| !has_more) else { return Ok(None) };
    Ok(Some(Raw::owned(format!(r#"{{"voice":"{}","format":"pcm16"}}"#, voice.as_escaped()))))
}
