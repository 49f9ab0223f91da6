//! Writes JSON, member by member, into a buffer that may hold something before.

use crate::ir::{Raw, Text};

/// Appends one JSON value to a buffer.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> Writer<'o> {
    /// At the start of a value.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { start: out.len(), out }
    }

    /// An object; `members` writes what is in it.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'{');
        members(self);
        self.out.push(b'}');
    }

    /// A list; `items` writes what is in it.
    pub fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.separate();
        self.out.push(b'[');
        items(self);
        self.out.push(b']');
    }

    /// The name of a member, which needs no escapes; its value comes next.
    pub fn member(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    /// The name of a member, whatever is in it.
    pub fn member_named(&mut self, name: &Text<'_>) -> &mut Self {
        self.member(name.as_escaped())
    }

    /// A string.
    pub fn text(&mut self, text: &Text<'_>) {
        self.string(text.as_escaped());
    }

    /// A string, as it stands between quotes.
    pub fn string(&mut self, escaped: &str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(escaped.as_bytes());
        self.out.push(b'"');
    }

    /// A string made of several, each as it stands between quotes.
    pub fn joined<'t>(&mut self, pieces: impl IntoIterator<Item = &'t str>) {
        self.separate();
        self.out.push(b'"');
        pieces.into_iter().for_each(|piece| self.out.extend_from_slice(piece.as_bytes()));
        self.out.push(b'"');
    }

    /// A string, or another where there is none, said plainly.
    pub fn text_or(&mut self, text: Option<&Text<'_>>, plain: &str) {
        match text {
            Some(text) => self.text(text),
            None => self.text(&Text::plain(plain)),
        }
    }

    /// A string or null.
    pub fn text_or_null(&mut self, text: Option<&Text<'_>>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// Any value.
    pub fn raw(&mut self, raw: &Raw<'_>) {
        self.json(raw.as_str());
    }

    /// Any value, as it stands.
    pub fn json(&mut self, json: &str) {
        self.separate();
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A number from 0 up.
    pub fn count(&mut self, number: u64) {
        self.json(itoa::Buffer::new().format(number));
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.json(if value { "true" } else { "false" });
    }

    /// `null`
    pub fn null(&mut self) {
        self.json("null");
    }

    /// A comma, where something stands before. A value ends in none of these bytes.
    fn separate(&mut self) {
        let is_first = self.out.len() == self.start;
        if !is_first && !matches!(self.out.last(), Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_what_is_written() {
        let mut out = b"data: ".to_vec();
        let mut writer = Writer::new(&mut out);
        writer.object(|writer| {
            writer.member("a").array(|_| {});
            writer.member("b").object(|_| {});
            writer.member("c").array(|writer| {
                writer.count(1);
                writer.text(&Text::plain("{[:,"));
                writer.object(|writer| writer.member("d").null());
                writer.joined(["x", "\\n"]);
            });
            writer.member("e").boolean(true);
        });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"data: {"a":[],"b":{},"c":[1,"{[:,",{"d":null},"x\n"],"e":true}"#
        );
    }
}
