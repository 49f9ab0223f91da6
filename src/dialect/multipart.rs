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
    /// There are two of them: providers could disagree about which counts.
    Ambiguous,
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
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    let opening = &delimiter.as_bytes()[2..];
    let mut at = if form.starts_with(opening) {
        opening.len()
    } else {
        // A preamble may come first.
        let Some(found) = finder.find(form) else { return ModelPart::Incomplete };
        found + delimiter.len()
    };
    let mut model = None;
    let unfinished = |model: Option<Range<usize>>| model.map_or(ModelPart::Incomplete, ModelPart::Found);
    loop {
        let rest = &form[at..];
        if rest.starts_with(b"--") {
            return model.map_or(ModelPart::Absent, ModelPart::Found);
        }
        let Some(head_length) = memmem::find(rest, b"\r\n\r\n") else { return unfinished(model) };
        let value = at + head_length + 4;
        let is_model = is_model(&rest[..head_length]);
        if is_model && model.is_some() {
            return ModelPart::Ambiguous;
        }
        let Some(value_length) = finder.find(&form[value..]) else { return unfinished(model) };
        if is_model {
            model = Some(value..value + value_length);
        }
        at = value + value_length + delimiter.len();
    }
}

/// Whether the head of a part says that it is the field `model`, and not a file.
fn is_model(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let disposition = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("content-disposition").then_some(value));
    let mut is_named = false;
    for (name, value) in parameters(disposition.unwrap_or_default()) {
        match name.to_ascii_lowercase().as_str() {
            "name" => is_named = value == "model",
            "filename" | "filename*" => return false,
            _ => {}
        }
    }
    is_named
}

/// The parameters of a field's value; a quoted one may hold anything.
fn parameters(value: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = value.split_once(';').map(|(_, rest)| rest);
    while let Some(text) = rest {
        let Some((name, after)) = text.split_once('=') else { break };
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (&quoted[..end], quoted[end..].split_once(';').map(|(_, next)| next))
            }
            None => match after.split_once(';') {
                Some((value, next)) => (value.trim(), Some(next)),
                None => (after.trim(), None),
            },
        };
        found.push((name.trim(), value));
        rest = next;
    }
    found
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
    fn a_file_is_no_model_whatever_its_name_says() {
        let file =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x; name=model\"\r\n\r\nx";
        let form = format!("{file}\r\n--b--\r\n");
        assert_eq!(find_model(form.as_bytes(), "b"), ModelPart::Absent);
        let form = form.replace("name=\"file\"", "name=\"model\"");
        assert_eq!(find_model(form.as_bytes(), "b"), ModelPart::Absent);
    }

    #[test]
    fn two_models_are_ambiguous() {
        let part = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nx\r\n";
        let form = format!("{part}{part}--b--\r\n");
        assert_eq!(find_model(form.as_bytes(), "b"), ModelPart::Ambiguous);
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
