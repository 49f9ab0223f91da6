//! What is found when a configuration is read.

use std::{error, fmt};

/// Something the operator should know: where, what, and what to do. Never holds a value of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// JSON path such as `providers.openai.keys[0].value`, or a line and column; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do, a sentence without its full stop.
    pub remedy: String,
}

/// Why a configuration is not used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejected {
    /// All of them, at least one.
    pub mistakes: Vec<Finding>,
    /// What would have been warned of.
    pub warnings: Vec<Finding>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message, remedy } = self;
        let separator = if path.is_empty() { "" } else { ": " };
        write!(f, "{path}{separator}{message}. {remedy}.")
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl error::Error for Rejected {}
