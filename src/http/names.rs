//! What is known of header names: most are not known, and that is found out at once.

/// A name is shorter than this, bytes.
const LENGTHS: usize = 32;
/// Names are told apart by the low bits of their first and last letters, which are alike in both cases.
const LETTERS: usize = 32;

/// Values by names of header fields, in lower case.
#[derive(Debug)]
pub(super) struct NameMap<T, const COUNT: usize> {
    entries: [(&'static str, T); COUNT],
    /// Position plus one of the name with those letters and that length, 0 where there is none.
    slots: [[u8; LENGTHS]; LETTERS],
    /// Mixes first and last letters.
    factor: usize,
}

impl<T: Copy, const COUNT: usize> NameMap<T, COUNT> {
    /// The map with these entries. The build fails where no factor keeps them apart.
    pub(super) const fn new(entries: [(&'static str, T); COUNT]) -> Self {
        let mut factor = 0;
        while factor < LETTERS {
            if let Some(slots) = slots(&entries, factor) {
                return Self { entries, slots, factor };
            }
            factor += 1;
        }
        panic!("no factor keeps these names apart");
    }

    /// What is known of a name, in whatever case.
    #[inline]
    pub(super) fn get(&self, name: &[u8]) -> Option<T> {
        let letters = letters(*name.first()?, *name.last()?, self.factor);
        let slot = usize::from(*self.slots[letters].get(name.len())?);
        let (known, value) = self.entries.get(slot.checked_sub(1)?)?;
        is_alike(name, known.as_bytes()).then_some(*value)
    }
}

/// Whether a name is a known one of the same length, in whatever case. Known names are of dashes, digits and small
/// letters; the bit that tells letters' cases apart is set in all of these.
#[inline]
fn is_alike(name: &[u8], known: &[u8]) -> bool {
    let unlike = |(byte, known): (&u8, &u8)| (byte | 0x20) ^ known | u8::from(*byte < b'-');
    name.iter().zip(known).map(unlike).fold(0, |all, one| all | one) == 0
}

const fn slots<T: Copy, const COUNT: usize>(
    entries: &[(&'static str, T); COUNT],
    factor: usize,
) -> Option<[[u8; LENGTHS]; LETTERS]> {
    let mut slots = [[0; LENGTHS]; LETTERS];
    let mut position = 0;
    while position < COUNT {
        let name = entries[position].0.as_bytes();
        let slot = &mut slots[letters(name[0], name[name.len() - 1], factor)][name.len()];
        if *slot != 0 {
            return None;
        }
        position += 1;
        *slot = position as u8;
    }
    Some(slots)
}

const fn letters(first: u8, last: u8, factor: usize) -> usize {
    (first as usize + factor * last as usize) % LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_case_and_no_other_is() {
        let map = NameMap::new([("te", 0), ("host", 1), ("content-length", 2)]);
        for name in ["te", "Host", "CONTENT-LENGTH"] {
            assert!(map.get(name.as_bytes()).is_some(), "{name}");
        }
        for name in [
            "",
            "t",
            "tea",
            "hose",
            "HOSTS",
            "content-lengths",
            "content\rlength",
            &"x".repeat(300),
            "\u{8}ost",
        ] {
            assert_eq!(map.get(name.as_bytes()), None, "{name}");
        }
        assert_eq!(map.get(b"HOST"), Some(1));
    }
}
