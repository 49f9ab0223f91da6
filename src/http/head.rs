//! Request and response heads: parsed strictly, so that no two readers can disagree about where a message ends.

use std::{borrow::Cow, fmt, mem::MaybeUninit, ops::Range};

use super::{Fields, Framing, Known, reason};

/// Header fields of one message; more are refused.
pub const HEADER_FIELDS_MAX: usize = 128;
/// Fields at the end of a head in which it may differ from the one before to count as similar.
const CHANGED_MAX: usize = 8;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeadError {
    /// It does not keep to the grammar, or could be read in two ways.
    Malformed(&'static str),
    /// It has too many fields.
    TooManyFields,
    /// A transfer coding other than `chunked`.
    UnknownTransferCoding,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    UnknownVersion,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(what) => what,
            Self::TooManyFields => "there are too many header fields",
            Self::UnknownTransferCoding => "the transfer coding is unknown",
            Self::UnknownVersion => "the version is unknown",
        })
    }
}

/// The head of a request.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// Its header fields.
    pub fields: Fields,
    /// How its body is delimited.
    pub framing: Framing,
    /// Whether the client asks for the connection to stay.
    pub is_persistent: bool,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor_version: u8,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    method: String,
    target: String,
    path: Range<usize>,
    query: Option<Range<usize>>,
}

/// The head of a response.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// Its header fields.
    pub fields: Fields,
    /// 100 to 999.
    pub status: u16,
    /// What follows the status.
    pub reason: Cow<'static, str>,
    /// How its body is delimited.
    pub framing: Framing,
    /// Whether the peer keeps the connection.
    pub is_persistent: bool,
}

impl RequestHead {
    /// Takes one head from the front of `buffer`: false where it is not all there yet.
    pub fn take(&mut self, buffer: &mut Vec<u8>) -> Result<bool, HeadError> {
        let taken = match self.take_similar(buffer) {
            Some(are_lines_whole) => check_line_ends(are_lines_whole).map(|()| true),
            None => self.take_any(buffer),
        };
        let taken = taken.and_then(|is_there| if is_there { self.check().map(|()| true) } else { Ok(false) });
        if taken.is_err() {
            // Nothing may be like a head that was refused.
            *self = Self::default();
        }
        taken
    }

    /// Takes a head that begins like the one before and ends in a few other fields, as those of one client
    /// do; none where it is not like that, or not all there.
    fn take_similar(&mut self, buffer: &mut Vec<u8>) -> Option<bool> {
        let (unchanged, at) = self.fields.unchanged(buffer);
        if unchanged == 0 || unchanged > HEADER_FIELDS_MAX - CHANGED_MAX {
            return None;
        }
        let mut fields = [httparse::EMPTY_HEADER; CHANGED_MAX];
        let Ok(httparse::Status::Complete((length, changed))) =
            httparse::parse_headers(&buffer[at..], &mut fields)
        else {
            return None;
        };
        let length = at + length;
        let are_lines_whole = self.fields.fill(&buffer[..length], unchanged, changed);
        buffer.drain(..length);
        Some(are_lines_whole)
    }

    fn take_any(&mut self, buffer: &mut Vec<u8>) -> Result<bool, HeadError> {
        let mut fields = [const { MaybeUninit::uninit() }; HEADER_FIELDS_MAX];
        let mut parsed = httparse::Request::new(&mut []);
        let length = match parsed.parse_with_uninit_headers(buffer, &mut fields).map_err(refuse)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(false),
        };
        let raw = &buffer[..length];
        let (Some(method), Some(target), Some(minor_version)) = (parsed.method, parsed.path, parsed.version)
        else {
            return Err(HeadError::Malformed("the request line is incomplete"));
        };
        let path_start = origin_form(target)?;
        let path_end =
            memchr::memchr(b'?', &target.as_bytes()[path_start..]).map_or(target.len(), |at| path_start + at);
        self.method.clear();
        self.method.push_str(method);
        self.target.clear();
        self.target.push_str(target);
        self.path = path_start..path_end;
        self.query = (path_end < target.len()).then(|| path_end + 1..target.len());
        self.minor_version = minor_version;
        let are_lines_whole = self.fields.fill(raw, 0, parsed.headers);
        buffer.drain(..length);
        check_line_ends(are_lines_whole)?;
        Ok(true)
    }

    /// What the fields mean together.
    fn check(&mut self) -> Result<(), HeadError> {
        match self.fields.known(Known::Host) {
            None if self.minor_version == 0 => {}
            None => return Err(HeadError::Malformed("the Host field is missing")),
            Some(_) if self.fields.is_repeated(Known::Host) => {
                return Err(HeadError::Malformed("there is more than one Host field"));
            }
            Some(_) => {}
        }
        self.framing = framing(&self.fields, self.minor_version)?.unwrap_or(Framing::Empty);
        self.is_persistent = is_persistent(&self.fields, self.minor_version);
        self.expects_continue =
            self.minor_version == 1 && self.fields.has_token(Known::Expect, "100-continue");
        Ok(())
    }

    /// Whether the client asks to go on in WebSocket (RFC 6455 §4.2.1).
    pub fn wants_websocket(&self) -> bool {
        self.method == "GET"
            && self.minor_version == 1
            && self.framing == Framing::Empty
            && self.fields.has_token(Known::Connection, "upgrade")
            && names_websocket(&self.fields)
    }

    /// `GET`, `POST` …, in the client's spelling.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path without its query, as sent.
    pub fn path(&self) -> &str {
        self.target.get(self.path.clone()).unwrap_or_default()
    }

    /// What follows the `?`, as sent.
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.query.clone()?)
    }
}

impl ResponseHead {
    /// Takes one head from the front of `buffer`: false where it is not all there yet. A response to
    /// `HEAD`, and one with a status that allows no body, has none whatever its fields say.
    pub fn take(&mut self, buffer: &mut Vec<u8>, answers_head: bool) -> Result<bool, HeadError> {
        let mut fields = [const { MaybeUninit::uninit() }; HEADER_FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        let length = match parser
            .parse_response_with_uninit_headers(&mut parsed, buffer, &mut fields)
            .map_err(refuse)?
        {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(false),
        };
        let (Some(status), Some(minor_version)) = (parsed.code, parsed.version) else {
            return Err(HeadError::Malformed("the status line is incomplete"));
        };
        if status < 100 {
            return Err(HeadError::Malformed("the status is not a status"));
        }
        let raw = &buffer[..length];
        self.status = status;
        self.reason = match parsed.reason.unwrap_or_default() {
            usual if usual == reason(status) => Cow::Borrowed(reason(status)),
            other => Cow::Owned(other.to_owned()),
        };
        let are_lines_whole = self.fields.fill(raw, 0, parsed.headers);
        buffer.drain(..length);
        check_line_ends(are_lines_whole)?;

        let delimited = framing(&self.fields, minor_version)?.unwrap_or(Framing::UntilClose);
        let is_empty = answers_head || status < 200 || status == 204 || status == 304;
        self.framing = if is_empty { Framing::Empty } else { delimited };
        self.is_persistent =
            is_persistent(&self.fields, minor_version) && self.framing != Framing::UntilClose;
        Ok(true)
    }

    /// Whether the peer goes on in WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.status == 101 && names_websocket(&self.fields)
    }

    /// Whether the body is a stream of server-sent events.
    pub fn is_event_stream(&self) -> bool {
        self.has_type(b"text/event-stream")
    }

    /// Whether the body is a stream of AWS's binary frames.
    pub fn is_frame_stream(&self) -> bool {
        self.has_type(b"application/vnd.amazon.eventstream")
    }

    fn has_type(&self, name: &[u8]) -> bool {
        let kind = self.fields.known(Known::ContentType).unwrap_or_default();
        kind.len() >= name.len() && kind[..name.len()].eq_ignore_ascii_case(name)
    }
}

fn names_websocket(fields: &Fields) -> bool {
    let protocols = fields.all("upgrade").flat_map(|value| value.split(|byte| *byte == b','));
    protocols.map(<[u8]>::trim_ascii).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

/// Where the path begins in a request target: at its start, or behind scheme and authority.
fn origin_form(target: &str) -> Result<usize, HeadError> {
    if target.starts_with('/') || target == "*" {
        return Ok(0);
    }
    let scheme = ["http://", "https://"]
        .iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let Some(scheme) = scheme else {
        return Err(HeadError::Malformed("the request target is neither a path nor an http URL"));
    };
    let path = target[scheme.len()..].find('/').map(|at| scheme.len() + at);
    path.ok_or(HeadError::Malformed("the request target has no path"))
}

fn framing(fields: &Fields, minor_version: u8) -> Result<Option<Framing>, HeadError> {
    let length = fields.known(Known::ContentLength).map(content_length).transpose()?;
    if fields.is_repeated(Known::ContentLength) {
        for other in fields.all("content-length") {
            if Some(content_length(other)?) != length {
                return Err(HeadError::Malformed("there are two different Content-Length fields"));
            }
        }
    }
    let Some(coding) = fields.known(Known::TransferEncoding) else {
        return Ok(length.map(Framing::Length));
    };
    if length.is_some() {
        return Err(HeadError::Malformed("Transfer-Encoding and Content-Length exclude each other"));
    }
    if minor_version == 0 {
        return Err(HeadError::Malformed("HTTP/1.0 has no Transfer-Encoding"));
    }
    let is_chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !is_chunked || fields.is_repeated(Known::TransferEncoding) {
        return Err(HeadError::UnknownTransferCoding);
    }
    Ok(Some(Framing::Chunked))
}

fn content_length(value: &[u8]) -> Result<u64, HeadError> {
    let digits = value.trim_ascii();
    let is_number = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
    if !is_number {
        return Err(HeadError::Malformed("Content-Length is not a number"));
    }
    Ok(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

fn is_persistent(fields: &Fields, minor_version: u8) -> bool {
    if minor_version == 0 {
        fields.has_token(Known::Connection, "keep-alive")
    } else {
        !fields.has_token(Known::Connection, "close")
    }
}

/// A line that ends in a bare line feed is read differently by different servers: such a head is refused.
/// The parser lets no other line feed and no bare carriage return pass.
fn check_line_ends(are_whole: bool) -> Result<(), HeadError> {
    if are_whole { Ok(()) } else { Err(HeadError::Malformed("a line ends in a bare line feed")) }
}

fn refuse(error: httparse::Error) -> HeadError {
    match error {
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version => HeadError::UnknownVersion,
        httparse::Error::HeaderName => HeadError::Malformed("a field's name has a character it may not have"),
        httparse::Error::HeaderValue => {
            HeadError::Malformed("a field's value has a character it may not have")
        }
        httparse::Error::NewLine => HeadError::Malformed("a line end is broken"),
        httparse::Error::Status => HeadError::Malformed("the status line is broken"),
        httparse::Error::Token => HeadError::Malformed("the first line has a character it may not have"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<RequestHead, HeadError> {
        let mut head = RequestHead::default();
        let mut buffer = text.as_bytes().to_vec();
        assert!(head.take(&mut buffer)?, "incomplete: {text:?}");
        Ok(head)
    }

    fn response(text: &str) -> Result<ResponseHead, HeadError> {
        let mut head = ResponseHead::default();
        let mut buffer = text.as_bytes().to_vec();
        assert!(head.take(&mut buffer, false)?, "incomplete: {text:?}");
        Ok(head)
    }

    #[test]
    fn a_request_is_taken_apart_and_the_rest_stays() {
        let mut buffer =
            b"POST /v1/x?a=1&b HTTP/1.1\r\nHost: h\r\nX-Y:  z \r\nContent-Length: 3\r\n\r\nabcGET".to_vec();
        let mut head = RequestHead::default();
        assert_eq!(head.take(&mut buffer), Ok(true));
        assert_eq!((head.method(), head.path(), head.query()), ("POST", "/v1/x", Some("a=1&b")));
        assert_eq!(head.fields.text("x-y"), Some("z"));
        assert_eq!(head.framing, Framing::Length(3));
        assert!(head.is_persistent);
        assert_eq!(buffer, b"abcGET");
    }

    #[test]
    fn a_head_like_the_one_before_is_read_as_if_it_were_the_first() {
        let heads = [
            "POST /a HTTP/1.1\r\nHost: h\r\nX-Bf-Vk: v\r\nContent-Length: 3\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nX-Bf-Vk: v\r\nContent-Length: 4\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nX-Bf-Vk: v\r\nContent-Length: 4\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nX-Bf-Vk: v\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nX: \r\nConnection: close\r\n\r\n",
            "POST /b HTTP/1.0\r\nHost: h\r\n\r\n",
            "POST /b HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n",
            "POST /b HTTP/1.0\r\nHost: h\r\n folded\r\n\r\n",
            "POST /b HTTP/1.0\r\nHost: h\r\nX: y\n\r\n",
        ];
        for first in heads {
            for second in heads {
                let mut head = RequestHead::default();
                let _ = head.take(&mut first.as_bytes().to_vec());
                for length in 0..second.len() {
                    assert_ne!(head.take(&mut second.as_bytes()[..length].to_vec()), Ok(true));
                }
                let mut buffer = second.as_bytes().to_vec();
                let mut fresh = RequestHead::default();
                assert_eq!(head.take(&mut buffer.clone()), fresh.take(&mut buffer));
                assert_eq!(format!("{head:?}"), format!("{fresh:?}"), "{first:?} {second:?}");
            }
        }
    }

    #[test]
    fn every_prefix_of_a_head_is_incomplete_and_takes_nothing() {
        let whole = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for length in 0..whole.len() {
            let mut buffer = whole[..length].to_vec();
            assert_eq!(RequestHead::default().take(&mut buffer), Ok(false), "{length}");
            assert_eq!(buffer, &whole[..length]);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let hostile = [
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n",
            "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\nHost: h\n\n",
            "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "\r\n\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "GET / HTTP/1.0\n\r\n",
            "GET / HTTP/1.0\r\n\n",
            "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
            "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        ];
        for text in hostile {
            assert!(matches!(request(text), Err(HeadError::Malformed(_))), "{text:?}: {:?}", request(text));
        }
    }

    #[test]
    fn other_transfer_codings_and_versions_have_errors_of_their_own() {
        let coded = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
        assert_eq!(request(coded).err(), Some(HeadError::UnknownTransferCoding));
        assert_eq!(request("GET / HTTP/3.0\r\nHost: h\r\n\r\n").err(), Some(HeadError::UnknownVersion));
    }

    #[test]
    fn an_absolute_target_is_reduced_to_its_path() {
        let head = request("GET http://other:1/v1/models?x=/ HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!((head.path(), head.query()), ("/v1/models", Some("x=/")));
    }

    #[test]
    fn persistence_follows_version_and_connection_field() {
        let persistent = |text: &str| request(text).unwrap().is_persistent;
        assert!(persistent("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert!(!persistent("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n"));
        assert!(!persistent("GET / HTTP/1.0\r\n\r\n"));
        assert!(persistent("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn only_a_whole_request_for_websocket_is_one() {
        let wants = |text: &str| request(text).unwrap().wants_websocket();
        let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        assert!(wants(&head("Connection: Upgrade\r\nUpgrade: websocket\r\n")));
        assert!(wants(&head("Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\nUpgrade: x, WebSocket\r\n")));
        for fields in [
            "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
        ] {
            assert!(!wants(&head(fields)), "{fields}");
        }
        let rest = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert!(!wants(&format!("POST / HTTP/1.1\r\nHost: h\r\n{rest}")));
        assert!(!wants(&format!("GET / HTTP/1.0\r\nHost: h\r\n{rest}")));
        let switches = |text: &str| response(text).unwrap().is_websocket();
        assert!(switches("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"));
        assert!(!switches("HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"));
        assert!(!switches("HTTP/1.1 200 OK\r\nUpgrade: websocket\r\n\r\n"));
    }

    #[test]
    fn a_response_knows_how_its_body_ends() {
        assert_eq!(response("HTTP/1.1 200 OK\r\n\r\n").unwrap().framing, Framing::UntilClose);
        assert_eq!(response("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n").unwrap().framing, Framing::Empty);
        let chunked = response("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n").unwrap();
        assert_eq!((chunked.framing, chunked.is_persistent), (Framing::Chunked, true));
        assert!(response("HTTP/1.1 99 x\r\n\r\n").is_err());
    }

    #[test]
    fn an_event_stream_is_known_by_its_type() {
        let typed =
            |kind: &str| response(&format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n")).unwrap();
        assert!(typed("text/event-stream; charset=utf-8").is_event_stream());
        assert!(!typed("text/plain").is_event_stream());
    }
}
