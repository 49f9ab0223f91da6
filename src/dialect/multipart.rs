//! Multipart forms (RFC 7578): where the `model` stands, without reading the rest.

use std::ops::Range;

use memchr::memmem;

/// What a look into the front of a form found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ModelPart {
    /// The bytes of its value.
    Found(Range<usize>),
    /// It has not come yet.
    Incomplete,
    /// The form has ended, or is not one.
    Absent,
}

/// The boundary that a `Content-Type` of `multipart/form-data` names.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("boundary") && !value.is_empty() && value.len() <= 70)
            .then_some(value)
    })
}

/// Finds the field `model` in as much of a form as has arrived.
pub fn find_model(form: &[u8], boundary: &str) -> ModelPart {
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let mut at = match form.len() < opening.len() {
        true => return ModelPart::Incomplete,
        false if form.starts_with(opening.as_bytes()) => opening.len(),
        // A preamble may come first.
        false => match finder.find(form) {
            Some(found) => found + delimiter.len(),
            None => return ModelPart::Incomplete,
        },
    };
    loop {
        let rest = &form[at..];
        if rest.starts_with(b"--") {
            return ModelPart::Absent;
        }
        let Some(head_length) = memmem::find(rest, b"\r\n\r\n") else { return ModelPart::Incomplete };
        let value = at + head_length + 4;
        let Some(value_length) = finder.find(&form[value..]) else { return ModelPart::Incomplete };
        if names_model(&rest[..head_length]) {
            return ModelPart::Found(value..value + value_length);
        }
        at = value + value_length + delimiter.len();
    }
}

fn names_model(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))
        .flat_map(|(_, value)| value.split(';'))
        .filter_map(|parameter| parameter.split_once('='))
        .any(|(name, value)| {
            name.trim().eq_ignore_ascii_case("name") && value.trim().trim_matches('"') == "model"
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\
        Content-Type: audio/wav\r\n\r\nRIFF\r\n--x\r\n--b\r\ncontent-disposition:form-data; name=model\r\n\r\n\
        openai/whisper-1\r\n--b--\r\n";

    #[test]
    fn the_model_is_found_as_soon_as_it_is_there() {
        let end = FORM.find("\r\n--b--").unwrap();
        for length in 0..=FORM.len() {
            let found = find_model(&FORM.as_bytes()[..length], "b");
            if length < end + "\r\n--b".len() {
                assert_eq!(found, ModelPart::Incomplete, "{length}");
            } else {
                let start = FORM.find("openai/").unwrap();
                assert_eq!(found, ModelPart::Found(start..end), "{length}");
            }
        }
    }

    #[test]
    fn a_form_without_a_model_says_so_at_its_end() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n";
        assert_eq!(find_model(form.as_bytes(), "b"), ModelPart::Absent);
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary("multipart/form-data; boundary="), None);
    }
}
