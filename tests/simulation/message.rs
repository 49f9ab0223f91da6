//! HTTP/1.1 messages, read by a small strict reader that shares nothing with the one under test.

/// The head of a request or of a response.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The words of the first line; what follows the second is one word.
    pub(crate) first: [String; 3],
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
}

/// A body as it is read.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) content: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Done,
    Length(usize),
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailer,
    UntilClose,
}

impl Head {
    /// Takes a head from the front of what has come, if it is whole.
    pub(crate) fn take(received: &mut Vec<u8>) -> Result<Option<Self>, String> {
        let Some(length) = find(received, b"\r\n\r\n") else { return Ok(None) };
        let text =
            String::from_utf8(received.drain(..length + 4).collect()).map_err(|error| error.to_string())?;
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default();
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [one, two, three] = words[..] else { return Err(format!("the first line is {line:?}")) };
        let mut fields = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("a field is {line:?}"))?;
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) || value.contains(['\r', '\n', '\0']) {
                return Err(format!("a field is {line:?}"));
            }
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Some(Self { first: [one, two, three].map(str::to_owned), fields }))
    }

    /// The value of a field that may be there once.
    pub(crate) fn field(&self, name: &str) -> Result<Option<&str>, String> {
        let mut values = self.fields.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() { Err(format!("there are two fields {name:?}")) } else { Ok(value) }
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Result<u16, String> {
        let [version, status, _] = &self.first;
        if version != "HTTP/1.1" || status.len() != 3 {
            return Err(format!("the status line is {:?}", self.first));
        }
        status.parse().map_err(|_| format!("the status is {status:?}"))
    }

    /// The body of a request that is to come.
    pub(crate) fn request_body(&self) -> Result<Body, String> {
        Ok(Body::new(self.framing()?.unwrap_or(Framing::Done)))
    }

    /// The body of a response that is to come.
    pub(crate) fn response_body(&self, answers_head: bool) -> Result<Body, String> {
        let framing = self.framing()?.unwrap_or(Framing::UntilClose);
        let has_none = answers_head || matches!(self.status()?, 100..=199 | 204 | 304);
        Ok(Body::new(if has_none { Framing::Done } else { framing }))
    }

    /// Whether the sender means to close or to stay, where it says so.
    pub(crate) fn says_close(&self) -> Result<Option<bool>, String> {
        match self.field("connection")? {
            None => Ok(None),
            Some(value) if value.eq_ignore_ascii_case("close") => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("keep-alive") => Ok(Some(false)),
            Some(value) => Err(format!("the connection is {value:?}")),
        }
    }

    fn framing(&self) -> Result<Option<Framing>, String> {
        match (self.field("content-length")?, self.field("transfer-encoding")?) {
            (Some(_), Some(_)) => Err("there are two framings".to_owned()),
            (Some(length), None) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                let length = length.parse().map_err(|_| format!("the length is {length:?}"))?;
                Ok(Some(if length == 0 { Framing::Done } else { Framing::Length(length) }))
            }
            (None, Some("chunked")) => Ok(Some(Framing::ChunkSize)),
            (None, None) => Ok(None),
            other => Err(format!("the framing is {other:?}")),
        }
    }
}

impl Body {
    fn new(framing: Framing) -> Self {
        Self { content: Vec::new(), framing }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.framing == Framing::Done
    }

    /// The connection has ended in an orderly way: whether that ends the body too.
    pub(crate) fn close(&mut self) -> bool {
        if self.framing == Framing::UntilClose {
            self.framing = Framing::Done;
        }
        self.is_done()
    }

    /// Takes what belongs to the body from the front of what has come.
    pub(crate) fn take(&mut self, received: &mut Vec<u8>) -> Result<(), String> {
        loop {
            match self.framing {
                Framing::Done => return Ok(()),
                Framing::UntilClose => {
                    self.content.append(received);
                    return Ok(());
                }
                Framing::Length(left) => {
                    let part = left.min(received.len());
                    self.content.extend(received.drain(..part));
                    self.framing = if part == left { Framing::Done } else { Framing::Length(left - part) };
                    if part < left {
                        return Ok(());
                    }
                }
                Framing::ChunkSize => {
                    let Some(line) = take_line(received)? else { return Ok(()) };
                    let size = line.split(';').next().unwrap_or_default();
                    let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
                    let size = usize::from_str_radix(size, 16).ok().filter(|_| is_hex);
                    self.framing = match size {
                        Some(0) => Framing::Trailer,
                        Some(size) => Framing::ChunkData(size),
                        None => return Err(format!("a chunk begins {line:?}")),
                    };
                }
                Framing::ChunkData(left) => {
                    let part = left.min(received.len());
                    self.content.extend(received.drain(..part));
                    self.framing =
                        if part == left { Framing::ChunkEnd } else { Framing::ChunkData(left - part) };
                    if part < left {
                        return Ok(());
                    }
                }
                Framing::ChunkEnd => match received.get(..2) {
                    None => return Ok(()),
                    Some(b"\r\n") => {
                        received.drain(..2);
                        self.framing = Framing::ChunkSize;
                    }
                    Some(_) => return Err("a chunk does not end where it should".to_owned()),
                },
                Framing::Trailer => match take_line(received)? {
                    None => return Ok(()),
                    Some(line) if line.is_empty() => self.framing = Framing::Done,
                    Some(_) => {}
                },
            }
        }
    }
}

fn take_line(received: &mut Vec<u8>) -> Result<Option<String>, String> {
    let Some(length) = find(received, b"\r\n") else { return Ok(None) };
    let line = String::from_utf8(received.drain(..length + 2).take(length).collect());
    line.map(Some).map_err(|error| error.to_string())
}

/// Where `wanted` stands first.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}
