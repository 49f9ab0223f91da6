//! Clients: they send requests in many manners, read the answers strictly, and hang up when they like.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use futures_lite::{AsyncRead, AsyncWrite, future};

use super::{World, ask::Ask, script::Script, setting::Guest, tunnel::Tunnel};
use crate::{
    invariants::{Answer, check_answer, is_broken},
    message::Head,
    net::Connection,
    socket::Stream,
};

/// Time for the next byte of an answer, once all of the request was sent: the attempt's time, or the
/// silence that a stream may keep, and a little.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same for an upload, which has that time for each piece.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(15);
/// The same where the request is left unfinished: what the shell waits for a body, and more.
const LONG_PATIENCE: Duration = Duration::from_secs(80);
/// Time after which a connection on which nothing is asked is closed by the shell.
const IDLE_PATIENCE: Duration = Duration::from_secs(125);

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Sends requests without waiting for answers.
    pub(crate) pipelines: bool,
    /// Bytes of each write; 0 for as many as there are.
    pub(crate) step: usize,
    /// Pause between writes.
    pub(crate) pause: Duration,
    /// Pause between reads.
    pub(crate) reading_pause: Duration,
    pub(crate) leaving: Leaving,
}

impl Default for Manner {
    /// One request after the other, as fast as can be.
    fn default() -> Self {
        let [pause, reading_pause] = [Duration::ZERO; 2];
        Self { pipelines: false, step: 0, pause, reading_pause, leaving: Leaving::Satisfied }
    }
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaving {
    /// With all answers.
    Satisfied,
    /// It waits until the shell closes.
    Never,
    /// It says that it sends nothing more, right after the last request.
    HalfClosing,
    /// It is gone after that time, in an orderly way.
    Hanging(Duration),
    /// It is gone after that time, by a reset.
    Resetting(Duration),
    /// Its last request stays incomplete.
    Stalling,
}

/// A client under way.
struct Visit {
    world: Rc<World>,
    connection: Rc<Connection>,
    stream: RefCell<Option<Stream>>,
    manner: Manner,
    /// Answers that have come.
    answered: Cell<usize>,
    /// Requests that have been sent to their end.
    sent: Cell<usize>,
    /// A `100 Continue` has come for the request after the answered ones.
    is_invited: Cell<bool>,
    is_over: Cell<bool>,
    sender: RefCell<Option<Waker>>,
    count: usize,
}

/// What a read brings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Came {
    Bytes,
    End,
    Reset,
}

/// Why there is no answer.
enum Missing {
    /// The connection has ended before one.
    Nothing,
    /// It has ended within a head, and rightly so.
    CutHead,
    /// What has come is none.
    Wrong(String),
}

impl From<String> for Missing {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

/// Opens a connection, asks, and goes.
pub(crate) async fn visit(world: Rc<World>, guest: Guest) {
    let Guest { port, manner, asks, .. } = guest;
    let Some((stream, connection)) = world.network.dial(port) else { return };
    world.network.tell(format_args!("#{} is a client: {manner:?}", connection.number));
    let visit = Visit {
        connection,
        stream: RefCell::new(Some(stream)),
        manner,
        answered: Cell::default(),
        sent: Cell::default(),
        is_invited: Cell::default(),
        is_over: Cell::default(),
        sender: RefCell::default(),
        count: asks.len(),
        world,
    };
    for (ask, script) in &asks {
        visit.world.network.tell(format_args!("{} is {} {}", ask.id, ask.method, ask.path));
        visit.world.book.add(ask.clone(), script.clone(), visit.connection.number);
    }
    let talk = future::zip(visit.send(&asks), visit.receive(&asks));
    let left = async {
        match manner.leaving {
            Leaving::Hanging(time) | Leaving::Resetting(time) => visit.world.sleep(time).await,
            _ => future::pending().await,
        }
    };
    let is_left = future::or(
        async {
            talk.await;
            false
        },
        async {
            left.await;
            true
        },
    );
    if !is_left.await {
        return;
    }
    asks.iter().for_each(|(ask, _)| visit.world.book.break_tunnel(ask.id));
    if matches!(manner.leaving, Leaving::Resetting(_)) {
        visit.stream.borrow().as_ref().inspect(|stream| stream.watch().reset("hangs up"));
    }
}

impl Visit {
    async fn send(&self, asks: &[(Ask, Script)]) {
        for (position, (ask, _)) in asks.iter().enumerate() {
            let is_last = position + 1 == asks.len();
            if !self.manner.pipelines {
                self.until(|| self.answered.get() == position).await;
                if self.is_over.get() {
                    return;
                }
            }
            let mut head = &ask.head[..];
            let is_stalled = is_last && self.manner.leaving == Leaving::Stalling;
            if is_stalled && self.world.roll(|rng| rng.bool()) {
                head = &head[..self.world.roll(|rng| rng.usize(1..head.len()))];
                self.write(head).await;
                return;
            }
            self.write(head).await;
            if ask.expects_continue {
                let may_send = || self.is_invited.get() && self.answered.get() == position;
                self.until(|| may_send() || self.answered.get() > position).await;
                if !may_send() {
                    // The answer has come without the body, which is now unwanted.
                    return;
                }
            }
            for (number, piece) in ask.body.iter().enumerate() {
                if is_stalled && number + 1 == ask.body.len() {
                    self.write(&piece[..piece.len() / 2]).await;
                    return;
                }
                if !self.write(piece).await {
                    return;
                }
            }
            self.sent.set(position + 1);
        }
        if self.manner.leaving == Leaving::HalfClosing {
            asks.iter().for_each(|(ask, _)| self.world.book.break_tunnel(ask.id));
            poll_fn(|cx| match &mut *self.stream.borrow_mut() {
                Some(stream) => Pin::new(stream).poll_close(cx),
                None => Poll::Ready(Ok(())),
            })
            .await
            .unwrap_or_default();
        }
    }

    /// Waits for the reading side to get so far, or to give up.
    async fn until(&self, is_so: impl Fn() -> bool) {
        poll_fn(|cx| {
            if is_so() || self.is_over.get() {
                return Poll::Ready(());
            }
            self.sender.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// The reading side has got further.
    fn note(&self, answered: usize, is_invited: bool) {
        self.answered.set(answered);
        self.is_invited.set(is_invited);
        self.sender.take().into_iter().for_each(Waker::wake);
    }

    /// Whether the client itself has given the shell a reason not to answer, or not to the end.
    fn is_excused(&self, position: usize) -> bool {
        let is_last = position + 1 == self.count;
        match self.manner.leaving {
            Leaving::HalfClosing => true,
            Leaving::Stalling => is_last,
            _ => false,
        }
    }

    async fn write(&self, bytes: &[u8]) -> bool {
        let step = if self.manner.step == 0 { bytes.len().max(1) } else { self.manner.step };
        for part in bytes.chunks(step) {
            let mut left = part;
            while !left.is_empty() {
                let wrote = poll_fn(|cx| match &mut *self.stream.borrow_mut() {
                    Some(stream) => Pin::new(stream).poll_write(cx, left),
                    None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                });
                let Ok(length) = wrote.await else { return false };
                left = &left[length..];
            }
            if !self.manner.pause.is_zero() {
                self.world.sleep(self.manner.pause).await;
            }
        }
        true
    }

    /// Reads one answer after the other, and says whether each is right.
    async fn receive(&self, asks: &[(Ask, Script)]) {
        let mut received = Vec::new();
        for (position, (ask, script)) in asks.iter().enumerate() {
            match self.read_answer(position, ask, &mut received).await {
                Ok(answer) => {
                    let (is_last, is_whole) = (answer.is_last, answer.is_whole);
                    let (number, status) = (self.connection.number, &answer.head.first[1]);
                    self.world.network.tell(format_args!(
                        "#{number} has the answer to {}: {status}, {} bytes, whole {is_whole}, last {is_last}",
                        ask.id,
                        answer.content.len()
                    ));
                    if let Err(what) = check_answer(&self.world, ask, script, &answer) {
                        self.world.network.fail(format!("{} was answered wrongly: {what}", ask.id));
                    }
                    if let (Some(me), Some(other), "101") = (&ask.speaker, &script.speaker, &status[..]) {
                        let (world, id, name) = (&self.world, ask.id, format!("#{number}"));
                        let tunnel = Tunnel { world, id, name, stream: &self.stream, me, other };
                        tunnel.talk(std::mem::take(&mut received)).await;
                    }
                    self.is_over.set(is_last);
                    self.note(position + 1, false);
                    if is_last
                        && is_whole
                        && !matches!(self.read(&mut received, PATIENCE).await, Some(Came::End | Came::Reset))
                    {
                        self.world.network.fail(format!("#{number} goes on, and said that it does not"));
                    }
                    if is_last || !is_whole {
                        break;
                    }
                }
                Err(Missing::Wrong(what)) => {
                    let number = self.connection.number;
                    self.world.network.fail(format!("#{number}: the answer to {} is broken: {what}", ask.id));
                    break;
                }
                Err(Missing::Nothing) => {
                    self.check_unanswered(position, ask);
                    break;
                }
                Err(Missing::CutHead) => {
                    received.clear();
                    break;
                }
            }
        }
        if self.manner.leaving == Leaving::Never {
            self.read(&mut received, IDLE_PATIENCE).await;
        }
        self.is_over.set(true);
        self.note(self.answered.get(), false);
        if !received.is_empty() {
            self.world.network.fail(format!("#{} got bytes after the last answer", self.connection.number));
        }
    }

    async fn read_answer(
        &self,
        position: usize,
        ask: &Ask,
        received: &mut Vec<u8>,
    ) -> Result<Answer, Missing> {
        let head = loop {
            let Some(head) = Head::take(received)? else {
                if self.wait(position, ask, received).await != Came::Bytes {
                    return Err(self.cut_head(position, ask, received));
                }
                continue;
            };
            match head.status()? {
                100 if ask.expects_continue && !self.is_invited.get() => self.note(position, true),
                101 if ask.speaker.is_some() => break head,
                100..=199 => {
                    return Err(Missing::Wrong(format!("an interim answer that nobody wants: {head:?}")));
                }
                _ => break head,
            }
        };
        let mut body = head.response_body(ask.method == "HEAD" && head.status()? != 408)?;
        let is_whole = loop {
            body.take(received)?;
            if body.is_done() {
                break true;
            }
            match self.wait(position, ask, received).await {
                Came::Bytes => {}
                Came::End => break body.close(),
                Came::Reset => break false,
            }
        };
        let is_last = head.status()? == 101 || head.says_close()?.unwrap_or_else(|| ask.speech.closes());
        let is_excused = self.is_excused(position) || self.world.is_stopped();
        Ok(Answer { head, content: body.content, is_whole, is_last, is_excused })
    }

    /// A head that ends in its midst is only right where somebody has cut it.
    fn cut_head(&self, position: usize, ask: &Ask, received: &[u8]) -> Missing {
        let is_excused = self.is_excused(position) || self.world.is_stopped() || is_broken(&self.world, ask);
        match received {
            [] => Missing::Nothing,
            _ if is_excused => Missing::CutHead,
            _ => Missing::Wrong(format!("a head ends in its midst: {:?}", String::from_utf8_lossy(received))),
        }
    }

    /// Waits for more of an answer.
    async fn wait(&self, position: usize, ask: &Ask, received: &mut Vec<u8>) -> Came {
        if !self.manner.reading_pause.is_zero() {
            self.world.sleep(self.manner.reading_pause).await;
        }
        loop {
            let was_sent = self.sent.get() > position;
            let patience = match was_sent {
                true if ask.is_upload || self.world.climate.is_slow() => UPLOAD_PATIENCE,
                true => PATIENCE + 20 * self.world.climate.weather.delay_max,
                false => LONG_PATIENCE,
            };
            if let Some(came) = self.read(received, patience).await {
                return came;
            }
            if was_sent == (self.sent.get() > position) {
                let number = self.connection.number;
                self.world.network.fail(format!("#{number} got nothing for {} s", patience.as_secs()));
                return Came::Reset;
            }
        }
    }

    /// Reads once: none where nothing comes in time.
    async fn read(&self, received: &mut Vec<u8>, patience: Duration) -> Option<Came> {
        let mut buffer = [0; 4096];
        let read = poll_fn(|cx| match &mut *self.stream.borrow_mut() {
            Some(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            None => Poll::Ready(Ok(0)),
        });
        let read = async { Some(read.await) };
        let late = async {
            self.world.network.executor.sleep(patience).await;
            None
        };
        let Ok(length) = future::or(read, late).await? else { return Some(Came::Reset) };
        received.extend_from_slice(&buffer[..length]);
        Some(if length > 0 { Came::Bytes } else { Came::End })
    }

    /// Whether a connection may be closed without an answer.
    fn check_unanswered(&self, position: usize, ask: &Ask) {
        // An answer that does not say so is not the last one.
        let is_sent = self.sent.get() > position || position > 0;
        if is_sent && !self.is_excused(position) && !self.world.is_draining() {
            self.world.network.fail(format!("{} got no answer, and the connection is closed", ask.id));
        }
    }
}
