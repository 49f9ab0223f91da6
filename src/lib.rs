//! An LLM gateway: any provider behind the OpenAI API, byte-exact where client and provider speak the
//! same dialect.
//!
//! # The map
//!
//! A request meets these modules in this order; `shard::exchange` is that walk, in one function.
//!
//! | module | what it is |
//! |---|---|
//! | [`shard`] | one core: its sockets and the life of each request |
//! | [`http`] | the grammar of HTTP/1.1: heads, bodies, events |
//! | [`route`] | where a request goes: operation, account, key |
//! | [`dialect`] | how it is said: a folder for each dialect, and the translator between any two |
//! | [`provider`] | who says it: addresses, credentials, vendors |
//! | [`ir`] | what is meant, in nobody's dialect: requests, events, answers, errors |
//!
//! Beside the path of the request:
//!
//! | module | what it is |
//! |---|---|
//! | [`start`] | from arguments to running shards |
//! | [`config`] | what the operator wrote, checked; every bound |
//! | [`control`] | the slow world: names, signals, scrapes, credentials, the access log, the embedded provider |
//! | [`bus`] | all that crosses threads |
//! | [`metrics`] | what was counted |
//! | [`sync`] | what is shared outside of channels is made of this |

pub mod bus;
pub mod config;
pub mod control;
pub mod dialect;
pub mod http;
pub mod ir;
pub mod metrics;
pub mod provider;
pub mod route;
pub mod shard;
pub mod start;
pub mod sync;
