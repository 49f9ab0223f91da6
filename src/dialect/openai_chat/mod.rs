//! OpenAI's API, which clients of all its mounts speak.

mod error;

pub use error::{encode_error, encode_stream_error};
