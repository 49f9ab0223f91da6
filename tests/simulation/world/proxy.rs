//! Proxies: they want to know who asks, lead to a provider or refuse to, and see nothing of what goes through.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use data_encoding::BASE64;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::{World, provider};
use crate::{
    executor::Owner,
    message::{Head, find},
    net::Connection,
    socket::Stream,
};

/// What the configuration says to prove who asks.
pub(crate) const CREDENTIALS: &str = "me:of-the-proxy";
/// Where TLS is spoken: nobody here can, so that nothing but its first message ever comes.
const SEALED: &str = "sim.test:8443";
const OPENED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
const SOCKS_OPENED: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Http,
    Socks,
}

/// What a proxy does with one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Manner {
    Opens,
    /// It says this instead of its last message.
    Says(&'static [u8]),
    /// It takes its time before each message.
    Dawdles(Duration),
    /// It closes after so many bytes of a message.
    Cuts(usize),
    Resets,
    /// It says nothing.
    Stalls,
    /// Its last message does not end.
    Floods,
}

/// Accepts connections for ever.
pub(crate) async fn serve(world: Rc<World>, address: SocketAddr, kind: Kind) {
    let mut tasks = Vec::new();
    loop {
        let (stream, connection) = world.network.accept_upstream(address).await;
        let manner = Manner::draw(&world, kind);
        world.network.tell(format_args!("#{} is a proxy, {kind:?}, which {manner:?}", connection.number));
        let visit = Visit { world: world.clone(), connection, stream, manner, received: Vec::new() };
        tasks.push(world.network.executor.spawn(Owner::World, visit.run(kind)));
    }
}

impl Manner {
    fn draw(world: &World, kind: Kind) -> Self {
        if !world.one_in(world.climate.temper.failing_one_in) {
            return Self::Opens;
        }
        let said: &[&[u8]] = match kind {
            Kind::Http => &[
                b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho",
                b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
                b"SSH-2.0-OpenSSH\r\n\r\n",
                b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ],
            Kind::Socks => {
                &[&[5, 0xff], &[1, 1], &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0], &[0], b"HTTP/1.1 400 Bad\r\n\r\n"]
            }
        };
        world.roll(|rng| match rng.u8(..9) {
            0..=2 => Self::Says(said[rng.usize(..said.len())]),
            3..=4 => Self::Dawdles(Duration::from_millis([10, 500, 4000][rng.usize(..3)])),
            5 => Self::Cuts(rng.usize(..10)),
            6 => Self::Resets,
            7 => Self::Stalls,
            _ => Self::Floods,
        })
    }
}

/// One connection.
struct Visit {
    world: Rc<World>,
    connection: Rc<Connection>,
    stream: Stream,
    manner: Manner,
    received: Vec<u8>,
}

impl Visit {
    async fn run(mut self, kind: Kind) {
        let to = match kind {
            Kind::Http => self.hear_http().await,
            Kind::Socks => self.hear_socks().await,
        };
        let Some(to) = to else { return };
        if !self.received.is_empty() {
            self.world.network.fail(format!("a proxy got more than it asked for: {:?}", self.received));
        }
        if to == SEALED {
            return self.look_at_seal().await;
        }
        provider::Visit::new(self.world, self.connection, self.stream).run().await;
    }

    /// Where a connection shall lead; none where there is to be none.
    async fn hear_http(&mut self) -> Option<String> {
        let head = loop {
            match Head::take(&mut self.received) {
                Ok(Some(head)) => break head,
                Ok(None) => self.read().await?,
                Err(what) => self.world.network.fail(format!("a proxy got a broken head: {what}")),
            }
        };
        let [method, to, _] = &head.first;
        let wanted = format!("Basic {}", BASE64.encode(CREDENTIALS.as_bytes()));
        let fields = [("host", to), ("proxy-authorization", &wanted)];
        let is_right = head.fields.len() == fields.len()
            && fields.iter().all(|(name, value)| head.field(name) == Ok(Some(value)));
        if method != "CONNECT" || !is_right {
            self.world.network.fail(format!("a proxy was asked {head:?}"));
        }
        let interim = if self.world.one_in(8) { "HTTP/1.1 103 Wait\r\n\r\n" } else { "" };
        self.say_last(format!("{interim}{OPENED}").as_bytes()).await?;
        Some(to.clone())
    }

    async fn hear_socks(&mut self) -> Option<String> {
        self.expect(&[5, 2, 0, 2]).await?;
        self.say(&[5, 2]).await?;
        let (user, password) = CREDENTIALS.split_once(':').unwrap_or_default();
        let [one, other] = [user, password].map(|part| [&[part.len() as u8], part.as_bytes()].concat());
        self.expect(&[&[1], &one[..], &other].concat()).await?;
        self.say(&[1, 0]).await?;
        self.expect(&[5, 1, 0, 1, 10, 0, 0, 2, 0x1f, 0x40]).await?;
        self.say_last(SOCKS_OPENED).await?;
        Some("10.0.0.2:8000".to_owned())
    }

    async fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        while self.received.len() < wanted.len() {
            self.read().await?;
        }
        let got: Vec<u8> = self.received.drain(..wanted.len()).collect();
        if got != wanted {
            self.world.network.fail(format!("a proxy got {got:?} and not {wanted:?}"));
        }
        Some(())
    }

    async fn read(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).await.unwrap_or_default();
        self.received.extend_from_slice(&buffer[..length]);
        (length > 0).then_some(())
    }

    async fn say_last(&mut self, message: &[u8]) -> Option<()> {
        match self.manner {
            Manner::Says(other) => self.refuse(other).await,
            Manner::Floods => self.refuse(&b"HTTP/1.1 103 Wait\r\n\r\n".repeat(20_000)).await,
            _ => self.say(message).await,
        }
    }

    /// Says something else, and waits until it is left.
    async fn refuse(&mut self, message: &[u8]) -> Option<()> {
        self.stream.write_all(message).await.ok()?;
        loop {
            self.read().await?;
        }
    }

    /// Says this, unless it is not to be said; none where the connection is at its end.
    async fn say(&mut self, message: &[u8]) -> Option<()> {
        match self.manner {
            Manner::Dawdles(time) => self.world.sleep(time).await,
            Manner::Cuts(length) => {
                self.stream.write_all(&message[..length.min(message.len())]).await.ok()?;
                return None;
            }
            Manner::Resets => {
                self.stream.watch().reset("resets");
                return None;
            }
            Manner::Stalls => return self.refuse(b"").await,
            Manner::Opens | Manner::Says(_) | Manner::Floods => {}
        }
        self.stream.write_all(message).await.ok()
    }

    /// What is meant for an encrypted connection never comes in the clear.
    async fn look_at_seal(&mut self) {
        // Its bytes are another each time.
        self.connection.end.hide_bytes();
        while self.received.len() < 100 {
            if self.read().await.is_none() {
                return;
            }
        }
        let is_sealed = self.received.starts_with(&[0x16, 3]);
        if !is_sealed
            || ["HTTP", "of-the", "model"].iter().any(|word| find(&self.received, word.as_bytes()).is_some())
        {
            self.world.network.fail("what was to be encrypted came in the clear");
        }
        if self.world.one_in(3) {
            let _ = self.refuse(b"").await;
        } else if self.world.one_in(2) {
            let _ = self.refuse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
        }
    }
}
