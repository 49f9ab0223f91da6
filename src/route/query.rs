//! The query of a request: what of it goes on, and the model that it names.

use std::borrow::Cow;

use super::path::percent_decoded;
use crate::ir::ApiError;
use crate::provider::path_segment;

/// A query without the parameter `key`, which is a credential; the rest as sent.
pub fn query_without_credentials(query: &str) -> String {
    let kept: Vec<_> = query.split('&').filter(|part| !is_named(part, "key")).collect();
    kept.join("&")
}

/// A query with another value of the parameter `model`; the rest as sent.
pub fn query_with_model(query: &str, model: &str) -> String {
    let replaced = |part| {
        if is_named(part, "model") {
            format!("model={}", path_segment(model)).into()
        } else {
            Cow::Borrowed(part)
        }
    };
    let parts: Vec<_> = query.split('&').map(replaced).collect();
    parts.join("&")
}

/// The model that a query names, decoded.
pub(super) fn model_in_query(query: &str) -> Result<Option<Cow<'_, str>>, ApiError> {
    let mut values = query.split('&').filter(|part| is_named(part, "model"));
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        let message = "`model` stands in the query twice. Send it once.";
        return Err(ApiError::client(400, "ambiguous_field", message).with_param("model"));
    }
    let Some(first) = first else { return Ok(None) };
    let value = first.split_once('=').map_or("", |(_, value)| value);
    percent_decoded(value).map(Some).ok_or_else(|| {
        let message = "`model` in the query has a broken escape. Send each of them as % and two digits.";
        ApiError::client(400, "invalid_value", message).with_param("model")
    })
}

fn is_named(part: &str, name: &str) -> bool {
    percent_decoded(part.split('=').next().unwrap_or_default()).as_deref() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_stays_here() {
        assert_eq!(query_without_credentials("a=1&key=sk&b=%20&k%65y=x&keys=2"), "a=1&b=%20&keys=2");
    }

    #[test]
    fn a_model_is_found_however_it_is_spelt() {
        let found = |query| model_in_query(query).map(|model| model.map(Cow::into_owned));
        assert_eq!(found("a=1&model=openai%2Fgpt-4o"), Ok(Some("openai/gpt-4o".to_owned())));
        assert_eq!(found("mod%65l=x"), Ok(Some("x".to_owned())));
        assert_eq!(found("models=x&a"), Ok(None));
        assert_eq!(found("model"), Ok(Some(String::new())));
        for query in ["model=a&model=b", "model=%zz"] {
            assert_eq!(found(query).map_err(|error| error.status), Err(400), "{query}");
        }
    }

    #[test]
    fn a_model_is_replaced_and_nothing_else() {
        assert_eq!(query_with_model("a=%20&model=x&b", "o/p q"), "a=%20&model=o%2Fp%20q&b");
        assert_eq!(query_with_model("a=1", "x"), "a=1");
    }
}
