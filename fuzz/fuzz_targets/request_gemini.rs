//! Requests in the words of Google's `generateContent`, for any provider.
#![no_main]

use fuzz::dialects::{client, request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| request(client("gemini"), input));
