//! Errors in OpenAI's shape: all four members are always there.

use crate::{dialect::json::document::json, ir::ApiError};

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
}
