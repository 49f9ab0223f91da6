//! Requests in the words of OpenAI's chats, for any provider.
#![no_main]

use fuzz::dialects::{client, request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| request(client("openai_chat"), input));
