//! The scan of a JSON body accepts what the standard does, up to a depth, and finds what a parser finds.
#![no_main]

use std::fmt;

use bifrost::dialect::json::{JSON_DEPTH_MAX, Outline, ScanError, scan};
use libfuzzer_sys::fuzz_target;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::Value;

/// Keys that must mean the same to every reader.
const ROUTING: [&str; 3] = ["model", "stream", "fallbacks"];

fuzz_target!(|body: &[u8]| {
    // Passes values without reading them: it knows no bound of depth or of numbers, and no surrogates.
    let is_grammatical = serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let is_json = is_grammatical && std::str::from_utf8(body).is_ok();
    match scan(body) {
        Ok(outline) => {
            assert!(is_json, "accepted, and it is not JSON");
            assert!(depth(body) <= JSON_DEPTH_MAX);
            check(&outline, body);
        }
        Err(ScanError::Malformed(at)) => {
            assert!(at <= body.len());
            // Half a surrogate pair can be no model's name and no key that may be one.
            let has_surrogates = serde_json::from_slice::<Value>(body).is_err();
            assert!(!is_json || has_surrogates, "refused at {at}, and it is JSON");
        }
        Err(ScanError::TooDeep) => assert!(depth(body) > JSON_DEPTH_MAX),
        Err(ScanError::NotAnObject) => {
            assert!(is_grammatical && body.trim_ascii_start().first() != Some(&b'{'));
        }
        Err(ScanError::Ambiguous(field)) => {
            let Ok(Keys(keys)) = serde_json::from_slice(body) else { return };
            let count = keys.iter().filter(|key| *key == field).count();
            assert!(count > 1 || count == 1 && body.contains(&b'\\'), "{field} is there {count} times");
        }
        Err(ScanError::WrongType(field)) => assert!(body.contains(&b'"') && !field.is_empty()),
    }
});

/// The keys of an object, unescaped, each as often as it is there.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

fn check(outline: &Outline<'_>, body: &[u8]) {
    if outline.model.is_some() {
        let quoted = &body[outline.model_at.clone()];
        assert!(outline.is_quoted);
        let text = serde_json::from_slice::<String>(quoted).unwrap();
        assert_eq!(outline.model.as_deref(), Some(&text[..]));
    }
    if let Ok(Keys(keys)) = serde_json::from_slice(body) {
        for field in ROUTING {
            let count = keys.iter().filter(|key| *key == field).count();
            let plain = format!("\"{field}\"");
            let is_plain = body.windows(plain.len()).any(|window| window == plain.as_bytes());
            assert!(count == 0 || count == 1 && is_plain, "{field} is there {count} times");
        }
    }
    // Numbers beyond those of a float, and half surrogates, make no tree.
    let Ok(tree) = serde_json::from_slice::<Value>(body) else { return };
    assert_eq!(outline.model.as_deref(), tree["model"].as_str());
    assert_eq!(outline.is_streamed, tree["stream"] == true);
}

/// Levels of nesting, as far as the brackets show.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => depth += 1,
            b'}' | b']' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
