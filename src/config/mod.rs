//! What the operator wrote, and what it means: a file in, a checked snapshot or all mistakes out.
//! Opens nothing itself: the text and the environment are arguments.

pub mod limits;
mod snapshot;

pub use snapshot::Snapshot;
