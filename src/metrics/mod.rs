//! What was counted: plain numbers per shard, merged and rendered when asked for. Imports nothing.

mod counters;
mod exporter;
mod histogram;
mod merged;
mod models;
mod series;

pub use counters::{Call, Counters, Gauges, KeyLabels, RequestLabels, Requested, SeriesId};
pub use exporter::{Process, Scrape, ShardScrape, render};
pub use models::ModelRoster;
pub use series::{Labels, Outcome};
