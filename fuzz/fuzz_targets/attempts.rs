//! The machine of attempts, driven by any failures.
#![no_main]

use bifrost::route::{Attempts, Failure, Next};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|steps: &[u8]| {
    let [kept, steps @ ..] = steps else { return };
    let is_kept = kept % 2 == 1;
    let mut attempts = Attempts::new(is_kept.then_some(()));
    let (mut reused, mut connected, mut last) = (0, 0, None);
    let mut is_committed = false;
    for step in steps {
        let next = attempts.next();
        if let Next::GiveUp(error) = next {
            assert_eq!(Some(error), last, "another failure is told than the last one");
            return;
        }
        assert!(!is_committed, "an attempt after what cannot be repeated");
        match next {
            Next::Reuse(()) => reused += 1,
            Next::Connect => connected += 1,
            Next::GiveUp(_) => unreachable!(),
        }
        assert!(reused == usize::from(is_kept) && connected <= 1);
        if step & 1 != 0 {
            attempts.committed();
            is_committed = true;
        }
        attempts.failed(if step & 2 != 0 { Failure::Closed(*step) } else { Failure::Final(*step) });
        last = Some(*step);
    }
    assert!(reused + connected <= 2);
});
