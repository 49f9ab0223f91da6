//! An LLM gateway. The modules in the order in which a request meets them:

pub mod bus;
pub mod config;
pub mod dialect;
pub mod http;
pub mod ir;
pub mod metrics;
pub mod provider;
pub mod route;
pub mod shard;
