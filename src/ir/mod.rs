//! What is meant, in nobody's dialect: plain types that every dialect can decode to and encode from.
//! Knows no wire format but JSON's texts, no provider and no socket.

mod embedding;
mod error;
mod event;
mod profile;
mod request;
mod response;
mod text;
mod usage;

pub use embedding::{EmbeddingRequest, EmbeddingResponse, VectorEncoding};
pub use error::{ApiError, Blame};
pub use event::{Citation, Event, Finish, Origin, Signed};
pub use profile::{Prices, Profile, Thinking};
pub use request::{
    CacheMark, Content, Effort, Format, Input, Media, Message, Native, Part, Reasoning, Request, Role,
    Sampling, Signature, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
pub use response::{Choice, Piece, Response};
pub use text::{Raw, Text};
pub use usage::Usage;
