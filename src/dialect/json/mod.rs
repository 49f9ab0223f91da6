//! JSON, the one place that names a parser of it.

pub mod document;
