//! Ends of events: the same ones however a stream is cut.
#![no_main]

use bifrost::http::EventBoundary;
use fuzz::event_ends;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [step, stream @ ..] = data else { return };
    let ends = event_ends(stream);
    for step in [1, 2, usize::from(*step).max(1), stream.len().max(1)] {
        let mut boundary = EventBoundary::default();
        let (mut last, mut at) = (0, 0);
        let mut left = &ends[..];
        let mut expected = 0;
        for piece in stream.chunks(step) {
            let length = boundary.scan(piece);
            assert!(length <= piece.len());
            if length > 0 {
                last = at + length;
            }
            at += piece.len();
            while let [end, rest @ ..] = left
                && *end <= at
            {
                expected = *end;
                left = rest;
            }
            // Half of a line end is one too.
            if left.first() == Some(&(at + 1)) && stream[at - 1..].starts_with(b"\r\n") {
                expected = at;
            }
            assert_eq!(last, expected, "in pieces of {step} bytes, at {at}");
        }
    }
});
