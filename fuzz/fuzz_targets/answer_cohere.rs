//! Answers in the words of Cohere's chats, for any client.
#![no_main]

use fuzz::dialects::{answer, provider};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| answer(provider("cohere"), input));
