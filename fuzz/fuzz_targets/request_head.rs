//! Heads that come one after the other on one connection: each is read as if it were the first, and what is
//! accepted means the same to every reader.
#![no_main]

use bifrost::http::{Framing, HeadError, RequestHead};
use fuzz::{PlainHead, cuts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    let mut buffer = stream.to_vec();
    let mut head = RequestHead::default();
    while !buffer.is_empty() {
        let before = buffer.clone();
        let taken = head.take(&mut buffer);
        let mut again = before.clone();
        let mut fresh = RequestHead::default();
        assert_eq!(taken, fresh.take(&mut again), "the head before makes a difference");
        if taken != Ok(true) {
            return;
        }
        assert_eq!(buffer, again);
        assert_eq!(told(&head), told(&fresh));
        let length = before.len() - buffer.len();
        assert_eq!(before[length..], buffer);
        check(&head, &before[..length]);
        for cut in cuts(length) {
            assert_eq!(take(&before[..cut]), Ok(false), "{cut} of {length} bytes");
        }
    }
});

fn take(bytes: &[u8]) -> Result<bool, HeadError> {
    RequestHead::default().take(&mut bytes.to_vec())
}

fn told(head: &RequestHead) -> impl PartialEq + std::fmt::Debug {
    let fields: Vec<_> = head.fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let line = (head.method().to_owned(), head.path().to_owned(), head.query().map(str::to_owned));
    let flags = (head.is_persistent, head.expects_continue, head.wants_websocket());
    (line, head.minor_version, head.framing, flags, fields)
}

fn check(head: &RequestHead, bytes: &[u8]) {
    let plain = PlainHead::read(bytes);
    assert_eq!(head.fields.iter().collect::<Vec<_>>(), plain.fields);
    let target = match head.query() {
        Some(query) => format!("{}?{query}", head.path()),
        None => head.path().to_owned(),
    };
    let end = format!("{target} HTTP/1.{}", head.minor_version);
    assert!(
        plain.first_line.starts_with(head.method().as_bytes()) && plain.first_line.ends_with(end.as_bytes())
    );
    assert!(head.path().starts_with('/') || head.path() == "*");
    assert!(!head.path().contains('?'));
    let hosts = plain.values("host").len();
    assert!(hosts == 1 || hosts == 0 && head.minor_version == 0);
    let framing = match plain.length() {
        _ if plain.is_chunked() => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::Empty,
    };
    assert_eq!(head.framing, framing);
}
