//! Where a request goes: path and model in, operation and target out. Pure: chance is an argument.
//! Knows no socket and no JSON.

mod router;

pub use router::Routes;
