//! Binary frames of AWS (`application/vnd.amazon.eventstream`): events with names and a payload of JSON.

use super::json::{ReadError, lossy};

/// Length of a frame before its headers: two lengths and their checksum, bytes.
const PRELUDE_BYTES: usize = 12;
/// Length of the checksum behind the payload, bytes.
const CHECKSUM_BYTES: usize = 4;
/// A longer frame is refused, bytes; AWS sends at most 16 MiB.
const FRAME_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Cuts a stream into events, wherever the network cuts it.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    held: Vec<u8>,
}

impl FrameReader {
    /// Reads what has come: `take` gets the name and the payload of each frame. The name of one that tells an
    /// exception is its `:exception-type`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&str, &str) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        self.held.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(frame) = frame_at(&self.held[start..])? {
            let (headers, payload) = parts(frame)?;
            let name = header(headers, &[":event-type", ":exception-type", ":error-code"]);
            take(name.as_deref().unwrap_or_default(), &lossy(payload))?;
            start += frame.len();
        }
        self.held.drain(..start);
        Ok(())
    }

    /// Bytes of a frame that is not whole yet.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }
}

/// The whole frame that `bytes` begin with, if it is there.
fn frame_at(bytes: &[u8]) -> Result<Option<&[u8]>, ReadError> {
    let Some(length) = number(bytes, 0) else { return Ok(None) };
    if !(PRELUDE_BYTES + CHECKSUM_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(broken());
    }
    Ok(bytes.get(..length))
}

/// Headers and payload of a whole frame, whose checksums are right.
fn parts(frame: &[u8]) -> Result<(&[u8], &[u8]), ReadError> {
    let sum = |at: usize| number(frame, at).map(|sum| sum as u32);
    let content = frame.get(..frame.len() - CHECKSUM_BYTES).ok_or_else(broken)?;
    if sum(8) != Some(crc32fast::hash(&frame[..8])) || sum(content.len()) != Some(crc32fast::hash(content)) {
        return Err(broken());
    }
    let end = PRELUDE_BYTES + number(frame, 4).unwrap_or(usize::MAX - PRELUDE_BYTES);
    let headers = content.get(PRELUDE_BYTES..end).ok_or_else(broken)?;
    Ok((headers, &content[end..]))
}

/// The first of the headers called `names` that is a text.
fn header(mut headers: &[u8], names: &[&str]) -> Option<String> {
    while let Some((length, rest)) = headers.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let (kind, rest) = rest.split_first()?;
        let (value, rest) = match kind {
            0 | 1 => rest.split_at(0),
            2 => rest.split_at_checked(1)?,
            3 => rest.split_at_checked(2)?,
            4 => rest.split_at_checked(4)?,
            5 | 8 => rest.split_at_checked(8)?,
            9 => rest.split_at_checked(16)?,
            6 | 7 => {
                let (length, rest) = rest.split_at_checked(2)?;
                rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))?
            }
            _ => return None,
        };
        if *kind == 7 && names.iter().any(|wanted| wanted.as_bytes() == name) {
            return Some(lossy(value).into_owned());
        }
        headers = rest;
    }
    None
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(number)).ok()
}

fn broken() -> ReadError {
    ReadError::invalid("is not a frame of AWS's event stream")
}

/// A frame that tells an event, for tests.
#[cfg(test)]
pub(super) fn frame(name: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (key, value) in [(":message-type", "event"), (":event-type", name)] {
        headers.push(key.len() as u8);
        headers.extend_from_slice(key.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = (PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES) as u32;
    let mut frame = [total.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_the_same_however_the_stream_is_cut() {
        let stream = [frame("messageStart", "{\"role\":\"assistant\"}"), frame("messageStop", "{}")].concat();
        for size in 1..stream.len() {
            let mut read = Vec::new();
            let mut reader = FrameReader::default();
            for piece in stream.chunks(size) {
                let taken = reader.push(piece, |name, data| {
                    read.push(format!("{name} {data}"));
                    Ok(())
                });
                taken.unwrap();
            }
            assert_eq!(read, ["messageStart {\"role\":\"assistant\"}", "messageStop {}"]);
            assert_eq!(reader.held_bytes(), 0);
        }
    }

    #[test]
    fn a_frame_that_has_been_changed_is_refused() {
        let whole = frame("messageStop", "{}");
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let mut reader = FrameReader::default();
            let read = reader.push(&changed, |_, _| Ok(()));
            assert!(read.is_err() || reader.held_bytes() > 0, "{at}");
        }
    }
}
