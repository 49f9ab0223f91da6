//! Heads of responses, and a proxy's replies: what is accepted is delimited in one way only.
#![no_main]

use bifrost::http::{Framing, ResponseHead, take_tunnel_reply};
use fuzz::{PlainHead, cuts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut buffer = stream.to_vec();
    if let Ok(Some(_)) = take_tunnel_reply(&mut buffer) {
        assert!(stream.ends_with(&buffer));
    }
    for answers_head in [false, true] {
        let mut buffer = stream.to_vec();
        let mut head = ResponseHead::default();
        while !buffer.is_empty() {
            let before = buffer.clone();
            if head.take(&mut buffer, answers_head) != Ok(true) {
                break;
            }
            let length = before.len() - buffer.len();
            assert_eq!(before[length..], buffer);
            check(&head, &before[..length], answers_head);
            for cut in cuts(length) {
                let taken = ResponseHead::default().take(&mut before[..cut].to_vec(), answers_head);
                assert_eq!(taken, Ok(false), "{cut} of {length} bytes");
            }
        }
    }
});

fn check(head: &ResponseHead, bytes: &[u8], answers_head: bool) {
    let plain = PlainHead::read(bytes);
    assert_eq!(head.fields.iter().collect::<Vec<_>>(), plain.fields);
    assert!((100..1000).contains(&head.status));
    let framing = match plain.length() {
        _ if plain.is_chunked() => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    let has_body = !answers_head && head.status >= 200 && !matches!(head.status, 204 | 304);
    assert_eq!(head.framing, if has_body { framing } else { Framing::Empty });
    assert!(!head.is_persistent || head.framing != Framing::UntilClose);
}
