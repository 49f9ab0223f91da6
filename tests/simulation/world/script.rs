//! What a provider does with a request, drawn before it comes.

use std::{fmt, time::Duration};

use bifrost::config::limits::INTERIM_RESPONSES_MAX;
use fastrand::Rng;

use super::{
    ask::{Ask, chunked, text},
    tunnel::Speaker,
};
use crate::message::find;

/// A provider's answer, and how it fails to give it.
#[derive(Clone)]
pub(crate) struct Script {
    /// Interim heads, the head and the framed body, in pieces.
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Pause before each piece.
    pub(crate) pause: Duration,
    pub(crate) failing: Failing,
    pub(crate) reading: Reading,
    /// What it says once it has gone on in WebSocket, if it does.
    pub(crate) speaker: Option<Speaker>,
    /// What it does with the connection afterwards.
    pub(crate) afterwards: Afterwards,
}

/// When a provider reads the request's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reading {
    /// Before it answers.
    First,
    /// A part before it answers, the rest behind that.
    Halfway,
    /// Once it has answered.
    Last,
    /// Not at all: it answers and closes.
    Never,
}

/// How a provider fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failing {
    /// Not at all.
    Never,
    /// It closes after so many bytes of its answer.
    Cut(usize),
    /// It resets after so many bytes.
    Reset(usize),
    /// It says nothing more after so many bytes.
    Stall(usize),
    /// What it says is no HTTP/1.1.
    Garbage,
    /// The head never ends.
    Endless,
    /// Interim answers never end.
    Flood,
    /// It goes on in another protocol, which nobody has asked for.
    Switch,
}

/// What happens on a connection after an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Afterwards {
    /// It waits for the next request.
    Stay,
    /// It closes without having said so.
    Close,
    /// It closes a little later.
    CloseIdle,
    /// Bytes follow that nobody has asked for.
    Chatter,
    /// It goes on in WebSocket.
    Switch,
}

/// How troublesome providers are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// One of so many answers fails; 0 for none.
    pub(crate) failing_one_in: u32,
    /// Bytes of a body.
    pub(crate) body_max: usize,
}

impl Script {
    /// An answer with these fields, and these pieces behind the head; then the connection stays.
    pub(crate) fn saying(ask: &Ask, fields: &str, body: &[&str]) -> Self {
        let head = format!("HTTP/1.1 200 Said\r\nX-Sim-Answer: {}\r\n{fields}\r\n\r\n", ask.id);
        let body = body.iter().map(|piece| piece.as_bytes().to_vec());
        Self {
            pieces: std::iter::once(head.into_bytes()).chain(body).collect(),
            pause: Duration::ZERO,
            failing: Failing::Never,
            reading: Reading::First,
            speaker: None,
            afterwards: Afterwards::Stay,
        }
    }

    /// What happens to that request.
    pub(crate) fn draw(ask: &Ask, temper: Temper, rng: &mut Rng) -> Self {
        if ask.speaker.is_some() && rng.u8(..4) > 0 {
            return Self::switching(ask, temper, rng);
        }
        let is_streamed = ask.method == "POST" && rng.u8(..2) == 0;
        let lacks_end = temper.failing_one_in > 0 && rng.u32(..temper.failing_one_in) == 0;
        let status = match rng.u8(..10) {
            0 => [201, 400, 401, 404, 429, 500][rng.usize(..6)],
            1 if !ask.is_chat => 204,
            _ => 200,
        };
        let length = rng.usize(..temper.body_max.max(2));
        let (content_type, content) = match status {
            204 => ("text/plain", Vec::new()),
            200 if is_streamed => ("text/event-stream", events(ask, length, lacks_end, rng)),
            _ if rng.bool() => {
                ("application/json", format!("{{\"said\":\"{}\"}}", text(length, rng)).into_bytes())
            }
            _ => ("application/octet-stream", (0..length).map(|_| rng.u8(..)).collect()),
        };
        let mut pieces = Vec::new();
        let interim = match rng.u8(..20) {
            0..=1 => 1,
            2 => rng.u32(1..=INTERIM_RESPONSES_MAX),
            _ => 0,
        };
        for _ in 0..interim {
            let hint = "x".repeat(rng.usize(..100));
            pieces.push(format!("HTTP/1.1 103 Early Hints\r\nLink: {hint}\r\n\r\n").into_bytes());
        }
        let mut head = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: {content_type}\r\nX-Sim-Answer: {}\r\nSet-Cookie: a\r\n",
            ask.id
        );
        let mut afterwards = match rng.u8(..12) {
            0 => Afterwards::Close,
            1 => Afterwards::CloseIdle,
            2 => Afterwards::Chatter,
            _ => Afterwards::Stay,
        };
        let has_body = status != 204;
        let body = match rng.u8(..3) {
            _ if !has_body => Vec::new(),
            0 => {
                head.push_str("Transfer-Encoding: chunked\r\n");
                chunked(&content, rng)
            }
            1 if ask.method != "HEAD" => {
                afterwards = Afterwards::Close;
                vec![content]
            }
            _ => {
                head.push_str(&format!("Content-Length: {}\r\n", content.len()));
                vec![content]
            }
        };
        if rng.u8(..12) == 0 {
            head.push_str("Connection: close\r\n");
            afterwards = Afterwards::Close;
        }
        head.push_str("\r\n");
        pieces.push(head.into_bytes());
        if ask.method != "HEAD" {
            pieces.extend(cut(body, rng));
        }
        let pause = Duration::from_millis([0, 0, 1, 30][rng.usize(..4)]);
        let failing = Failing::draw(pieces.iter().map(Vec::len).sum(), temper, rng);
        let reading = match rng.u8(..24) {
            0..=1 => Reading::Halfway,
            2..=3 => Reading::Last,
            4 => Reading::Never,
            _ => Reading::First,
        };
        if reading == Reading::Never {
            afterwards = Afterwards::Close;
        }
        Self { pieces, pause, failing, reading, speaker: None, afterwards }
    }
}

impl Script {
    /// It goes on in WebSocket, unless it fails before.
    fn switching(ask: &Ask, temper: Temper, rng: &mut Rng) -> Self {
        let fields = "Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: a";
        let head = format!("HTTP/1.1 101 Go\r\nX-Sim-Answer: {}\r\n{fields}\r\n\r\n", ask.id).into_bytes();
        let failing = Failing::draw(head.len(), temper, rng);
        Self {
            pieces: cut(vec![head], rng),
            pause: Duration::from_millis([0, 0, 1, 30][rng.usize(..4)]),
            failing,
            reading: Reading::First,
            speaker: Some(Speaker::draw(temper.body_max / 4, rng)),
            afterwards: Afterwards::Switch,
        }
    }

    /// Whether bytes follow the answer that nobody has asked for.
    pub(crate) fn chatters(&self) -> bool {
        self.failing == Failing::Never && self.afterwards == Afterwards::Chatter
    }

    /// Whether it answers before it has read the whole request.
    pub(crate) fn is_early(&self) -> bool {
        self.reading != Reading::First
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length: usize = self.pieces.iter().map(Vec::len).sum();
        let head = self.pieces.iter().find(|piece| find(piece, b"X-Sim-Answer").is_some());
        let head = String::from_utf8_lossy(head.map_or(&[], |head| head));
        let Self { pause, failing, reading, afterwards, .. } = self;
        write!(
            f,
            "{length} bytes every {pause:?}, {failing:?}, reads {reading:?}, then {afterwards:?}: {head:?}"
        )
    }
}

impl Failing {
    fn draw(length: usize, temper: Temper, rng: &mut Rng) -> Self {
        if temper.failing_one_in == 0 || rng.u32(..temper.failing_one_in) != 0 {
            return Self::Never;
        }
        let at = rng.usize(..length.max(1));
        match rng.u8(..9) {
            0..=1 => Self::Cut(at),
            2..=3 => Self::Reset(at),
            4 => Self::Stall(at),
            5 => Self::Garbage,
            6 => Self::Endless,
            7 => Self::Flood,
            _ => Self::Switch,
        }
    }
}

/// Cuts each piece further, now and then.
fn cut(pieces: Vec<Vec<u8>>, rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut smaller = Vec::new();
    for piece in pieces {
        let cuts = if rng.bool() { 1 } else { rng.usize(1..6) };
        let length = piece.len().div_ceil(cuts).max(1);
        smaller.extend(piece.chunks(length).map(<[u8]>::to_vec));
    }
    smaller
}

/// A stream of about that length, which ends as its dialect wants it, or does not.
fn events(ask: &Ask, length: usize, lacks_end: bool, rng: &mut Rng) -> Vec<u8> {
    let is_responses = ask.path.contains("responses");
    let line = ["\n", "\r\n", "\r"][rng.usize(..3)];
    let mut stream = String::new();
    while stream.len() < length {
        match rng.u8(..6) {
            0 => stream.push_str(&format!(": ping{line}{line}")),
            1 => stream.push_str(&format!("event: x{line}data: {{\"a\":{line}data: 1}}{line}{line}")),
            _ => {
                let said = text(rng.usize(..length.clamp(2, 2000)), rng);
                stream.push_str(&format!("data: {{\"type\":\"delta\",\"said\":\"{said}\"}}{line}{line}"));
            }
        }
    }
    let end = if is_responses {
        format!("event: response.completed{line}data: {{\"type\":\"response.completed\"}}{line}{line}")
    } else {
        format!("data: {{\"choices\":[{{\"finish_reason\":\"stop\"}}]}}{line}{line}data: [DONE]{line}{line}")
    };
    if !lacks_end {
        stream.push_str(&end);
    }
    stream.into_bytes()
}
