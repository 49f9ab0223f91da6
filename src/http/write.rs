//! What HTTP/1.1 wants written: status lines and chunk sizes.

use std::io::Write;

/// The size line of a chunk, without allocation.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: usize,
}

impl ChunkHead {
    /// Its bytes, the line end included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// The size line of a chunk of `length` bytes.
pub fn chunk_head(length: usize) -> ChunkHead {
    let mut bytes = [0; 18];
    bytes[16] = b'\r';
    bytes[17] = b'\n';
    let mut start = 16;
    let mut left = length;
    loop {
        start -= 1;
        bytes[start] = b"0123456789abcdef"[left & 15];
        left >>= 4;
        if left == 0 {
            return ChunkHead { bytes, start };
        }
    }
}

/// Appends a status line.
pub fn response_line(minor_version: u8, status: u16, reason: &str, head: &mut Vec<u8>) {
    let line_end = "\r\n";
    // Writing to a vector cannot fail.
    let _ = write!(head, "HTTP/1.{minor_version} {status} {reason}{line_end}");
}

/// What usually follows a status.
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_size_is_hexadecimal_without_leading_zeros() {
        for (length, expected) in [(0, "0\r\n"), (10, "a\r\n"), (16, "10\r\n"), (0xabcdef, "abcdef\r\n")] {
            assert_eq!(chunk_head(length).as_bytes(), expected.as_bytes());
        }
        assert_eq!(chunk_head(usize::MAX).as_bytes(), b"ffffffffffffffff\r\n");
    }
}
