//! An LLM gateway. The modules in the order in which a request meets them:

pub mod config;
pub mod control;
pub mod dialect;
pub mod http;
pub mod ir;
pub mod provider;
pub mod route;
