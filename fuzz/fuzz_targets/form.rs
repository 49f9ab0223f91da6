//! A form: a line with its `Content-Type`, then the form. However it is cut, the same model is found or the same
//! fault, and the model is the value of one part.
#![no_main]

use std::ops::Range;

use bifrost::dialect::{FormError, FormScanner, boundary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut halves = data.splitn(2, |byte| *byte == b'\n');
    let (Some(Ok(kind)), Some(form)) = (halves.next().map(std::str::from_utf8), halves.next()) else {
        return;
    };
    let Ok(Some(boundary)) = boundary(kind) else { return };
    let whole = read(form, boundary, form.len().max(1));
    for step in [1, 2, 7, 64] {
        assert_eq!(read(form, boundary, step), whole, "in pieces of {step} bytes");
    }
    let Ok(Some(Range { start, end })) = whole else { return };
    let delimiter = format!("\r\n--{boundary}");
    let value = &form[start..end];
    assert!(form[end..].starts_with(delimiter.as_bytes()));
    assert!(!value.windows(delimiter.len()).any(|window| window == delimiter.as_bytes()));
    assert!(form[..start].ends_with(b"\r\n\r\n"));
    // Nobody finds another one by looking for the usual spelling.
    let text = String::from_utf8_lossy(form);
    let parts = text.split(&delimiter[1..]).filter(|part| {
        part.split_once("\r\n\r\n")
            .is_some_and(|(head, _)| head == "\r\nContent-Disposition: form-data; name=\"model\"")
    });
    assert!(parts.count() <= 1);
});

fn read(form: &[u8], boundary: &str, step: usize) -> Result<Option<Range<usize>>, FormError> {
    let mut scanner = FormScanner::new(boundary);
    let mut known = None;
    for piece in form.chunks(step) {
        scanner.push(piece)?;
        assert!(known.is_none() || known == scanner.model(), "the model moves");
        known = scanner.model();
    }
    scanner.end()?;
    Ok(known)
}
