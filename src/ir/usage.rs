//! What a request has used up.

/// Tokens, as the provider counts them. What is cached, written or thought is part of what it is of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Of the request, cached ones included.
    pub input_tokens: u64,
    /// Of the answer, those of its reasoning included.
    pub output_tokens: u64,
    /// Of the request, read from a cache.
    pub cache_read_tokens: u64,
    /// Of the request, written to a cache.
    pub cache_write_tokens: u64,
    /// Of the answer, thought and not said.
    pub reasoning_tokens: u64,
    /// Of the request, heard.
    pub input_audio_tokens: u64,
    /// Of the answer, spoken.
    pub output_audio_tokens: u64,
}

impl Usage {
    /// All tokens.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}
