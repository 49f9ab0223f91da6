//! The end that a stream tells: the same whether its events are looked at one by one or together.
#![no_main]

use bifrost::dialect::CompletionTap;
use fuzz::event_ends;
use libfuzzer_sys::fuzz_target;

/// A finish reason is looked for in so many bytes before the end, at least.
const RECENT_BYTES: usize = 2 * 1024;

fuzz_target!(|stream: &[u8]| {
    let ends = event_ends(stream);
    let events = &stream[..ends.last().copied().unwrap_or(0)];
    for tap in [CompletionTap::chat(), CompletionTap::responses()] {
        let (mut together, mut one_by_one) = (tap.clone(), tap);
        together.push(events);
        let mut start = 0;
        for end in &ends {
            one_by_one.push(&events[start..*end]);
            start = *end;
        }
        assert_eq!(together.has_ended(), one_by_one.has_ended());
        if events.len() <= RECENT_BYTES {
            assert_eq!(together.is_complete(), one_by_one.is_complete());
        }
        assert!(together.is_complete() || !together.has_ended());
    }
});
