//! JSON schemas as providers take them. What needs no change keeps its bytes, and all keep their order:
//! providers cache by what they read.

use super::json::{Kind, ReadError, Reader, Writer};
use crate::ir::{Raw, Text};

/// What takes nothing.
const NOTHING: &str = r#"{"type":"object","properties":{}}"#;
/// What the root of a tool's schema must not be made of: Claude refuses it there.
const COMBINATIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// The schema of a tool, which must be an object's.
pub(super) fn object<'s>(schema: Option<&'s Raw<'_>>) -> Raw<'s> {
    let Some(schema) = schema.filter(|schema| schema.is_object()) else { return Raw::new(NOTHING) };
    let Ok(root) = Root::read(schema.as_str()) else { return schema.reborrow() };
    if root.members.is_empty() {
        return Raw::new(NOTHING);
    }
    if root.is_object && !root.has_wrong_members {
        return schema.reborrow();
    }
    Raw::owned(root.written())
}

/// Whether a schema allows nothing but objects, which alone can be the input of a tool.
pub(super) fn is_object(schema: &Raw<'_>) -> bool {
    let mut is_object = false;
    let read = Reader::new(schema.as_str()).object_if_any(|name, reader| {
        match name {
            "type" => is_object |= reader.text_if_any()?.is_some_and(|kind| kind.is("object")),
            "properties" => is_object |= reader.kind() == Some(Kind::Object),
            _ => {}
        }
        Ok(())
    });
    read.is_ok() && is_object
}

/// Asks for an answer that a schema would bind, where a model can be told only in words.
pub(super) fn in_words(schema: &Raw<'_>) -> Text<'static> {
    let schema = schema.as_str();
    Text::plain(format!(
        "Answer with JSON and nothing else. It has to be valid by this JSON schema: {schema}"
    ))
}

/// The schema of what has one text.
pub(super) fn of_text(name: &str) -> Raw<'static> {
    let text = format!(
        r#"{{"type":"object","properties":{{"{name}":{{"type":"string"}}}},"required":["{name}"],"additionalProperties":false}}"#
    );
    Raw::owned(text)
}

/// What a tool is for that takes a text of some format, in words that a model reads.
pub(super) fn describe_text<'t>(
    description: Option<&'t Text<'_>>,
    format: Option<&Raw<'_>>,
) -> Option<Text<'t>> {
    let Some(format) = format else { return description.map(Text::reborrow) };
    let description = description.map(|description| format!("{}\n\n", description.to_plain()));
    let description = description.unwrap_or_default();
    Some(Text::plain(format!("{description}Format of the input: {}", format.as_str())))
}

/// The root of a schema.
#[derive(Default)]
struct Root<'s> {
    members: Vec<(String, Raw<'s>)>,
    is_object: bool,
    has_wrong_members: bool,
}

impl<'s> Root<'s> {
    fn read(schema: &'s str) -> Result<Self, ReadError> {
        let mut root = Self::default();
        Reader::new(schema).object(|name, reader| {
            let value = reader.raw()?;
            match name {
                "type" => root.is_object = value.as_text().is_some_and(|kind| kind.is("object")),
                "properties" | "required" => root.has_wrong_members |= value.is_null(),
                name => root.has_wrong_members |= COMBINATIONS.contains(&name),
            }
            root.members.push((name.to_owned(), value));
            Ok(())
        })?;
        Ok(root)
    }

    /// The same as an object's: a combination is told in words.
    fn written(&self) -> String {
        let mut out = Vec::new();
        let mut words = Vec::new();
        Writer::new(&mut out).object(|writer| {
            if !self.is_object {
                writer.member("type").string("object");
            }
            for (name, value) in &self.members {
                match name.as_str() {
                    "type" if !self.is_object => {}
                    "properties" if value.is_null() => writer.member("properties").object(|_| {}),
                    "required" if value.is_null() => {}
                    "description" => words.extend(value.as_text().map(|text| text.to_plain().into_owned())),
                    name if COMBINATIONS.contains(&name) => {
                        words.push(format!("It has to match {{\"{name}\": {}}}.", value.as_str()));
                    }
                    _ => writer.member_named(&Text::plain(name.as_str())).raw(value),
                }
            }
            if !words.is_empty() {
                writer.member("description").text(&Text::plain(words.join("\n")));
            }
        });
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object_of(schema: &str) -> String {
        object(Some(&Raw::new(schema))).as_str().to_owned()
    }

    #[test]
    fn an_objects_schema_keeps_its_bytes() {
        let schema = r#"{ "type":"object", "z": 1.0, "properties": {"b":{"anyOf":[]},"a":{"type":["string","null"]}} }"#;
        assert_eq!(object_of(schema), schema);
    }

    #[test]
    fn a_tool_that_takes_nothing_takes_an_object() {
        for schema in ["{}", "{ }", "true", "null"] {
            assert_eq!(object_of(schema), NOTHING);
        }
        assert_eq!(object(None).as_str(), NOTHING);
    }

    #[test]
    fn a_root_that_would_be_refused_is_an_objects() {
        for (schema, expected) in [
            (r#"{"properties":{"b":1,"a":2}}"#, r#"{"type":"object","properties":{"b":1,"a":2}}"#),
            (r#"{"type":"array","items":1}"#, r#"{"type":"object","items":1}"#),
            (r#"{"type":["object","null"],"x\"y":1}"#, r#"{"type":"object","x\"y":1}"#),
            (
                r#"{"type":"object","properties":null,"required":null}"#,
                r#"{"type":"object","properties":{}}"#,
            ),
            (
                r#"{"type":"object","anyOf":[{"required":["a"]}],"description":"d"}"#,
                r#"{"type":"object","description":"It has to match {\"anyOf\": [{\"required\":[\"a\"]}]}.\nd"}"#,
            ),
        ] {
            assert_eq!(object_of(schema), expected);
        }
    }
}
