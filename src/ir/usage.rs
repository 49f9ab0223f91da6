//! What a request has used up.

/// Tokens, as the provider counts them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Usage {
    /// Of the request.
    pub input_tokens: u64,
    /// Of the answer.
    pub output_tokens: u64,
}
