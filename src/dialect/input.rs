//! What a tool was given, as the JSON object that providers want where OpenAI's clients tell a text that a
//! model wrote: a conversation must not fail since a model once wrote badly.

use std::borrow::Cow;

use super::{
    TEXT_PARAMETER,
    json::{Kind, Reader, Writer},
};
use crate::ir::{Input, Raw, Text, ToolCall};

/// Name of the member that holds what is no JSON.
const BROKEN_INPUT: &str = "_raw";

/// The input of a call as an object: the bytes of one that is there, an empty one where nothing is, and
/// anything else within one.
pub fn object_of<'c>(call: &'c ToolCall<'_>) -> Raw<'c> {
    let text = match &call.input {
        Input::Text(text) if call.is_custom => return wrapped(TEXT_PARAMETER, |writer| writer.text(text)),
        Input::Text(text) => text.to_plain(),
        Input::Value(value) => Cow::Borrowed(value.as_str()),
    };
    match kind_of(&text) {
        Some(Kind::Object) => return trimmed(text),
        Some(Kind::Null) => return Raw::new("{}"),
        // Some clients write the text of a text.
        Some(Kind::Text) => {
            let inside = Raw::new(text.trim_ascii()).as_text().map(|text| text.to_plain().into_owned());
            if let Some(inside) = inside.filter(|inside| kind_of(inside) == Some(Kind::Object)) {
                return trimmed(Cow::Owned(inside));
            }
        }
        Some(_) => {}
        None if text.trim_ascii().is_empty() => return Raw::new("{}"),
        None => return wrapped(BROKEN_INPUT, |writer| writer.text(&Text::plain(&*text))),
    }
    wrapped(TEXT_PARAMETER, |writer| writer.json(text.trim_ascii()))
}

/// What a text is, if it is JSON from its beginning to its end.
pub fn kind_of(text: &str) -> Option<Kind> {
    let mut reader = Reader::new(text);
    let kind = reader.kind()?;
    reader.skip().and_then(|()| reader.end()).is_ok().then_some(kind)
}

fn trimmed(object: Cow<'_, str>) -> Raw<'_> {
    match object {
        Cow::Borrowed(object) => Raw::new(object.trim_ascii()),
        Cow::Owned(object) => Raw::owned(object.trim_ascii().to_owned()),
    }
}

fn wrapped(name: &str, value: impl FnOnce(&mut Writer<'_>)) -> Raw<'static> {
    let mut out = Vec::new();
    Writer::new(&mut out).object(|writer| value(writer.member(name)));
    Raw::owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(plain: &str, is_custom: bool) -> String {
        let input = Input::Text(Text::plain(plain));
        let call = ToolCall { id: "c".into(), name: "f".into(), input, is_custom };
        object_of(&call).as_str().to_owned()
    }

    #[test]
    fn an_object_keeps_its_bytes() {
        let text = r#"{"z": 12345678901234567890, "a":1.0e-7, "ä": "\ud83d" }"#;
        assert_eq!(object(&format!("\n {text} "), false), text);
        let input = Input::Value(Raw::new(text));
        let call = ToolCall { id: "c".into(), name: "f".into(), input, is_custom: false };
        assert_eq!(object_of(&call).as_str(), text);
    }

    #[test]
    fn whatever_a_model_wrote_becomes_an_object() {
        for (text, expected) in [
            ("", "{}"),
            (" \n", "{}"),
            ("null", "{}"),
            ("[1, 2]", r#"{"input":[1, 2]}"#),
            ("1e400", r#"{"input":1e400}"#),
            (r#""a""#, r#"{"input":"a"}"#),
            (r#""null""#, r#"{"input":"null"}"#),
            (r#""{\"a\":1}""#, r#"{"a":1}"#),
            (r#"{"a":"#, r#"{"_raw":"{\"a\":"}"#),
            ("{}{}", r#"{"_raw":"{}{}"}"#),
            ("{\"a\":1,}", r#"{"_raw":"{\"a\":1,}"}"#),
            ("NaN", r#"{"_raw":"NaN"}"#),
        ] {
            assert_eq!(object(text, false), expected, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_custom_tool_is_its_one_parameter() {
        assert_eq!(object("{\"a\":1}", true), r#"{"input":"{\"a\":1}"}"#);
        assert_eq!(object("", true), r#"{"input":""}"#);
    }
}
