//! The event that ends a stream which failed.

use crate::{
    dialect::{json::document::json, openai_chat::encode_error},
    ir::ApiError,
};

/// Appends the event: its own members are those of the API's `error` event, and the SDKs raise on the member
/// `error`.
pub(super) fn encode_stream_error(error: &ApiError, out: &mut Vec<u8>) {
    // Nobody here knows how many events came before; SDKs do not look at the number of this one.
    let event = json!({
        "type": "error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "sequence_number": 0,
    });
    out.extend_from_slice(b"event: error\ndata: ");
    out.extend_from_slice(event.to_string().trim_end_matches('}').as_bytes());
    let mut nested = Vec::new();
    encode_error(error, &mut nested);
    out.push(b',');
    out.extend_from_slice(nested.get(1..).unwrap_or_default());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::Reader;

    #[test]
    fn a_stream_error_is_told_in_both_places_where_sdks_look() {
        let mut out = Vec::new();
        encode_stream_error(&ApiError::provider(502, "upstream_error", "it \"broke\" }"), &mut out);
        let event = String::from_utf8(out).unwrap();
        let data = event.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        let mut names = Vec::new();
        let mut reader = Reader::new(data);
        let read = reader.object(|name, reader| {
            if name == "error" {
                reader.clone().object(|name, _| {
                    names.push(format!("error.{name}"));
                    Ok(())
                })?;
            }
            names.push(name.to_owned());
            Ok(())
        });
        assert!(read.and_then(|()| reader.end()).is_ok(), "{data}");
        for name in ["type", "code", "message", "param", "sequence_number", "error.message", "error.type"] {
            assert!(names.iter().any(|told| told == name), "{name}");
        }
    }
}
