//! Parameters that OpenAI's dialects say alike.

use std::borrow::Cow;

use super::decode_tools::tool_choice;
use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::{Effort, Reasoning, Request, Text},
};

/// Reads a parameter that no dialect reads in its own way; what nobody knows is kept beside.
pub(in crate::dialect) fn parameter<'a>(
    name: &str,
    reader: &mut Reader<'a>,
    request: &mut Request<'a>,
) -> Result<(), ReadError> {
    let sampling = &mut request.sampling;
    match name {
        "model" => reader.skip()?,
        "temperature" => sampling.temperature = reader.number_unless_null()?,
        "top_p" => sampling.top_p = reader.number_unless_null()?,
        "top_k" => sampling.top_k = reader.number_unless_null()?,
        "frequency_penalty" => sampling.frequency_penalty = reader.number_unless_null()?,
        "presence_penalty" => sampling.presence_penalty = reader.number_unless_null()?,
        "seed" => sampling.seed = reader.number_unless_null()?,
        "n" => sampling.choices = reader.count_unless_null()?,
        "logit_bias" => sampling.logit_bias = reader.raw_unless_null()?,
        "top_logprobs" => sampling.top_logprobs = reader.number_unless_null()?,
        "stop" => request.stop = stop(reader)?,
        "tool_choice" => request.tool_choice = tool_choice(reader)?,
        "parallel_tool_calls" => request.parallel_tool_calls = reader.boolean_unless_null()?,
        "reasoning" => reasoning(reader, &mut request.reasoning)?,
        "stream" => request.is_streamed = reader.boolean_unless_null()?.unwrap_or_default(),
        "stream_options" => {
            reader.unless_null(|reader| {
                reader.object(|name, reader| {
                    if name == "include_usage" {
                        request.includes_usage = reader.boolean_unless_null()?.unwrap_or_default();
                    }
                    Ok(())
                })
            })?;
        }
        "user" if request.user.is_none() => request.user = reader.text_unless_null()?,
        "safety_identifier" => request.user = reader.text_unless_null()?.or_else(|| request.user.take()),
        "metadata" => request.metadata = reader.raw_unless_null()?,
        "service_tier" => request.service_tier = reader.text_unless_null()?,
        "store" => request.is_stored = reader.boolean_unless_null()?,
        other => {
            let raw = reader.raw()?;
            if !raw.is_null() {
                request.extra.push((Cow::Owned(other.to_owned()), raw));
            }
        }
    }
    Ok(())
}

fn stop<'a>(reader: &mut Reader<'a>) -> Result<Vec<Text<'a>>, ReadError> {
    let mut stop = Vec::new();
    match reader.kind() {
        Some(Kind::Array) => reader.array(|reader| {
            stop.push(reader.text()?);
            Ok(())
        })?,
        _ => stop.extend(reader.text_unless_null()?),
    }
    Ok(stop)
}

/// As OpenRouter and the Responses API say it.
pub(super) fn reasoning(reader: &mut Reader<'_>, reasoning: &mut Option<Reasoning>) -> Result<(), ReadError> {
    let mut wanted = Reasoning::default();
    reader.object_if_any(|name, reader| {
        match name {
            "effort" => {
                let effort = reader.text_unless_null()?;
                wanted.effort = effort.map(|effort| named_effort(&effort)).transpose()?;
            }
            "max_tokens" => wanted.budget_tokens = reader.count_unless_null()?,
            "exclude" => wanted.is_shown = reader.boolean_unless_null()?.map(|is_excluded| !is_excluded),
            "summary" => wanted.is_shown = reader.text_unless_null()?.map(|_| true).or(wanted.is_shown),
            "enabled" if reader.kind() == Some(Kind::Boolean) && !reader.boolean()? => {
                wanted.effort = Some(Effort::None);
            }
            _ => {}
        }
        Ok(())
    })?;
    if wanted != Reasoning::default() {
        *reasoning = Some(wanted);
    }
    Ok(())
}

pub(super) fn named_effort(name: &Text<'_>) -> Result<Effort, ReadError> {
    let names = || Effort::ALL.map(Effort::name).join(", ");
    Effort::named(name.as_escaped()).ok_or_else(|| ReadError::invalid(format!("must be one of {}", names())))
}
