//! What was counted: plain numbers per shard, merged and rendered when asked for. Imports nothing.

mod counters;
mod exporter;

pub use counters::{Counters, RequestLabels, UpstreamLabels};
pub use exporter::render;
