//! What threads share outside of channels is made of these. `tests/loom` puts loom's in their place, and compiles the
//! files that take from here a second time to try them in every order of their steps.

pub use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    thread_local,
};

pub use crossbeam::queue::{ArrayQueue, SegQueue};
