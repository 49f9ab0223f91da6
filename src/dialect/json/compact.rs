//! JSON without the white space that some providers put between its values.

use std::borrow::Cow;

/// The same value without white space outside its texts; everything else keeps its bytes.
pub fn compact(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b' ' | b'\t' | b'\n' | b'\r' if !is_text => {
                out.push_str(json.get(kept..at).unwrap_or_default());
                kept = at + 1;
            }
            _ => {}
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(json.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_values_goes() {
        let pretty = "{\n  \"a b\" : [ 1.0 , \"x \\\" y\\\\\" ],\r\n\t\"c\": { }\n}";
        assert_eq!(compact(pretty), r#"{"a b":[1.0,"x \" y\\"],"c":{}}"#);
        let bare = r#"{"a":" "}"#;
        assert!(matches!(compact(bare), Cow::Borrowed(same) if same == bare));
    }
}
