//! Schemas that bind Claude: one text becomes another, in one pass and in the same order; where nothing has to
//! change, it is the same bytes.

use std::ops::Range;

use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::{Raw, Text},
};

/// Keywords that Claude refuses in a schema which binds it; what they say is told in the description.
const REFUSED: [&str; 28] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "prefixItems",
    "additionalItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "if",
    "then",
    "else",
    "not",
    "contentSchema",
];
/// Formats of texts that it knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// A schema that may bind Claude's answer, or what it gives to a strict tool.
pub(in crate::dialect) fn binding<'a>(schema: &Raw<'a>) -> Raw<'a> {
    let mut rewriting = Rewriting { out: Vec::with_capacity(schema.as_str().len()), is_changed: false };
    let read = rewriting.node(&mut Reader::new(schema.as_str()));
    match String::from_utf8(rewriting.out) {
        Ok(json) if read.is_ok() && rewriting.is_changed => Raw::owned(json),
        _ => schema.clone(),
    }
}

struct Rewriting {
    out: Vec<u8>,
    is_changed: bool,
}

/// What is known of a schema at its end.
#[derive(Default)]
struct Node<'a> {
    /// Where the member `type` stands in what is written, and what it says.
    kind: Option<(Range<usize>, Raw<'a>)>,
    /// Where the description ends, before its quote.
    description_end: Option<usize>,
    reference: Option<Raw<'a>>,
    /// Kinds of all values that are allowed.
    values: Vec<Kind>,
    has_properties: bool,
    has_definitions: bool,
    has_union: bool,
    is_closed: bool,
    members: usize,
    /// What cannot be said otherwise, as it stands between quotes.
    notes: String,
}

impl Rewriting {
    fn node(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        if reader.kind() != Some(Kind::Object) {
            return self.copy(reader);
        }
        let start = self.out.len();
        let mut node = Node::default();
        self.out.push(b'{');
        reader.object(|name, reader| {
            node.members += 1;
            self.member(name, reader, &mut node)
        })?;
        self.close(start, node);
        Ok(())
    }

    fn member<'a>(
        &mut self,
        name: &str,
        reader: &mut Reader<'a>,
        node: &mut Node<'a>,
    ) -> Result<(), ReadError> {
        match name {
            "$ref" => {
                node.reference = Some(reader.clone().raw()?);
                self.name(name);
                self.copy(reader)?;
            }
            "type" => {
                let kind = reader.clone().raw()?;
                let start = self.out.len();
                self.name(name);
                self.copy(reader)?;
                node.kind = Some((start..self.out.len(), kind));
            }
            "description" if reader.kind() == Some(Kind::Text) => {
                self.name(name);
                self.copy(reader)?;
                node.description_end = Some(self.out.len() - 1);
            }
            "enum" | "const" => {
                let mut values = reader.clone();
                if name == "enum" {
                    values.array_if_any(|reader| {
                        node.values.extend(reader.kind());
                        Ok(())
                    })?;
                } else {
                    node.values.extend(values.kind());
                }
                self.name(name);
                self.copy(reader)?;
            }
            "properties" | "required" if reader.kind() == Some(Kind::Null) => self.is_changed = true,
            // A word of Google's for the order in which the properties stand.
            "propertyOrdering" => self.is_changed = true,
            "properties" | "$defs" | "definitions" => {
                node.has_properties |= name == "properties";
                node.has_definitions |= name != "properties";
                self.name(name);
                self.map(reader)?;
            }
            "anyOf" | "oneOf" if !node.has_union => {
                node.has_union = true;
                self.is_changed |= name == "oneOf";
                self.name("anyOf");
                self.list(reader)?;
            }
            "allOf" => {
                self.name(name);
                self.list(reader)?;
            }
            "items" if reader.kind() != Some(Kind::Array) => {
                self.name(name);
                self.node(reader)?;
            }
            "additionalProperties" => match reader.raw()?.as_str() {
                "false" => {
                    node.is_closed = true;
                    self.name(name);
                    self.out.extend_from_slice(b"false");
                }
                "true" => self.is_changed = true,
                schema => self.note(name, schema, node),
            },
            "format" | "minItems" => {
                let raw = reader.raw()?;
                let is_known = FORMATS.iter().any(|format| raw.as_text().is_some_and(|text| text.is(format)));
                if is_known || name == "minItems" && matches!(raw.as_str(), "0" | "1") {
                    self.name(name);
                    self.out.extend_from_slice(raw.as_str().as_bytes());
                } else {
                    self.note(name, raw.as_str(), node);
                }
            }
            "oneOf" | "anyOf" | "items" => self.note(name, reader.raw()?.as_str(), node),
            _ if REFUSED.contains(&name) => self.note(name, reader.raw()?.as_str(), node),
            _ => {
                self.name(name);
                self.copy(reader)?;
            }
        }
        Ok(())
    }

    fn close(&mut self, start: usize, node: Node<'_>) {
        // A reference stands alone, but for what it may refer to.
        if let Some(reference) = node.reference.filter(|_| !node.has_definitions) {
            self.is_changed |= node.members > 1;
            self.out.truncate(start);
            self.out.extend_from_slice(b"{\"$ref\":");
            self.out.extend_from_slice(reference.as_str().as_bytes());
            return self.out.push(b'}');
        }
        let is_object =
            node.has_properties || node.kind.as_ref().is_some_and(|(_, kind)| names(kind, "object"));
        if is_object && !node.is_closed {
            self.is_changed = true;
            self.name("additionalProperties");
            self.out.extend_from_slice(b"false");
        }
        let mut description_end = node.description_end;
        if let Some((place, _)) =
            node.kind.filter(|(_, kind)| !node.values.iter().all(|value| fits(*value, kind)))
        {
            let (first, removed) = (place.start, self.remove(place));
            description_end = description_end.map(|end| if end > first { end - removed } else { end });
        }
        match description_end {
            _ if node.notes.is_empty() => {}
            Some(end) => drop(self.out.splice(end..end, format!(" ({})", node.notes).into_bytes())),
            None => {
                self.name("description");
                self.out.extend_from_slice(format!("\"{}\"", node.notes).as_bytes());
            }
        }
        self.out.push(b'}');
    }

    /// Takes a member out, with the comma before it or, where it is the first, behind it; tells how many bytes
    /// that were.
    fn remove(&mut self, place: Range<usize>) -> usize {
        self.is_changed = true;
        let is_first = self.out.get(place.start) != Some(&b',');
        let end = place.end + usize::from(is_first && self.out.get(place.end) == Some(&b','));
        self.out.drain(place.start..end).count()
    }

    /// Schemas by name.
    fn map(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        if reader.kind() != Some(Kind::Object) {
            return self.copy(reader);
        }
        self.out.push(b'{');
        reader.object(|name, reader| {
            self.name(name);
            self.node(reader)
        })?;
        self.out.push(b'}');
        Ok(())
    }

    fn list(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        if reader.kind() != Some(Kind::Array) {
            return self.copy(reader);
        }
        self.out.push(b'[');
        reader.array(|reader| {
            if self.out.last() != Some(&b'[') {
                self.out.push(b',');
            }
            self.node(reader)
        })?;
        self.out.push(b']');
        Ok(())
    }

    /// The name of a member; its value comes next.
    fn name(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(format!("\"{}\":", Text::plain(name).as_escaped()).as_bytes());
    }

    fn copy(&mut self, reader: &mut Reader<'_>) -> Result<(), ReadError> {
        self.out.extend_from_slice(reader.raw()?.as_str().as_bytes());
        Ok(())
    }

    fn note(&mut self, name: &str, value: &str, node: &mut Node<'_>) {
        self.is_changed = true;
        if !node.notes.is_empty() {
            node.notes.push_str(", ");
        }
        node.notes.push_str(&format!("{name}: {}", Text::plain(value).as_escaped()));
    }
}

/// Whether the value of a `type` names this one.
fn names(kind: &Raw<'_>, wanted: &str) -> bool {
    let mut is_named = false;
    let mut reader = Reader::new(kind.as_str());
    let mut look = |reader: &mut Reader<'_>| {
        is_named |= reader.text_if_any()?.is_some_and(|name| name.is(wanted));
        Ok(())
    };
    let read = if reader.kind() == Some(Kind::Array) { reader.array(look) } else { look(&mut reader) };
    read.is_ok() && is_named
}

/// Whether a value can be of the type.
fn fits(value: Kind, kind: &Raw<'_>) -> bool {
    match value {
        Kind::Null => names(kind, "null"),
        Kind::Boolean => names(kind, "boolean"),
        Kind::Number => names(kind, "number") || names(kind, "integer"),
        Kind::Text => names(kind, "string"),
        Kind::Array => names(kind, "array"),
        Kind::Object => names(kind, "object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(schema: &str) -> String {
        binding(&Raw::new(schema)).as_str().to_owned()
    }

    #[test]
    fn a_schema_that_claude_takes_keeps_its_bytes() {
        for schema in [
            r##"{ "type":"object", "properties":{"b":{"type":"string","format":"date"},"a":{"$ref":"#/$defs/x"}},
                "required":["b","a"],"additionalProperties":false,"$defs":{"x":{"enum":["\u00e9",1]}}}"##,
            r#"{"type":"array","items":{"anyOf":[{"type":"null"},{"type":"integer","enum":[1,2]}]},"minItems":1}"#,
            "true",
            "{}",
        ] {
            assert_eq!(bound(schema), schema);
        }
    }

    #[test]
    fn what_claude_refuses_is_told_in_words_and_the_rest_keeps_its_order() {
        for (schema, expected) in [
            (
                r#"{"type":"object","properties":{"z":{"type":"integer","minimum":1,"description":"d","maximum":5},"a":{"type":"string","format":"x","pattern":"p"}}}"#,
                r#"{"type":"object","properties":{"z":{"type":"integer","description":"d (minimum: 1, maximum: 5)"},"a":{"type":"string","pattern":"p","description":"format: \"x\""}},"additionalProperties":false}"#,
            ),
            (
                r#"{"oneOf":[{"type":"object","additionalProperties":true},{"not":{}}]}"#,
                r#"{"anyOf":[{"type":"object","additionalProperties":false},{"description":"not: {}"}]}"#,
            ),
            (
                r#"{"type":"object","properties":{"b":{}},"propertyOrdering":["b"],"additionalProperties":false}"#,
                r#"{"type":"object","properties":{"b":{}},"additionalProperties":false}"#,
            ),
            (r##"{"description":"d","$ref":"#/x"}"##, r##"{"$ref":"#/x"}"##),
            (r#"{"type":"string","enum":["a",null]}"#, r#"{"enum":["a",null]}"#),
            (r#"{"enum":[1],"type":"string","minLength":1}"#, r#"{"enum":[1],"description":"minLength: 1"}"#),
            (
                r#"{"description":"d","type":"string","const":1,"maxLength":2}"#,
                r#"{"description":"d (maxLength: 2)","const":1}"#,
            ),
            (
                r#"{"type":"string","description":"d","const":1,"maxLength":2}"#,
                r#"{"description":"d (maxLength: 2)","const":1}"#,
            ),
            (
                r#"{"properties":null,"items":[{}],"minItems":2}"#,
                r#"{"description":"items: [{}], minItems: 2"}"#,
            ),
        ] {
            assert_eq!(bound(schema), expected, "{schema}");
            assert_eq!(bound(expected), expected, "twice");
        }
    }
}
