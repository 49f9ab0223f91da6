//! HTTP/1.1 grammar: bytes in, heads and bodies out, and back. Pure; knows no socket and no route.

mod body;
mod connect;
mod fields;
mod head;
mod names;
mod sse;
mod write;

pub use body::{BodyDecoder, BodyError, Framing};
pub use connect::{TunnelReply, connect_request, take_tunnel_reply};
pub use fields::{Fields, Known};
pub use head::{HEADER_FIELDS_MAX, HeadError, RequestHead, ResponseHead};
pub use sse::EventBoundary;
pub use write::{ChunkHead, chunk_head, length_line, reason, response_line};
