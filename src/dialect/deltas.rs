//! Where a vendor of OpenAI's dialect wants other words than OpenAI: single members of a body are renamed or
//! left out, all else stays byte for byte.

use std::ops::Range;

use super::json::{Kind, ReadError, Reader};

/// How requests to a vendor differ from OpenAI's.
#[derive(Debug)]
pub struct Deltas {
    /// Members at the top with the vendor's names for them.
    pub renamed: &'static [(&'static str, &'static str)],
    /// Members at the top that it refuses.
    pub dropped: &'static [&'static str],
    /// Whether it knows the role `developer`; elsewhere that is `system`.
    pub takes_developer: bool,
}

/// A body as a vendor wants it.
#[derive(Debug, PartialEq)]
pub struct Adapted {
    /// The whole body.
    pub body: Vec<u8>,
    /// Members that were left out.
    pub dropped: Vec<&'static str>,
}

/// Bytes that stand in a body instead of others.
struct Edit {
    at: Range<usize>,
    text: &'static str,
}

impl Deltas {
    /// OpenAI itself.
    pub const NONE: Self = Self { renamed: &[], dropped: &[], takes_developer: true };

    /// The body of a chat as the vendor wants it; none where it is that already, or is no such body.
    pub fn adapt(&self, body: &[u8]) -> Option<Adapted> {
        let text = Some(body).filter(|body| self.may_concern(body))?;
        let text = std::str::from_utf8(text).ok()?;
        let mut edits = Vec::new();
        let mut dropped = Vec::new();
        let read = self.find(text, &mut edits, &mut dropped);
        if edits.is_empty() || read.is_err() {
            return None;
        }
        let mut body = Vec::with_capacity(text.len());
        let mut copied = 0;
        for Edit { at, text: new } in edits {
            body.extend_from_slice(text.get(copied..at.start)?.as_bytes());
            body.extend_from_slice(new.as_bytes());
            copied = at.end;
        }
        body.extend_from_slice(text.get(copied..)?.as_bytes());
        Some(Adapted { body, dropped })
    }

    /// Whether one of the words stands anywhere at all, which a fast search shows.
    fn may_concern(&self, body: &[u8]) -> bool {
        let has = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
        let mut words = self.renamed.iter().map(|(from, _)| from).chain(self.dropped);
        words.any(|word| has(word)) || !self.takes_developer && has("developer")
    }

    /// The edits in the order of the text.
    fn find(
        &self,
        text: &str,
        edits: &mut Vec<Edit>,
        dropped: &mut Vec<&'static str>,
    ) -> Result<(), ReadError> {
        let renamed = |name: &str| self.renamed.iter().find(|(from, _)| *from == name);
        let mut present = Vec::new();
        let mut reader = Reader::new(text);
        reader.object(|name, _| {
            present.extend(self.renamed.iter().filter(|(from, _)| *from == name));
            Ok(())
        })?;
        let mut reader = Reader::new(text);
        // Where the last member ends that stays, its comma not included.
        let mut kept_end = None;
        reader.object(|name, reader| {
            let value_at = reader.offset();
            if name == "messages" && !self.takes_developer {
                find_developers(reader, edits)?;
            } else {
                reader.skip()?;
            }
            // The vendor's own name gives way to OpenAI's newer one, which wins there too.
            let is_replaced = present.iter().any(|(_, to)| *to == name);
            let known = self.dropped.iter().find(|dropped| **dropped == name).copied();
            if known.is_some() || is_replaced {
                dropped.extend(known);
                let edit = without_member(text, kept_end, reader.offset());
                edits.retain(|earlier| earlier.at.start != edit.at.start);
                edits.push(edit);
                return Ok(());
            } else if let Some((from, to)) = renamed(name) {
                let front = text.get(..value_at).unwrap_or_default();
                if let Some(at) = front.rfind(&format!("\"{from}\"")) {
                    edits.push(Edit { at: at + 1..at + 1 + from.len(), text: to });
                }
            }
            kept_end = Some(reader.offset());
            Ok(())
        })?;
        reader.end()
    }
}

/// Takes out what stands between the last member that stays, if there is one, and the end of this one; an
/// edit that begins where an earlier one does takes its place.
fn without_member(text: &str, kept_end: Option<usize>, end: usize) -> Edit {
    match kept_end {
        Some(kept_end) => Edit { at: kept_end..end, text: "" },
        None => {
            let start = text.find('{').map_or(0, |at| at + 1);
            let rest = text.get(end..).unwrap_or_default();
            let comma = rest.len() - rest.trim_start().len();
            let has_comma = rest.trim_start().starts_with(',');
            Edit { at: start..end + if has_comma { comma + 1 } else { 0 }, text: "" }
        }
    }
}

fn find_developers(reader: &mut Reader<'_>, edits: &mut Vec<Edit>) -> Result<(), ReadError> {
    reader.array_if_any(|reader| {
        reader.object_if_any(|name, reader| {
            if name == "role" && reader.kind() == Some(Kind::Text) {
                let role = reader.text()?;
                let end = reader.offset() - 1;
                if role.as_escaped() == "developer" {
                    edits.push(Edit { at: end - "developer".len()..end, text: "system" });
                }
            }
            Ok(())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static VENDOR: Deltas = Deltas {
        renamed: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
        dropped: &["store", "user"],
        takes_developer: false,
    };

    fn adapted(body: &str) -> Option<(String, Vec<&'static str>)> {
        let adapted = VENDOR.adapt(body.as_bytes())?;
        Some((String::from_utf8(adapted.body).unwrap(), adapted.dropped))
    }

    #[test]
    fn members_are_renamed_and_left_out_and_all_else_stays() {
        for (body, expected, dropped) in [
            (r#"{ "seed" : 1e400,"a":[ ] }"#, r#"{ "random_seed" : 1e400,"a":[ ] }"#, vec![]),
            (r#"{"store":true,"a":1}"#, r#"{"a":1}"#, vec!["store"]),
            (r#"{"a":1 , "store":true}"#, r#"{"a":1}"#, vec!["store"]),
            (r#"{"a":1,"user":"u","store":true , "b":2}"#, r#"{"a":1 , "b":2}"#, vec!["user", "store"]),
            (r#"{"store":true}"#, r#"{}"#, vec!["store"]),
            (r#"{"store":true,"user":"u"}"#, r#"{}"#, vec!["store", "user"]),
            (r#"{"store":true,"user":"u", "a":1}"#, r#"{ "a":1}"#, vec!["store", "user"]),
            (r#"{"max_tokens":1,"max_completion_tokens":2}"#, r#"{"max_tokens":2}"#, vec![]),
            (
                r#"{"messages":[{"role":"developer","content":"developer"}],"seed":1}"#,
                r#"{"messages":[{"role":"system","content":"developer"}],"random_seed":1}"#,
                vec![],
            ),
        ] {
            assert_eq!(adapted(body), Some((expected.to_owned(), dropped)), "{body}");
        }
    }

    #[test]
    fn a_body_that_fits_stays_what_it_is() {
        for body in [
            r#"{"messages":[{"role":"user","content":"my store, seed, developer"}]}"#,
            r#"{"max_tokens":1,"metadata":{"user":"u"}}"#,
            r#"{"store":tru}"#,
            "",
        ] {
            assert_eq!(adapted(body), None, "{body}");
        }
        assert_eq!(Deltas::NONE.adapt(br#"{"store":true}"#), None);
    }
}
