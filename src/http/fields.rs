//! The header fields of one message: in their order and spelling, with those that everybody asks for
//! found once.

use std::ops::Range;

/// The header fields of one message, with the bytes they came in.
#[derive(Debug, Default)]
pub struct Fields {
    raw: Vec<u8>,
    at: Vec<(Range<u32>, Range<u32>)>,
    /// Position in `at` plus one of the first field of each known name, 0 where there is none.
    first: [u8; KNOWN_COUNT],
    /// A bit for each known name that stands there more than once.
    repeated: u8,
    has_own: bool,
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct FieldLine<'a> {
    /// In the sender's spelling.
    pub name: &'a [u8],
    /// Without white space around it.
    pub value: &'a [u8],
    /// The line that it came in, if it is written as `Name: value`, its end included.
    pub line: Option<&'a [u8]>,
}

/// Names that are asked for on every request or response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// `Connection`
    Connection,
    /// `Content-Encoding`
    ContentEncoding,
    /// `Content-Length`
    ContentLength,
    /// `Content-Type`
    ContentType,
    /// `Expect`
    Expect,
    /// `Host`
    Host,
    /// `Origin`
    Origin,
    /// `Transfer-Encoding`
    TransferEncoding,
}

const KNOWN_COUNT: usize = Known::TransferEncoding as usize + 1;

/// Fields with this prefix are for the gateway.
const OWN_PREFIX: &[u8] = b"x-bf-";

impl Known {
    fn of(name: &[u8]) -> Option<Self> {
        // Told apart by their lengths, which one comparison then confirms.
        let (known, spelling): (Self, &[u8]) = match name.len() {
            4 => (Self::Host, b"host"),
            6 if matches!(name[0], b'e' | b'E') => (Self::Expect, b"expect"),
            6 => (Self::Origin, b"origin"),
            10 => (Self::Connection, b"connection"),
            12 => (Self::ContentType, b"content-type"),
            14 => (Self::ContentLength, b"content-length"),
            16 => (Self::ContentEncoding, b"content-encoding"),
            17 => (Self::TransferEncoding, b"transfer-encoding"),
            _ => return None,
        };
        name.eq_ignore_ascii_case(spelling).then_some(known)
    }
}

impl Fields {
    /// Keeps the bytes of a head and where its fields are in them.
    pub(super) fn fill(&mut self, raw: &[u8], parsed: &[httparse::Header<'_>]) {
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        self.at.clear();
        self.first = [0; KNOWN_COUNT];
        self.repeated = 0;
        self.has_own = false;
        for field in parsed {
            let name = field.name.as_bytes();
            self.at.push((place(raw, name), place(raw, field.value)));
            if let Some(known) = Known::of(name) {
                match &mut self.first[known as usize] {
                    first @ 0 => *first = self.at.len() as u8,
                    _ => self.repeated |= 1 << known as u8,
                }
            }
            self.has_own |= name.len() > OWN_PREFIX.len()
                && matches!(name[0], b'x' | b'X')
                && name[..OWN_PREFIX.len()].eq_ignore_ascii_case(OWN_PREFIX);
        }
    }

    /// Name and value of each field, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.at.iter().map(|(name, value)| (self.slice(name), self.slice(value)))
    }

    /// The first value of a known field.
    pub fn known(&self, name: Known) -> Option<&[u8]> {
        let position = usize::from(self.first[name as usize]).checked_sub(1)?;
        self.at.get(position).map(|(_, value)| self.slice(value))
    }

    /// Whether a known field stands there more than once.
    pub(super) fn is_repeated(&self, name: Known) -> bool {
        self.repeated & 1 << name as u8 != 0
    }

    /// Each field's whole line, its end included, with its name; the value alone where the line is not
    /// written as `Name: value`.
    pub fn lines(&self) -> impl Iterator<Item = FieldLine<'_>> {
        self.at.iter().map(|(name, value)| {
            let is_plain = value.start == name.end + 2 && self.raw[name.end as usize..].starts_with(b": ");
            let end = value.end as usize + 2;
            let is_plain = is_plain && self.raw.get(value.end as usize..end) == Some(b"\r\n");
            FieldLine {
                name: self.slice(name),
                value: self.slice(value),
                line: is_plain.then(|| &self.raw[name.start as usize..end]),
            }
        })
    }

    /// The first value of a known field, where it is text.
    pub fn known_text(&self, name: Known) -> Option<&str> {
        self.known(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of a field for the gateway (`x-bf-…`), where it is text.
    pub fn own(&self, name: &str) -> Option<&str> {
        if self.has_own { self.text(name) } else { None }
    }

    /// The first value of a field, its name compared without case, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut named = self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        named.next().and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Whether a comma-separated known field holds a token, compared without case.
    pub fn has_token(&self, name: Known, token: &str) -> bool {
        let Some(first) = self.known(name) else { return false };
        if first.eq_ignore_ascii_case(token.as_bytes()) {
            return true;
        }
        if !self.is_repeated(name) && !first.contains(&b',') {
            return false;
        }
        let others = self.iter().filter(|(key, _)| Known::of(key) == Some(name)).map(|(_, value)| value);
        others
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    fn slice(&self, range: &Range<u32>) -> &[u8] {
        &self.raw[range.start as usize..range.end as usize]
    }
}

/// Where `part`, a slice of `whole`, stands in it.
fn place(whole: &[u8], part: &[u8]) -> Range<u32> {
    let start = if part.is_empty() { 0 } else { part.as_ptr() as usize - whole.as_ptr() as usize };
    start as u32..(start + part.len()) as u32
}
