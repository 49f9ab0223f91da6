//! Files of sections: a headline behind `###`, and what stands below it.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

/// Before each headline.
const MARK: &str = "### ";

/// A headline, and what stands below it without the line ends around it.
pub type Section = (String, String);

/// The sections of `tests/golden/{path}`.
pub fn read(path: &str) -> Vec<Section> {
    let text = fs::read_to_string(place(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let sections = text.strip_prefix(MARK).unwrap_or_else(|| panic!("{path} begins without a headline"));
    let split = |section: &str| {
        let (headline, below) = section.split_once('\n').unwrap_or((section, ""));
        (headline.to_owned(), below.trim_matches('\n').to_owned())
    };
    sections.split("\n### ").map(split).collect()
}

/// Names of the files with inputs in `tests/golden/{folder}`, without their ending.
pub fn scenarios(folder: &str) -> BTreeSet<String> {
    let files = fs::read_dir(place(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".in").map(str::to_owned)).collect()
}

/// Holds what came out against the stored file, or stores it where `GOLDEN=write` wants that.
pub fn check(path: &str, sections: &[Section]) {
    let lines = sections.iter().map(|(headline, below)| format!("{MARK}{headline}\n{below}\n"));
    hold(&place(path), &lines.collect::<Vec<_>>().join("\n"));
}

/// The same for the part of a file of the repository between two lines.
pub fn check_between(path: &str, (begin, end): (&str, &str), text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let whole = fs::read_to_string(&path).unwrap();
    let (front, rest) = whole.split_once(begin).unwrap_or_else(|| panic!("{begin} is missing"));
    let (_, back) = rest.split_once(end).unwrap_or_else(|| panic!("{end} is missing"));
    hold(&path, &format!("{front}{begin}\n\n{text}\n{end}{back}"));
}

/// Joins the names of those of which the same came out.
pub fn grouped(results: impl IntoIterator<Item = (String, String)>) -> Vec<(Vec<String>, String)> {
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for (name, result) in results {
        match groups.iter_mut().find(|(_, known)| *known == result) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], result)),
        }
    }
    groups
}

fn hold(path: &PathBuf, text: &str) {
    if env::var("GOLDEN").is_ok_and(|wish| wish == "write") {
        return fs::write(path, text).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    let differs = stored.lines().zip(text.lines()).find(|(stored, new)| stored != new);
    let (stored_line, new_line) = differs.unwrap_or(("", ""));
    assert!(
        stored == text,
        "{} is not what comes out now. See what `GOLDEN=write cargo test --test golden` changes, and store it if \
         that is right. The first line that differs:\n{stored_line}\n{new_line}",
        path.display()
    );
}

fn place(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}
