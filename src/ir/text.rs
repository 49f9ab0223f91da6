//! Texts and values as they stand in JSON: carried from one dialect to another without being unescaped,
//! parsed or written anew, so that nothing in them can change.

use std::borrow::Cow;

/// The inside of a JSON string, escapes included. Half a surrogate pair stays what it is: its other half
/// may follow in the next event.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Text<'a>(Cow<'a, str>);

/// A JSON value of any kind.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Raw<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// What stands between the quotes of a valid JSON string.
    pub const fn escaped(inside: &'a str) -> Self {
        Self(Cow::Borrowed(inside))
    }

    /// A text that is said plainly.
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        if text.bytes().all(is_plain) { Self(text) } else { Self(Cow::Owned(escape(&text))) }
    }

    /// As it stands between quotes.
    pub fn as_escaped(&self) -> &str {
        &self.0
    }

    /// What it says; half a surrogate pair is U+FFFD.
    pub fn to_plain(&self) -> Cow<'_, str> {
        if memchr::memchr(b'\\', self.0.as_bytes()).is_none() {
            return Cow::Borrowed(&self.0);
        }
        Cow::Owned(unescape(&self.0))
    }

    /// Whether it says just this; `plain` has nothing in it that is escaped.
    pub fn is(&self, plain: &str) -> bool {
        self.0 == plain || self.0.contains('\\') && self.to_plain() == plain
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it says nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.0.trim_ascii().is_empty() || self.0.starts_with(['\\', ' ']) && self.to_plain().trim().is_empty()
    }

    /// The same, borrowed.
    pub fn reborrow(&self) -> Text<'_> {
        Text(Cow::Borrowed(&self.0))
    }

    /// The same, for as long as anybody wants it.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> Raw<'a> {
    /// A valid JSON value, without white space around it.
    pub const fn new(json: &'a str) -> Self {
        Self(Cow::Borrowed(json))
    }

    /// A valid JSON value that was made.
    pub const fn owned(json: String) -> Self {
        Self(Cow::Owned(json))
    }

    /// As it stands.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// The text that it is, if it is one.
    pub fn as_text(&self) -> Option<Text<'_>> {
        Some(Text::escaped(self.0.strip_prefix('"')?.strip_suffix('"')?))
    }

    /// The number that it is, to compare it with bounds; what is sent is the value as it stands.
    pub fn as_number(&self) -> Option<f64> {
        self.0
            .starts_with(|first: char| first == '-' || first.is_ascii_digit())
            .then(|| self.0.parse().ok())?
    }

    /// The same without line ends, which mean nothing between the parts of a value and cannot be in its texts:
    /// so it fits into an event, whose data ends with its line.
    pub fn in_one_line(&self) -> Raw<'_> {
        if memchr::memchr2(b'\n', b'\r', self.0.as_bytes()).is_none() {
            return self.reborrow();
        }
        Raw(Cow::Owned(self.0.replace(['\n', '\r'], " ")))
    }

    /// The same, borrowed.
    pub fn reborrow(&self) -> Raw<'_> {
        Raw(Cow::Borrowed(&self.0))
    }

    /// The same, for as long as anybody wants it.
    pub fn into_owned(self) -> Raw<'static> {
        Raw(Cow::Owned(self.0.into_owned()))
    }
}

impl From<&'static str> for Text<'static> {
    fn from(plain: &'static str) -> Self {
        Self::plain(plain)
    }
}

const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// A text as it stands between quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        escaped.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => escaped.push_str("\\\""),
            b'\\' => escaped.push_str("\\\\"),
            b'\n' => escaped.push_str("\\n"),
            b'\r' => escaped.push_str("\\r"),
            b'\t' => escaped.push_str("\\t"),
            byte => escaped.push_str(&format!("\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    escaped.push_str(rest);
    escaped
}

fn unescape(escaped: &str) -> String {
    let mut plain = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let Some(kind) = rest.as_bytes().get(at + 1) else { return plain };
        rest = rest.get(at + 2..).unwrap_or_default();
        match kind {
            b'b' => plain.push('\u{8}'),
            b'f' => plain.push('\u{c}'),
            b'n' => plain.push('\n'),
            b'r' => plain.push('\r'),
            b't' => plain.push('\t'),
            b'u' => {
                let mut unit = take_unit(&mut rest).unwrap_or(0xfffd);
                let low = rest.strip_prefix("\\u").filter(|_| (0xd800..0xdc00).contains(&unit));
                if let Some(mut behind) = low
                    && let Some(low @ 0xdc00..0xe000) = take_unit(&mut behind)
                {
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    rest = behind;
                }
                plain.push(char::from_u32(unit).unwrap_or('\u{fffd}'));
            }
            other => plain.push(char::from(*other)),
        }
    }
    plain.push_str(rest);
    plain
}

/// The UTF-16 unit that four digits tell.
fn take_unit(rest: &mut &str) -> Option<u32> {
    let unit = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
    *rest = &rest[4..];
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_what_its_escapes_say() {
        let text = Text::escaped(r#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 \ud83d\u0041 \ude00"#);
        assert_eq!(text.to_plain(), "a\"\\/\u{8}\u{c}\n\r\té😀 \u{fffd}A \u{fffd}");
    }

    #[test]
    fn what_is_said_plainly_comes_back_plainly() {
        for plain in ["", "a", "a\"b\\c\nd\u{1}é😀", "\u{7f}"] {
            let text = Text::plain(plain);
            assert_eq!(text.to_plain(), plain);
            assert!(text.is(plain));
            let quoted = format!("\"{}\"", text.as_escaped());
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), plain);
        }
    }

    #[test]
    fn white_space_is_blank_however_it_is_said() {
        assert!(Text::escaped(" \\n\\t").is_blank() && Text::escaped("\\u0020 ").is_blank());
        assert!(!Text::escaped("\\na").is_blank() && !Text::escaped("a ").is_blank());
    }

    #[test]
    fn a_value_in_one_line_is_the_same_value() {
        let raw = Raw::new("{\"a\":\r\n [1,\n2]}");
        assert_eq!(raw.in_one_line().as_str(), "{\"a\":   [1, 2]}");
        assert_eq!(Raw::new("[1]").in_one_line(), Raw::new("[1]"));
    }

    #[test]
    fn numbers_are_only_looked_at() {
        assert_eq!(Raw::new("1e2").as_number(), Some(100.0));
        assert_eq!(Raw::new("\"1\"").as_number(), None);
        assert_eq!(Raw::new("\"1\"").as_text(), Some(Text::escaped("1")));
    }
}
