//! Providers: they read requests strictly, and answer as the script of each says.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use data_encoding::BASE64;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use super::{
    World,
    ask::Ask,
    proxy::CREDENTIALS,
    script::{Afterwards, Failing, Reading, Script},
    tunnel::Tunnel,
};
use crate::{
    executor::Owner,
    message::{Body, Head},
    net::Connection,
    socket::Stream,
};

/// Silence after which a provider gives a connection up; longer than the shell keeps one.
const IDLE_MAX: Duration = Duration::from_secs(70);
/// An answer that nobody has asked for.
const CHATTER: &[u8] = b"HTTP/1.1 200 OK\r\nX-Sim-Answer: 999999\r\nContent-Length: 3\r\n\r\nhey";

const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";

/// What a provider has done with one request.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Whether the connection had served a request before.
    pub(crate) was_reused: bool,
    /// What was written in answer.
    pub(crate) wire: Vec<u8>,
    /// Whether the connection was ended in an orderly way after that.
    pub(crate) is_ended: bool,
}

/// Accepts connections for ever.
pub(crate) async fn serve(world: Rc<World>, address: SocketAddr) {
    let mut tasks = Vec::new();
    loop {
        let (stream, connection) = world.network.accept_upstream(address).await;
        let visit = Visit::new(world.clone(), connection, stream);
        tasks.push(world.network.executor.spawn(Owner::World, visit.run()));
    }
}

/// One connection.
pub(crate) struct Visit {
    world: Rc<World>,
    connection: Rc<Connection>,
    stream: Stream,
    received: Vec<u8>,
}

impl Visit {
    pub(crate) fn new(world: Rc<World>, connection: Rc<Connection>, stream: Stream) -> Self {
        Self { world, connection, stream, received: Vec::new() }
    }

    pub(crate) async fn run(mut self) {
        if self.world.one_in(self.world.climate.temper.failing_one_in * 2) {
            return;
        }
        let mut has_served = false;
        while let Some(head) = self.read_head().await {
            let id = head.field("x-sim").ok().flatten().and_then(|id| id.parse().ok());
            let Some(goes_on) = self.answer(&head, has_served).await else { return };
            has_served = true;
            match goes_on {
                Afterwards::Stay | Afterwards::Chatter => {}
                Afterwards::Close => return,
                Afterwards::Switch => return self.tunnel(id.unwrap_or_default()).await,
                Afterwards::CloseIdle => {
                    let pause = self.world.roll(|rng| rng.u64(..300));
                    self.world.sleep(Duration::from_millis(pause)).await;
                    return;
                }
            }
        }
    }

    /// Goes on in WebSocket.
    async fn tunnel(self, id: u64) {
        let Some((ask, script)) = self.world.book.case(id) else { return };
        if let (Some(me), Some(other)) = (&script.speaker, &ask.speaker) {
            let (stream, name) = (RefCell::new(Some(self.stream)), format!("#{}", self.connection.number));
            let tunnel = Tunnel { world: &self.world, id, name, stream: &stream, me, other };
            tunnel.talk(self.received).await;
        }
    }

    async fn read_head(&mut self) -> Option<Head> {
        loop {
            match Head::take(&mut self.received) {
                Ok(Some(head)) => return Some(head),
                Ok(None) => {}
                Err(what) => {
                    self.world.network.fail(format!("a provider got a broken head: {what}"));
                    return None;
                }
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    async fn read_more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let idle = async {
            self.world.network.executor.sleep(IDLE_MAX).await;
            Ok(0)
        };
        let length = future::or(self.stream.read(&mut buffer), idle).await.unwrap_or_default();
        self.received.extend_from_slice(&buffer[..length]);
        length > 0
    }

    /// Answers one request; none where the connection is at its end.
    async fn answer(&mut self, head: &Head, was_reused: bool) -> Option<Afterwards> {
        let world = self.world.clone();
        let network = &world.network;
        let id = match self.check_head(head) {
            Ok(id) => id,
            Err(what) => {
                network.fail(format!("a provider got a wrong head: {what}: {head:?}"));
                return None;
            }
        };
        // It was quiet before the request that is there now.
        self.connection.quiet_at.set(None);
        let Some(id) = id else { return self.list_models(head).await };
        let Some((ask, script)) = world.book.case(id) else {
            network.fail(format!("a provider was asked {id}, which nobody asked"));
            return None;
        };
        network.tell(format_args!("#{} is asked {id}: {script:?}", self.connection.number));
        let told = world.book.begin_attempt(&ask, Told { was_reused, ..Told::default() });
        if let Err(what) = told {
            network.fail(what);
        }
        self.connection.busy_with.set(Some(id));
        if head.field("upgrade").ok().flatten().is_some() != ask.speaker.is_some() {
            network.fail(format!("{id} is another kind of request than was sent: {head:?}"));
        }
        let afterwards = self.serve(head, &ask, &script).await;
        self.connection.busy_with.set(None);
        afterwards
    }

    async fn serve(&mut self, head: &Head, ask: &Ask, script: &Script) -> Option<Afterwards> {
        let mut body = match head.request_body() {
            Ok(body) => body,
            Err(what) => {
                self.world.network.fail(format!("a provider got a wrong head: {what}"));
                return None;
            }
        };
        let wanted = match script.reading {
            Reading::First => usize::MAX,
            Reading::Halfway => ask.expected_body.as_ref().map_or(1, Vec::len) / 2,
            Reading::Last | Reading::Never => 0,
        };
        if !self.read_body(&mut body, ask, wanted).await || !self.write(ask, script).await {
            return None;
        }
        self.connection.busy_with.set(None);
        if script.reading == Reading::Never {
            self.world.book.end_attempt(ask.id);
            return Some(Afterwards::Close);
        }
        if !self.read_body(&mut body, ask, usize::MAX).await {
            return None;
        }
        if script.afterwards == Afterwards::Switch {
            return Some(Afterwards::Switch);
        }
        let chatter = if script.chatters() { CHATTER.len() } else { 0 };
        let written = self.stream.watch().bytes_written().saturating_sub(chatter);
        self.connection.quiet_at.set(Some(written));
        if script.afterwards == Afterwards::Close {
            self.world.book.end_attempt(ask.id);
        }
        Some(script.afterwards)
    }

    /// Reads that much of the request's body, or all; false where it does not come.
    async fn read_body(&mut self, body: &mut Body, ask: &Ask, wanted: usize) -> bool {
        loop {
            if let Err(what) = body.take(&mut self.received) {
                self.world.network.fail(format!("a provider got a broken body for {}: {what}", ask.id));
                return false;
            }
            if body.is_done() {
                break;
            }
            if body.content.len() >= wanted {
                return true;
            }
            if !self.read_more().await {
                return false;
            }
        }
        match &ask.expected_body {
            None => self.world.network.fail(format!("{} reached a provider as a whole request", ask.id)),
            Some(expected) if *expected != body.content => {
                let lost = String::from_utf8_lossy(&body.content).chars().take(3000).collect::<String>();
                self.world
                    .network
                    .fail(format!("a provider got another body for {} than was sent: {lost}", ask.id));
            }
            Some(_) => {}
        }
        true
    }

    /// Writes the answer; false where the connection is of no more use.
    async fn write(&mut self, ask: &Ask, script: &Script) -> bool {
        let garbage: Vec<u8>;
        let (pieces, end) = match script.failing {
            Failing::Garbage => {
                garbage = b"SSH-2.0-OpenSSH\r\n\r\nwhat\r\n\r\n".to_vec();
                (vec![garbage], usize::MAX)
            }
            Failing::Endless => {
                garbage = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Long: xxxxxxxxx\r\n".repeat(15_000)].concat();
                (vec![garbage], usize::MAX)
            }
            Failing::Flood => (vec![INTERIM.to_vec(); 20_000], usize::MAX),
            Failing::Switch => (vec![[SWITCH, INTERIM].concat()], usize::MAX),
            Failing::Cut(at) | Failing::Reset(at) | Failing::Stall(at) => (script.pieces.clone(), at),
            Failing::Never => (script.pieces.clone(), usize::MAX),
        };
        let mut left = end;
        let count = pieces.len();
        for (number, piece) in pieces.into_iter().enumerate() {
            let part = piece.len().min(left);
            left -= part;
            if !script.pause.is_zero() {
                self.world.sleep(script.pause).await;
            }
            let is_chatty = number + 1 == count && script.chatters();
            let (now, later) = piece[..part].split_at(if is_chatty { part.saturating_sub(1) } else { part });
            if !self.write_all(ask.id, now).await {
                return false;
            }
            if is_chatty {
                // In one piece with the end of the answer, or it could come after the next request.
                self.world.book.attempt(ask.id, |told| told.wire.extend_from_slice(later));
                self.stream.push(&[later, CHATTER].concat());
            }
            if left == 0 {
                break;
            }
        }
        match script.failing {
            Failing::Never => true,
            Failing::Cut(_) => {
                // The request is read before, or closing would be a reset.
                self.world.book.end_attempt(ask.id);
                false
            }
            Failing::Reset(_) => {
                self.reset();
                false
            }
            Failing::Stall(_) | Failing::Garbage | Failing::Endless | Failing::Flood | Failing::Switch => {
                while self.read_more().await {}
                false
            }
        }
    }

    async fn write_all(&mut self, id: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let Ok(length) = self.stream.write(bytes).await else { return false };
            self.world.book.attempt(id, |told| told.wire.extend_from_slice(&bytes[..length]));
            bytes = &bytes[length..];
        }
        true
    }

    fn reset(&self) {
        self.stream.watch().reset("resets");
    }

    /// The gateway's own question.
    async fn list_models(&mut self, head: &Head) -> Option<Afterwards> {
        if head.first[0] != "GET" || !head.first[1].ends_with("/models") {
            self.world.network.fail(format!("a provider got a request of nobody: {head:?}"));
        }
        let list = "{\"data\":[{\"id\":\"model\"}]}";
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len());
        self.stream.write_all(answer.as_bytes()).await.ok()?;
        self.connection.quiet_at.set(Some(self.stream.watch().bytes_written()));
        Some(Afterwards::Stay)
    }

    /// Whom the request is from; what belongs to the client alone must not be there.
    fn check_head(&self, head: &Head) -> Result<Option<u64>, String> {
        if head.field("authorization")? != Some("Bearer of-the-gateway") {
            return Err("the gateway's key is not there".to_owned());
        }
        let is_upgrade = head.field("upgrade")? == Some("websocket");
        for name in ["connection", "upgrade", "expect", "trailer", "te"] {
            let is_right = is_upgrade && matches!(head.field(name)?, Some("Upgrade" | "websocket"));
            if head.field(name)?.is_some() && !is_right {
                return Err(format!("{name} belongs to the client's connection"));
            }
        }
        let of_the_proxy = [CREDENTIALS.to_owned(), BASE64.encode(CREDENTIALS.as_bytes())];
        if head.fields.iter().any(|(_, value)| of_the_proxy.iter().any(|secret| value.contains(secret))) {
            return Err("what is the proxy's alone is there".to_owned());
        }
        head.field("host")?.ok_or("there is no host")?;
        if head.first[2] != "HTTP/1.1" {
            return Err(format!("the version is {}", head.first[2]));
        }
        let id = head.field("x-sim")?;
        id.map(|id| id.parse().map_err(|_| format!("the id is {id:?}"))).transpose()
    }
}
