//! Errors in OpenAI's shape: all four members are always there.

use std::time::Duration;

use crate::{
    dialect::json::{Kind, ReadError, Reader, document::json},
    http::Fields,
    ir::{ApiError, Blame},
};

/// Appends the body of an error response.
pub fn encode_error(error: &ApiError, out: &mut Vec<u8>) {
    let document = json!({
        "error": {
            "message": error.message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
        }
    });
    out.extend_from_slice(document.to_string().as_bytes());
}

/// Appends the event that ends a stream which failed: the SDKs raise on its `error` member.
pub fn encode_stream_error(error: &ApiError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    encode_error(error, out);
    out.extend_from_slice(b"\n\n");
}

/// What a provider of OpenAI's dialect says of a request that it refused.
pub(in crate::dialect) fn decode_error(status: u16, fields: &Fields, body: &str) -> ApiError {
    let told = read_body(body).unwrap_or_default();
    let mut error = refusal(status, &told);
    error.retry_after = retry_after(fields);
    error
}

/// The message of a refusal in the shape that most APIs have, and gateways before others: `{"error": {…}}`.
pub(in crate::dialect) fn message_in(body: &str) -> Option<String> {
    read_body(body).map(|told| told.message).filter(|message| !message.is_empty())
}

/// An error that stands in an answer; none where it is null or says nothing.
pub(in crate::dialect) fn read_in_band(reader: &mut Reader<'_>) -> Result<Option<ApiError>, ReadError> {
    let told = match reader.kind() {
        Some(Kind::Object) => read_error(reader)?,
        Some(Kind::Text) => {
            let message = reader.text()?.to_plain().into_owned();
            Told { message, ..Told::default() }
        }
        _ => return reader.skip().map(|()| None),
    };
    if told.message.is_empty() && told.kind.is_empty() && told.code.is_empty() {
        return Ok(None);
    }
    Ok(Some(refusal(told.status(), &told)))
}

/// What is said of an error, in whichever member.
#[derive(Debug, Default)]
struct Told {
    message: String,
    kind: String,
    code: String,
    param: Option<String>,
}

impl Told {
    /// The status that fits an error in an answer whose own was 200.
    fn status(&self) -> u16 {
        if let Some(status) = self.code.parse().ok().filter(|status| (400..600).contains(status)) {
            return status;
        }
        let says = |word: &str| self.kind.contains(word) || self.code.contains(word);
        match () {
            () if says("rate_limit") || says("quota") => 429,
            () if says("overloaded") || says("unavailable") => 503,
            () if says("invalid_request") || says("invalid_prompt") || says("image") => 400,
            () if says("authentication") => 401,
            () => 502,
        }
    }
}

/// `{"error": {…}}`, `{"error": "…"}`, `{"detail": …}` or `{"object": "error", "message": …}`.
fn read_body(body: &str) -> Option<Told> {
    let mut told = Told::default();
    let mut reader = Reader::new(body);
    let read = match reader.kind()? {
        // Google's compatible endpoint wraps it in a list.
        Kind::Array => reader.array(|reader| read_top(reader, &mut told)),
        Kind::Object => read_top(&mut reader, &mut told),
        _ => return None,
    };
    read.ok().map(|()| told)
}

fn read_top(reader: &mut Reader<'_>, told: &mut Told) -> Result<(), ReadError> {
    let mut flat = reader.clone();
    let mut is_nested = false;
    reader.object(|name, reader| {
        if name == "error" {
            match reader.kind() {
                Some(Kind::Object) => {
                    *told = read_error(reader)?;
                    is_nested = true;
                }
                Some(Kind::Text) => {
                    told.message = reader.text()?.to_plain().into_owned();
                    is_nested = true;
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    if !is_nested {
        *told = read_error(&mut flat)?;
    }
    Ok(())
}

fn read_error(reader: &mut Reader<'_>) -> Result<Told, ReadError> {
    let mut told = Told::default();
    reader.object(|name, reader| {
        let mut word = |into: &mut String| {
            let raw = reader.raw_unless_null()?;
            if let Some(raw) = raw {
                let text = raw.as_text().map(|text| text.to_plain().into_owned());
                *into = text.unwrap_or_else(|| raw.as_str().to_owned());
            }
            Ok::<_, ReadError>(())
        };
        match name {
            "message" | "detail" if told.message.is_empty() => word(&mut told.message)?,
            "type" | "status" if told.kind.is_empty() => word(&mut told.kind)?,
            "code" => word(&mut told.code)?,
            "param" => told.param = reader.text_if_any()?.map(|text| text.to_plain().into_owned()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(told)
}

/// Codes that clients act upon, passed on as they are.
static CODES: [&str; 16] = [
    "context_length_exceeded",
    "unsupported_parameter",
    "unsupported_value",
    "invalid_value",
    "missing_required_parameter",
    "invalid_json_schema",
    "string_above_max_length",
    "content_policy_violation",
    "content_filter",
    "invalid_image_url",
    "invalid_base64_image",
    "insufficient_quota",
    "rate_limit_exceeded",
    "model_not_found",
    "invalid_api_key",
    "server_is_overloaded",
];

fn refusal(status: u16, told: &Told) -> ApiError {
    let known = CODES.iter().copied().find(|code| *code == told.code || *code == told.kind);
    let mut error = by_status(status, &told.message);
    error.code = known.or(error.code);
    if error.code == Some("insufficient_quota") {
        error.kind = "insufficient_quota";
    }
    error.param = told.param.clone().map(Into::into);
    error
}

/// An error of a provider as OpenAI would say one of that status.
pub fn by_status(status: u16, message: &str) -> ApiError {
    let (kind, code) = match status {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        402 => ("insufficient_quota", Some("insufficient_quota")),
        403 => ("request_forbidden", None),
        404 => ("invalid_request_error", Some("model_not_found")),
        413 => ("invalid_request_error", Some("request_too_large")),
        429 => ("rate_limit_error", Some("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", None),
        503 | 529 => ("service_unavailable_error", Some("server_is_overloaded")),
        504 => ("server_error", Some("upstream_timeout")),
        _ => ("server_error", Some("upstream_error")),
    };
    let message = if message.is_empty() {
        format!("The provider answered with the status {status} and no message.")
    } else {
        message.to_owned()
    };
    // Statuses of vendors' own say nothing to an SDK.
    let status = if status == 529 { 503 } else { status };
    ApiError { status, blame: Blame::Provider, kind, code, param: None, message, retry_after: None }
}

/// When it may go better, by the fields that tell it in seconds or milliseconds; bounded to a day.
pub fn retry_after(fields: &Fields) -> Option<Duration> {
    const DAY: f64 = 86_400.0;
    let number = |name: &str| {
        let value = fields.all(name).next()?;
        std::str::from_utf8(value).ok()?.trim().parse::<f64>().ok().filter(|number| number.is_finite())
    };
    let seconds = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_all_four_members() {
        let mut out = Vec::new();
        encode_error(&ApiError::client(404, "model_not_found", "no \"x\""), &mut out);
        let expected = r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_message_is_found_wherever_a_provider_puts_it() {
        for body in [
            r#"{"error":{"message":"m","type":"t","param":"p","code":"invalid_value"}}"#,
            r#"{"error":"m","code":"invalid_value"}"#,
            r#"{"object":"error","message":"m","type":"t","param":null,"code":"invalid_value"}"#,
            r#"[{"error":{"code":"invalid_value","message":"m","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"detail":"m"}"#,
        ] {
            let error = decode_error(400, &Fields::default(), body);
            assert_eq!((error.status, error.message.as_str()), (400, "m"), "{body}");
        }
        let error = decode_error(500, &Fields::default(), "<html>");
        assert!(error.message.contains("500") && error.kind == "server_error");
    }

    #[test]
    fn a_status_of_a_vendors_own_becomes_one_that_sdks_know() {
        assert_eq!(by_status(529, "busy").status, 503);
        assert_eq!(by_status(429, "slow").code, Some("rate_limit_exceeded"));
    }
}
