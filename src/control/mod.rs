//! The slow world: one tokio thread for all that waits on the outside.

pub mod demo;
