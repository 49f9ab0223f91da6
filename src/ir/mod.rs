//! What is meant, in nobody's dialect: plain types that every dialect can decode to and encode from.
//! Knows no wire format, no provider and no socket.

mod error;

pub use error::{ApiError, Blame};
