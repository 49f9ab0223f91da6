//! How it is said: the wire formats of clients and providers. Bytes and values in and out; pure.

mod completion;
pub mod json;
mod multipart;
pub mod openai_chat;
mod splice;
mod usage;

pub use completion::CompletionTap;
pub use multipart::{FormError, FormScanner, boundary};
pub use splice::Splice;
pub use usage::UsageTap;
