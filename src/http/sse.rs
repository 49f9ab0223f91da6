//! Server-sent events: where one ends, without reading what is in it.

/// Finds the ends of events in a stream, however it is cut into reads. An event ends at a blank line;
/// lines end in LF, CRLF or CR (WHATWG HTML, "Server-sent events").
#[derive(Clone, Copy, Debug)]
pub struct EventBoundary {
    at_line_start: bool,
    after_return: bool,
    /// Whether the last byte ended an event.
    at_boundary: bool,
}

impl Default for EventBoundary {
    fn default() -> Self {
        Self { at_line_start: true, after_return: false, at_boundary: false }
    }
}

impl EventBoundary {
    /// Length of the front of `bytes` that ends with the last complete event; 0 where none ends in it.
    pub fn scan(&mut self, bytes: &[u8]) -> usize {
        let Some(first) = bytes.first() else { return 0 };
        // The second half of a CRLF belongs to the line that its first half ended.
        let mut line_start = usize::from(self.after_return && *first == b'\n');
        let mut complete = if self.at_boundary { line_start } else { 0 };
        self.after_return = false;
        while let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[line_start..]) {
            let mut end = line_start + found + 1;
            if bytes[end - 1] == b'\r' {
                match bytes.get(end) {
                    Some(b'\n') => end += 1,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            if self.at_line_start && found == 0 {
                complete = end;
            }
            self.at_line_start = true;
            line_start = end;
        }
        if line_start < bytes.len() {
            self.at_line_start = false;
        }
        self.at_boundary = complete == bytes.len();
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_at_a_blank_line_of_any_kind() {
        for (stream, expected) in [
            ("data: a\n\n", 9),
            ("data: a\r\n\r\n", 11),
            ("data: a\r\r", 9),
            ("data: a\n\r\n", 10),
            ("data: a\n\ndata: b\n", 9),
            (": ping\n\n", 8),
            ("data: a\n", 0),
            ("data: a", 0),
            ("", 0),
        ] {
            assert_eq!(EventBoundary::default().scan(stream.as_bytes()), expected, "{stream:?}");
        }
    }

    #[test]
    fn the_last_boundary_is_the_same_however_the_stream_is_cut() {
        let stream = "data: a\r\ndata: b\r\n\r\n: c\n\nevent: d\rdata: e\r\rdata: f\n".as_bytes();
        let whole = EventBoundary::default().scan(stream);
        assert_eq!(&stream[whole..], b"data: f\n");
        for cut in 0..stream.len() {
            let mut boundary = EventBoundary::default();
            let first = boundary.scan(&stream[..cut]);
            let second = boundary.scan(&stream[cut..]);
            let last = if second > 0 { cut + second } else { first };
            assert_eq!(last, whole, "{cut}");
        }
    }

    #[test]
    fn the_line_feed_of_a_cut_line_end_belongs_to_the_event_that_it_ends() {
        let mut boundary = EventBoundary::default();
        assert_eq!((boundary.scan(b"data: a\r\n\r"), boundary.scan(b"\n")), (10, 1));
        let mut boundary = EventBoundary::default();
        assert_eq!((boundary.scan(b"data: a\r"), boundary.scan(b"\ndata: b")), (0, 0));
    }
}
