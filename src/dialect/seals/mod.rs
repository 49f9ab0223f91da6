//! Seals of reasoning for clients that forget them: what a model has thought before it called a tool is gathered
//! from its answer, kept by the name of the call, and put back where a later request tells of that call without it.
//! Nothing of it is ever changed: its maker reads it only as it was.

mod gather;
mod restore;
mod store;

pub(super) use gather::Gatherer;
pub use restore::{missing, restore};
pub use store::{Bounds, SealKey, SealStore};

use crate::ir::Origin;

/// What one call of a tool came with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    origin: Origin,
    thoughts: Vec<Thought>,
    /// The seal on the call itself.
    seal: Option<String>,
}

/// Something thought; texts are as they stand between quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Thought {
    /// None where only its maker can read it.
    text: Option<String>,
    /// The seal on the text, or what only its maker can read.
    data: String,
    /// Whether it came before anything was said.
    is_first: bool,
}

impl Sealed {
    /// What it takes, bytes.
    pub fn bytes(&self) -> usize {
        let thoughts = self.thoughts.iter();
        thoughts
            .map(|thought| thought.text.as_ref().map_or(0, String::len) + thought.data.len())
            .sum::<usize>()
            + self.seal.as_ref().map_or(0, String::len)
    }

    fn is_empty(&self) -> bool {
        self.thoughts.is_empty() && self.seal.is_none()
    }
}
