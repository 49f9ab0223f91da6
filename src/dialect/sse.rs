//! Server-sent events, one by one, with what is in them (WHATWG HTML, "Server-sent events").

use std::borrow::Cow;

use super::json::lossy;
use crate::http::EventBoundary;

/// Cuts a stream into events, wherever the network cuts it.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    boundary: EventBoundary,
    /// What has come since the last whole event.
    held: Vec<u8>,
}

impl EventReader {
    /// Reads what has come: `take` gets the name and the data of each event that has data.
    pub(super) fn push<E>(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let complete = self.boundary.scan(bytes);
        if complete == 0 {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        let (whole, rest) = bytes.split_at(complete);
        if self.held.is_empty() {
            read_events(whole, &mut take)?;
        } else {
            self.held.extend_from_slice(whole);
            let held = std::mem::take(&mut self.held);
            read_events(&held, &mut take)?;
        }
        self.held.extend_from_slice(rest);
        Ok(())
    }

    /// Reads an event that no blank line ends.
    pub(super) fn finish<E>(&mut self, mut take: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        let held = std::mem::take(&mut self.held);
        read_events(&held, &mut take)
    }

    /// Bytes of an event that is not whole yet.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }
}

fn read_events<E>(events: &[u8], take: &mut impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
    let text = lossy(events);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut name, mut data) = ("", None::<Cow<'_, str>>);
    while !rest.is_empty() {
        let end = memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = behind.strip_prefix("\r\n").or_else(|| behind.get(1..)).unwrap_or_default();
        if line.is_empty() {
            if let Some(data) = data.take() {
                take(name, &data)?;
            }
            name = "";
        } else if let Some(value) = value_of(line, "data") {
            data = Some(match data {
                None => Cow::Borrowed(value),
                Some(before) => Cow::Owned(format!("{before}\n{value}")),
            });
        } else if let Some(value) = value_of(line, "event") {
            name = value;
        }
    }
    match data {
        Some(data) => take(name, &data),
        None => Ok(()),
    }
}

/// What a line gives the field `name`.
fn value_of<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let rest = line.strip_prefix(name)?;
    let value = if rest.is_empty() { rest } else { rest.strip_prefix(':')? };
    Some(value.strip_prefix(' ').unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut read = Vec::new();
        let mut reader = EventReader::default();
        for piece in pieces {
            let taken = reader.push(piece, |name, data| {
                read.push((name.to_owned(), data.to_owned()));
                Ok::<_, ()>(())
            });
            taken.unwrap();
        }
        let taken = reader.finish(|name, data| {
            read.push((name.to_owned(), data.to_owned()));
            Ok::<_, ()>(())
        });
        taken.unwrap();
        read
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream = "\u{feff}: c\n\nevent: a\ndata: 1\n\ndata:{\"é\":1}\r\ndata: 2\r\n\r\nevent: b\n\n\
                      data\n\nretry: 3\nid: 4\rdata:  x\r\rdata: last"
            .as_bytes();
        let expected = [("a", "1"), ("", "{\"é\":1}\n2"), ("", ""), ("", " x"), ("", "last")];
        let expected = expected.map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(events(&[stream]), expected);
        assert_eq!(events(&stream.chunks(1).collect::<Vec<_>>()), expected);
        for cut in 0..stream.len() {
            assert_eq!(events(&[&stream[..cut], &stream[cut..]]), expected, "{cut}");
        }
    }
}
