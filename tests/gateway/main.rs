//! The real binary, spoken to with raw bytes on sockets, on both I/O engines.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the tests stand outside the two worlds: they block and look at the clock"
)]

mod harness;

mod access_log;
mod admin;
mod bridge;
mod clouds;
mod connect;
mod connection;
mod cors;
mod embeddings;
mod errors;
mod fidelity;
mod framing;
mod headers;
mod health;
mod keys;
mod media;
mod metrics;
mod models;
mod mounts;
mod multipart;
mod passthrough;
mod paths;
mod proxy;
mod routing;
mod running;
mod seals;
mod settings;
mod streaming;
mod timeouts;
mod tls;
mod translated_errors;
mod translation;
mod websocket;
