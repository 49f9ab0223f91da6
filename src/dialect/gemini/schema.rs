//! JSON schemas: what Google does not take goes, and what only Google writes becomes JSON schema. Both keep
//! the order of members, and every byte where nothing has to change.

use crate::{
    dialect::json::{Kind, ReadError, Reader, Writer},
    ir::{Raw, Text},
};

/// Members whose numbers Google's own schemas give as texts.
const COUNTS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// A JSON schema as Google takes it: without `$schema`, and without OpenAI's `strict`.
pub(super) fn accepted<'r>(schema: &'r Raw<'_>) -> Raw<'r> {
    let is_foreign = |name: &str| matches!(name, "$schema" | "strict");
    let mut has_foreign = false;
    let mut out = Vec::new();
    let mut reader = Reader::new(schema.as_str());
    let mut read = Ok(());
    Writer::new(&mut out).object(|writer| {
        read = reader.object(|name, reader| {
            if is_foreign(name) {
                has_foreign = true;
                return Ok(());
            }
            let value = reader.raw()?;
            writer.member_named(&Text::plain(name)).raw(&value);
            Ok(())
        });
    });
    match String::from_utf8(out) {
        Ok(changed) if has_foreign && read.is_ok() => Raw::owned(changed),
        _ => schema.reborrow(),
    }
}

/// Whether a schema says nothing.
pub(super) fn is_empty(schema: &Raw<'_>) -> bool {
    let mut is_empty = true;
    let read = Reader::new(schema.as_str()).object(|_, _| {
        is_empty = false;
        Ok(())
    });
    is_empty && read.is_ok()
}

/// Google's own kind of schema (types in upper case, `nullable`, numbers as texts) as JSON schema.
pub(super) fn standard<'a>(schema: &Raw<'a>) -> Raw<'a> {
    let mut out = Vec::new();
    let read = write_standard(&mut Reader::new(schema.as_str()), &mut Writer::new(&mut out));
    match String::from_utf8(out) {
        Ok(standard) if read.is_ok() && standard != schema.as_str() => Raw::owned(standard),
        _ => schema.clone(),
    }
}

/// How deep the scanner lets values be, this recursion is at most.
fn write_standard(reader: &mut Reader<'_>, writer: &mut Writer<'_>) -> Result<(), ReadError> {
    if reader.kind() != Some(Kind::Object) {
        writer.raw(&reader.raw()?);
        return Ok(());
    }
    let is_nullable = is_nullable(reader.clone())?;
    let mut read = Ok(());
    writer.object(|writer| {
        read = reader.object(|name, reader| {
            match name {
                "nullable" if reader.kind() == Some(Kind::Boolean) => return Ok(()),
                "type" if reader.kind() == Some(Kind::Text) => {
                    let kind = Text::plain(reader.text()?.to_plain().to_ascii_lowercase());
                    writer.member(name);
                    if is_nullable {
                        writer.array(|writer| {
                            writer.text(&kind);
                            writer.string("null");
                        });
                    } else {
                        writer.text(&kind);
                    }
                    return Ok(());
                }
                _ => {}
            }
            writer.member_named(&Text::plain(name));
            match name {
                "properties" | "$defs" | "defs" if reader.kind() == Some(Kind::Object) => {
                    write_schemas(reader, writer)?;
                }
                "items" | "additionalProperties" => write_standard(reader, writer)?,
                "anyOf" | "oneOf" | "allOf" | "prefixItems" if reader.kind() == Some(Kind::Array) => {
                    let mut read = Ok(());
                    writer.array(|writer| read = reader.array(|reader| write_standard(reader, writer)));
                    read?;
                }
                _ => {
                    let value = reader.raw()?;
                    let digits = value.as_text().filter(|text| {
                        COUNTS.contains(&name) && text.as_escaped().bytes().all(|byte| byte.is_ascii_digit())
                    });
                    match digits.filter(|digits| !digits.is_empty()) {
                        Some(digits) => writer.json(digits.as_escaped()),
                        None => writer.raw(&value),
                    }
                }
            }
            Ok(())
        });
    });
    read
}

fn write_schemas(reader: &mut Reader<'_>, writer: &mut Writer<'_>) -> Result<(), ReadError> {
    let mut read = Ok(());
    writer.object(|writer| {
        read = reader.object(|name, reader| {
            writer.member_named(&Text::plain(name));
            write_standard(reader, writer)
        });
    });
    read
}

fn is_nullable(mut reader: Reader<'_>) -> Result<bool, ReadError> {
    let mut is_nullable = false;
    reader.object(|name, reader| {
        if name == "nullable" && reader.kind() == Some(Kind::Boolean) {
            is_nullable = reader.boolean()?;
        }
        Ok(())
    })?;
    Ok(is_nullable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_google_takes_keeps_its_bytes() {
        let schema = Raw::new(r#"{ "z": 1, "properties": {"$schema": {"type": "string"}},"a":[1.0] }"#);
        assert_eq!(accepted(&schema), schema);
        let foreign = Raw::new(r#"{"$schema":"x","b":1.0,"strict":true,"a":{"strict":2}}"#);
        assert_eq!(accepted(&foreign).as_str(), r#"{"b":1.0,"a":{"strict":2}}"#);
        for odd in ["true", "[]", "{\"a\""] {
            assert_eq!(accepted(&Raw::new(odd)).as_str(), odd);
        }
    }

    #[test]
    fn googles_own_schema_becomes_json_schema() {
        let schema = Raw::new(
            r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"enum":["A"],"maxLength":"9"},
            "l":{"type":"ARRAY","minItems":"1","items":{"anyOf":[{"type":"INTEGER"},{"type":"BOOLEAN"}]}}},"default":{"type":"X"}}"#,
        );
        let expected = r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["A"],"maxLength":9},"l":{"type":"array","minItems":1,"items":{"anyOf":[{"type":"integer"},{"type":"boolean"}]}}},"default":{"type":"X"}}"#;
        assert_eq!(standard(&schema).as_str(), expected);
        let json = Raw::new(r#"{"type":["string","null"],"b":{"c":1e400}}"#);
        assert_eq!(standard(&json), json);
    }

    #[test]
    fn a_schema_that_says_nothing_is_seen() {
        assert!(is_empty(&Raw::new("{}")) && is_empty(&Raw::new("{ }")));
        assert!(!is_empty(&Raw::new("true")) && !is_empty(&Raw::new(r#"{"a":1}"#)));
    }
}
