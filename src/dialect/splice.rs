//! Another name of the model in a body, all else byte for byte.

use std::{borrow::Cow, ops::Range};

use super::json::{Outline, document};

/// Bytes that stand in a body instead of others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Splice {
    at: Range<usize>,
    bytes: Vec<u8>,
}

impl Splice {
    /// Puts another name where a body names its model; `outline` is that body's.
    pub fn model(outline: &Outline<'_>, name: &str) -> Self {
        let bytes = if outline.is_quoted { document::quote(name) } else { name.to_owned() };
        Self { at: outline.model_at.clone(), bytes: bytes.into_bytes() }
    }

    /// The body in three pieces, the new bytes between the two that stay.
    pub fn pieces(self, body: &[u8]) -> [Cow<'_, [u8]>; 3] {
        let Self { at, bytes } = self;
        [Cow::Borrowed(&body[..at.start]), Cow::Owned(bytes), Cow::Borrowed(&body[at.end..])]
    }
}

#[cfg(test)]
mod tests {
    use super::{super::json::scan, *};

    #[test]
    fn the_name_is_quoted_as_the_body_wants_it_and_nothing_else_changes() {
        let body = br#"{ "a": 1e400,"model" : "x\/y" , "b":[]}"#;
        let splice = Splice::model(&scan(body).unwrap(), "a\"b");
        assert_eq!(splice.pieces(body).concat(), br#"{ "a": 1e400,"model" : "a\"b" , "b":[]}"#);
        let plain = Outline { model_at: 2..3, ..Outline::default() };
        assert_eq!(Splice::model(&plain, "a\"b").pieces(b"<<x>>").concat(), b"<<a\"b>>");
    }
}
