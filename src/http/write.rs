//! What HTTP/1.1 wants written: status lines and chunk sizes.

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
pub fn response_line(status: u16, reason: &str, head: &mut Vec<u8>) {
    head.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(u64::from(status), head);
    head.push(b' ');
    head.extend_from_slice(reason.as_bytes());
    head.extend_from_slice(b"\r\n");
}

/// Appends a `Content-Length` field.
pub fn length_line(length: u64, head: &mut Vec<u8>) {
    head.extend_from_slice(b"Content-Length: ");
    push_decimal(length, head);
    head.extend_from_slice(b"\r\n");
}

fn push_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut left = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return out.extend_from_slice(&digits[start..]);
        }
    }
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
    fn numbers_are_decimal() {
        let mut head = Vec::new();
        response_line(404, "Not Found", &mut head);
        length_line(0, &mut head);
        length_line(u64::MAX, &mut head);
        let expected =
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nContent-Length: 18446744073709551615\r\n";
        assert_eq!(head, expected.as_bytes());
    }

    #[test]
    fn a_chunk_size_is_hexadecimal_without_leading_zeros() {
        for (length, expected) in [(0, "0\r\n"), (10, "a\r\n"), (16, "10\r\n"), (0xabcdef, "abcdef\r\n")] {
            assert_eq!(chunk_head(length).as_bytes(), expected.as_bytes());
        }
        assert_eq!(chunk_head(usize::MAX).as_bytes(), b"ffffffffffffffff\r\n");
    }
}
