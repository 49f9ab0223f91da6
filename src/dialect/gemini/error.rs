//! Errors in the shape of google.rpc.

use std::time::Duration;

use crate::{
    dialect::{
        json::{Kind, ReadError, Reader, Writer, document::json},
        openai_chat,
    },
    http::Fields,
    ir::{ApiError, Text},
};

/// What Google says where a request is too long for its model.
const TOO_LONG: &str = "exceeds the maximum number of tokens";
/// Names of errors, with the statuses that they have; the first of a status is its name.
const NAMES: [(u16, &str); 15] = [
    (400, "INVALID_ARGUMENT"),
    (400, "FAILED_PRECONDITION"),
    (400, "OUT_OF_RANGE"),
    (401, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (409, "ABORTED"),
    (409, "ALREADY_EXISTS"),
    (429, "RESOURCE_EXHAUSTED"),
    (499, "CANCELLED"),
    (500, "INTERNAL"),
    (500, "UNKNOWN"),
    (501, "UNIMPLEMENTED"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
];

/// What is said of an error.
#[derive(Debug, Default)]
struct Told {
    code: Option<u16>,
    message: String,
    status: String,
    /// Of `ErrorInfo`.
    reason: String,
    /// Of `RetryInfo`.
    retry_after: Option<Duration>,
    /// Whether what is used up is a day's.
    is_daily: bool,
}

/// What Google says of a request that it refused.
pub(super) fn decode_error(status: u16, fields: &Fields, body: &str) -> ApiError {
    let told = read_body(body).unwrap_or_default();
    let mut error = refusal(status, told);
    error.retry_after = error.retry_after.or_else(|| openai_chat::retry_after(fields));
    error
}

/// An error that stands in an answer; none where it is null or says nothing.
pub(super) fn read_in_band(reader: &mut Reader<'_>) -> Result<Option<ApiError>, ReadError> {
    if reader.kind() != Some(Kind::Object) {
        return reader.skip().map(|()| None);
    }
    let told = read_error(reader)?;
    if told.message.is_empty() && told.status.is_empty() && told.code.is_none() {
        return Ok(None);
    }
    let by_name = NAMES.iter().find(|(_, name)| *name == told.status).map(|(status, _)| *status);
    let code = told.code.filter(|code| (400..600).contains(code));
    let status = code.or(by_name).unwrap_or(502);
    Ok(Some(refusal(status, told)))
}

fn refusal(status: u16, told: Told) -> ApiError {
    // A key that Google does not know is an argument that is not valid.
    let is_key_bad = status == 400 && told.reason == "API_KEY_INVALID";
    let mut error = openai_chat::by_status(if is_key_bad { 401 } else { status }, &told.message);
    if status == 429 && told.is_daily {
        (error.kind, error.code) = ("insufficient_quota", Some("insufficient_quota"));
    }
    if status == 400 && told.message.contains(TOO_LONG) {
        error = error.into_too_long();
    }
    error.retry_after = told.retry_after;
    error
}

/// `{"error": {…}}`, perhaps within a list.
fn read_body(body: &str) -> Option<Told> {
    let mut told = None;
    let mut reader = Reader::new(body);
    let read = match reader.kind()? {
        Kind::Array => reader.array(|reader| read_top(reader, &mut told)),
        Kind::Object => read_top(&mut reader, &mut told),
        _ => return None,
    };
    told.filter(|_| read.is_ok())
}

fn read_top(reader: &mut Reader<'_>, told: &mut Option<Told>) -> Result<(), ReadError> {
    reader.object_if_any(|name, reader| {
        if name == "error" {
            match reader.kind() {
                Some(Kind::Object) => *told = Some(read_error(reader)?),
                Some(Kind::Text) => {
                    let message = reader.text()?.to_plain().into_owned();
                    *told = Some(Told { message, ..Told::default() });
                }
                _ => {}
            }
        }
        Ok(())
    })
}

fn read_error(reader: &mut Reader<'_>) -> Result<Told, ReadError> {
    let mut told = Told::default();
    let word = |text: Option<Text<'_>>| text.map(|text| text.to_plain().into_owned()).unwrap_or_default();
    reader.object_if_any(|name, reader| {
        match name {
            "code" => told.code = reader.count_if_any()?.and_then(|code| u16::try_from(code).ok()),
            "message" => told.message = word(reader.text_if_any()?),
            "status" => told.status = word(reader.text_if_any()?),
            "details" => reader.array_if_any(|reader| {
                reader.object_if_any(|name, reader| {
                    match name {
                        "reason" => told.reason = word(reader.text_if_any()?),
                        "retryDelay" => {
                            told.retry_after = reader.text_if_any()?.and_then(|text| delay(&text))
                        }
                        "violations" => told.is_daily |= is_daily(reader)?,
                        _ => {}
                    }
                    Ok(())
                })
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(told)
}

/// Whether a quota is a day's, by its name.
fn is_daily(reader: &mut Reader<'_>) -> Result<bool, ReadError> {
    let mut is_daily = false;
    reader.array_if_any(|reader| {
        reader.object_if_any(|name, reader| {
            if name == "quotaId" {
                let id = reader.text_if_any()?;
                is_daily |= id.is_some_and(|id| id.as_escaped().contains("PerDay"));
            }
            Ok(())
        })
    })?;
    Ok(is_daily)
}

/// A duration in seconds, such as `34s` or `1.5s`; bounded to a day.
fn delay(text: &Text<'_>) -> Option<Duration> {
    let seconds: f64 = text.as_escaped().strip_suffix('s')?.parse().ok()?;
    seconds.is_finite().then(|| Duration::from_secs_f64(seconds.clamp(0.0, 86_400.0)))
}

/// Appends the body of an error response.
pub(super) fn encode_error(error: &ApiError, out: &mut Vec<u8>) {
    Writer::new(out).object(|writer| {
        writer.member("error").object(|writer| {
            writer.member("code").count(u64::from(error.status));
            writer.member("message").text(&Text::plain(error.message.as_str()));
            writer.member("status").string(name_of(error.status));
            write_details(error, writer);
        });
    });
}

/// Appends the event that ends a stream which failed.
pub(super) fn encode_stream_error(error: &ApiError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    encode_error(error, out);
    out.extend_from_slice(b"\r\n\r\n");
}

fn name_of(status: u16) -> &'static str {
    let known = NAMES.iter().find(|(known, _)| *known == status).map(|(_, name)| *name);
    known.unwrap_or(match status {
        400..=499 => "INVALID_ARGUMENT",
        502 => "UNAVAILABLE",
        _ => "INTERNAL",
    })
}

fn write_details(error: &ApiError, writer: &mut Writer<'_>) {
    let mut details = Vec::new();
    if let Some(param) = &error.param {
        let violation = json!({ "field": param, "description": error.message });
        details.push(json!({ "@type": kind("BadRequest"), "fieldViolations": [violation] }));
    }
    if let Some(code) = error.code {
        let reason = code.to_ascii_uppercase();
        details.push(json!({ "@type": kind("ErrorInfo"), "reason": reason, "domain": "bifrost" }));
    }
    if let Some(pause) = error.retry_after {
        let delay = format!("{}s", pause.as_secs_f64().ceil());
        details.push(json!({ "@type": kind("RetryInfo"), "retryDelay": delay }));
    }
    if !details.is_empty() {
        writer.member("details").array(|writer| details.iter().for_each(|one| writer.json(&one.to_string())));
    }
}

fn kind(name: &str) -> String {
    format!("type.googleapis.com/google.rpc.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(status: u16, body: &str) -> ApiError {
        decode_error(status, &Fields::default(), body)
    }

    #[test]
    fn an_error_is_understood_also_within_a_list() {
        let body = r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        for body in [body.to_owned(), format!("[{body}]")] {
            let error = decoded(429, &body);
            assert_eq!((error.message.as_str(), error.code), ("slow", Some("rate_limit_exceeded")));
            assert_eq!(error.retry_after, Some(Duration::from_millis(34_500)));
        }
        assert!(decoded(500, "<html>").message.contains("500"));
    }

    #[test]
    fn a_key_that_is_not_valid_is_no_fault_of_the_request() {
        let body = r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!(decoded(400, body).status, 401);
        assert_eq!(decoded(400, &body.replace("API_KEY_INVALID", "OTHER")).status, 400);
    }

    #[test]
    fn what_is_used_up_for_a_day_is_told_apart() {
        let body = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
            {"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}]}}"#;
        assert_eq!(decoded(429, body).code, Some("insufficient_quota"));
        let long = r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#;
        assert_eq!(decoded(400, long).code, Some("context_length_exceeded"));
    }

    #[test]
    fn an_error_in_an_answer_gets_the_status_of_its_name() {
        let read = |text: &str| read_in_band(&mut Reader::new(text)).unwrap().map(|error| error.status);
        assert_eq!(read(r#"{"code":429,"message":"m"}"#), Some(429));
        assert_eq!(read(r#"{"status":"UNAVAILABLE"}"#), Some(503));
        assert_eq!(read(r#"{"message":"m"}"#), Some(502));
        assert_eq!((read("{}"), read("null")), (None, None));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut error = ApiError::client(400, "invalid_value", "`a` is \"odd\".").with_param("a");
        error.retry_after = Some(Duration::from_secs(3));
        let mut out = Vec::new();
        encode_error(&error, &mut out);
        let body = String::from_utf8(out).unwrap();
        assert!(body.starts_with(
            r#"{"error":{"code":400,"message":"`a` is \"odd\".","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest""#
        ));
        let again = decoded(400, &body);
        assert_eq!((again.message, again.retry_after), (error.message, error.retry_after));
        assert_eq!(
            (name_of(502), name_of(418), name_of(429)),
            ("UNAVAILABLE", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
        );
    }
}
