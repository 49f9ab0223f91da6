//! Answers in the words of Anthropic's messages, for any client.
#![no_main]

use fuzz::dialects::{answer, provider};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| answer(provider("anthropic"), input));
