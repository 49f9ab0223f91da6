//! A validating scan of a JSON body that finds the fields routing needs, with their byte ranges, and
//! builds nothing. What it accepts is what RFC 8259 accepts, up to a depth.

use std::{borrow::Cow, ops::Range};

use super::block::{BLOCK, Block};

/// Words of the stack of open brackets: one bit a level.
const DEPTH_WORDS: usize = 4;
/// Nesting of a JSON body; a deeper one is refused.
pub const JSON_DEPTH_MAX: usize = DEPTH_WORDS * 64;

/// The fields of a request body that routing reads; all else stays unread.
#[derive(Debug, Default, PartialEq)]
pub struct Outline<'a> {
    /// The model's name, unescaped.
    pub model: Option<Cow<'a, str>>,
    /// Where the value of `model` stands in the body, quotes included.
    pub model_at: Range<usize>,
    /// Whether that value is a JSON string, in quotes.
    pub is_quoted: bool,
    /// Whether a stream is asked for.
    pub is_streamed: bool,
    /// Whether it names an object that the provider stores for one of its keys.
    pub names_stored_object: bool,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScanError {
    /// It is not JSON; the byte where that shows.
    Malformed(usize),
    /// It is nested too deeply.
    TooDeep,
    /// It is JSON, but not an object.
    NotAnObject,
    /// A field that routing reads stands there twice, or is spelt with escapes.
    Ambiguous(&'static str),
    /// A field that routing reads has a value of the wrong type.
    WrongType(&'static str),
}

/// Validates `body` and finds what routing needs.
pub fn scan(body: &[u8]) -> Result<Outline<'_>, ScanError> {
    let mut scanner = Scanner::new(body);
    scanner.skip_space();
    if scanner.peek() != Some(b'{') {
        let start = scanner.at;
        scanner.value()?;
        scanner.end()?;
        return if start == body.len() {
            Err(ScanError::Malformed(start))
        } else {
            Err(ScanError::NotAnObject)
        };
    }
    let mut outline = scanner.top_level()?;
    scanner.end()?;
    outline.names_stored_object |= scanner.names_stored;
    // Most bodies are ASCII, which needs no second look.
    if scanner.has_high_bytes
        && let Err(error) = std::str::from_utf8(body)
    {
        return Err(ScanError::Malformed(error.valid_up_to()));
    }
    Ok(outline)
}

/// The fields that routing reads.
const MODEL: &str = "model";
const STREAM: &str = "stream";
const FALLBACKS: &str = "fallbacks";
/// Fields whose value, unless null, names something stored at the provider; a prompt only where it is an
/// object, since elsewhere it is a text.
const STORED: [&str; 2] = ["previous_response_id", "conversation"];
const PROMPT: &str = "prompt";

/// What a key means for the values below it.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Key {
    Plain,
    /// Texts under it name something stored at the provider.
    Stored,
    /// The value says what the object is.
    Type,
    /// What is under it is the description of a tool or an answer, whatever the names in it.
    Schema,
}

impl Key {
    fn of(name: &[u8]) -> Self {
        match name {
            b"type" => Self::Type,
            b"file_id" | b"file_ids" | b"vector_store_ids" | b"container" => Self::Stored,
            b"parameters" | b"schema" | b"json_schema" | b"input_schema" => Self::Schema,
            _ => Self::Plain,
        }
    }
}

#[derive(Clone)]
pub(super) struct Scanner<'a> {
    pub(super) body: &'a [u8],
    pub(super) at: usize,
    /// Where the block begins whose stops are known.
    block_at: usize,
    stops: u64,
    has_high_bytes: bool,
    names_stored: bool,
    /// Level of the key whose value is a schema, while within it.
    schema_depth: usize,
}

/// The brackets that are open: a set bit is an object.
#[derive(Default)]
struct Open {
    kinds: [u64; DEPTH_WORDS],
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        let Block { stops, has_high_bytes } = Block::of(body);
        Self {
            body,
            at: 0,
            block_at: 0,
            stops,
            has_high_bytes,
            names_stored: false,
            schema_depth: usize::MAX,
        }
    }

    fn top_level(&mut self) -> Result<Outline<'a>, ScanError> {
        let mut outline = Outline::default();
        let (mut has_model, mut has_stream, mut has_fallbacks) = (false, false, false);
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(outline);
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            self.skip_space();
            self.weigh(key.clone(), 0);
            let key = self.routing_key(key)?;
            let start = self.at;
            let kind = self.peek();
            self.value()?;
            let value = start..self.at;
            match key {
                Some(MODEL) => {
                    once(MODEL, &mut has_model)?;
                    match kind {
                        Some(b'"') => {
                            outline.model = Some(self.text(value.start + 1..value.end - 1)?);
                            outline.model_at = value;
                            outline.is_quoted = true;
                        }
                        Some(b'n') => {}
                        _ => return Err(ScanError::WrongType(MODEL)),
                    }
                }
                Some(STREAM) => {
                    once(STREAM, &mut has_stream)?;
                    outline.is_streamed = match kind {
                        Some(b't') => true,
                        Some(b'f' | b'n') => false,
                        _ => return Err(ScanError::WrongType(STREAM)),
                    };
                }
                Some(FALLBACKS) => once(FALLBACKS, &mut has_fallbacks)?,
                Some(PROMPT) => outline.names_stored_object |= kind == Some(b'{'),
                Some(_) => outline.names_stored_object |= kind != Some(b'n'),
                None => {}
            }
            self.skip_space();
            match self.next()? {
                b',' => self.skip_space(),
                b'}' => return Ok(outline),
                _ => return Err(ScanError::Malformed(self.at - 1)),
            }
        }
    }

    /// Which of the fields that routing reads a key is. One that only is after unescaping is refused:
    /// two readers could disagree about it.
    fn routing_key(&self, key: Range<usize>) -> Result<Option<&'static str>, ScanError> {
        let raw = &self.body[key.clone()];
        let named = |name: &[u8]| {
            [MODEL, STREAM, FALLBACKS, PROMPT]
                .into_iter()
                .chain(STORED)
                .find(|known| known.as_bytes() == name)
        };
        if memchr::memchr(b'\\', raw).is_none() {
            return Ok(named(raw));
        }
        let unescaped = self.text(key)?;
        match named(unescaped.as_bytes()) {
            Some(known) => Err(ScanError::Ambiguous(known)),
            None => Ok(None),
        }
    }

    /// The text between the quotes of a string that has been validated.
    fn text(&self, inside: Range<usize>) -> Result<Cow<'a, str>, ScanError> {
        let raw = &self.body[inside.clone()];
        if !raw.contains(&b'\\') {
            let text = std::str::from_utf8(raw).map_err(|_| ScanError::Malformed(inside.start))?;
            return Ok(Cow::Borrowed(text));
        }
        let quoted = &self.body[inside.start - 1..inside.end + 1];
        let text = super::document::string(quoted).ok_or(ScanError::Malformed(inside.start))?;
        Ok(Cow::Owned(text))
    }

    /// Passes one value of any kind.
    pub(super) fn value(&mut self) -> Result<(), ScanError> {
        let mut open = Open::default();
        loop {
            self.skip_space();
            match self.next()? {
                b'"' => {
                    self.at -= 1;
                    self.string()?;
                }
                b'{' => {
                    open.push(true)?;
                    self.skip_space();
                    if self.peek() != Some(b'}') {
                        self.key(open.depth)?;
                        continue;
                    }
                    self.at += 1;
                    open.depth -= 1;
                }
                b'[' => {
                    open.push(false)?;
                    self.skip_space();
                    if self.peek() != Some(b']') {
                        continue;
                    }
                    self.at += 1;
                    open.depth -= 1;
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' | b'0'..=b'9' => self.number()?,
                _ => return Err(ScanError::Malformed(self.at - 1)),
            }
            loop {
                if open.depth == 0 {
                    return Ok(());
                }
                self.skip_space();
                match (self.next()?, open.is_object()) {
                    (b',', true) => {
                        self.skip_space();
                        self.key(open.depth)?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => open.depth -= 1,
                    _ => return Err(ScanError::Malformed(self.at - 1)),
                }
            }
        }
    }

    /// Passes a key, and sees whether it names something stored at the provider.
    fn key(&mut self, depth: usize) -> Result<(), ScanError> {
        let key = self.string()?;
        self.expect(b':')?;
        self.weigh(key, depth);
        Ok(())
    }

    #[inline]
    fn weigh(&mut self, key: Range<usize>, depth: usize) {
        if depth > self.schema_depth {
            return;
        }
        self.schema_depth = usize::MAX;
        match Key::of(&self.body[key]) {
            Key::Plain => {}
            Key::Stored => {
                self.skip_space();
                self.names_stored |= self.has_text();
            }
            Key::Type => {
                self.skip_space();
                self.names_stored |= self.body[self.at..].starts_with(b"\"item_reference\"");
            }
            Key::Schema => self.schema_depth = depth,
        }
    }

    /// Whether the value that comes is a text, or a list that begins with one.
    fn has_text(&self) -> bool {
        let value = &self.body[self.at..];
        let first = value.strip_prefix(b"[").map_or(value, <[u8]>::trim_ascii_start);
        first.starts_with(b"\"")
    }

    /// Passes a string; the range between its quotes.
    pub(super) fn string(&mut self) -> Result<Range<usize>, ScanError> {
        if self.next()? != b'"' {
            return Err(ScanError::Malformed(self.at - 1));
        }
        let start = self.at;
        loop {
            self.skip_plain();
            match self.next()? {
                b'"' => return Ok(start..self.at - 1),
                b'\\' => self.escape()?,
                _ => return Err(ScanError::Malformed(self.at - 1)),
            }
        }
    }

    /// Passes what needs no look in a string, up to a quote, a backslash, a control character or the end.
    fn skip_plain(&mut self) {
        loop {
            let passed = (self.at - self.block_at).min(BLOCK) as u32;
            let stops = self.stops.checked_shr(passed).unwrap_or_default();
            if stops != 0 {
                self.at += stops.trailing_zeros() as usize;
                return;
            }
            self.at = self.at.max(self.block_at + BLOCK);
            let rest = self.body.get(self.at..).unwrap_or_default();
            let block = Block::of(rest);
            self.block_at = self.at;
            self.stops = block.stops;
            self.has_high_bytes |= block.has_high_bytes;
        }
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    if !self.next()?.is_ascii_hexdigit() {
                        return Err(ScanError::Malformed(self.at - 1));
                    }
                }
                Ok(())
            }
            _ => Err(ScanError::Malformed(self.at - 1)),
        }
    }

    /// Passes the rest of a number whose first byte has been taken.
    fn number(&mut self) -> Result<(), ScanError> {
        self.at -= 1;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let count = self.body[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(ScanError::Malformed(self.at)) } else { Ok(()) }
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), ScanError> {
        if !self.body[self.at..].starts_with(rest) {
            return Err(ScanError::Malformed(self.at));
        }
        self.at += rest.len();
        Ok(())
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        self.skip_space();
        if self.next()? == byte { Ok(()) } else { Err(ScanError::Malformed(self.at - 1)) }
    }

    pub(super) fn end(&mut self) -> Result<(), ScanError> {
        self.skip_space();
        if self.at == self.body.len() { Ok(()) } else { Err(ScanError::Malformed(self.at)) }
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Result<u8, ScanError> {
        let byte = self.peek().ok_or(ScanError::Malformed(self.at))?;
        self.at += 1;
        Ok(byte)
    }
}

/// A field that routing reads may stand there once.
fn once(field: &'static str, is_there: &mut bool) -> Result<(), ScanError> {
    if std::mem::replace(is_there, true) { Err(ScanError::Ambiguous(field)) } else { Ok(()) }
}

impl Open {
    fn push(&mut self, is_object: bool) -> Result<(), ScanError> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(ScanError::TooDeep);
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.kinds[word] = self.kinds[word] & !(1 << bit) | u64::from(is_object) << bit;
        self.depth += 1;
        Ok(())
    }

    fn is_object(&self) -> bool {
        let level = self.depth - 1;
        self.kinds[level / 64] >> (level % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_wherever_it_stands() {
        for body in [
            r#"{"model":"gpt-4o","messages":[]}"#,
            r#" { "messages" : [ { "model" : "x" } ] , "model" : "gpt-4o" } "#,
            r#"{"a":{"model":["b"]},"stream":null,"model":"gpt-4o"}"#,
        ] {
            let outline = scan(body.as_bytes()).unwrap();
            assert_eq!(outline.model.as_deref(), Some("gpt-4o"), "{body}");
            assert_eq!(&body[outline.model_at], "\"gpt-4o\"");
            assert!(!outline.is_streamed);
        }
    }

    #[test]
    fn stream_and_stored_objects_are_seen() {
        assert!(scan(br#"{"stream": true}"#).unwrap().is_streamed);
        assert!(scan(br#"{"previous_response_id":"r"}"#).unwrap().names_stored_object);
        assert!(!scan(br#"{"conversation":null}"#).unwrap().names_stored_object);
    }

    #[test]
    fn an_escaped_value_is_unescaped() {
        let outline = scan(br#"{"model":"a\u002fb\n"}"#).unwrap();
        assert_eq!(outline.model.as_deref(), Some("a/b\n"));
    }

    #[test]
    fn two_readers_cannot_disagree_about_a_routing_key() {
        assert_eq!(scan(br#"{"model":"a","model":"b"}"#), Err(ScanError::Ambiguous("model")));
        assert_eq!(scan(br#"{"model":null,"model":"b"}"#), Err(ScanError::Ambiguous("model")));
        assert_eq!(scan(br#"{"model":"a","model":null}"#), Err(ScanError::Ambiguous("model")));
        assert_eq!(scan(br#"{"mod\u0065l":"a"}"#), Err(ScanError::Ambiguous("model")));
        assert_eq!(scan(br#"{"stream":true,"stream":false}"#), Err(ScanError::Ambiguous("stream")));
        assert_eq!(scan(br#"{"fallbacks":[],"fallbacks":[]}"#), Err(ScanError::Ambiguous("fallbacks")));
        assert_eq!(scan(br#"{"fall\u0062acks":[]}"#), Err(ScanError::Ambiguous("fallbacks")));
        assert!(scan(br#"{"fallbacks":["a/b"],"x":[{"fallbacks":1,"fallbacks":2}]}"#).is_ok());
        assert!(scan(br#"{"\u0061":1,"x":1,"x":2}"#).is_ok());
    }

    #[test]
    fn a_model_of_null_is_none() {
        assert_eq!(scan(br#"{"model":null,"input":"x"}"#), Ok(Outline::default()));
    }

    #[test]
    fn wrong_types_are_refused() {
        assert_eq!(scan(br#"{"model":4}"#), Err(ScanError::WrongType("model")));
        assert_eq!(scan(br#"{"stream":"yes"}"#), Err(ScanError::WrongType("stream")));
        assert_eq!(scan(b"[]"), Err(ScanError::NotAnObject));
        assert_eq!(scan(b"7"), Err(ScanError::NotAnObject));
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(scan(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        assert_eq!(scan(nested(JSON_DEPTH_MAX + 1).as_bytes()), Err(ScanError::TooDeep));
    }

    #[test]
    fn what_is_json_is_accepted_and_what_is_not_is_refused() {
        let values = [
            ("1e400", true),
            ("-0.0E+1", true),
            ("123456789012345678901234567890", true),
            (r#""\ud800""#, true),
            (r#""\u00zz""#, false),
            ("01", false),
            ("1.", false),
            ("+1", false),
            (".5", false),
            ("NaN", false),
            ("nul", false),
            ("'a'", false),
            ("\"a\tb\"", false),
            ("\"a", false),
            ("[1,]", false),
            ("[1 2]", false),
            ("{\"a\":1,}", false),
            ("{\"a\" 1}", false),
            ("{a:1}", false),
            ("[}", false),
            ("[{\"a\":[{}]}]", true),
            ("[[[]],[{}],{\"b\":{}}]", true),
            ("1 1", false),
            ("", false),
        ];
        for (value, is_valid) in values {
            let body = format!("{{\"a\":{value}}}");
            assert_eq!(scan(body.as_bytes()).is_ok(), is_valid, "{body}");
        }
        assert!(scan(b"").is_err() && scan(b"{} {}").is_err() && scan(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_string_ends_where_it_ends_whatever_its_length() {
        for length in 0..300 {
            let body = format!("{{\"{0}\":\"{0}\\\"{0}\",\"model\":\"m\"}}", "é".repeat(length));
            let outline = scan(body.as_bytes()).unwrap();
            assert_eq!(&body[outline.model_at], "\"m\"", "{length}");
            let cut = format!("{{\"a\":\"{}", "b".repeat(length));
            assert_eq!(scan(cut.as_bytes()), Err(ScanError::Malformed(cut.len())), "{length}");
            let broken = format!("{{\"a\":\"{}\u{1}\"}}", "b".repeat(length));
            assert_eq!(scan(broken.as_bytes()), Err(ScanError::Malformed(6 + length)), "{length}");
        }
    }

    #[test]
    fn files_and_stores_are_seen_wherever_they_stand() {
        assert!(scan(br#"{"input":[{"content":[{"file_id":"f"}]}]}"#).unwrap().names_stored_object);
        assert!(scan(br#"{"tools":[{"vector_store_ids":["v"]}]}"#).unwrap().names_stored_object);
        assert!(!scan(br#"{"input":"\"file_id\":1"}"#).unwrap().names_stored_object);
    }

    #[test]
    fn only_what_names_something_stored_counts() {
        for (body, names_stored) in [
            (r#"{"file_id":"f"}"#, true),
            (r#"{"input":[{"file_id" : "f"}]}"#, true),
            (r#"{"input":[{"file_id":null}]}"#, false),
            (r#"{"input":[{"file_id":null},{"file_id":"f"}]}"#, true),
            (r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#, false),
            (r#"{"tools":[{"type":"code_interpreter","container":"cntr_1"}]}"#, true),
            (r#"{"tools":[{"container":{"type":"auto","file_ids":[ "f" ]}}]}"#, true),
            (r#"{"tools":[{"container":{"type":"auto","file_ids":[]}}]}"#, false),
            (r#"{"input":[{"type" : "item_reference","id":"msg_1"}]}"#, true),
            (r#"{"input":[{"type":"message","content":"item_reference"}]}"#, false),
            (r#"{"prompt":{"id":"pmpt_1"}}"#, true),
            (r#"{"prompt":"file_id"}"#, false),
            (r#"{"tools":[{"function":{"parameters":{"properties":{"file_id":"x"}}}}]}"#, false),
            (r#"{"tools":[{"parameters":{"a":[{"file_id":"x"}]}},{"vector_store_ids":["v"]}]}"#, true),
            (r#"{"tools":[{"parameters":{},"file_ids":["f"]}]}"#, true),
            (r#"{"text":{"format":{"schema":{"container":"x"}}},"input":[{"file_id":"f"}]}"#, true),
            (r#"{"response_format":{"json_schema":{"schema":{"container":"x"}}}}"#, false),
            (r#"{"parameters":{"container":"x"},"conversation":null}"#, false),
        ] {
            assert_eq!(scan(body.as_bytes()).unwrap().names_stored_object, names_stored, "{body}");
        }
    }
}
