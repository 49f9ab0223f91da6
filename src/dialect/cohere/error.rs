//! What Cohere says of a request that it refuses.

use crate::{
    dialect::{
        json::member_text,
        openai_chat::{by_status, message_in, retry_after},
    },
    http::Fields,
    ir::ApiError,
};

/// Reads a refusal, `{"id", "message"}`.
pub(super) fn decode_error(status: u16, fields: &Fields, body: &str) -> ApiError {
    let message = member_text(body, "message").or_else(|| message_in(body)).unwrap_or_default();
    let status = match status {
        // A status of Cohere's own: a word that it refuses stands in the request or the answer.
        498 => 400,
        // It has given up on the request, which nobody here has withdrawn.
        499 => 502,
        status => status,
    };
    let mut error = by_status(status, &message);
    if (400..500).contains(&status) && message.to_ascii_lowercase().contains("too many tokens") {
        error = error.into_too_long();
    }
    error.retry_after = retry_after(fields);
    error
}

/// What a finish reason means that is no end of an answer; none where it is one.
pub(super) fn of_finish(reason: &str, message: &str) -> Option<ApiError> {
    match reason {
        "ERROR" => Some(gave_up(502, message)),
        "TIMEOUT" => Some(gave_up(504, message)),
        _ => None,
    }
}

/// An answer that will not come, or not go on.
pub(super) fn gave_up(status: u16, message: &str) -> ApiError {
    by_status(status, if message.is_empty() { "Cohere gave up on its answer. Try again." } else { message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_message_and_a_status_that_sdks_know() {
        for (told, message, status, code) in [
            (400, "too many tokens: size limit exceeded by 3 tokens", 400, Some("context_length_exceeded")),
            (401, "invalid api token", 401, Some("invalid_api_key")),
            (429, "slow", 429, Some("rate_limit_exceeded")),
            (498, "m", 400, None),
            (499, "m", 502, Some("upstream_error")),
            (503, "m", 503, Some("server_is_overloaded")),
        ] {
            let body = format!(r#"{{"id":"i","message":"{message}"}}"#);
            let error = decode_error(told, &Fields::default(), &body);
            assert_eq!((error.status, error.code, error.message.as_str()), (status, code, message));
        }
        assert!(decode_error(500, &Fields::default(), "<html>").message.contains("500"));
        let of_a_gateway = r#"{"error":{"message":"slow","type":"t"}}"#;
        assert_eq!(decode_error(429, &Fields::default(), of_a_gateway).message, "slow");
    }
}
