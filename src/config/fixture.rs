//! For the tests of this module: a file read in an environment that has a few variables.

use super::{Rejected, Snapshot, check};

pub(super) const SECRET: &str = "sk-very-secret";

/// Every variable whose name ends in `KEY`, or in `KEY_` and a digit, holds `SECRET` and its name.
pub(super) fn variables(name: &str) -> Option<String> {
    match name {
        "BLANK" => Some(" \n".to_owned()),
        "TWO_LINES" => Some(format!("{SECRET}\r\nX-Injected: 1")),
        _ => name
            .trim_end_matches(|letter: char| letter == '_' || letter.is_ascii_digit())
            .ends_with("KEY")
            .then(|| format!(" {SECRET}-{name}\n")),
    }
}

pub(super) fn accepted(text: &str) -> (Snapshot, Vec<String>) {
    match check(text, &variables) {
        Ok((snapshot, warnings)) => (snapshot, warnings.iter().map(ToString::to_string).collect()),
        Err(rejected) => panic!("{rejected}"),
    }
}

pub(super) fn rejected(text: &str) -> Rejected {
    match check(text, &variables) {
        Ok((snapshot, _)) => panic!("accepted as {snapshot:?}"),
        Err(rejected) => rejected,
    }
}

/// The paths of all mistakes, in the order in which they are told.
pub(super) fn mistaken_paths(text: &str) -> Vec<String> {
    rejected(text).mistakes.into_iter().map(|mistake| mistake.path).collect()
}

/// A file with one provider.
pub(super) fn provider(name: &str, provider: &str) -> (Snapshot, Vec<String>) {
    accepted(&format!("{{\"providers\": {{{name:?}: {provider}}}}}"))
}

/// The paths of the mistakes of one provider, without its own.
pub(super) fn mistakes_of(name: &str, provider: &str) -> Vec<String> {
    let paths = mistaken_paths(&format!("{{\"providers\": {{{name:?}: {provider}}}}}"));
    let prefix = format!("providers.{name}");
    paths
        .iter()
        .map(|path| path.strip_prefix(&prefix).unwrap_or(path).trim_start_matches('.').to_owned())
        .collect()
}
