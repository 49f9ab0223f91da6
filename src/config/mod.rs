//! What the operator wrote, and what it means: a file in, a checked snapshot or all mistakes out.
//! Opens nothing itself: the text and the environment are arguments.

mod account;
mod bypass;
mod check;
mod cloud;
mod file;
mod finding;
#[cfg(test)]
mod fixture;
mod key;
pub mod limits;
mod models;
mod network;
mod proxy;
mod reader;
mod snapshot;

pub use check::{check, demo, from_environment};
pub use finding::{Finding, Rejected};
pub use snapshot::Snapshot;
