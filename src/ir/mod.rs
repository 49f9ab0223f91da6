//! What is meant, in nobody's dialect: plain types that every dialect can decode to and encode from.
//! Knows no wire format, no provider and no socket.

mod error;
mod usage;

pub use error::{ApiError, Blame};
pub use usage::Usage;
