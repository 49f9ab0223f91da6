//! Message bodies: where they end, and what is in them once the framing is taken away.

use std::fmt;

/// Bytes of one chunk's size line, its extensions included.
const CHUNK_LINE_BYTES_MAX: u32 = 256;
/// Bytes of all trailer fields.
const TRAILER_BYTES_MAX: u32 = 8 * 1024;
/// A chunk size has at most this many hex digits, which keeps it within 60 bits.
const CHUNK_SIZE_DIGITS_MAX: u32 = 15;

/// Digits of a chunk size that is read at once.
const PLAIN_SIZE_DIGITS: usize = 8;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Framing {
    /// There is none.
    #[default]
    Empty,
    /// By `Content-Length`, bytes.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the end of the connection; responses only.
    UntilClose,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyError {
    /// A chunk does not keep to the grammar.
    Malformed(&'static str),
    /// The connection ended before the body did.
    Truncated,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => f.write_str(what),
            Self::Truncated => f.write_str("the connection ended before the body did"),
        }
    }
}

/// Takes the framing away from a body, however it is cut into reads.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Done,
    Data(u64),
    UntilClose,
    Size { size: u64, digits: u32 },
    Extension { size: u64, length: u32 },
    SizeLineFeed { size: u64 },
    ChunkData(u64),
    ChunkReturn,
    ChunkLineFeed,
    Trailer { line: u32, length: u32, is_named: bool },
    TrailerLineFeed { line: u32, length: u32 },
}

impl BodyDecoder {
    /// A decoder at the start of a body.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Empty | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Data(length),
            Framing::Chunked => State::Size { size: 0, digits: 0 },
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Whether the body has ended.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Appends the content found in `input` to `content` and says how many bytes of `input` belong to
    /// this body.
    pub fn push(&mut self, input: &[u8], content: &mut Vec<u8>) -> Result<usize, BodyError> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            let rest = &input[at..];
            match &mut self.state {
                State::Data(left) | State::ChunkData(left) => {
                    let length = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    content.extend_from_slice(&rest[..length]);
                    *left -= length as u64;
                    at += length;
                    match self.state {
                        State::Data(0) => self.state = State::Done,
                        State::ChunkData(0) => self.state = State::ChunkReturn,
                        _ => {}
                    }
                }
                State::UntilClose => {
                    content.extend_from_slice(rest);
                    at = input.len();
                }
                state => {
                    let (after, length) = match state.after_line(rest) {
                        Some(passed) => passed,
                        None => (state.after(rest[0])?, 1),
                    };
                    *state = after;
                    at += length;
                }
            }
        }
        Ok(at)
    }

    /// The connection has ended: whether that is also the end of the body.
    pub fn close(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }
}

impl State {
    /// The state after the line end of a chunk and the size of the next one, and their length, where they are all
    /// there and as nearly everybody writes them; `after` goes byte by byte.
    fn after_line(self, rest: &[u8]) -> Option<(Self, usize)> {
        let size_at = match self {
            Self::Size { digits: 0, .. } => 0,
            Self::ChunkReturn if rest.starts_with(b"\r\n") => 2,
            _ => return None,
        };
        let line = rest.get(size_at..)?;
        let mut size = 0;
        for (at, byte) in line.iter().enumerate().take(PLAIN_SIZE_DIGITS + 1) {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'\r' if size > 0 && line.get(at + 1) == Some(&b'\n') => {
                    return Some((Self::ChunkData(size), size_at + at + 2));
                }
                _ => return None,
            };
            size = (size << 4) + u64::from(digit);
        }
        None
    }

    /// The state after one byte of chunk framing.
    fn after(self, byte: u8) -> Result<Self, BodyError> {
        let refused = |what| Err(BodyError::Malformed(what));
        Ok(match (self, byte) {
            (Self::Size { digits: CHUNK_SIZE_DIGITS_MAX, .. }, _) if byte.is_ascii_hexdigit() => {
                return refused("a chunk size is too long");
            }
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { digits: 0, .. }, _) => return refused("a chunk has no size"),
            (Self::Size { size, .. } | Self::Extension { size, .. }, b'\r') => Self::SizeLineFeed { size },
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => Self::Extension { size, length: 0 },
            (Self::Size { .. }, _) => return refused("a chunk size is not a hexadecimal number"),
            (Self::Extension { length: CHUNK_LINE_BYTES_MAX, .. }, _) => {
                return refused("a chunk extension is too long");
            }
            (Self::Extension { size, length }, b'\t' | b' '..=0x7e | 0x80..) => {
                Self::Extension { size, length: length + 1 }
            }
            (Self::Extension { .. }, _) => return refused("a chunk extension has a control character"),
            (Self::SizeLineFeed { size: 0 }, b'\n') => Self::Trailer { line: 0, length: 0, is_named: false },
            (Self::SizeLineFeed { size }, b'\n') => Self::ChunkData(size),
            (Self::ChunkReturn, b'\r') => Self::ChunkLineFeed,
            (Self::ChunkLineFeed, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::Trailer { length: TRAILER_BYTES_MAX, .. }, _) => {
                return refused("the trailer is too long");
            }
            (Self::Trailer { line, length, is_named }, b'\r') if line == 0 || is_named => {
                Self::TrailerLineFeed { line, length }
            }
            (Self::Trailer { .. }, b'\r' | b'\n' | 0) | (Self::Trailer { line: 0, .. }, b':') => {
                return refused("the trailer is broken");
            }
            (Self::Trailer { line, length, is_named }, byte) => {
                Self::Trailer { line: line + 1, length: length + 1, is_named: is_named || byte == b':' }
            }
            (Self::TrailerLineFeed { line: 0, .. }, b'\n') => Self::Done,
            (Self::TrailerLineFeed { length, .. }, b'\n') => {
                Self::Trailer { line: 0, length, is_named: false }
            }
            _ => return refused("a chunk does not end where its size says"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `step` bytes; the content, and the bytes that are left over.
    fn decode(framing: Framing, input: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), BodyError> {
        let mut decoder = BodyDecoder::new(framing);
        let mut content = Vec::new();
        let mut used = 0;
        for piece in input.chunks(step) {
            let taken = decoder.push(piece, &mut content)?;
            used += taken;
            if taken < piece.len() {
                break;
            }
        }
        Ok((content, input.len() - used, decoder.is_done()))
    }

    #[test]
    fn a_body_is_the_same_however_it_is_cut() {
        let chunked = b"5;a=\"b\"\r\nhello\r\n1 \r\n,\r\nA\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\nnext";
        for step in 1..chunked.len() {
            let expected = (b"hello,0123456789".to_vec(), 4, true);
            assert_eq!(decode(Framing::Chunked, chunked, step), Ok(expected), "{step}");
            let expected = (chunked[..7].to_vec(), chunked.len() - 7, true);
            assert_eq!(decode(Framing::Length(7), chunked, step), Ok(expected), "{step}");
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        let hostile: [&[u8]; 11] = [
            b"0\r\nbad\r\n\r\n",
            b"0\r\n: bad\r\n\r\n",
            b"\r\n",
            b"g\r\n",
            b"-1\r\n",
            b"5\nhello",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"1000000000000000\r\n",
            b"0\r\n\n",
            b"1;\x01\r\n",
        ];
        for input in hostile {
            let found = decode(Framing::Chunked, input, 1);
            assert!(matches!(found, Err(BodyError::Malformed(_))), "{input:?}: {found:?}");
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_refused() {
        let extension = [b"1;".to_vec(), vec![b'x'; 1000]].concat();
        assert!(decode(Framing::Chunked, &extension, 100).is_err());
        let trailer = [b"0\r\n".to_vec(), vec![b'x'; 10_000]].concat();
        assert!(decode(Framing::Chunked, &trailer, 100).is_err());
    }

    #[test]
    fn only_a_body_without_length_may_end_with_the_connection() {
        assert_eq!(BodyDecoder::new(Framing::UntilClose).close(), Ok(()));
        assert_eq!(BodyDecoder::new(Framing::Length(1)).close(), Err(BodyError::Truncated));
        assert_eq!(BodyDecoder::new(Framing::Chunked).close(), Err(BodyError::Truncated));
        assert_eq!(BodyDecoder::new(Framing::Empty).close(), Ok(()));
    }
}
