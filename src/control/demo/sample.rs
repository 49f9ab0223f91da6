//! Values made up to fit a JSON schema.

use crate::{
    config::limits::{DEMO_ANSWER_BYTES_MAX, DEMO_SAMPLE_DEPTH_MAX},
    dialect::json::document::{Map, Value, json},
};

use super::answer::prefix;

/// Longest text put into one value, bytes.
const TEXT_BYTES_MAX: usize = 256;

/// A value that fits the schema where it is a plain one: required members are there, and strings say `text`.
/// Its JSON takes at most `DEMO_ANSWER_BYTES_MAX` or a little more, however the schema refers to itself.
pub(super) fn sample(schema: &Value, text: &str) -> Value {
    let text = prefix(text, TEXT_BYTES_MAX);
    Sampler { root: schema, text, bytes_left: DEMO_ANSWER_BYTES_MAX }.value(schema, 0)
}

/// Arguments of a function: always an object.
pub(super) fn sample_object(schema: &Value, text: &str) -> Value {
    Some(sample(schema, text)).filter(Value::is_object).unwrap_or_else(|| json!({}))
}

struct Sampler<'a> {
    root: &'a Value,
    text: &'a str,
    bytes_left: usize,
}

impl<'a> Sampler<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        if depth > DEMO_SAMPLE_DEPTH_MAX {
            return Value::Null;
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, depth + 1));
        }
        if let Some(given) = given(schema) {
            let is_affordable = self.spend(given.to_string().len());
            return if is_affordable { given.clone() } else { Value::Null };
        }
        if let Some(variant) = variant(schema) {
            return self.value(variant, depth + 1);
        }
        if !self.spend(8) {
            return Value::Null;
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(&schema["items"], depth),
            "integer" => number(schema, schema["minimum"].is_i64() || schema["minimum"].is_u64()),
            "number" => number(schema, schema["minimum"].is_number()),
            "boolean" => Value::Bool(true),
            "null" => Value::Null,
            _ if self.spend(self.text.len()) => self.text.into(),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut members = Map::new();
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for name in required {
            if !self.spend(name.len()) {
                break;
            }
            members.insert(name.to_owned(), self.value(&schema["properties"][name], depth + 1));
        }
        Value::Object(members)
    }

    fn array(&mut self, items: &'a Value, depth: usize) -> Value {
        if items.is_object() { Value::Array(vec![self.value(items, depth + 1)]) } else { json!([]) }
    }

    /// Whether there was that much left.
    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(0);
        left.is_some()
    }
}

/// The value that the schema itself names.
fn given(schema: &Value) -> Option<&Value> {
    schema.get("const").or_else(|| schema["enum"].get(0)).or_else(|| schema.get("default"))
}

/// The first choice that is more than null.
fn variant(schema: &Value) -> Option<&Value> {
    let variants = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|name| schema[name].as_array())?;
    variants.iter().find(|variant| variant["type"] != "null").or_else(|| variants.first())
}

fn kind(schema: &Value) -> &str {
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    let has_members = schema["properties"].is_object();
    kind.unwrap_or(if has_members { "object" } else { "string" })
}

fn number(schema: &Value, has_minimum: bool) -> Value {
    if has_minimum { schema["minimum"].clone() } else { json!(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_members_are_made_by_their_types() {
        let schema = json!({"type": "object", "required": ["city", "days", "unit", "tags", "deep", "maybe", "is_day"],
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 3},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "tags": {"type": "array", "items": {"type": "number"}},
                "deep": {"$ref": "#/$defs/deep"},
                "maybe": {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
                "is_day": {"type": ["null", "boolean"]},
                "left_out": {"type": "string"},
            },
            "$defs": {"deep": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}},
        });
        let expected = json!({"city": "Paris", "days": 3, "unit": "celsius", "tags": [1], "deep": {"x": "Paris"},
            "maybe": true, "is_day": true});
        assert_eq!(sample(&schema, "Paris"), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let node = json!({"type": "object", "required": ["left", "right"],
            "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        assert!(sample(&node, "x").to_string().len() < 4 * DEMO_ANSWER_BYTES_MAX);
        assert_eq!(sample(&json!({"$ref": "#"}), "x"), Value::Null);
    }

    #[test]
    fn arguments_are_an_object_whatever_the_schema_says() {
        for schema in [Value::Null, json!({}), json!({"type": "string"}), json!(7)] {
            assert_eq!(sample_object(&schema, "x"), json!({}));
        }
    }
}
