//! What happened in a world, in order: a hash of everything, and the end of it in words.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

/// Lines that are kept for the report of a failure.
const LINES_KEPT_MAX: usize = 120;

/// The events of one world.
#[derive(Default)]
pub(crate) struct Trace {
    hasher: RefCell<DefaultHasher>,
    lines: RefCell<VecDeque<String>>,
    events: Cell<u64>,
    /// Whether every line is printed as it comes.
    is_told: bool,
}

impl Trace {
    pub(crate) fn new(is_told: bool) -> Self {
        Self { is_told, ..Self::default() }
    }

    /// Something has happened.
    pub(crate) fn event(&self, at: Duration, what: fmt::Arguments<'_>) {
        let line = format!("{:>12.6} {what}", at.as_secs_f64());
        self.hasher.borrow_mut().write(line.as_bytes());
        self.events.set(self.events.get() + 1);
        if self.is_told {
            println!("{line}");
        }
        let mut lines = self.lines.borrow_mut();
        if lines.len() == LINES_KEPT_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Bytes that went somewhere; they count, and are not told.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        self.hasher.borrow_mut().write(bytes);
    }

    /// Equal for worlds in which the same happened.
    pub(crate) fn hash(&self) -> u64 {
        self.hasher.borrow().finish()
    }

    /// How much has happened.
    pub(crate) fn events(&self) -> u64 {
        self.events.get()
    }

    /// The last lines.
    pub(crate) fn end(&self) -> String {
        Vec::from_iter(self.lines.borrow().iter().cloned()).join("\n")
    }
}
