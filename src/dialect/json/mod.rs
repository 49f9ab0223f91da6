//! JSON, and the only place that names a parser of it: a validating scanner for the request path, whole
//! documents for everything else.

mod block;
pub mod document;
mod scan;
mod usage;

pub use scan::{JSON_DEPTH_MAX, Outline, ScanError, scan};
pub use usage::find_usage;
