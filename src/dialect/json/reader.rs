//! Reads a JSON text in one pass, member by member, by whoever knows what it means: nothing is built that
//! nobody asked for, and what is not read is validated in passing.

use std::borrow::Cow;

use super::scan::{ScanError, Scanner};
use crate::ir::{ApiError, Raw, Text};

/// Reads one text. A clone reads the same again.
#[derive(Clone)]
pub struct Reader<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A list.
    Array,
    /// Members by name.
    Object,
}

/// Why a text cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReadError {
    /// It is not JSON, or nested too deeply.
    Scan(ScanError),
    /// A value is not what it has to be.
    Refused {
        /// Where, such as `messages[2].content`; empty at the top.
        path: String,
        /// `code` of the error.
        code: &'static str,
        /// What is wrong, as the end of a sentence that begins with the path.
        what: String,
    },
}

impl<'a> Reader<'a> {
    /// At the start of a text.
    pub fn new(text: &'a str) -> Self {
        Self { text, scanner: Scanner::new(text.as_bytes()) }
    }

    /// Where it is in the text, bytes.
    pub fn offset(&self) -> usize {
        self.scanner.at
    }

    /// What the value is that comes; a guess by its first byte, none where no value comes.
    pub fn kind(&mut self) -> Option<Kind> {
        self.scanner.skip_space();
        Some(match self.scanner.peek()? {
            b'n' => Kind::Null,
            b't' | b'f' => Kind::Boolean,
            b'"' => Kind::Text,
            b'[' => Kind::Array,
            b'{' => Kind::Object,
            b'-' | b'0'..=b'9' => Kind::Number,
            _ => return None,
        })
    }

    /// Reads an object: `member` gets each name, and reads the value or leaves it.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&str, &mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.wants(Kind::Object, "an object")?;
        self.scanner.expect(b'{')?;
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b'}') {
            return Ok(self.scanner.expect(b'}')?);
        }
        loop {
            self.scanner.skip_space();
            let name = Text::escaped(self.string()?);
            self.scanner.expect(b':')?;
            self.scanner.skip_space();
            let start = self.scanner.at;
            let name = name.to_plain();
            member(&name, self).map_err(|error| error.inside(&name))?;
            if self.scanner.at == start {
                self.scanner.value()?;
            }
            self.scanner.skip_space();
            match self.scanner.next()? {
                b',' => {}
                b'}' => return Ok(()),
                _ => return Err(ScanError::Malformed(self.scanner.at - 1).into()),
            }
        }
    }

    /// Reads a list: `item` reads each value or leaves it.
    pub fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.wants(Kind::Array, "a list")?;
        self.scanner.expect(b'[')?;
        self.scanner.skip_space();
        if self.scanner.peek() == Some(b']') {
            return Ok(self.scanner.expect(b']')?);
        }
        for position in 0_usize.. {
            self.scanner.skip_space();
            let start = self.scanner.at;
            item(self).map_err(|error| error.inside_list(position))?;
            if self.scanner.at == start {
                self.scanner.value()?;
            }
            self.scanner.skip_space();
            match self.scanner.next()? {
                b',' => {}
                b']' => return Ok(()),
                _ => break,
            }
        }
        Err(ScanError::Malformed(self.scanner.at - 1).into())
    }

    /// Any value, as it stands.
    pub fn raw(&mut self) -> Result<Raw<'a>, ReadError> {
        self.scanner.skip_space();
        let start = self.scanner.at;
        self.scanner.value()?;
        Ok(Raw::new(self.between(start, self.scanner.at)?))
    }

    /// Any value but null, as it stands.
    pub fn raw_unless_null(&mut self) -> Result<Option<Raw<'a>>, ReadError> {
        Ok(Some(self.raw()?).filter(|raw| !raw.is_null()))
    }

    /// A string.
    pub fn text(&mut self) -> Result<Text<'a>, ReadError> {
        self.wants(Kind::Text, "a string")?;
        Ok(Text::escaped(self.string()?))
    }

    /// A string or null.
    pub fn text_unless_null(&mut self) -> Result<Option<Text<'a>>, ReadError> {
        self.unless_null(Self::text)
    }

    /// A string; none where the value is something else, which is passed over.
    pub fn text_if_any(&mut self) -> Result<Option<Text<'a>>, ReadError> {
        if self.kind() == Some(Kind::Text) {
            return self.text().map(Some);
        }
        self.skip().map(|()| None)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self) -> Result<bool, ReadError> {
        self.wants(Kind::Boolean, "true or false")?;
        Ok(self.raw()?.as_str() == "true")
    }

    /// `true`, `false` or null.
    pub fn boolean_unless_null(&mut self) -> Result<Option<bool>, ReadError> {
        self.unless_null(Self::boolean)
    }

    /// A number, as it stands.
    pub fn number(&mut self) -> Result<Raw<'a>, ReadError> {
        self.wants(Kind::Number, "a number")?;
        self.raw()
    }

    /// A number or null, as it stands.
    pub fn number_unless_null(&mut self) -> Result<Option<Raw<'a>>, ReadError> {
        self.unless_null(Self::number)
    }

    /// A number from 0 up, rounded down.
    pub fn count(&mut self) -> Result<u64, ReadError> {
        let number = self.number()?;
        let count = number.as_str().parse().ok();
        let rounded = || number.as_number().filter(|number| *number >= 0.0).map(|number| number as u64);
        count.or_else(rounded).ok_or_else(|| ReadError::invalid("must not be negative"))
    }

    /// A number from 0 up, or null.
    pub fn count_unless_null(&mut self) -> Result<Option<u64>, ReadError> {
        self.unless_null(Self::count)
    }

    /// A number from 0 up; none where the value is something else, which is passed over.
    pub fn count_if_any(&mut self) -> Result<Option<u64>, ReadError> {
        let raw = self.raw()?;
        Ok(raw
            .as_str()
            .parse()
            .ok()
            .or_else(|| raw.as_number().filter(|number| *number >= 0.0).map(|number| number as u64)))
    }

    /// Reads an object as `object` does; passes over any other value.
    pub fn object_if_any(
        &mut self,
        member: impl FnMut(&str, &mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        if self.kind() == Some(Kind::Object) { self.object(member) } else { self.skip() }
    }

    /// Reads a list as `array` does; passes over any other value.
    pub fn array_if_any(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        if self.kind() == Some(Kind::Array) { self.array(item) } else { self.skip() }
    }

    /// Passes over any value.
    pub fn skip(&mut self) -> Result<(), ReadError> {
        self.scanner.skip_space();
        Ok(self.scanner.value()?)
    }

    /// Makes sure that nothing follows.
    pub fn end(&mut self) -> Result<(), ReadError> {
        Ok(self.scanner.end()?)
    }

    /// What `read` reads, or null.
    pub fn unless_null<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        if self.kind() == Some(Kind::Null) { self.skip().map(|()| None) } else { read(self).map(Some) }
    }

    fn wants(&mut self, kind: Kind, name: &str) -> Result<(), ReadError> {
        match self.kind() {
            Some(found) if found == kind => Ok(()),
            // Where there is no value at all, the scanner says where.
            None => Err(self.skip().err().unwrap_or_else(|| ScanError::Malformed(self.scanner.at).into())),
            Some(_) => Err(ReadError::Refused {
                path: String::new(),
                code: "invalid_type",
                what: format!("must be {name}"),
            }),
        }
    }

    fn string(&mut self) -> Result<&'a str, ReadError> {
        let inside = self.scanner.string()?;
        self.between(inside.start, inside.end)
    }

    fn between(&self, start: usize, end: usize) -> Result<&'a str, ReadError> {
        self.text.get(start..end).ok_or_else(|| ScanError::Malformed(start).into())
    }
}

impl ReadError {
    /// A value that cannot be; `what` ends a sentence which begins with its path.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Refused { path: String::new(), code: "invalid_value", what: what.into() }
    }

    /// A value that has to be there.
    pub fn missing(name: &str) -> Self {
        let what = "is missing".to_owned();
        Self::Refused { path: name.to_owned(), code: "missing_required_parameter", what }
    }

    /// The same error, of a value within the member `name`.
    pub fn inside(self, name: &str) -> Self {
        match self {
            Self::Refused { path, code, what } => {
                let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
                Self::Refused { path: format!("{name}{dot}{path}"), code, what }
            }
            Self::Scan(_) => self,
        }
    }

    /// The same error, of a value at a position of a list.
    pub fn inside_list(self, position: usize) -> Self {
        self.inside(&format!("[{position}]"))
    }

    /// What the client is told whose request it is.
    pub fn into_refusal(self) -> ApiError {
        match self {
            Self::Scan(ScanError::TooDeep) => {
                ApiError::client(400, "invalid_json", "The body is nested too deeply.")
            }
            Self::Scan(_) => ApiError::client(400, "invalid_json", "The body is not valid JSON."),
            Self::Refused { path, code, what } => {
                let message =
                    if path.is_empty() { format!("The body {what}.") } else { format!("`{path}` {what}.") };
                let error = ApiError::client(400, code, message);
                if path.is_empty() { error } else { error.with_param(path) }
            }
        }
    }
}

impl From<ScanError> for ReadError {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

/// The text of what came from a provider: bytes that are no UTF-8 are replaced.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_one_pass_and_the_rest_is_left() {
        let text = r#" {"a\u0062": [1, {"x": null}, "q\"r"], "n": 12, "skip": {"d": [[]]}, "b": true} "#;
        let mut reader = Reader::new(text);
        let (mut items, mut number, mut boolean) = (Vec::new(), 0, false);
        reader
            .object(|name, reader| {
                match name {
                    "ab" => reader.array(|reader| {
                        items.push(reader.raw()?);
                        Ok(())
                    })?,
                    "n" => number = reader.count()?,
                    "b" => boolean = reader.boolean()?,
                    _ => {}
                }
                Ok(())
            })
            .unwrap();
        reader.end().unwrap();
        assert_eq!(items.iter().map(Raw::as_str).collect::<Vec<_>>(), ["1", r#"{"x": null}"#, r#""q\"r""#]);
        assert_eq!((number, boolean), (12, true));
    }

    #[test]
    fn a_mistake_is_told_with_its_path() {
        let mut reader = Reader::new(r#"{"messages": [{"content": "a"}, {"content": [{"text": 1}]}]}"#);
        let error = reader
            .object(|_, reader| {
                reader.array(|reader| {
                    reader.object(|_, reader| match reader.kind() {
                        Some(Kind::Array) => {
                            reader.array(|reader| reader.object(|_, reader| reader.text().map(|_| ())))
                        }
                        _ => reader.text().map(|_| ()),
                    })
                })
            })
            .unwrap_err()
            .into_refusal();
        assert_eq!(error.param.as_deref(), Some("messages[1].content[0].text"));
        assert_eq!(error.message, "`messages[1].content[0].text` must be a string.");
    }

    #[test]
    fn what_is_no_json_is_refused_wherever_it_is() {
        for text in
            ["", "{", "{\"a\"}", "{\"a\":1,}", "{\"a\":[1,]}", "{\"a\":tru}", "{\"a\":1}x", "{\"a\":\"\\x\"}"]
        {
            let mut reader = Reader::new(text);
            let read = reader.object(|_, _| Ok(())).and_then(|()| reader.end());
            assert!(read.is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_read_as_generously_as_the_sdks_write_them() {
        for (text, expected) in
            [("1024", 1024), ("1024.0", 1024), ("1e3", 1000), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(Reader::new(text).count(), Ok(expected));
        }
        assert!(Reader::new("-1").count().is_err() && Reader::new("\"1\"").count().is_err());
        assert_eq!(Reader::new("null").count_unless_null(), Ok(None));
    }
}
