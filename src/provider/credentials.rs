//! Secrets: values that can be sent to a provider and cannot be printed.

use std::fmt;

/// What follows `sk-` in a text is taken for a key from this length.
const KEY_BYTES_MIN: usize = 8;

/// A credential. Its `Debug` says nothing, it has no `Display`; only `reveal` gives the value.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential, white space around it removed.
    pub fn new(value: &str) -> Self {
        Self(value.trim().to_owned())
    }

    /// The value, for the wire and for masking only.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Overwrites a secret, and anything else that looks like a key, with stars of the same length.
pub fn mask(text: &mut [u8], secret: &Secret) {
    let secret = secret.reveal().as_bytes();
    if !secret.is_empty() {
        while let Some(at) = memchr::memmem::find(text, secret) {
            text[at..at + secret.len()].fill(b'*');
        }
    }
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&text[from..], b"sk-") {
        let start = from + found + 3;
        let is_key = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'-' | b'_');
        let length = text[start..].iter().take_while(is_key).count();
        if length >= KEY_BYTES_MIN {
            text[start..start + length].fill(b'*');
        }
        from = start + length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_value() {
        let shown = format!("{:?}", Secret::new("sk-very-secret"));
        assert!(!shown.contains("very"), "{shown}");
    }

    #[test]
    fn secrets_and_what_looks_like_one_are_masked_in_place() {
        let mut text = b"key abc, key sk-proj-12345678, sk-short, abc".to_vec();
        mask(&mut text, &Secret::new("abc"));
        assert_eq!(text, b"key ***, key sk-*************, sk-short, ***");
    }
}
