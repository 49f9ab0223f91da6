//! What all requests for text may ask for.

use crate::{
    config::limits::{DEMO_ANSWER_BYTES_MAX, DEMO_CHOICES_MAX},
    dialect::json::document::Value,
    ir::ApiError,
};

use super::invalid;

/// Absent members and nulls have the values of `default`.
#[derive(Debug)]
pub(super) struct Options {
    /// 1 to `DEMO_CHOICES_MAX`.
    pub(super) choices: usize,
    /// 1 or more.
    pub(super) words_max: usize,
    /// None of them empty.
    pub(super) stops: Vec<String>,
    pub(super) is_streamed: bool,
    /// Whether a stream tells its usage.
    pub(super) shows_usage: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            choices: 1,
            words_max: DEMO_ANSWER_BYTES_MAX,
            stops: Vec::new(),
            is_streamed: false,
            shows_usage: false,
        }
    }
}

impl Options {
    /// `words_max` are the names of the limit on words; the first one that is there wins.
    pub(super) fn read(document: &Value, words_max: &[&'static str]) -> Result<Self, ApiError> {
        let mut options = Self::default();
        if let Some(choices) = count(document, "n")? {
            options.choices = choices;
        }
        if options.choices > DEMO_CHOICES_MAX {
            return Err(invalid("n", format!("`n` may be at most {DEMO_CHOICES_MAX} here")));
        }
        for name in words_max.iter().rev() {
            if let Some(words) = count(document, name)? {
                options.words_max = words;
            }
        }
        options.stops = stops(&document["stop"])?;
        options.is_streamed = switch(&document["stream"], "stream")?;
        options.shows_usage = document["stream_options"]["include_usage"] == Value::Bool(true);
        Ok(options)
    }
}

fn count(document: &Value, name: &'static str) -> Result<Option<usize>, ApiError> {
    let value = &document[name];
    if value.is_null() {
        return Ok(None);
    }
    match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
        Some(count) if count > 0 => Ok(Some(count)),
        _ => Err(invalid(name, format!("`{name}` must be a whole number of at least 1"))),
    }
}

fn switch(value: &Value, name: &'static str) -> Result<bool, ApiError> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(is_on) => Ok(*is_on),
        _ => Err(invalid(name, format!("`{name}` must be true or false"))),
    }
}

fn stops(value: &Value) -> Result<Vec<String>, ApiError> {
    let stop = |value: &Value| value.as_str().map(str::to_owned);
    let stops: Option<Vec<String>> = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(values) if values.len() <= 4 => values.iter().map(stop).collect(),
        Value::String(text) => Some(vec![text.clone()]),
        _ => None,
    };
    let mut stops = stops.ok_or_else(|| invalid("stop", "`stop` must be a string or up to 4 of them"))?;
    stops.retain(|stop| !stop.is_empty());
    Ok(stops)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::document::json;

    #[test]
    fn values_that_make_no_sense_are_refused_by_name() {
        for (document, param) in [
            (json!({"n": 0}), "n"),
            (json!({"n": 9}), "n"),
            (json!({"n": "2"}), "n"),
            (json!({"max_tokens": -1}), "max_tokens"),
            (json!({"max_tokens": 1.5}), "max_tokens"),
            (json!({"stop": 7}), "stop"),
            (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
            (json!({"stream": "yes"}), "stream"),
        ] {
            let error = Options::read(&document, &["max_tokens"]).unwrap_err();
            assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{document}");
        }
    }

    #[test]
    fn the_first_limit_on_words_wins() {
        let document = json!({"max_tokens": 5, "max_completion_tokens": 3, "n": null});
        let options = Options::read(&document, &["max_completion_tokens", "max_tokens"]).unwrap();
        assert_eq!((options.words_max, options.choices), (3, 1));
    }
}
