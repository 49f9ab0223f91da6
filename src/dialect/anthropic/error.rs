//! Errors in Anthropic's shape.

use crate::{
    dialect::{
        json::{Kind, ReadError, Reader, Writer},
        openai_chat::{by_status, retry_after},
    },
    http::Fields,
    ir::{ApiError, Text},
};

/// Anthropic's names of errors, with the status that each has.
const KINDS: [(&str, u16); 12] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("request_body_timeout", 408),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// Appends the body of an error response.
pub(super) fn encode_error(error: &ApiError, out: &mut Vec<u8>) {
    let kind = match error.status {
        503 => "overloaded_error",
        status => match KINDS.iter().find(|(_, known)| *known == status) {
            Some((kind, _)) => kind,
            None if status < 500 => "invalid_request_error",
            None => "api_error",
        },
    };
    Writer::new(out).object(|writer| {
        writer.member("type").string("error");
        writer.member("error").object(|writer| {
            writer.member("type").string(kind);
            writer.member("message").text(&Text::plain(error.message.as_str()));
        });
        writer.member("request_id").null();
    });
}

/// Appends the event that ends a stream which failed.
pub(super) fn encode_stream_error(error: &ApiError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: error\ndata: ");
    encode_error(error, out);
    out.extend_from_slice(b"\n\n");
}

/// What a provider says of a request that it refused.
pub(super) fn decode_error(status: u16, fields: &Fields, body: &str) -> ApiError {
    let told = Told::of(body);
    let mut error = told.refusal(status);
    error.retry_after = retry_after(fields);
    error
}

/// The value of `error` in an answer whose status was 200.
pub(super) fn read_in_band(reader: &mut Reader<'_>) -> Result<ApiError, ReadError> {
    let told = Told::read(reader)?;
    let known = KINDS.iter().find(|(kind, _)| *kind == told.kind);
    Ok(told.refusal(known.map_or(502, |(_, status)| *status)))
}

#[derive(Debug, Default)]
struct Told {
    kind: String,
    message: String,
}

impl Told {
    /// Hosts of Claude have bodies of their own: `{"error": {…}}`, `{"message": …}`, or a list of one.
    fn of(body: &str) -> Self {
        let mut told = None;
        let mut reader = Reader::new(body);
        let mut top = |reader: &mut Reader<'_>| {
            let mut flat = reader.clone();
            reader.object_if_any(|name, reader| {
                if name == "error" {
                    told = Some(Self::read(reader)?);
                }
                Ok(())
            })?;
            if told.is_none() {
                told = Some(Self::read(&mut flat)?);
            }
            Ok(())
        };
        let read = if reader.kind() == Some(Kind::Array) { reader.array(top) } else { top(&mut reader) };
        told.filter(|_| read.is_ok()).unwrap_or_default()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let mut told = Self::default();
        if reader.kind() == Some(Kind::Text) {
            told.message = reader.text()?.to_plain().into_owned();
            return Ok(told);
        }
        reader.object_if_any(|name, reader| {
            let into = match name {
                "type" => &mut told.kind,
                "message" | "detail" => &mut told.message,
                _ => return Ok(()),
            };
            *into = reader.text_if_any()?.map(|text| text.to_plain().into_owned()).unwrap_or_default();
            Ok(())
        })?;
        Ok(told)
    }

    fn refusal(&self, status: u16) -> ApiError {
        let says = |words: &str| self.message.contains(words);
        let status = match status {
            // What a limit of spending has refused is said in no other way.
            400 if says("credit balance is too low") || says("specified API usage limits") => 402,
            500 => 502,
            status => status,
        };
        let mut error = by_status(status, &self.message);
        if status == 400 && (says("prompt is too long") || says("exceed context limit")) {
            error = error.into_too_long();
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Blame;

    #[test]
    fn an_error_has_the_type_of_its_status() {
        for (status, kind) in [
            (400, "invalid_request_error"),
            (401, "authentication_error"),
            (404, "not_found_error"),
            (413, "request_too_large"),
            (422, "invalid_request_error"),
            (429, "rate_limit_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
        ] {
            let mut out = Vec::new();
            encode_error(&by_status(status, "no \"x\""), &mut out);
            let expected = format!(
                r#"{{"type":"error","error":{{"type":"{kind}","message":"no \"x\""}},"request_id":null}}"#
            );
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_refusal_is_read_whoever_serves_claude() {
        let of = |status, body| decode_error(status, &Fields::default(), body);
        for body in [
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"},"request_id":"req_1"}"#,
            r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"message":"m"}"#,
            r#"{"error":"m"}"#,
        ] {
            let error = of(400, body);
            assert_eq!(
                (error.status, error.message.as_str(), error.blame),
                (400, "m", Blame::Provider),
                "{body}"
            );
        }
        for (status, expected) in [(402, 402), (413, 413), (500, 502), (529, 503)] {
            assert_eq!(of(status, "<html>").status, expected);
        }
        assert_eq!(of(429, "{}").code, Some("rate_limit_exceeded"));
        let long = r#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#;
        assert_eq!(of(400, long).code, Some("context_length_exceeded"));
        let poor = r#"{"error":{"message":"Your credit balance is too low to access the Anthropic API."}}"#;
        assert_eq!(of(400, poor).code, Some("insufficient_quota"));
    }

    #[test]
    fn an_error_within_an_answer_has_the_status_of_its_type() {
        let read = |text| read_in_band(&mut Reader::new(text)).unwrap().status;
        assert_eq!(read(r#"{"type":"overloaded_error","message":"Overloaded"}"#), 503);
        assert_eq!(read(r#"{"type":"rate_limit_error"}"#), 429);
        assert_eq!(read(r#""gone""#), 502);
    }
}
