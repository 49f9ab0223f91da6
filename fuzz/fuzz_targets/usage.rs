//! The tokens that an answer tells: what is found in a document is what it says of itself.
#![no_main]

use bifrost::dialect::UsageTap;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    for mut tap in [UsageTap::chat(), UsageTap::responses()] {
        tap.push_events(text);
    }
    let mut tap = UsageTap::chat();
    tap.push_document(text);
    let Some(told) = tap.told() else { return };
    // Of what stands there twice, readers keep the first, the last or nothing.
    let count = |what: &[u8]| text.windows(what.len()).filter(|window| *window == what).count();
    let is_plain = count(b"\"usage\"") == 1
        && count(b"prompt_tokens\"") + count(b"input_tokens\"") <= 1
        && count(b"completion_tokens\"") + count(b"output_tokens\"") <= 1
        && count(b"\\u") == 0;
    let Ok(document) = serde_json::from_slice::<Value>(text) else { return };
    if !is_plain {
        return;
    }
    let usage = document["usage"].as_object().expect("the usage is the document's own");
    let number =
        |names: [&str; 2]| names.iter().find_map(|name| usage.get(*name)?.as_u64()).unwrap_or_default();
    assert_eq!(told.input_tokens, number(["prompt_tokens", "input_tokens"]));
    assert_eq!(told.output_tokens, number(["completion_tokens", "output_tokens"]));
});
