//! What a client asks, and what has to come of it.

use fastrand::Rng;

use super::tunnel::Speaker;
use crate::message::find;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) id: u64,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// What the client sends: the head, then the framed body in pieces.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<Vec<u8>>,
    /// The body that the provider must see; none where it must see none of the request as a whole one.
    pub(crate) expected_body: Option<Vec<u8>>,
    pub(crate) expects_continue: bool,
    /// Who has to answer.
    pub(crate) answerer: Answerer,
    /// Whether the provider's answer is one for which the gateway knows the end signal.
    pub(crate) is_chat: bool,
    /// Whether the body flows on as it comes, so that it cannot be sent again.
    pub(crate) is_upload: bool,
    pub(crate) speech: Speech,
    /// What the client says once both sides have gone on in WebSocket, if it asks for that.
    pub(crate) speaker: Option<Speaker>,
}

/// Which HTTP a client speaks, and whether it wants the connection to stay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speech {
    /// HTTP/1.1, which stays.
    Modern,
    /// HTTP/1.1 with `Connection: close`.
    Closing,
    /// HTTP/1.0, which closes.
    Old,
    /// HTTP/1.0 with `Connection: keep-alive`.
    OldStaying,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answerer {
    /// The provider.
    Provider,
    /// The gateway, with a success.
    Gateway,
    /// The gateway, with one of these refusals.
    Refusal(&'static [u16]),
}

/// Bounds of what is asked in one world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Bytes of a body.
    pub(crate) body_max: usize,
    /// Whether some requests are wrong.
    pub(crate) are_some_wrong: bool,
}

/// The names by which clients ask for models, and what the provider gets to see.
const MODELS: [(&str, &str); 6] = [
    ("openai/model", "model"),
    ("openai/alias", "resolved-model"),
    ("other/a/b", "a/b"),
    ("bare", "bare"),
    ("tunnelled/c", "c"),
    ("socks/d", "d"),
];

impl Speech {
    pub(crate) fn is_old(self) -> bool {
        matches!(self, Self::Old | Self::OldStaying)
    }

    /// Whether the connection has no more use after the answer.
    pub(crate) fn closes(self) -> bool {
        matches!(self, Self::Closing | Self::Old)
    }
}

impl Ask {
    /// A request drawn by chance.
    pub(crate) fn draw(id: u64, sizes: Sizes, rng: &mut Rng) -> Self {
        let speech = match rng.u8(..16) {
            0 => Speech::Closing,
            1 => Speech::Old,
            2 => Speech::OldStaying,
            _ => Speech::Modern,
        };
        Self::draw_modern(id, sizes, rng).spoken(speech)
    }

    fn draw_modern(id: u64, sizes: Sizes, rng: &mut Rng) -> Self {
        if sizes.are_some_wrong && rng.u8(..5) == 0 {
            return Self::wrong(id, rng);
        }
        match rng.u8(..21) {
            20 => Self::sealed(id, rng),
            0 => Self::own(id, "GET", "/health"),
            1 => Self::own(id, "GET", "/metrics"),
            2 => Self::own(id, "GET", "/v1/models"),
            3 => Self::own(id, "OPTIONS", "/v1/chat/completions"),
            4 => Self::own(id, "HEAD", "/health"),
            5..=6 => Self::bodiless(id, ["GET", "HEAD", "DELETE"][rng.usize(..3)]),
            7..=9 => Self::upload(id, sizes, rng),
            10..=11 => Self::form(id, sizes, rng),
            _ => Self::model_call(id, sizes, rng),
        }
    }

    /// A body with a model's name in it.
    fn model_call(id: u64, sizes: Sizes, rng: &mut Rng) -> Self {
        let path =
            ["/v1/chat/completions", "/openai/v1/chat/completions", "/v1/responses", "/openai/embeddings"]
                [rng.usize(..4)];
        let (asked, seen) = MODELS[rng.usize(..MODELS.len())];
        let text = text(rng.usize(..sizes.body_max.max(2)), rng);
        let render = |model: &str| {
            format!("{{\"messages\":[{{\"content\":\"{text}\"}}], \"model\" : \"{model}\",\"id\":{id}}}")
                .into_bytes()
        };
        let mut ask = Self::new(id, "POST", path, Answerer::Provider);
        ask.is_chat = path.contains("chat") || path.contains("responses");
        ask.expected_body = Some(render(seen));
        ask.send(render(asked), "application/json", rng);
        ask
    }

    /// A chat with that content, which needs no escapes.
    pub(crate) fn chat(id: u64, content: &str) -> Self {
        let mut ask = Self::new(id, "POST", "/v1/chat/completions", Answerer::Provider);
        let render =
            |model: &str| format!("{{\"model\":\"{model}\",\"content\":\"{content}\"}}").into_bytes();
        let (asked, seen) = MODELS[0];
        ask.is_chat = true;
        ask.expected_body = Some(render(seen));
        ask.send_whole(render(asked), "application/json", "");
        ask
    }

    /// A file that nobody reads on its way.
    pub(crate) fn file(id: u64, content: &[u8]) -> Self {
        let mut ask = Self::new(id, "POST", "/openai/v1/files", Answerer::Provider);
        ask.is_upload = true;
        ask.expected_body = Some(content.to_vec());
        ask.send_whole(content.to_vec(), "application/octet-stream", "");
        ask
    }

    /// A request whose head is longer than allowed.
    pub(crate) fn with_long_head(id: u64) -> Self {
        // Where the network is slow its time is over before.
        let mut ask = Self::new(id, "POST", "/v1/chat/completions", Answerer::Refusal(&[431, 408]));
        let line = format!("X-Long: {}\r\n", "x".repeat(1000));
        ask.end_head(&line.repeat(70));
        ask
    }

    /// A call of a provider that speaks TLS, which nobody does here.
    fn sealed(id: u64, rng: &mut Rng) -> Self {
        let mut ask = Self::new(id, "POST", "/v1/chat/completions", Answerer::Refusal(&[502, 504]));
        ask.send(b"{\"model\":\"sealed/model\"}".to_vec(), "application/json", rng);
        ask
    }

    /// A request to go on in WebSocket.
    pub(crate) fn upgrade(id: u64, sizes: Sizes, rng: &mut Rng) -> Self {
        let path = ["/v1/realtime", "/openai/v1/realtime", "/openai/responses"][rng.usize(..3)];
        let (model, _) = MODELS[rng.usize(..MODELS.len())];
        let mut ask = Self::new(id, "GET", &format!("{path}?model={model}"), Answerer::Provider);
        ask.expected_body = Some(Vec::new());
        ask.speaker = Some(Speaker::draw(sizes.body_max / 4, rng));
        ask.end_head("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n");
        ask
    }

    /// A form with a model's name somewhere in it.
    fn form(id: u64, sizes: Sizes, rng: &mut Rng) -> Self {
        let (asked, seen) = MODELS[rng.usize(..MODELS.len())];
        let file = text(rng.usize(..sizes.body_max.max(2)), rng);
        let is_model_first = rng.bool();
        let render = |model: &str| {
            let model = format!("--cut\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n");
            let file = format!(
                "--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n{file}\r\n"
            );
            let parts = if is_model_first { [model, file] } else { [file, model] };
            format!("{}--cut--\r\n", parts.concat()).into_bytes()
        };
        let mut ask = Self::new(id, "POST", "/v1/audio/transcriptions", Answerer::Provider);
        ask.is_upload = true;
        ask.expected_body = Some(render(seen));
        ask.send(render(asked), "multipart/form-data; boundary=cut", rng);
        ask
    }

    /// A body that nobody reads on its way.
    fn upload(id: u64, sizes: Sizes, rng: &mut Rng) -> Self {
        let mut ask = Self::new(id, "POST", "/openai/v1/files?purpose=x", Answerer::Provider);
        ask.is_upload = true;
        let content: Vec<u8> = (0..rng.usize(..sizes.body_max.max(2))).map(|_| rng.u8(..)).collect();
        ask.expected_body = Some(content.clone());
        ask.send(content, "application/octet-stream", rng);
        ask
    }

    fn bodiless(id: u64, method: &'static str) -> Self {
        let mut ask = Self::new(id, method, "/openai/v1/batches/b?limit=2", Answerer::Provider);
        ask.expected_body = Some(Vec::new());
        ask.end_head("");
        ask
    }

    /// A question about the gateway itself.
    pub(crate) fn own(id: u64, method: &'static str, path: &'static str) -> Self {
        let mut ask = Self::new(id, method, path, Answerer::Gateway);
        ask.end_head("");
        ask
    }

    /// A request that no provider may get to see.
    fn wrong(id: u64, rng: &mut Rng) -> Self {
        let path = "/v1/chat/completions";
        let refused = |statuses| Self::new(id, "POST", path, Answerer::Refusal(statuses));
        let json = b"{\"model\":\"openai/model\"}".to_vec();
        match rng.u8(..13) {
            11 => {
                let mut ask = refused(&[400, 505]);
                let heads: [&[u8]; 5] = [
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                    b"POST /v1/files HTTP/1.1\nHost: h\nX-Sim: 0\n\n",
                    b"POST /v1/files HTTP/1.1\r\nX-Sim: 0\r\n\r\n",
                    b"POST /v1/files HTTP/1.1\r\nHost: h\r\nHost: h\r\nX-Sim: 0\r\n\r\n",
                    b"POST /v1/files HTTP/9.9\r\nHost: h\r\nX-Sim: 0\r\n\r\n",
                ];
                ask.head = heads[rng.usize(..heads.len())].to_vec();
                ask
            }
            12 => {
                let mut ask = refused(&[400]);
                ask.send(text(20, rng).into_bytes(), "application/json", rng);
                ask
            }
            0 => {
                let mut ask = refused(&[400]);
                ask.send(b"{\"model\":\"openai/model\",}".to_vec(), "application/json", rng);
                ask
            }
            1 => {
                let mut ask = refused(&[400]);
                ask.send(b"{\"messages\":[]}".to_vec(), "application/json", rng);
                ask
            }
            2 => {
                let mut ask = refused(&[404]);
                ask.send(b"{\"model\":\"groq/x\"}".to_vec(), "application/json", rng);
                ask
            }
            3 => {
                let mut ask = refused(&[400]);
                ask.end_head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
                ask.body = vec![b"0\r\n\r\n".to_vec()];
                ask
            }
            4 => {
                let mut ask = refused(&[400]);
                ask.end_head("Transfer-Encoding: chunked\r\n");
                ask.body = vec![b"5\r\n{\"mod\r\n".to_vec(), b"xyz\r\n".to_vec()];
                ask
            }
            5 => {
                let mut ask = refused(&[413]);
                ask.end_head("Content-Length: 99000000\r\n");
                ask
            }
            6 => {
                let mut ask = refused(&[501]);
                ask.end_head("Transfer-Encoding: gzip\r\n");
                ask
            }
            7 => Self::with_long_head(id),
            8 => {
                let mut ask = Self::new(id, "POST", "/v2/nothing", Answerer::Refusal(&[404]));
                ask.send(json, "application/json", rng);
                ask
            }
            9 => {
                let mut ask = refused(&[415]);
                ask.head.extend_from_slice(b"Content-Encoding: gzip\r\n");
                ask.send(json, "application/json", rng);
                ask
            }
            _ => {
                // A passthrough whose body breaks under way: the provider may see the beginning of it.
                let mut ask = Self::new(id, "POST", "/openai/v1/files", Answerer::Refusal(&[400, 502, 504]));
                ask.end_head("Transfer-Encoding: chunked\r\n");
                ask.body = vec![b"3\r\nabc\r\n".to_vec(), b"5\r\nabc\r\n0\r\n\r\n".to_vec()];
                ask.is_upload = true;
                ask
            }
        }
    }

    fn new(id: u64, method: &'static str, path: &str, answerer: Answerer) -> Self {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer of-the-client\r\nX-Sim: {id}\r\n"
        );
        Self {
            id,
            method,
            path: path.to_owned(),
            head: head.into_bytes(),
            body: Vec::new(),
            expected_body: None,
            expects_continue: false,
            answerer,
            is_chat: false,
            is_upload: false,
            speech: Speech::Modern,
            speaker: None,
        }
    }

    /// The same in another HTTP, as far as it can be said there.
    pub(crate) fn spoken(mut self, speech: Speech) -> Self {
        if self.speaker.is_some() || matches!(self.answerer, Answerer::Refusal(_)) {
            return self;
        }
        let is_modern = self.expects_continue || find(&self.head, b"Transfer-Encoding").is_some();
        let (version, line) = match speech {
            Speech::Old | Speech::OldStaying if is_modern => return self,
            Speech::Modern => return self,
            Speech::Closing => ("1.1", "Connection: close\r\n"),
            Speech::Old => ("1.0", ""),
            Speech::OldStaying => ("1.0", "Connection: keep-alive\r\n"),
        };
        let first = b" HTTP/1.1\r\n";
        if let Some(at) = find(&self.head, first) {
            let said = format!(" HTTP/{version}\r\n{line}");
            self.head.splice(at..at + first.len(), said.into_bytes());
            self.speech = speech;
        }
        self
    }

    fn end_head(&mut self, lines: &str) {
        self.head.extend_from_slice(lines.as_bytes());
        self.head.extend_from_slice(b"\r\n");
    }

    /// Frames a body in one of the ways that there are.
    fn send(&mut self, content: Vec<u8>, content_type: &str, rng: &mut Rng) {
        self.expects_continue = rng.u8(..6) == 0;
        let expect = if self.expects_continue { "Expect: 100-continue\r\n" } else { "" };
        if rng.u8(..3) > 0 {
            return self.send_whole(content, content_type, expect);
        }
        self.body = chunked(&content, rng);
        self.end_head(&format!("Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n{expect}"));
    }

    /// Frames a body by its length.
    fn send_whole(&mut self, content: Vec<u8>, content_type: &str, lines: &str) {
        let length = content.len();
        self.body = vec![content];
        self.end_head(&format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n{lines}"));
    }
}

/// A body in chunks of all sizes.
pub(crate) fn chunked(content: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut left = content;
    while !left.is_empty() {
        let (chunk, rest) = left.split_at(rng.usize(1..=left.len()));
        let extension = if rng.u8(..8) == 0 { ";a=b" } else { "" };
        pieces.push([format!("{:x}{extension}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        left = rest;
    }
    let trailer = if rng.u8(..8) == 0 { "X-Trailer: x\r\n" } else { "" };
    pieces.push(format!("0\r\n{trailer}\r\n").into_bytes());
    pieces
}

/// Letters of one to four bytes, which stand for themselves in JSON.
pub(crate) fn text(length: usize, rng: &mut Rng) -> String {
    let letters = ['a', 'b', ' ', ':', '{', 'é', '語', '🙂'];
    (0..length).map(|_| letters[if rng.u8(..8) == 0 { rng.usize(..8) } else { 0 }]).collect()
}
