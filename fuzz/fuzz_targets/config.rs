//! Any configuration is either used or refused with reasons, and tells no secret.
#![no_main]

use bifrost::config::{Finding, Rejected, check};
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "sk-very-secret";

fuzz_target!(|text: &str| {
    let checked = check(text, &|name| name.ends_with("KEY").then(|| format!("{SECRET}-{name}")));
    let (mistakes, warnings) = match checked {
        Ok((snapshot, warnings)) => {
            assert!(!format!("{snapshot:?}").contains(SECRET));
            let accounts = snapshot.routes.accounts();
            assert!(accounts.iter().all(|account| !account.name.is_empty() && !account.keys.is_empty()));
            (Vec::new(), warnings)
        }
        Err(Rejected { mistakes, warnings }) => {
            assert!(!mistakes.is_empty());
            (mistakes, warnings)
        }
    };
    for Finding { message, remedy, .. } in mistakes.iter().chain(&warnings) {
        assert!(!message.is_empty() && !remedy.is_empty());
        assert!(!message.contains(SECRET) && !remedy.contains(SECRET));
    }
    // Only a file that is no object has no place to point at.
    let unplaced = mistakes.iter().filter(|mistake| mistake.path.is_empty()).count();
    assert!(unplaced <= 1);
});
