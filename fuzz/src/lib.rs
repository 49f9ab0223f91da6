//! Slow and simple readers that the gateway's own are held against.

pub mod dialects;

use std::str;

/// The first line of a head and its fields, read by the letter of RFC 9112 and nothing beyond it.
pub struct PlainHead<'a> {
    /// Without its line end.
    pub first_line: &'a [u8],
    /// Name and value, the white space around the value left out.
    pub fields: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> PlainHead<'a> {
    /// Reads a head that was accepted: all of it, its empty line included.
    pub fn read(head: &'a [u8]) -> Self {
        for (at, byte) in head.iter().enumerate() {
            assert!(*byte != 0, "a NUL in a head");
            assert!(*byte != b'\n' || at > 0 && head[at - 1] == b'\r', "a bare line feed at {at}");
            assert!(*byte != b'\r' || head.get(at + 1) == Some(&b'\n'), "a bare carriage return at {at}");
        }
        let mut rest = head;
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        let mut lines = Vec::new();
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
            lines.push(&rest[..end]);
            rest = &rest[end + 2..];
        }
        assert!(rest.is_empty() && lines.pop() == Some(b""), "the head does not end in an empty line");
        let first_line = lines.remove(0);
        let fields = lines.iter().map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a line without a colon");
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            assert!(!name.is_empty() && name.iter().copied().all(is_token), "a broken name");
            (name, trimmed(value))
        });
        Self { first_line, fields: fields.collect() }
    }

    /// All values of a field.
    pub fn values(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self.fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| *value).collect()
    }

    /// The one length that the fields give the body, if any does.
    pub fn length(&self) -> Option<u64> {
        let lengths = self.values("content-length");
        let lengths = lengths.iter().map(|value| {
            assert!(value.iter().all(u8::is_ascii_digit), "a length that is no number");
            str::from_utf8(value).unwrap().parse::<u64>().unwrap()
        });
        lengths.reduce(|one, other| {
            assert_eq!(one, other, "two lengths");
            one
        })
    }

    /// Whether the fields say that the body comes in chunks.
    pub fn is_chunked(&self) -> bool {
        let codings = self.values("transfer-encoding");
        if !codings.is_empty() {
            assert!(codings.len() == 1 && codings[0].eq_ignore_ascii_case(b"chunked"), "a strange coding");
            assert_eq!(self.length(), None, "a length beside a coding");
        }
        !codings.is_empty()
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Places in a text of `length` bytes where a read may end: a few, always the same ones.
pub fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..16).map(move |part| length * part / 16).chain(length.checked_sub(1))
}

/// Ends of the events in a stream.
pub fn event_ends(stream: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut at, mut line_start) = (0, 0);
    while at < stream.len() {
        let is_line_end = matches!(stream[at], b'\r' | b'\n');
        let is_blank = at == line_start;
        at += if stream[at..].starts_with(b"\r\n") { 2 } else { 1 };
        if is_line_end {
            line_start = at;
            if is_blank {
                ends.push(at);
            }
        }
    }
    ends
}
