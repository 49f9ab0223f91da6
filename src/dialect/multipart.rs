//! Multipart forms (RFC 7578): where the `model` stands, seen as the form arrives. What two readers could
//! read in two ways is refused, since the model decides which key is used.

use std::ops::Range;

use memchr::memmem::{self, Finder};

use crate::ir::ApiError;

/// Head of one part, bytes.
const PART_HEAD_BYTES_MAX: usize = 16 * 1024;
/// RFC 2046, 5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// Why a form is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FormError {
    /// It does not keep to the grammar, or could be read in two ways.
    Malformed(&'static str),
    /// It has the field `model` twice.
    Ambiguous,
}

/// Finds the field `model` in a form, however the form is cut into reads.
#[derive(Clone, Debug)]
pub struct FormScanner {
    /// Finds `\n--boundary`: what comes before and after is looked at then.
    delimiter: Finder<'static>,
    place: Place,
    /// What has come and could not be passed yet; before the form stands a line end of ours.
    pending: Vec<u8>,
    /// Bytes passed, the line end included.
    passed: usize,
    model: Option<Range<usize>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Preamble,
    Head,
    Value { start: usize, is_model: bool },
    End,
}

const LINE_END: &[u8] = b"\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The boundary that the `Content-Type` of a form names; none where it is not one of a form.
pub fn boundary(content_type: &str) -> Result<Option<&str>, FormError> {
    let (kind, rest) = content_type.split_at(content_type.find(';').unwrap_or(content_type.len()));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    let mut boundary = None;
    for parameter in Parameters(rest.as_bytes()) {
        let (name, value) = parameter?;
        if name.eq_ignore_ascii_case(b"boundary") && boundary.replace(value).is_some() {
            return Err(FormError::Malformed("its Content-Type names two boundaries"));
        }
    }
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    let is_boundary = |value: &&[u8]| {
        matches!(value.len(), 1..=BOUNDARY_BYTES_MAX)
            && value.iter().all(is_allowed)
            && !value.ends_with(b" ")
    };
    let boundary = boundary.filter(is_boundary).and_then(|value| std::str::from_utf8(value).ok());
    boundary.map(Some).ok_or(FormError::Malformed("its Content-Type names no proper boundary"))
}

impl FormScanner {
    /// A scanner at the start of a form.
    pub fn new(boundary: &str) -> Self {
        let delimiter = format!("\n--{boundary}");
        Self {
            delimiter: Finder::new(&delimiter).into_owned(),
            place: Place::Preamble,
            pending: LINE_END.to_vec(),
            passed: 0,
            model: None,
        }
    }

    /// Where the value of `model` stands in the form, once all of it has come.
    pub fn model(&self) -> Option<Range<usize>> {
        self.model.clone()
    }

    /// Looks at what follows what has come so far.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        self.pending.extend_from_slice(bytes);
        while match self.place {
            Place::Head => self.pass_head()?,
            Place::Preamble | Place::Value { .. } | Place::End => self.pass_content()?,
        } {}
        Ok(())
    }

    /// The form has ended: whether where it should.
    pub fn end(&self) -> Result<(), FormError> {
        match self.place {
            Place::End => Ok(()),
            _ => Err(FormError::Malformed("it does not end with the boundary that its Content-Type names")),
        }
    }

    /// Passes the head of a part; false where it is not all there.
    fn pass_head(&mut self) -> Result<bool, FormError> {
        let found = memmem::find(&self.pending, HEAD_END);
        // Where its end has not come, the end's first bytes may have.
        let length = found.unwrap_or_else(|| (self.pending.len() + 1).saturating_sub(HEAD_END.len()));
        if length > PART_HEAD_BYTES_MAX {
            return Err(FormError::Malformed("the head of a part is too long"));
        }
        let Some(length) = found else { return Ok(false) };
        let is_model = is_model(&self.pending[..length])?;
        if is_model && self.model.is_some() {
            return Err(FormError::Ambiguous);
        }
        // The line end stays, so that a boundary right after it is seen.
        self.pass(length + LINE_END.len());
        self.place = Place::Value { start: self.passed + LINE_END.len(), is_model };
        Ok(true)
    }

    /// Passes content up to the next boundary; false where that has not come.
    fn pass_content(&mut self) -> Result<bool, FormError> {
        let length = self.delimiter.needle().len();
        let Some(found) = self.delimiter.find(&self.pending) else {
            self.pass(self.pending.len().saturating_sub(length));
            return Ok(false);
        };
        let Some(after) = self.pending.get(found + length..found + length + 2) else {
            self.pass(found.saturating_sub(1));
            return Ok(false);
        };
        let goes_on = match after {
            LINE_END => true,
            b"--" => false,
            _ => return Err(FormError::Malformed("something follows a boundary on its line")),
        };
        if found == 0 || self.pending[found - 1] != b'\r' {
            return Err(FormError::Malformed("a line before a boundary does not end in CRLF"));
        }
        let end = self.passed + found - 1;
        match self.place {
            Place::End => return Err(FormError::Malformed("it goes on after its end")),
            Place::Value { start, .. } if start > end => {
                return Err(FormError::Malformed("a part has no empty line after its head"));
            }
            Place::Value { start, is_model: true } => {
                self.model = Some(start - LINE_END.len()..end - LINE_END.len());
            }
            _ => {}
        }
        self.pass(found + length + 2);
        self.place = if goes_on { Place::Head } else { Place::End };
        Ok(true)
    }

    fn pass(&mut self, length: usize) {
        self.pending.drain(..length);
        self.passed += length;
    }
}

/// Whether the head of a part says that it is the field `model`.
fn is_model(head: &[u8]) -> Result<bool, FormError> {
    let broken = Err(FormError::Malformed("the head of a part could be read in two ways"));
    let mut disposition = None;
    let mut rest = head;
    while !rest.is_empty() {
        let end = memmem::find(rest, LINE_END).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + LINE_END.len()..).unwrap_or_default();
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return broken };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return broken;
        }
        if name.eq_ignore_ascii_case(b"content-disposition") && disposition.replace(value).is_some() {
            return broken;
        }
    }
    let Some(disposition) = disposition else { return broken };
    let kind_length = disposition.iter().position(|byte| *byte == b';').unwrap_or(disposition.len());
    if !disposition[..kind_length].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return broken;
    }
    let (mut field, mut is_file) = (None, false);
    for parameter in Parameters(&disposition[kind_length..]) {
        let (name, value) = parameter?;
        if name.eq_ignore_ascii_case(b"name") {
            if value.contains(&b'\\') || field.replace(value).is_some() {
                return broken;
            }
        } else if name.eq_ignore_ascii_case(b"filename") || name.eq_ignore_ascii_case(b"filename*") {
            is_file = true;
        } else if name.eq_ignore_ascii_case(b"name*") {
            return broken;
        }
    }
    match field {
        None => broken,
        Some(b"model") if is_file => Err(FormError::Malformed("its `model` is a file")),
        Some(name) => Ok(name == b"model"),
    }
}

/// The parameters of a field's value, from the first `;` on. A quoted value is given as it stands, its
/// quotes removed.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), FormError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_ascii();
        self.0 = b"";
        (!rest.is_empty()).then(|| {
            let parameter = self.parameter(rest);
            parameter.ok_or(FormError::Malformed("a header field's parameters could be read in two ways"))
        })
    }
}

impl<'a> Parameters<'a> {
    fn parameter(&mut self, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let text = text.strip_prefix(b";")?.trim_ascii_start();
        let (name, text) = text.split_at(text.iter().position(|byte| *byte == b'=')?);
        let text = &text[1..];
        let (value, rest) = match text.strip_prefix(b"\"") {
            Some(quoted) => {
                let mut end = 0;
                while quoted.get(end)? != &b'"' {
                    end += if quoted[end] == b'\\' { 2 } else { 1 };
                }
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
                let value = text[..end].trim_ascii_end();
                (is_token(value).then_some(value)?, &text[end..])
            }
        };
        self.0 = rest;
        is_token(name).then_some((name, value))
    }
}

/// RFC 9110, 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_part)
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed(what) => Self::client(
                400,
                "invalid_form",
                format!("The form is not well formed: {what}. See RFC 7578."),
            ),
            FormError::Ambiguous => {
                let message = "`model` stands in the form twice. Send it once.";
                Self::client(400, "ambiguous_field", message).with_param("model")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a; name=\\\"model\\\"\"\r\n\
        Content-Type: audio/wav\r\n\r\nRIFF\r\n--x\r\n--b\r\ncontent-disposition:form-data;name=model\r\n\r\n\
        openai/whisper-1\r\n--b--\r\n";

    /// The model of a whole form that comes in pieces of `step` bytes.
    fn model_of(form: &[u8], step: usize) -> Result<Option<&[u8]>, FormError> {
        let mut scanner = FormScanner::new("b");
        form.chunks(step).try_for_each(|piece| scanner.push(piece))?;
        scanner.end()?;
        Ok(scanner.model().map(|at| &form[at]))
    }

    fn form(parts: &[&str]) -> String {
        let parts = parts.iter().map(|part| format!("--b\r\n{part}\r\n"));
        format!("{}--b--\r\n", parts.collect::<String>())
    }

    fn is_malformed(form: &str) -> bool {
        let found = [1, 7, form.len()].map(|step| model_of(form.as_bytes(), step));
        assert!(found.iter().all(|other| other == &found[0]), "{found:?}");
        matches!(found[0], Err(FormError::Malformed(_)))
    }

    #[test]
    fn the_model_is_found_as_soon_as_it_is_there_however_the_form_is_cut() {
        let start = FORM.find("openai/").unwrap();
        let end = FORM.find("\r\n--b--").unwrap();
        for length in 0..=FORM.len() {
            let mut scanner = FormScanner::new("b");
            assert_eq!(scanner.push(&FORM.as_bytes()[..length]), Ok(()), "{length}");
            let expected = (length >= end + "\r\n--b--".len()).then_some(start..end);
            assert_eq!(scanner.model(), expected, "{length}");
        }
        for step in 1..FORM.len() {
            assert_eq!(model_of(FORM.as_bytes(), step), Ok(Some(&b"openai/whisper-1"[..])), "{step}");
        }
    }

    #[test]
    fn what_stands_before_and_behind_a_form_is_passed_over() {
        let framed = format!("preamble\r\n{FORM}epilogue");
        assert_eq!(model_of(framed.as_bytes(), 5), Ok(Some(&b"openai/whisper-1"[..])));
    }

    #[test]
    fn two_models_are_ambiguous_wherever_they_stand() {
        let model = "Content-Disposition: form-data; name=\"model\"\r\n\r\nx";
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\ny";
        for parts in [[model, model, file], [model, file, model]] {
            for step in [1, 10, 1000] {
                assert_eq!(model_of(form(&parts).as_bytes(), step), Err(FormError::Ambiguous));
            }
        }
    }

    #[test]
    fn a_form_without_a_model_has_none() {
        let form = form(&["Content-Disposition: form-data; name=\"Model\"\r\n\r\nx"]);
        assert_eq!(model_of(form.as_bytes(), 3), Ok(None));
    }

    #[test]
    fn heads_that_could_be_read_in_two_ways_are_refused() {
        for head in [
            "",
            "Content-Type: text/plain",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; name=\"mo\\del\"",
            "Content-Disposition: form-data; name=\"model\"; filename=\"f\"",
            "Content-Disposition: form-data; name=\"a\"; name=\"model\"",
            "Content-Disposition: form-data; name*=utf-8''model",
            "Content-Disposition: form-data; name=a; name*=utf-8''model",
            "Content-Disposition: form-data; name=\"model",
            "Content-Disposition: form-data; name = \"model\"",
            "Content-Disposition: form-data; name='model' x",
            "Content-Disposition: form-data; filename=\"a\" name=\"model\"",
            "Content-Disposition: form-data;\r\n name=\"model\"",
            "Content-Disposition : form-data; name=\"a\"",
            "Content-Disposition: attachment; name=\"a\"",
            "Content-Disposition: form-data; name=\"a\"\nContent-Disposition: form-data; name=\"model\"",
            "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"model\"",
        ] {
            assert!(is_malformed(&form(&[&format!("{head}\r\n\r\nx")])), "{head:?}");
        }
        let long =
            format!("Content-Disposition: form-data; name=a\r\nA: {}", "x".repeat(PART_HEAD_BYTES_MAX));
        for end in ["", "\r\n\r\nx\r\n--b--\r\n"] {
            assert!(is_malformed(&format!("--b\r\n{long}{end}")), "{end:?}");
        }
    }

    #[test]
    fn boundaries_that_could_be_read_in_two_ways_are_refused() {
        let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\nx";
        for text in [
            FORM.replace("\r\n", "\n"),
            FORM.replace("RIFF\r\n", "RIFF\n--b\n"),
            FORM.replace("RIFF\r\n", "RIFF\r\n--bx\r\n"),
            FORM.replace("RIFF\r\n", "RIFF\r\n--b \r\n"),
            format!("{FORM}--b\r\n{part}\r\n--b--\r\n"),
            format!("x\n--b\r\n{part}\r\n{FORM}"),
            FORM.replace("\r\n\r\nRIFF\r\n--x", ""),
            FORM.replace("RIFF\r\n--x\r\n", ""),
            FORM.replace("--b--\r\n", ""),
            "{}".to_owned(),
        ] {
            assert!(is_malformed(&text), "{text:?}");
        }
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Ok(Some("abc")));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), Ok(Some("a b")));
        assert_eq!(boundary("application/json"), Ok(None));
        assert_eq!(boundary("multipart/mixed; boundary=a"), Ok(None));
        for parameters in [
            "",
            "; boundary=",
            "; boundary=a; boundary=b",
            "; boundary=\"a;b\"",
            "; boundary=\"a",
            "; charset",
        ] {
            assert!(boundary(&format!("multipart/form-data{parameters}")).is_err(), "{parameters}");
        }
        assert!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))).is_err());
    }
}
