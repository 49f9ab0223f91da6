//! Secrets: values that can be sent to a provider and cannot be printed.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_value() {
        let shown = format!("{:?}", Secret::new("sk-very-secret"));
        assert!(!shown.contains("very"), "{shown}");
    }
}
