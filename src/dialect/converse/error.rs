//! What Bedrock says of a request that it refuses, before its answer or within it.

use crate::{
    dialect::{
        json::{Reader, member_text},
        openai_chat::{by_status, message_in, retry_after},
    },
    http::Fields,
    ir::ApiError,
};

/// Names of errors, with the statuses that clients of other providers know for them.
const STATUSES: [(&str, u16); 19] = [
    ("ThrottlingException", 429),
    ("TooManyRequestsException", 429),
    // Said with the status 400.
    ("ServiceQuotaExceededException", 429),
    // Said with the status 429; it is not the caller who is too fast.
    ("ModelNotReadyException", 503),
    ("ServiceUnavailableException", 503),
    ("ServiceUnavailable", 503),
    ("InternalServerException", 500),
    ("InternalFailure", 500),
    ("ModelErrorException", 502),
    ("ModelStreamErrorException", 502),
    ("ModelTimeoutException", 504),
    ("ValidationException", 400),
    ("ConflictException", 409),
    ("ResourceNotFoundException", 404),
    ("AccessDeniedException", 403),
    ("UnrecognizedClientException", 403),
    ("ExpiredTokenException", 403),
    ("SignatureDoesNotMatch", 403),
    ("InvalidSignatureException", 403),
];

/// What models of several makers say of a request that does not fit into them.
const TOO_LONG: [&str; 5] =
    ["too long", "too many tokens", "too many input tokens", "context limit", "maximum context length"];

/// Reads a refusal: the error's name stands in a header or in the body.
pub(super) fn decode_error(status: u16, fields: &Fields, body: &str) -> ApiError {
    let in_header = fields.text("x-amzn-errortype").map(str::to_owned);
    let name = in_header.or_else(|| member_text(body, "__type")).or_else(|| member_text(body, "code"));
    let mut error = named(&name.unwrap_or_default(), Some(status), &message_of(body));
    error.retry_after = retry_after(fields);
    error
}

/// An error that stands within an answer, whose status was 200.
pub(super) fn in_band(name: &str, body: &str) -> ApiError {
    named(name, None, &message_of(body))
}

/// Whether an event's name is that of an error.
pub(super) fn is_error(name: &str) -> bool {
    ["Exception", "Error", "Failure"].iter().any(|end| name.ends_with(end)) || status_of(name).is_some()
}

fn message_of(body: &str) -> String {
    ["message", "Message", "originalMessage"]
        .iter()
        .find_map(|name| member_text(body, name))
        .or_else(|| message_in(body))
        .unwrap_or_default()
}

fn named(name: &str, status: Option<u16>, message: &str) -> ApiError {
    // `ThrottlingException:http://…` and `com.amazon.coral.service#ThrottlingException`
    let name = name.split(':').next().unwrap_or_default();
    let name = name.rsplit('#').next().unwrap_or_default().trim();
    let status = status_of(name).or(status).unwrap_or(502);
    let told = if message.is_empty() { name } else { message };
    let mut error = by_status(status, told);
    let lower = message.to_ascii_lowercase();
    if status == 400 && TOO_LONG.iter().any(|words| lower.contains(words)) {
        error = error.into_too_long();
    }
    if name == "ServiceQuotaExceededException" {
        (error.kind, error.code) = ("insufficient_quota", Some("insufficient_quota"));
    }
    error
}

/// The status of an error; its name begins with a small letter within a stream.
fn status_of(name: &str) -> Option<u16> {
    STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, status)| *status)
}

/// The message of a document that is no answer; none where it is one.
pub(super) fn in_document(text: &str) -> Option<ApiError> {
    let name = member_text(text, "__type").unwrap_or_default();
    let mut is_answer = false;
    let read = Reader::new(text).object(|member, _| {
        is_answer |= member == "output";
        Ok(())
    });
    let message = message_of(text);
    let is_error = read.is_ok() && !is_answer && !(name.is_empty() && message.is_empty());
    is_error.then(|| named(&name, None, &message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ResponseHead;

    fn decoded(status: u16, kind: &str, body: &str) -> ApiError {
        let mut head = ResponseHead::default();
        let text = format!("HTTP/1.1 {status} x\r\nx-amzn-ErrorType: {kind}\r\nRetry-After: 2\r\n\r\n");
        assert!(head.take(&mut text.into_bytes(), false).unwrap());
        decode_error(status, &head.fields, body)
    }

    #[test]
    fn an_error_is_known_by_its_name_wherever_that_stands() {
        for (told, name, status, code) in [
            (429, "ThrottlingException:http://internal.amazon.com/", 429, Some("rate_limit_exceeded")),
            (429, "ModelNotReadyException", 503, Some("server_is_overloaded")),
            (400, "ServiceQuotaExceededException", 429, Some("insufficient_quota")),
            (403, "AccessDeniedException", 403, None),
            (424, "ModelErrorException", 502, Some("upstream_error")),
            (408, "ModelTimeoutException", 504, Some("upstream_timeout")),
            (404, "ResourceNotFoundException", 404, Some("model_not_found")),
            (400, "ValidationException", 400, None),
            (418, "SomethingNew", 418, None),
        ] {
            let error = decoded(told, name, r#"{"message":"m"}"#);
            assert_eq!((error.status, error.code, error.message.as_str()), (status, code, "m"), "{name}");
            assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(2)));
        }
        let body = r#"{"__type":"com.amazon.coral.service#ThrottlingException","Message":"m"}"#;
        let error = decode_error(400, &Fields::default(), body);
        assert_eq!((error.status, error.message.as_str()), (429, "m"));
    }

    #[test]
    fn a_request_that_is_too_long_has_a_code_of_its_own() {
        for message in [
            "Input is too long for requested model.",
            "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 1 + 2 > 3",
        ] {
            let error = decoded(400, "ValidationException", &format!(r#"{{"message":"{message}"}}"#));
            assert_eq!(error.code, Some("context_length_exceeded"), "{message}");
        }
    }

    #[test]
    fn an_error_without_words_is_told_by_its_name_or_its_status() {
        assert_eq!(decoded(403, "AccessDeniedException", "{}").message, "AccessDeniedException");
        let of_a_gateway =
            decode_error(429, &Fields::default(), r#"{"error":{"message":"slow","type":"t"}}"#);
        assert_eq!(of_a_gateway.message, "slow");
        assert!(decode_error(500, &Fields::default(), "<html>").message.contains("500"));
    }
}
