//! Whole documents as trees: for the operator's file and where nobody waits, never on the path of a
//! request.

use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};
pub use serde_json::{Error, Map, Value, json};

/// One document by the letter of the standard, of at most 128 levels.
pub fn decode(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text)
}

/// Where and why a text is not a document.
#[derive(Debug, Eq, PartialEq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// The text of a JSON string, quotes included; none where it has half a surrogate pair.
pub fn string(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}

/// A string as JSON, quotes included.
pub fn quote(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if is_plain { ["\"", text, "\""].concat() } else { Value::from(text).to_string() }
}

/// JSON with comments, commas before a closing bracket and a byte order mark. A name that an object
/// has twice is a mistake: one of the two values would be lost without a word.
pub fn parse(text: &str) -> Result<Value, Mistake> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let mistake = |(at, message): (usize, String)| Mistake::new(text, at, message);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options)
        .map_err(|error| mistake((error.range().start, error.kind().to_string())))?;
    match parsed.value {
        Some(value) => tree(value).map_err(mistake),
        None => Err(mistake((text.len(), "Unexpected end, nothing is written here".to_owned()))),
    }
}

fn tree(value: ast::Value<'_>) -> Result<Value, (usize, String)> {
    Ok(match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
        ast::Value::NumberLit(literal) => {
            let number = literal.value.parse();
            Value::Number(number.map_err(|_| (literal.range.start, "Number out of range".to_owned()))?)
        }
        ast::Value::Array(array) => {
            Value::Array(array.elements.into_iter().map(tree).collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => {
            let mut fields = Map::new();
            for property in object.properties {
                let name = property.name.into_string();
                if fields.contains_key(&name) {
                    return Err((property.range.start, format!("{name:?} is written twice in one object")));
                }
                fields.insert(name, tree(property.value)?);
            }
            Value::Object(fields)
        }
    })
}

impl Mistake {
    fn new(text: &str, at: usize, message: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |line| line.chars().count()) + 1;
        Self { line: before.matches('\n').count() + 1, column, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake_in(text: &str) -> (usize, usize, String) {
        match parse(text) {
            Ok(value) => panic!("accepted as {value}"),
            Err(mistake) => (mistake.line, mistake.column, mistake.message),
        }
    }

    #[test]
    fn comments_trailing_commas_and_a_byte_order_mark_are_allowed() {
        let text = "\u{feff}// one\n{ /* two */ \"a\": [1, 2.5, \"// not one\",], } // three";
        assert_eq!(parse(text), Ok(serde_json::json!({ "a": [1, 2.5, "// not one"] })));
    }

    #[test]
    fn the_order_of_the_file_is_kept() {
        let Ok(Value::Object(fields)) = parse(r#"{"z": 1, "a": 2, "m": 3}"#) else { panic!("not an object") };
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["z", "a", "m"]);
    }

    #[test]
    fn a_mistake_is_found_where_it_is_behind_comments_too() {
        let (line, column, _) = mistake_in("{\n  // a comment\n  \"ключ\": nil\n}");
        assert_eq!((line, column), (3, 11));
        let (line, column, _) = mistake_in("{\n  /* two\n lines */ \"a\" 1\n}");
        assert_eq!((line, column), (3, 15));
    }

    #[test]
    fn what_is_neither_json_nor_a_comment_is_refused() {
        for text in ["{a: 1}", "{'a': 1}", "[0x1]", "[+1]", "[.5]", "[NaN]", "[1 2]", "[1,,2]", "{", "[] []"]
        {
            let (line, _, message) = mistake_in(text);
            assert!(line == 1 && !message.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_in_an_object_is_refused() {
        let (line, column, message) = mistake_in("{\"a\": 1,\n \"a\": 2}");
        assert_eq!((line, column), (2, 2));
        assert!(message.contains("\"a\" is written twice"), "{message}");
    }

    #[test]
    fn a_number_that_no_float_holds_is_refused() {
        assert_eq!(mistake_in("[1e999]"), (1, 2, "Number out of range".to_owned()));
    }

    #[test]
    fn an_empty_text_is_refused() {
        assert_eq!(mistake_in("\n").0, 2);
    }
}
