//! Secrets: values that can be sent to a provider and cannot be printed.

use std::fmt;

/// A secret, and what follows `sk-` in a text, is taken for a key from this length.
const KEY_BYTES_MIN: usize = 8;

/// A credential. Its `Debug` says nothing, it has no `Display`; only `reveal` gives the value.
#[derive(Clone, Eq, Hash, PartialEq)]
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

/// Overwrites a secret with stars of the same length; one so short that it could be a word is left.
pub fn mask_secret(text: &mut [u8], secret: &Secret) {
    let secret = secret.reveal().as_bytes();
    if secret.len() < KEY_BYTES_MIN {
        return;
    }
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&text[from..], secret) {
        text[from + found..from + found + secret.len()].fill(b'*');
        from += found + secret.len();
    }
}

/// Overwrites whatever looks like a key.
pub fn mask_keys(text: &mut [u8]) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'-' | b'_');
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(&text[from..], b"sk-") {
        let start = from + found + 3;
        let begins_word = !text[..start - 3].last().is_some_and(is_part);
        let length = text[start..].iter().take_while(|byte| is_part(byte)).count();
        if begins_word && length >= KEY_BYTES_MIN {
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
        let mut text = b"key abcdefgh, key sk-proj-12345678, sk-short, task-1234567890, abcdefgh".to_vec();
        mask_secret(&mut text, &Secret::new("abcdefgh"));
        mask_keys(&mut text);
        assert_eq!(text, b"key ********, key sk-*************, sk-short, task-1234567890, ********");
    }

    #[test]
    fn a_secret_of_stars_or_of_one_letter_does_no_harm() {
        let mut text = b"**** ********** e".to_vec();
        for secret in ["*", "********", "e", ""] {
            mask_secret(&mut text, &Secret::new(secret));
        }
        assert_eq!(text, b"**** ********** e");
    }
}
