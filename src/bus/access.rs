//! One line of the access log on its way from a shard to control: plain values of a fixed size.

use std::time::{Duration, Instant};

use crate::config::limits::CONTENT_LOGGED_BYTES_MAX;

/// Names in one record, bytes; longer ones are cut.
const NAMES_BYTES: usize = 120;

/// Which requests get a line.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AccessLevel {
    /// None.
    Nothing,
    /// Those with a status of 500 or more.
    Failures,
    /// All.
    All,
}

/// A request that has ended. Nothing of its content is in it, unless the operator asked for that.
#[derive(Clone, Debug)]
pub struct Access {
    /// When it ended.
    pub ended_at: Instant,
    /// From its head to the end of the answer.
    pub duration: Duration,
    /// From the start of the call to the last byte that came from the provider, if it was called.
    pub upstream: Option<Duration>,
    /// The id that the client was told.
    pub request_id: [u8; 32],
    /// Method, `other` if unusual.
    pub method: &'static str,
    /// Template of the route.
    pub path: &'static str,
    /// Status of the answer; 499 where the client left first.
    pub status: u16,
    /// Length of the request's body.
    pub bytes_in: u64,
    /// Length of the answer's body.
    pub bytes_out: u64,
    /// Whether a stream was asked for.
    pub is_streamed: bool,
    /// Whether the client left before the end.
    pub is_client_gone: bool,
    /// What went wrong, if something did.
    pub error_code: Option<&'static str>,
    /// Whose fault that was.
    pub error_source: Option<&'static str>,
    /// What was said, where the operator asked for it.
    pub content: Option<Box<Content>>,
    names: Names,
}

/// The bodies of a model call.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The client's.
    pub request: Excerpt,
    /// The provider's, or the gateway's.
    pub response: Excerpt,
}

/// The front of a body, at most `CONTENT_LOGGED_BYTES_MAX`.
#[derive(Clone, Debug, Default)]
pub struct Excerpt {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Account, key and model, one behind the other.
#[derive(Clone, Copy, Debug)]
struct Names {
    bytes: [u8; NAMES_BYTES],
    ends: [u8; 3],
}

impl Content {
    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.request.bytes.len() + self.response.bytes.len()
    }

    /// Keeps nothing but that there was something.
    pub fn clear(&mut self) {
        let cut = Excerpt { bytes: Vec::new(), is_cut: true };
        *self = Self { request: cut.clone(), response: cut };
    }
}

impl Excerpt {
    /// Adds what follows, as far as there is room.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = CONTENT_LOGGED_BYTES_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
    }

    /// What is kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there was more.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }
}

impl Access {
    /// A record without names.
    pub fn new(ended_at: Instant, request_id: [u8; 32], method: &'static str, path: &'static str) -> Self {
        Self {
            ended_at,
            duration: Duration::ZERO,
            upstream: None,
            request_id,
            method,
            path,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            is_streamed: false,
            is_client_gone: false,
            error_code: None,
            error_source: None,
            content: None,
            names: Names { bytes: [0; NAMES_BYTES], ends: [0; 3] },
        }
    }

    /// Whom the request was sent to: account, key, model as the provider names it.
    pub fn set_names(&mut self, names: [&str; 3]) {
        let mut end = 0;
        for (name, end_of_name) in names.into_iter().zip(&mut self.names.ends) {
            let room = NAMES_BYTES - end;
            let length =
                (0..=name.len().min(room)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or_default();
            self.names.bytes[end..end + length].copy_from_slice(&name.as_bytes()[..length]);
            end += length;
            *end_of_name = end as u8;
        }
    }

    /// Bytes of the bodies that are in it.
    pub fn content_bytes(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.bytes())
    }

    /// Account, key and model, in UTF-8; empty where there are none.
    pub fn names(&self) -> [&[u8]; 3] {
        let mut start = 0;
        self.names.ends.map(|end| {
            let name = self.names.bytes.get(start..usize::from(end)).unwrap_or_default();
            start = usize::from(end);
            name
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes up its times from the clock")]
    fn names_are_kept_and_cut_between_characters() {
        let mut access = Access::new(Instant::now(), [b'0'; 32], "GET", "/v1/*");
        let names = |access: &Access| access.names().map(|name| String::from_utf8(name.to_vec()).unwrap());
        assert_eq!(names(&access), [""; 3]);
        access.set_names(["openai", "main", "gpt-4o"]);
        assert_eq!(names(&access), ["openai", "main", "gpt-4o"]);
        let long = "é".repeat(100);
        access.set_names(["openai", "main", &long]);
        assert_eq!(names(&access), ["openai", "main", &"é".repeat(55)]);
    }
}
