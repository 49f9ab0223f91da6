//! Names of tools that a provider cannot take, and others in their place: one way there, one way back.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::ir::Text;

/// The names of one request. Equal names become equal names in every turn, whatever else is there.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What others became, with those as they stand between quotes.
    replaced: HashMap<String, String>,
}

/// What a provider takes as a name.
#[derive(Clone, Copy, Debug)]
pub struct NameRule {
    /// Bytes that may be in it.
    pub is_allowed: fn(u8) -> bool,
    /// Bytes that it may begin with.
    pub may_begin: fn(u8) -> bool,
    /// Bytes.
    pub length_max: usize,
}

/// Digits of the hash that tells cut names apart.
const HASH_DIGITS: usize = 8;

impl Names {
    /// The name that the provider gets.
    pub fn replace<'n>(&mut self, name: &'n Text<'_>, rule: NameRule) -> Cow<'n, str> {
        let given = rule.apply(name);
        if let Cow::Owned(given) = &given
            && !self.replaced.contains_key(given)
        {
            self.replaced.insert(given.clone(), name.as_escaped().to_owned());
        }
        given
    }

    /// The client's name of what the provider calls `given`.
    pub fn original<'n>(&'n self, given: Text<'n>) -> Text<'n> {
        let original = self.replaced.get(&*given.to_plain());
        original.map_or(given, |original| Text::escaped(original))
    }

    /// Whether no name had to be replaced.
    pub fn is_empty(&self) -> bool {
        self.replaced.is_empty()
    }
}

impl NameRule {
    /// Letters, digits, `_` and `-`.
    pub const fn words(length_max: usize) -> Self {
        Self { is_allowed: is_word, may_begin: is_word, length_max }
    }

    /// The name itself, or another in its place: always the same one.
    pub fn apply<'n>(&self, name: &'n Text<'_>) -> Cow<'n, str> {
        let escaped = name.as_escaped();
        if self.accepts(escaped) { Cow::Borrowed(escaped) } else { Cow::Owned(self.rename(&name.to_plain())) }
    }

    fn accepts(&self, name: &str) -> bool {
        !name.is_empty()
            && name.len() <= self.length_max
            && name.bytes().all(self.is_allowed)
            && name.bytes().next().is_some_and(self.may_begin)
    }

    /// A name that is accepted; two that become alike by cutting or replacing differ in their hashes.
    fn rename(&self, name: &str) -> String {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = format!("_{:0HASH_DIGITS$x}", hasher.finish() & 0xffff_ffff);
        let first = name.bytes().next().filter(|first| (self.may_begin)(*first));
        let mut renamed = String::from(if first.is_some() { "" } else { "t_" });
        let room = self.length_max - hash.len();
        for character in name.chars() {
            if renamed.len() == room {
                break;
            }
            let byte = u8::try_from(character).ok().filter(|byte| (self.is_allowed)(*byte));
            renamed.push(byte.map_or('_', char::from));
        }
        renamed + &hash
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_accepted_stays_and_every_other_comes_back() {
        let mut names = Names::default();
        let rule = NameRule::words(64);
        let plain = Text::plain("get_weather-2");
        assert_eq!(names.replace(&plain, rule), "get_weather-2");
        let (long, longer) = ("x".repeat(70), "x".repeat(71));
        let originals = ["a.b", "a/b", "größe", "", "a\"b", &long, &longer].map(Text::plain);
        let given: Vec<_> = originals.iter().map(|name| names.replace(name, rule).into_owned()).collect();
        for (original, name) in originals.iter().zip(&given) {
            assert!(rule.accepts(name), "{name}");
            assert_eq!(names.original(Text::escaped(name)), *original);
            assert_eq!(given.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert_eq!(names.original(plain.clone()), plain);
    }

    #[test]
    fn the_same_name_becomes_the_same_in_every_request() {
        let name = Text::plain("a.b");
        let rule = NameRule::words(64);
        assert_eq!(Names::default().replace(&name, rule), Names::default().replace(&name, rule));
    }
}
