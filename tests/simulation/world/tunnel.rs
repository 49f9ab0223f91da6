//! A connection that has switched to WebSocket, seen from either of its ends: bytes go both ways, until each side
//! has said its last or one breaks it off.

use std::{cell::RefCell, future::poll_fn, io, pin::Pin, rc::Rc, task::Poll, time::Duration};

use bifrost::config::limits::TUNNEL_IDLE_MAX;
use fastrand::Rng;
use futures_lite::{AsyncRead, AsyncWrite, future};

use super::World;
use crate::socket::Stream;

/// The shell closes what is silent for so long, a little sooner.
const PATIENCE: Duration = TUNNEL_IDLE_MAX.saturating_add(Duration::from_secs(60));

/// What one side says, and how it goes.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Pause before each piece.
    pub(crate) pause: Duration,
    pub(crate) parting: Parting,
}

/// How a side goes once it has said everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parting {
    /// It says that this was all, and listens to the end.
    HalfClosing,
    /// It waits for the end of the other one.
    Waiting,
    Resetting,
    /// It closes, whatever may still come.
    Leaving,
}

/// One end of a tunnel.
pub(crate) struct Tunnel<'a> {
    pub(crate) world: &'a Rc<World>,
    /// The request that it began with.
    pub(crate) id: u64,
    /// Who this is, for the story.
    pub(crate) name: String,
    pub(crate) stream: &'a RefCell<Option<Stream>>,
    pub(crate) me: &'a Speaker,
    pub(crate) other: &'a Speaker,
}

impl Speaker {
    pub(crate) fn draw(bytes_max: usize, rng: &mut Rng) -> Self {
        let piece = |rng: &mut Rng| (0..rng.usize(1..bytes_max.max(2))).map(|_| rng.u8(..)).collect();
        let pieces = (0..rng.usize(..6)).map(|_| piece(rng)).collect();
        let parting = match rng.u8(..8) {
            0..=3 => Parting::HalfClosing,
            4..=5 => Parting::Waiting,
            6 => Parting::Resetting,
            _ => Parting::Leaving,
        };
        Self { pieces, pause: Duration::from_millis([0, 0, 1, 30][rng.usize(..4)]), parting }
    }

    fn breaks_off(&self) -> bool {
        matches!(self.parting, Parting::Resetting | Parting::Leaving)
    }
}

impl Tunnel<'_> {
    /// Speaks and listens to the end, of which `received` is the beginning, and says whether that was right.
    pub(crate) async fn talk(&self, mut received: Vec<u8>) {
        let is_ended = RefCell::new(false);
        let listen = async {
            let end = self.listen(&mut received).await;
            *is_ended.borrow_mut() = true;
            end
        };
        let (_, end) = future::zip(self.speak(&is_ended), listen).await;
        let expected = self.other.pieces.concat();
        let (world, name) = (self.world, &self.name);
        world.network.tell(format_args!(
            "{name} got {} bytes of {}: {end:?}",
            received.len(),
            expected.len()
        ));
        let is_excused = world.book.is_tunnel_broken(self.id) || world.is_stopped();
        if !expected.starts_with(&received) {
            world.network.fail(format!("{name} got other bytes than were sent"));
        } else if !is_excused && (end.is_err() || received.len() < expected.len()) {
            world.network.fail(format!("{name} lost the end of what was said: {end:?}"));
        }
    }

    async fn speak(&self, is_ended: &RefCell<bool>) {
        for piece in &self.me.pieces {
            if !self.me.pause.is_zero() {
                self.world.sleep(self.me.pause).await;
            }
            let mut left = &piece[..];
            while !left.is_empty() {
                let wrote = poll_fn(|cx| match &mut *self.stream.borrow_mut() {
                    Some(stream) => Pin::new(stream).poll_write(cx, left),
                    None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                });
                match wrote.await {
                    Ok(length) => left = &left[length..],
                    Err(_) if self.world.book.is_tunnel_broken(self.id) || self.world.is_stopped() => return,
                    Err(error) => {
                        return self.world.network.fail(format!("{} cannot speak: {error}", self.name));
                    }
                }
            }
        }
        while self.me.parting == Parting::Waiting && !*is_ended.borrow() {
            self.world.sleep(Duration::from_millis(500)).await;
        }
        if self.me.breaks_off() {
            self.world.book.break_tunnel(self.id);
            let stream = self.stream.borrow_mut().take();
            if self.me.parting == Parting::Resetting {
                stream.into_iter().for_each(Stream::reset);
            }
            return;
        }
        let closed = poll_fn(|cx| match &mut *self.stream.borrow_mut() {
            Some(stream) => Pin::new(stream).poll_close(cx),
            None => Poll::Ready(Ok(())),
        });
        closed.await.unwrap_or_default();
    }

    async fn listen(&self, received: &mut Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let read = poll_fn(|cx| match &mut *self.stream.borrow_mut() {
                Some(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
                None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            });
            let late = async {
                self.world.sleep(PATIENCE).await;
                self.world.network.fail(format!("{} is left in a tunnel that nobody closes", self.name));
                Ok(0)
            };
            match future::or(read, late).await? {
                0 => return Ok(()),
                length => received.extend_from_slice(&buffer[..length]),
            }
        }
    }
}
