//! What threads share outside of channels is made of these.

pub use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread_local,
};

pub use crossbeam::queue::SegQueue;
