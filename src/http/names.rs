//! Sets of header names in which most names are not, and which say so at once.

/// A name is shorter than this, bytes.
const LENGTHS: usize = 32;
/// First letters are told apart by their five low bits.
const LETTERS: usize = 32;

/// Names of header fields, in lower case, no two of them with the same first letter and length.
#[derive(Debug)]
pub struct NameSet<const COUNT: usize> {
    names: [&'static str; COUNT],
    /// Position plus one of the name with that first letter and length, 0 where there is none.
    slots: [[u8; LENGTHS]; LETTERS],
}

impl<const COUNT: usize> NameSet<COUNT> {
    /// The set of these names.
    pub const fn new(names: [&'static str; COUNT]) -> Self {
        let mut slots = [[0; LENGTHS]; LETTERS];
        let mut position = 0;
        while position < COUNT {
            let name = names[position].as_bytes();
            let slot = &mut slots[name[0] as usize % LETTERS][name.len()];
            assert!(*slot == 0 && position < 255);
            *slot = position as u8 + 1;
            position += 1;
        }
        Self { names, slots }
    }

    /// Whether a name is in it, in whatever case.
    #[inline]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.position(name).is_some()
    }

    /// Which of the names this is, in whatever case.
    #[inline]
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        let first = usize::from(*name.first()?);
        let slot = usize::from(*self.slots[first % LETTERS].get(name.len())?);
        let position = slot.checked_sub(1)?;
        name.eq_ignore_ascii_case(self.names[position].as_bytes()).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_case_and_no_other_is() {
        let set = NameSet::new(["te", "host", "content-length"]);
        for name in ["te", "Host", "CONTENT-LENGTH"] {
            assert!(set.contains(name.as_bytes()), "{name}");
        }
        for name in ["", "t", "tea", "hose", "HOSTS", "content-lengths", &"x".repeat(300), "\u{8}ost"] {
            assert!(!set.contains(name.as_bytes()), "{name}");
        }
        assert_eq!(set.position(b"HOST"), Some(1));
    }
}
