//! Rust source as the rules of the house see it: without comments and strings, tests apart from the rest.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// One file under `src`.
pub(crate) struct Source {
    /// Relative to `src`.
    pub(crate) path: String,
    /// As it stands in the file.
    pub(crate) text: String,
    production: Vec<String>,
    tests: Vec<String>,
}

/// A path such as `std::fmt::Debug`, out of a `use` or from anywhere else; groups are resolved, and a glob's
/// last segment is `*`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Named {
    /// At least one.
    pub(crate) segments: Vec<String>,
    /// Whether `use` stands before it.
    pub(crate) is_import: bool,
}

/// Every file under `src`. Files that only tests declare are tests as a whole.
pub(crate) fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources: Vec<Source> = files_under(&root)
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().into_owned();
            let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"));
            Source::new(&path, &text)
        })
        .collect();
    let of_tests: BTreeSet<String> = sources.iter().flat_map(Source::files_declared_by_tests).collect();
    for source in sources.iter_mut().filter(|source| of_tests.contains(&source.path)) {
        source.tests.append(&mut source.production);
    }
    sources
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for entry in entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (production, tests) = apart(words(&code(text)));
        Self { path: path.to_owned(), text: text.to_owned(), production, tests }
    }

    /// The folder or file directly under `src`.
    pub(crate) fn top_module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Identifiers, `::`, and single signs; production first.
    pub(crate) fn words(&self) -> Vec<String> {
        [&self.production[..], &self.tests].concat()
    }

    pub(crate) fn production_words(&self) -> &[String] {
        &self.production
    }

    pub(crate) fn production_paths(&self) -> Vec<Named> {
        paths(&self.production)
    }

    pub(crate) fn test_paths(&self) -> Vec<Named> {
        paths(&self.tests)
    }

    /// The modules under `src` that are imported, by `crate` or by `super`.
    pub(crate) fn modules_imported(&self) -> BTreeSet<String> {
        let here = self.module_path();
        let within_tests = here.len() + 1;
        let production = paths(&self.production).into_iter().filter_map(|path| from_root(&path, here.len()));
        let tests = paths(&self.tests).into_iter().filter_map(|path| from_root(&path, within_tests));
        production.chain(tests).collect()
    }

    /// The names in its `mod` lines, inline modules too.
    pub(crate) fn modules_declared(&self) -> Vec<String> {
        declared(&self.words(), &[";", "{"])
    }

    /// Where the files of its `mod` lines may be.
    pub(crate) fn files_declared(&self) -> Vec<String> {
        self.files_of(&self.words())
    }

    fn files_declared_by_tests(&self) -> Vec<String> {
        self.files_of(&self.tests)
    }

    fn files_of(&self, words: &[String]) -> Vec<String> {
        let folder = self.module_path().join("/");
        let folder = if folder.is_empty() { folder } else { format!("{folder}/") };
        let names = declared(words, &[";"]).into_iter();
        names.flat_map(|name| [format!("{folder}{name}.rs"), format!("{folder}{name}/mod.rs")]).collect()
    }

    /// Empty for `main.rs` and `lib.rs`.
    fn module_path(&self) -> Vec<&str> {
        let mut segments: Vec<&str> = self.path.trim_end_matches(".rs").split('/').collect();
        let last = segments.last().copied();
        if last == Some("mod") || segments.len() == 1 && matches!(last, Some("main" | "lib")) {
            segments.pop();
        }
        segments
    }
}

impl Named {
    pub(crate) fn starts_with(&self, start: &[&str]) -> bool {
        self.segments.len() >= start.len()
            && self.segments.iter().zip(start).all(|(segment, wanted)| segment == wanted)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments.join("::"))
    }
}

fn from_root(path: &Named, depth: usize) -> Option<String> {
    let supers = path.segments.iter().take_while(|segment| *segment == "super" || *segment == "self");
    let ups = supers.clone().filter(|segment| *segment == "super").count();
    let position = match path.segments[0].as_str() {
        "crate" => 1,
        _ if ups > 0 && ups >= depth => supers.count(),
        _ => return None,
    };
    path.segments.get(position).cloned()
}

fn declared(words: &[String], ends: &[&str]) -> Vec<String> {
    let lines = words.windows(3).filter(|three| three[0] == "mod" && ends.contains(&three[2].as_str()));
    lines.map(|three| three[1].clone()).collect()
}

/// The text with blanks for comments and for what is in quotes.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let is_after_name = code.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let hidden = hidden_length(rest, is_after_name);
        if hidden > 0 {
            code.push(' ');
            rest = &rest[hidden..];
        } else {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    code
}

/// Length of the comment or literal that the text begins with, bytes.
fn hidden_length(text: &str, is_after_name: bool) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment_length(text);
    }
    if text.starts_with('\'') {
        return letter_length(text);
    }
    if text.starts_with('"') {
        return string_length(text);
    }
    match ["r", "br", "cr"].into_iter().find(|prefix| text.starts_with(prefix)) {
        Some(prefix) if !is_after_name => raw_string_length(text, prefix.len()),
        _ => 0,
    }
}

fn block_comment_length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut position = 0;
    while let Some(next) = text[position..].find(['/', '*']) {
        position += next;
        let step = match text.get(position..position + 2) {
            Some("/*") => {
                depth += 1;
                2
            }
            Some("*/") => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        position += step;
        if depth == 0 {
            return position;
        }
    }
    text.len()
}

/// 0 for a lifetime.
fn letter_length(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let (first, second) = (letters.next(), letters.next());
    match (first, second) {
        (Some((_, '\\')), Some((escaped, _))) => {
            text[escaped + 1..].find('\'').map_or(text.len(), |end| escaped + 1 + end + 1)
        }
        (_, Some((end, '\''))) => end + 1,
        _ => 0,
    }
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (position, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// 0 for a raw identifier.
fn raw_string_length(text: &str, prefix: usize) -> usize {
    let hashes = text[prefix..].chars().take_while(|letter| *letter == '#').count();
    let start = prefix + hashes + 1;
    if !text[prefix + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |length| start + length + end.len())
}

fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for letter in code.chars() {
        let is_name = letter.is_alphanumeric() || letter == '_';
        match words.last_mut() {
            _ if letter.is_whitespace() => {}
            Some(last) if is_open && (is_name && is_identifier(last) || letter == ':' && last == ":") => {
                last.push(letter);
            }
            _ => words.push(letter.into()),
        }
        is_open = !letter.is_whitespace();
    }
    words
}

fn is_identifier(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

/// What is compiled without `cfg(test)`, and the items that have it.
fn apart(words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (mut production, mut tests) = (Vec::new(), Vec::new());
    let mut rest = &words[..];
    while let Some(word) = rest.first() {
        let length = if is_for_tests(rest) { item_length(rest) } else { 0 };
        if length == 0 {
            production.push(word.clone());
            rest = &rest[1..];
        } else {
            tests.extend_from_slice(&rest[..length]);
            rest = &rest[length..];
        }
    }
    (production, tests)
}

fn is_for_tests(words: &[String]) -> bool {
    let starts =
        words.iter().zip(["#", "[", "cfg", "("]).filter(|(word, expected)| word == expected).count() == 4;
    let mut condition = words.iter().take_while(|word| *word != "]");
    starts && condition.clone().all(|word| word != "not") && condition.any(|word| word == "test")
}

/// An item, its attributes included, to its `;` or its closing brace.
fn item_length(words: &[String]) -> usize {
    let mut depth = 0_usize;
    for (position, word) in words.iter().enumerate() {
        match word.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && words.get(position + 1).is_none_or(|next| next != ";") {
                    return position + 1;
                }
            }
            ";" if depth == 0 => return position + 1,
            _ => {}
        }
    }
    words.len()
}

fn paths(words: &[String]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut position = 0;
    let mut is_import = false;
    while let Some(word) = words.get(position) {
        if word == "use" {
            is_import = true;
            position += 1;
            continue;
        }
        is_import &= word != ";";
        let mut reached = Vec::new();
        let next = read_path(words, position, &[], &mut reached);
        found.extend(reached.into_iter().map(|segments| Named { segments, is_import }));
        position = next.max(position + 1);
    }
    found
}

/// Reads the path, or the group of them, that begins at a position; gives the position after it.
fn read_path(words: &[String], start: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut segments = before.to_vec();
    let mut position = start;
    loop {
        match words.get(position).map(String::as_str) {
            Some("{") if position > start || !before.is_empty() => {
                return read_group(words, position, &segments, found);
            }
            Some("*") if position > start || !before.is_empty() => {
                segments.push("*".to_owned());
                found.push(segments);
                return position + 1;
            }
            Some(word) if is_identifier(word) => segments.push(word.to_owned()),
            _ => break,
        }
        position += 1;
        let continues =
            words.get(position + 1).is_some_and(|next| is_identifier(next) || next == "{" || next == "*");
        if !(continues && words[position] == "::") {
            break;
        }
        position += 1;
    }
    if segments.len() > before.len() {
        found.push(segments);
    }
    position
}

fn read_group(words: &[String], start: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut position = start + 1;
    while let Some(word) = words.get(position) {
        position = match word.as_str() {
            "}" => return position + 1,
            "as" => position + 2,
            "," => position + 1,
            _ => read_path(words, position, before, found).max(position + 1),
        };
    }
    position
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = r##"a /* b /* c */ d */ e // f
        g "h \" i" j r#"k " l"# m 'n' o '\'' p &'q r b"s" t '\u{7d}' u r#v"##;
    let left: Vec<String> = words(&code(text)).into_iter().filter(|word| word.len() == 1).collect();
    assert_eq!(left.concat(), "aegjmop&'qrbtur#v");
}

#[test]
fn groups_become_paths() {
    let found = paths(&words("pub use a::{self, b::{c as x, *}, d}; e::f::<g::h>(i)"));
    let imported: Vec<String> = found.iter().filter(|path| path.is_import).map(Named::to_string).collect();
    assert_eq!(imported, ["a::self", "a::b::c", "a::b::*", "a::d"]);
    for expected in ["e::f", "g::h", "i"] {
        assert!(found.iter().any(|path| path.to_string() == expected), "{expected} in {found:?}");
    }
}

#[test]
fn tests_are_told_from_the_rest() {
    let text =
        "a; #[cfg(test)] mod b; c { } #[cfg(all(test, x))] #[y] mod d { e { } f } #[cfg(not(test))] mod g; h";
    let (production, tests) = apart(words(text));
    assert!(
        ["a", "c", "g", "h"].iter().all(|word| production.iter().any(|found| found == word)),
        "{production:?}"
    );
    assert!(["b", "d", "e", "f"].iter().all(|word| tests.iter().any(|found| found == word)), "{tests:?}");
    assert!(!production.iter().any(|word| ["b", "d", "e", "f"].contains(&word.as_str())), "{production:?}");
}
