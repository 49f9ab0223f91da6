//! The tokens that a document tells in its member `usage`, read from its end: nothing before is looked at.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::scan::{ScanError, Scanner};
use crate::ir::Usage;

/// Places that are looked at, the last ones: further objects in a document may have a `usage` too.
const PLACES_MAX: usize = 3;

static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"usage\""));

/// The usage that the object `depth` levels below the document tells; with `in_lines` the text is lines, each
/// with a document at its end. Most have none, which one fast search shows.
pub fn find_usage(text: &[u8], depth: usize, in_lines: bool) -> Option<Usage> {
    let mut places = [None; PLACES_MAX];
    for at in FINDER.find_iter(text) {
        places = [Some(at), places[0], places[1]];
    }
    places.into_iter().map_while(|at| at).find_map(|at| {
        let (before, rest) = text.split_at(at);
        // A quote behind a backslash is content.
        if before.last() == Some(&b'\\') {
            return None;
        }
        let end = if in_lines { memchr::memchr2(b'\n', b'\r', rest) } else { None };
        let rest = rest.get(..end.unwrap_or(rest.len()))?;
        let value =
            rest.get(FINDER.needle().len()..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        if value.first() != Some(&b'{') {
            return None;
        }
        glance(value, depth).or_else(|| read(rest, depth).ok().flatten())
    })
}

/// Reads an object of numbers and of objects without brackets in them, and looks for brackets only behind it:
/// what nearly every document has. What is not as simple is none.
fn glance(value: &[u8], depth: usize) -> Option<Usage> {
    let (mut input, mut output) = (None, None);
    let mut rest = value.get(1..)?;
    loop {
        rest = rest.trim_ascii_start().strip_prefix(b"\"")?;
        let is_input = rest.starts_with(b"prompt_tokens\"") || rest.starts_with(b"input_tokens\"");
        let is_output = rest.starts_with(b"completion_tokens\"") || rest.starts_with(b"output_tokens\"");
        rest = rest.get(memchr::memchr(b'"', rest)? + 1..)?;
        rest = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let length = match rest.first()? {
            b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let digits = rest.get(..length).filter(|digits| digits.len() < 19)?;
                let number = digits.iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0'));
                input = if is_input { Some(number) } else { input };
                output = if is_output { Some(number) } else { output };
                length
            }
            b'{' => memchr::memchr(b'}', rest)? + 1,
            b'n' if rest.starts_with(b"null") => 4,
            _ => return None,
        };
        rest = rest.get(length..)?.trim_ascii_start();
        match rest.first()? {
            b',' => rest = rest.get(1..)?,
            b'}' => break,
            _ => return None,
        }
    }
    let tail = rest.get(1..)?.trim_ascii_end();
    let mut brackets = memchr::memchr2_iter(b'{', b'}', tail);
    let closes = brackets.by_ref().take(depth + 1).filter(|at| tail.get(*at) == Some(&b'}')).count();
    let is_member = closes == depth + 1 && brackets.next().is_none() && tail.last() == Some(&b'}');
    usage(input, output).filter(|_| is_member)
}

/// Reads the member that `rest` begins with. So many brackets have to close behind it before the text ends: only
/// then is it a member of the object that is meant.
#[cold]
fn read(rest: &[u8], depth: usize) -> Result<Option<Usage>, ScanError> {
    let mut scanner = Scanner::new(rest);
    scanner.string()?;
    scanner.expect(b':')?;
    scanner.skip_space();
    if scanner.peek() != Some(b'{') {
        return Ok(None);
    }
    scanner.expect(b'{')?;
    let (mut input, mut output) = (None, None);
    scanner.skip_space();
    if scanner.peek() == Some(b'"') {
        loop {
            let (key, value) = member(&mut scanner)?;
            let number = || std::str::from_utf8(value).ok()?.parse().ok();
            match key {
                b"prompt_tokens" | b"input_tokens" => input = number(),
                b"completion_tokens" | b"output_tokens" => output = number(),
                _ => {}
            }
            if !goes_on(&mut scanner)? {
                break;
            }
        }
    } else {
        scanner.expect(b'}')?;
    }
    for _ in 0..=depth {
        while goes_on(&mut scanner)? {
            member(&mut scanner)?;
        }
    }
    scanner.end()?;
    Ok(usage(input, output))
}

/// Vectors have no tokens of an answer.
fn usage(input: Option<u64>, output: Option<u64>) -> Option<Usage> {
    let (input_tokens, output_tokens) = (input.unwrap_or_default(), output.unwrap_or_default());
    (input.is_some() || output.is_some()).then_some(Usage { input_tokens, output_tokens, ..Usage::default() })
}

/// One member of an object: its key and its value, as they stand.
fn member<'a>(scanner: &mut Scanner<'a>) -> Result<(&'a [u8], &'a [u8]), ScanError> {
    scanner.skip_space();
    let key = scanner.string()?;
    scanner.expect(b':')?;
    scanner.skip_space();
    let start = scanner.at;
    scanner.value()?;
    Ok((&scanner.body[key], &scanner.body[start..scanner.at]))
}

/// Behind a member: whether another one follows, or the object is closed.
fn goes_on(scanner: &mut Scanner<'_>) -> Result<bool, ScanError> {
    scanner.skip_space();
    match scanner.next()? {
        b',' => Ok(true),
        b'}' => Ok(false),
        _ => Err(ScanError::Malformed(scanner.at - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, depth: usize) -> Option<(u64, u64)> {
        find_usage(text.as_bytes(), depth, false).map(|usage| (usage.input_tokens, usage.output_tokens))
    }

    #[test]
    fn usage_is_found_wherever_it_stands_in_its_object() {
        for text in [
            r#"{"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            r#"{"id":"x","usage" : { "a":{"b":[1]}, "completion_tokens" : 4 , "prompt_tokens" : 3 } ,"z":"\"}" } "#,
            r#"{"usage":{"input_tokens":3,"output_tokens":4,"x":null},"metadata":{"a":"b"}}"#,
            "{\n  \"usage\": {\n    \"prompt_tokens\": 3,\n    \"details\": {\"a\": 1},\n    \"completion_tokens\": 4\n  }\n}\n",
            r#"{"usage":{"prompt_tokens":3,"d":{"e":{}},"completion_tokens":4,"cost":0.1},"a":"}","b":[{}]}"#,
            r#"{"usage":{"prompt_tokens":3,"completion_tokens":4},"x_groq":{"usage":{"prompt_tokens":9}}}"#,
        ] {
            assert_eq!(tokens(text, 0), Some((3, 4)), "{text}");
        }
        assert_eq!(
            tokens(r#"{"response":{"usage":{"input_tokens":1,"output_tokens":2}},"n":1}"#, 1),
            Some((1, 2))
        );
        assert_eq!(tokens(r#"{"usage":{"prompt_tokens":8,"total_tokens":8}}"#, 0), Some((8, 0)));
    }

    #[test]
    fn what_only_looks_like_usage_is_not_counted() {
        for text in [
            r#"{"usage":null}"#,
            r#"{"usage":{}}"#,
            r#"{"usage":{"prompt_tokens":"3"}}"#,
            r#"{"usage":{"prompt_tokens":-3}}"#,
            r#"{"usage":{"prompt_tokens":3"#,
            r#"{"choices":[{"usage":{"prompt_tokens":3}}]}"#,
            r#"{"a":{"usage":{"prompt_tokens":3}}}"#,
            r#"{"content":"\"usage\":{\"prompt_tokens\":3}}"}"#,
            r#"{"a\"usage":{"prompt_tokens":3}}"#,
            "",
        ] {
            assert_eq!(tokens(text, 0), None, "{text}");
        }
    }

    #[test]
    fn a_document_full_of_usage_is_read_in_a_few_places_only() {
        let text = format!("{{{}", "\"usage\":{\"a\":1},".repeat(10_000));
        assert_eq!(tokens(&text, 0), None);
    }
}
