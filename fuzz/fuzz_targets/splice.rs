//! Another name of the model: a line with the name, then a body. Nothing but the name changes.
#![no_main]

use bifrost::dialect::{Splice, json::scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut halves = data.splitn(2, |byte| *byte == b'\n');
    let (Some(Ok(name)), Some(body)) = (halves.next().map(std::str::from_utf8), halves.next()) else {
        return;
    };
    let Ok(outline) = scan(body) else { return };
    if outline.model.is_none() {
        return;
    }
    let spliced = Splice::model(&outline, name).pieces(body).concat();
    assert!(spliced.starts_with(&body[..outline.model_at.start]));
    assert!(spliced.ends_with(&body[outline.model_at.end..]));
    let again = scan(&spliced).expect("a spliced body is JSON");
    assert_eq!(again.model.as_deref(), Some(name));
    assert_eq!(again.model_at.start, outline.model_at.start);
    assert_eq!(spliced.len() - again.model_at.end, body.len() - outline.model_at.end);
    assert_eq!(again.is_streamed, outline.is_streamed);
    assert_eq!(again.names_stored_object, outline.names_stored_object);
});
