//! Errors in the midst of an answer.

use crate::{
    dialect::json::Writer,
    ir::{ApiError, Text},
};

/// Appends the event that ends a stream of which nobody knows how far it has come.
pub(super) fn encode_stream_error(error: &ApiError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: error\ndata: ");
    Writer::new(out).object(|writer| {
        writer.member("type").string("error");
        writer.member("sequence_number").count(0);
        write_error_members(error, writer);
    });
    out.extend_from_slice(b"\n\n");
}

/// What stands in an `error` event: the API's own members, and the member `error` that SDKs raise on.
pub(super) fn write_error_members(error: &ApiError, writer: &mut Writer<'_>) {
    let members = |writer: &mut Writer<'_>| {
        let param = error.param.as_deref().map(Text::plain);
        writer.member("code").text_or_null(error.code.map(Text::plain).as_ref());
        writer.member("message").text(&Text::plain(error.message.as_str()));
        writer.member("param").text_or_null(param.as_ref());
    };
    members(writer);
    writer.member("error").object(|writer| {
        writer.member("type").string(error.kind);
        members(writer);
    });
}

/// Writes the member `error` of an answer that failed; its codes are a list of few.
pub(super) fn write_error(error: &ApiError, writer: &mut Writer<'_>) {
    let is_known = error.code == Some("rate_limit_exceeded");
    writer.object(|writer| {
        writer.member("code").string(if is_known { "rate_limit_exceeded" } else { "server_error" });
        writer.member("message").text(&Text::plain(error.message.as_str()));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::document::json;

    #[test]
    fn a_stream_error_is_told_in_both_places_where_sdks_look() {
        let mut out = Vec::new();
        let error = ApiError::client(400, "invalid_value", "it \"broke\" }").with_param("input");
        encode_stream_error(&error, &mut out);
        let event = String::from_utf8(out).unwrap();
        let data = event.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        let mut expected = json!({"code": "invalid_value", "message": "it \"broke\" }", "param": "input"});
        let mut nested = expected.clone();
        nested["type"] = json!("invalid_request_error");
        expected["error"] = nested;
        expected["type"] = json!("error");
        expected["sequence_number"] = json!(0);
        assert_eq!(serde_json::from_str::<serde_json::Value>(data).unwrap(), expected);
    }
}
