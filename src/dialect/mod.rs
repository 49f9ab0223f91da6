//! How it is said: bytes of one language in, bytes of another out. Pure; knows no provider and no socket.

pub mod json;
