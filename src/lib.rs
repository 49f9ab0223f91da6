//! An LLM gateway. The modules in the order in which a request meets them:

pub mod config;
pub mod dialect;
pub mod ir;
pub mod provider;
pub mod route;
