//! Reading HTTP/1.1 off a socket, as both sides of a connection do.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
};

use super::proxy::Joinable;

/// A connection, plain or TLS.
pub(crate) trait Socket: Read + Write + Send + Joinable {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

/// A connection and what was received and not yet read.
pub(crate) struct Wire {
    pub(crate) socket: Box<dyn Socket>,
    received: Vec<u8>,
}

/// Start line and fields, in the order and spelling in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) start_line: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// What is left of a body.
#[derive(Debug)]
pub(crate) enum Body {
    Length(usize),
    ChunkSize,
    Chunk(usize),
    UntilClose,
    Over,
}

impl Wire {
    pub(crate) fn new(socket: impl Socket + 'static) -> Self {
        Self { socket: Box::new(socket), received: Vec::new() }
    }

    /// The next head, interim ones included; none if the connection closed before its first byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        if self.received.is_empty() && self.fill()? == 0 {
            return Ok(None);
        }
        let start_line = self.line()?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Some(Head { start_line, fields }));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("field without a colon"))?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The next bytes of a body, unchunked; none at its end, an error if it is cut short.
    pub(crate) fn piece(&mut self, body: &mut Body) -> io::Result<Option<Vec<u8>>> {
        loop {
            match *body {
                Body::Over => return Ok(None),
                Body::Length(0) => *body = Body::Over,
                Body::Length(left) => {
                    let piece = self.at_most(left)?;
                    *body = Body::Length(left - piece.len());
                    return Ok(Some(piece));
                }
                Body::ChunkSize => {
                    let line = self.line()?;
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(digits, 16).map_err(|_| malformed("chunk size"))?;
                    *body = if size > 0 { Body::Chunk(size) } else { Body::Over };
                    if size == 0 {
                        while !self.line()?.is_empty() {}
                    }
                }
                Body::Chunk(0) => {
                    if !self.line()?.is_empty() {
                        return Err(malformed("bytes after a chunk"));
                    }
                    *body = Body::ChunkSize;
                }
                Body::Chunk(left) => {
                    let piece = self.at_most(left)?;
                    *body = Body::Chunk(left - piece.len());
                    return Ok(Some(piece));
                }
                Body::UntilClose => {
                    if self.received.is_empty() && self.fill()? == 0 {
                        *body = Body::Over;
                    } else {
                        return Ok(Some(std::mem::take(&mut self.received)));
                    }
                }
            }
        }
    }

    /// Whether the peer closed without sending another byte.
    pub(crate) fn is_closed(&mut self) -> io::Result<bool> {
        Ok(self.received.is_empty() && self.fill()? == 0)
    }

    /// The next bytes, so many.
    pub(crate) fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < count {
            self.fill_some()?;
        }
        Ok(self.received.drain(..count).collect())
    }

    /// A text behind its length in one byte.
    pub(crate) fn counted(&mut self) -> io::Result<String> {
        let length = self.exactly(1)?[0];
        Ok(String::from_utf8_lossy(&self.exactly(length.into())?).into_owned())
    }

    /// The connection, once everything that came has been read.
    pub(crate) fn into_socket(self) -> Box<dyn Socket> {
        assert!(self.received.is_empty(), "{:?} came early", String::from_utf8_lossy(&self.received));
        self.socket
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").ok_or_else(|| malformed("line end"))?;
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            self.fill_some()?;
        }
    }

    fn at_most(&mut self, bytes_max: usize) -> io::Result<Vec<u8>> {
        if self.received.is_empty() {
            self.fill_some()?;
        }
        let end = self.received.len().min(bytes_max);
        Ok(self.received.drain(..end).collect())
    }

    fn fill_some(&mut self) -> io::Result<()> {
        if self.fill()? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 64 * 1024];
        let count = self.socket.read(&mut buffer)?;
        self.received.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

impl Head {
    pub(crate) fn method(&self) -> &str {
        self.start_line.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.start_line.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.target().parse().expect("a status is a number")
    }

    /// The value of the only field of a name; fails the test if there are several.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} is there more than once: {self:?}");
        values.first().copied()
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(spelling, _)| spelling.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether there is a field spelled exactly so.
    pub(crate) fn spells(&self, name: &str) -> bool {
        self.fields.iter().any(|(spelling, _)| spelling == name)
    }
}

impl Body {
    pub(crate) fn of_request(head: &Head) -> Self {
        Self::of_message(head).unwrap_or(Self::Over)
    }

    pub(crate) fn of_response(head: &Head) -> Self {
        match head.status() {
            100..=199 | 204 | 304 => Self::Over,
            _ => Self::of_message(head).unwrap_or(Self::UntilClose),
        }
    }

    fn of_message(head: &Head) -> Option<Self> {
        let encoding = head.value("transfer-encoding");
        let length = head.value("content-length");
        assert!(encoding.is_none() || length.is_none(), "two framings: {head:?}");
        if let Some(encoding) = encoding {
            assert!(encoding.eq_ignore_ascii_case("chunked"), "{head:?}");
            return Some(Self::ChunkSize);
        }
        length.map(|length| Self::Length(length.parse().expect("a length is a number")))
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("malformed message: {what}"))
}
