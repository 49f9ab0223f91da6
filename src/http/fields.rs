//! The header fields of one message: in their order and spelling, with those that everybody asks for
//! found once.

use std::ops::Range;

use super::names::NameMap;

/// The header fields of one message, with the bytes they came in.
#[derive(Debug, Default)]
pub struct Fields {
    raw: Vec<u8>,
    at: Vec<Place>,
    /// Position in `at` plus one of the first field of each known name, 0 where there is none.
    first: [u8; KNOWN_COUNT],
    /// A bit for each known name that stands there more than once.
    repeated: u64,
}

/// Where a field stands in the bytes of its head.
#[derive(Clone, Copy, Debug)]
struct Place {
    line: u32,
    line_end: u32,
    value: u32,
    value_end: u32,
    name_length: u16,
    known: Option<Known>,
}

/// Names that some rule is about; most fields have none of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Known {
    /// `Accept-Encoding`
    AcceptEncoding,
    /// `API-Key`
    ApiKey,
    /// `Authorization`
    Authorization,
    /// `Connection`
    Connection,
    /// `Content-Encoding`
    ContentEncoding,
    /// `Content-Length`
    ContentLength,
    /// `Content-Type`
    ContentType,
    /// `Cookie`
    Cookie,
    /// `Expect`
    Expect,
    /// `Forwarded`
    Forwarded,
    /// `Host`
    Host,
    /// `HTTP2-Settings`
    Http2Settings,
    /// `Keep-Alive`
    KeepAlive,
    /// `OpenAI-Organization`
    OpenAiOrganization,
    /// `OpenAI-Project`
    OpenAiProject,
    /// `Origin`
    Origin,
    /// `Proxy-Authenticate`
    ProxyAuthenticate,
    /// `Proxy-Authorization`
    ProxyAuthorization,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Sec-WebSocket-Extensions`
    SecWebSocketExtensions,
    /// `Sec-WebSocket-Key`
    SecWebSocketKey,
    /// `Sec-WebSocket-Protocol`
    SecWebSocketProtocol,
    /// `Sec-WebSocket-Version`
    SecWebSocketVersion,
    /// `TE`
    Te,
    /// `Trailer`
    Trailer,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Upgrade`
    Upgrade,
    /// `X-API-Key`
    XApiKey,
    /// `X-Goog-API-Key`
    XGoogApiKey,
    /// `X-Real-IP`
    XRealIp,
    /// Any name that begins with `X-BF-`: a field for the gateway
    Own,
    /// Any name that begins with `X-Forwarded-`
    XForwarded,
}

const KNOWN_COUNT: usize = Known::XForwarded as usize + 1;

static KNOWN: NameMap<Known, 30> = NameMap::new([
    ("accept-encoding", Known::AcceptEncoding),
    ("api-key", Known::ApiKey),
    ("authorization", Known::Authorization),
    ("connection", Known::Connection),
    ("content-encoding", Known::ContentEncoding),
    ("content-length", Known::ContentLength),
    ("content-type", Known::ContentType),
    ("cookie", Known::Cookie),
    ("expect", Known::Expect),
    ("forwarded", Known::Forwarded),
    ("host", Known::Host),
    ("http2-settings", Known::Http2Settings),
    ("keep-alive", Known::KeepAlive),
    ("openai-organization", Known::OpenAiOrganization),
    ("openai-project", Known::OpenAiProject),
    ("origin", Known::Origin),
    ("proxy-authenticate", Known::ProxyAuthenticate),
    ("proxy-authorization", Known::ProxyAuthorization),
    ("proxy-connection", Known::ProxyConnection),
    ("sec-websocket-extensions", Known::SecWebSocketExtensions),
    ("sec-websocket-key", Known::SecWebSocketKey),
    ("sec-websocket-protocol", Known::SecWebSocketProtocol),
    ("sec-websocket-version", Known::SecWebSocketVersion),
    ("te", Known::Te),
    ("trailer", Known::Trailer),
    ("transfer-encoding", Known::TransferEncoding),
    ("upgrade", Known::Upgrade),
    ("x-api-key", Known::XApiKey),
    ("x-goog-api-key", Known::XGoogApiKey),
    ("x-real-ip", Known::XRealIp),
]);

impl Known {
    /// What is known of a name, in whatever case.
    pub fn of(name: &[u8]) -> Option<Self> {
        // Most names that begin with an x go on with another letter.
        if let [b'x' | b'X', b'-', third @ (b'b' | b'B' | b'f' | b'F'), ..] = name {
            let is_own = third.eq_ignore_ascii_case(&b'b');
            let (prefix, known) =
                if is_own { ("x-bf-", Self::Own) } else { ("x-forwarded-", Self::XForwarded) };
            let start = name.get(..prefix.len())?;
            return start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(known);
        }
        KNOWN.get(name)
    }
}

impl Fields {
    /// How many of the fields stand, with all that comes before them, at the front of another head too, and
    /// where the next line begins there. Clients that keep a connection repeat themselves.
    pub(super) fn unchanged(&self, head: &[u8]) -> (usize, usize) {
        let same = length_of_same(&self.raw, head);
        let count = self.at.iter().rev().skip_while(|at| at.line_end as usize > same).count();
        let end =
            count.checked_sub(1).and_then(|last| self.at.get(last)).map_or(0, |at| at.line_end as usize);
        (count, end)
    }

    /// Keeps the bytes of a head and where its fields are in them: the first `unchanged` ones are where
    /// they were, the others are parsed. False where a line does not end in CRLF.
    pub(super) fn fill(&mut self, raw: &[u8], unchanged: usize, parsed: &[httparse::Header<'_>]) -> bool {
        self.at.truncate(unchanged);
        let same = self.at.last().map_or(0, |at| at.line_end as usize);
        self.raw.truncate(same);
        self.raw.extend_from_slice(&raw[same..]);
        let start = |part: &[u8]| (part.as_ptr() as usize - raw.as_ptr() as usize) as u32;
        let has_line_end = |end: u32| raw[..end as usize].ends_with(b"\r\n");
        let head_end = raw.len() as u32 - 2;
        let mut are_whole = true;
        self.at.reserve_exact(parsed.len());
        for (position, field) in parsed.iter().enumerate() {
            let name = field.name.as_bytes();
            let Ok(name_length) = u16::try_from(name.len()) else { return false };
            let line = start(name);
            // An empty value may be a slice of nowhere.
            let value = if field.value.is_empty() { line } else { start(field.value) };
            let value_end = value + field.value.len() as u32;
            let line_end = parsed.get(position + 1).map_or(head_end, |next| start(next.name.as_bytes()));
            are_whole &= has_line_end(line) && has_line_end(line_end);
            self.at.push(Place { line, line_end, value, value_end, name_length, known: Known::of(name) });
        }
        self.find_known();
        // Empty lines may come before the first one.
        let mut begin = raw;
        while let Some(rest) = begin.strip_prefix(b"\r\n") {
            begin = rest;
        }
        are_whole && has_line_end(head_end) && raw.ends_with(b"\r\n") && !begin.starts_with(b"\n")
    }

    fn find_known(&mut self) {
        self.first = [0; KNOWN_COUNT];
        self.repeated = 0;
        for (position, at) in self.at.iter().enumerate() {
            if let Some(known) = at.known {
                match &mut self.first[known as usize] {
                    first @ 0 => *first = position as u8 + 1,
                    _ => self.repeated |= 1 << known as u64,
                }
            }
        }
    }

    /// Name and value of each field, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.at.iter().map(|at| (self.name(at), self.value(at)))
    }

    /// The first value of a known field.
    pub fn known(&self, name: Known) -> Option<&[u8]> {
        let position = usize::from(self.first[name as usize]).checked_sub(1)?;
        self.at.get(position).map(|at| self.value(at))
    }

    /// Whether `Content-Type` says that the body is JSON, of whatever kind.
    pub fn say_json(&self) -> bool {
        self.known(Known::ContentType).is_some_and(|kind| kind.windows(4).any(|part| part == b"json"))
    }

    /// Whether a known field stands there more than once.
    pub fn is_repeated(&self, name: Known) -> bool {
        self.repeated & 1 << name as u64 != 0
    }

    /// Appends the lines of those fields that are to be kept, by their names and what is known of these, as
    /// sent and in their order.
    pub fn push_lines(&self, is_kept: impl Fn(&[u8], Option<Known>) -> bool, head: &mut Vec<u8>) {
        // Lines that follow each other are copied at once.
        let mut run = 0..0;
        for at in &self.at {
            if is_kept(self.name(at), at.known) {
                if run.end != at.line {
                    head.extend_from_slice(self.slice(run));
                    run = at.line..at.line;
                }
                run.end = at.line_end;
            }
        }
        head.extend_from_slice(self.slice(run));
    }

    /// Whether there are fields for the gateway (`x-bf-…`).
    pub fn has_own(&self) -> bool {
        self.known(Known::Own).is_some()
    }

    /// The first value of a known field, where it is text.
    pub fn known_text(&self, name: Known) -> Option<&str> {
        self.known(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of a field for the gateway (`x-bf-…`), where it is text.
    pub fn own(&self, name: &str) -> Option<&str> {
        if self.has_own() { self.text(name) } else { None }
    }

    /// The first value of a field, its name compared without case, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut named = self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        named.next().and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Whether a comma-separated known field holds a token, compared without case.
    pub fn has_token(&self, name: Known, token: &str) -> bool {
        let Some(first) = self.known(name) else { return false };
        if first.eq_ignore_ascii_case(token.as_bytes()) {
            return true;
        }
        if !self.is_repeated(name) && !first.contains(&b',') {
            return false;
        }
        let others = self.iter().filter(|(key, _)| Known::of(key) == Some(name)).map(|(_, value)| value);
        others
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    fn name(&self, at: &Place) -> &[u8] {
        self.slice(at.line..at.line + u32::from(at.name_length))
    }

    fn value(&self, at: &Place) -> &[u8] {
        self.slice(at.value..at.value_end)
    }

    fn slice(&self, range: Range<u32>) -> &[u8] {
        &self.raw[range.start as usize..range.end as usize]
    }
}

/// Length of the front that two slices share.
fn length_of_same(one: &[u8], other: &[u8]) -> usize {
    let mut same = 0;
    for (one, other) in one.as_chunks::<32>().0.iter().zip(other.as_chunks::<32>().0) {
        if one != other {
            break;
        }
        same += 32;
    }
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}
