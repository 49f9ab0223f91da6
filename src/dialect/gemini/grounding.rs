//! Where something said comes from: Google counts bytes of UTF-8 and lists sources apart, the IR counts
//! characters and tells each source beside what it is about.

use crate::{
    dialect::json::{ReadError, Reader, Writer},
    ir::{Citation, Text},
};

/// Places that are looked up in one chunk; further ones are passed over.
const SUPPORTS_MAX: usize = 1024;

/// A place in what is said.
#[derive(Default)]
struct Segment<'a> {
    start: usize,
    end: usize,
    quote: Option<Text<'a>>,
}

/// Reads `groundingMetadata`; `said` is what has been said so far.
pub(super) fn read_grounding<'a>(
    mut reader: Reader<'a>,
    said: &str,
    mut take: impl FnMut(Citation<'a>),
) -> Result<(), ReadError> {
    let (mut sources, mut supports) = (Vec::new(), None);
    reader.object_if_any(|name, reader| {
        match name {
            "groundingChunks" => reader.array_if_any(|reader| {
                sources.push(read_source(reader)?);
                Ok(())
            })?,
            "groundingSupports" => supports = Some(reader.clone()),
            _ => {}
        }
        Ok(())
    })?;
    let mut has_places = false;
    if let Some(mut reader) = supports {
        let starts = starts(said);
        let mut count = 0;
        reader.array_if_any(|reader| {
            count += 1;
            if count > SUPPORTS_MAX {
                return Ok(());
            }
            let (segment, numbers) = read_support(reader)?;
            let place = segment.characters(said, &starts);
            for source in numbers.into_iter().filter_map(|number| sources.get(number)) {
                has_places = true;
                let (start, end) = place.unzip();
                take(Citation { quote: segment.quote.clone(), start, end, ..source.clone() });
            }
            Ok(())
        })?;
    }
    if !has_places {
        sources.into_iter().filter(|source| !source.url.is_empty()).for_each(take);
    }
    Ok(())
}

fn read_source<'a>(reader: &mut Reader<'a>) -> Result<Citation<'a>, ReadError> {
    let mut source = Citation::default();
    reader.object_if_any(|name, reader| {
        if !matches!(name, "web" | "retrievedContext" | "maps") {
            return Ok(());
        }
        reader.object_if_any(|name, reader| {
            match name {
                "uri" => source.url = reader.text_if_any()?.unwrap_or_default(),
                "title" => source.title = reader.text_if_any()?,
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(source)
}

fn read_support<'a>(reader: &mut Reader<'a>) -> Result<(Segment<'a>, Vec<usize>), ReadError> {
    let (mut segment, mut numbers) = (Segment::default(), Vec::new());
    let number = |count: Option<u64>| count.and_then(|count| usize::try_from(count).ok());
    reader.object_if_any(|name, reader| {
        match name {
            "segment" => reader.object_if_any(|name, reader| {
                match name {
                    "startIndex" => segment.start = number(reader.count_if_any()?).unwrap_or_default(),
                    "endIndex" => segment.end = number(reader.count_if_any()?).unwrap_or_default(),
                    "text" => segment.quote = reader.text_if_any()?,
                    _ => {}
                }
                Ok(())
            })?,
            "groundingChunkIndices" => reader.array_if_any(|reader| {
                numbers.extend(number(reader.count_if_any()?));
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((segment, numbers))
}

impl Segment<'_> {
    /// First character, and the one behind the last. Bytes are counted within a part, so that the words
    /// themselves are looked for where they are not at the place told.
    fn characters(&self, said: &str, starts: &[usize]) -> Option<(u64, u64)> {
        let told = said.get(self.start..self.end);
        let quote = self.quote.as_ref().map(Text::to_plain);
        let start = match &quote {
            Some(quote) if told != Some(&**quote) => said.find(&**quote)?,
            _ => told.map(|_| self.start)?,
        };
        let words = quote.as_deref().or(told)?;
        let before = starts.binary_search(&start).ok()? as u64;
        Some((before, before + words.chars().count() as u64))
    }
}

/// Sources of one choice; further ones are passed over.
pub(super) const CITATIONS_MAX: usize = 1024;

/// Writes the member `groundingMetadata`, where there is anything to tell.
pub(super) fn write_grounding(citations: &[Citation<'_>], said: &str, writer: &mut Writer<'_>) {
    if citations.is_empty() {
        return;
    }
    let mut sources: Vec<&Citation<'_>> = Vec::new();
    let mut numbers = Vec::new();
    let citations = citations.get(..CITATIONS_MAX).unwrap_or(citations);
    for citation in citations {
        let known = sources.iter().position(|source| source.url == citation.url);
        numbers.push(known.unwrap_or(sources.len()));
        if known.is_none() {
            sources.push(citation);
        }
    }
    let starts = starts(said);
    writer.member("groundingMetadata").object(|writer| {
        writer.member("groundingChunks").array(|writer| {
            for source in sources {
                writer.object(|writer| {
                    writer.member("web").object(|writer| {
                        writer.member("uri").text(&source.url);
                        writer.member("title").text(source.title.as_ref().unwrap_or(&source.url));
                    });
                });
            }
        });
        writer.member("groundingSupports").array(|writer| {
            for (citation, number) in citations.iter().zip(numbers) {
                let Some((start, end)) = bytes(citation, &starts) else { continue };
                writer.object(|writer| {
                    writer.member("segment").object(|writer| {
                        writer.member("startIndex").count(start as u64);
                        writer.member("endIndex").count(end as u64);
                        writer.member("text").text(&Text::plain(said.get(start..end).unwrap_or_default()));
                    });
                    writer.member("groundingChunkIndices").array(|writer| writer.count(number as u64));
                });
            }
        });
    });
}

/// Where each character begins, and where the last one ends.
fn starts(said: &str) -> Vec<usize> {
    said.char_indices().map(|(at, _)| at).chain([said.len()]).collect()
}

/// First byte, and the one behind the last.
fn bytes(citation: &Citation<'_>, starts: &[usize]) -> Option<(usize, usize)> {
    let byte_of = |character: u64| starts.get(usize::try_from(character).ok()?).copied();
    let (start, end) = (byte_of(citation.start?)?, byte_of(citation.end?)?);
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Grüße. Sun is up.";

    fn read(text: &str, said: &str) -> Vec<Citation<'static>> {
        let mut citations = Vec::new();
        read_grounding(Reader::new(text), said, |citation| citations.push(citation.into_owned())).unwrap();
        citations
    }

    #[test]
    fn bytes_become_characters_and_bytes_again() {
        let text = r#"{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"web":{"uri":"https://b"}}],
            "groundingSupports":[{"segment":{"startIndex":9,"endIndex":19,"text":"Sun is up."},"groundingChunkIndices":[1,0,7]}]}"#;
        let citations = read(text, SAID);
        assert_eq!(citations.len(), 2);
        assert_eq!((citations[0].start, citations[0].end), (Some(7), Some(17)));
        assert!(citations[0].url.is("https://b") && citations[1].title == Some(Text::escaped("A")));
        let mut out = Vec::new();
        Writer::new(&mut out).object(|writer| write_grounding(&citations, SAID, writer));
        let written = String::from_utf8(out).unwrap();
        let inside = written.strip_prefix(r#"{"groundingMetadata":"#).and_then(|rest| rest.strip_suffix('}'));
        let again = read(inside.unwrap(), SAID);
        assert_eq!((again[0].start, again[1].end), (Some(7), Some(17)));
    }

    #[test]
    fn a_place_that_is_told_wrongly_is_found_by_its_words_or_left_out() {
        let text = |start: usize, quote: &str| {
            format!(
                r#"{{"groundingChunks":[{{"web":{{"uri":"u"}}}}],"groundingSupports":[{{"segment":{{"startIndex":{start},"endIndex":900,"text":"{quote}"}},"groundingChunkIndices":[0]}}]}}"#
            )
        };
        assert_eq!(read(&text(3, "Sun"), SAID)[0].start, Some(7));
        assert_eq!(read(&text(3, "Moon"), SAID)[0].start, None);
        let sources = read(r#"{"groundingChunks":[{"web":{"uri":"u"}},{"other":1}]}"#, SAID);
        assert!(sources.len() == 1 && sources[0].url.is("u"));
    }
}
