//! A TCP connection in memory: bytes that take their time, reads and writes that do less than they could,
//! buffers that fill up, half-closes and resets, as Linux shows them to a program.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_lite::{AsyncRead, AsyncWrite};

use crate::{executor::Executor, trace::Trace};

/// How a connection behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Bytes take up to this long.
    pub(crate) delay_max: Duration,
    /// Bytes that are under way at once; a writer waits beyond it.
    pub(crate) capacity: usize,
    /// One of so many reads and writes does less than it could; 0 for none.
    pub(crate) split_one_in: u32,
    /// One of so many reads and writes has to be tried again, for no reason; 0 for none.
    pub(crate) hesitate_one_in: u32,
}

/// One end of a connection; closed when dropped.
pub(crate) struct Stream(Rc<End>);

/// What one end of a connection is, has seen and done, for its stream and for those who watch.
pub(crate) struct End {
    name: String,
    executor: Executor,
    trace: Rc<Trace>,
    weather: Weather,
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
    is_closed: Cell<bool>,
    resets_on_close: Cell<bool>,
    are_bytes_hidden: Cell<bool>,
    bytes_read: Cell<usize>,
    bytes_written: Cell<usize>,
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    segments: VecDeque<Segment>,
    /// Bytes in all segments.
    length: usize,
    arrives: Duration,
    end_arrives: Option<Duration>,
    reset_arrives: Option<Duration>,
    is_reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Segment {
    arrives: Duration,
    bytes: VecDeque<u8>,
}

/// The two ends of a new connection.
pub(crate) fn pair(name: &str, executor: &Executor, trace: &Rc<Trace>, weather: Weather) -> [Stream; 2] {
    let end = |mark: &str, incoming: &Rc<RefCell<Pipe>>, outgoing: &Rc<RefCell<Pipe>>| {
        Stream(Rc::new(End {
            name: format!("{name}{mark}"),
            executor: executor.clone(),
            trace: trace.clone(),
            weather,
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            is_closed: Cell::default(),
            resets_on_close: Cell::default(),
            are_bytes_hidden: Cell::default(),
            bytes_read: Cell::default(),
            bytes_written: Cell::default(),
        }))
    };
    let (there, back) = (Rc::default(), Rc::default());
    [end("<", &back, &there), end(">", &there, &back)]
}

impl Stream {
    /// What can be seen of it from outside.
    pub(crate) fn watch(&self) -> Rc<End> {
        self.0.clone()
    }

    /// Sends all of this at once, whatever the buffers are said to hold.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut outgoing = self.0.outgoing.borrow_mut();
        if outgoing.end_arrives.is_none() && outgoing.reset_arrives.is_none() {
            self.0.tell("pushes", bytes.len());
            self.0.send(&mut outgoing, bytes);
        }
    }

    /// Closes such that the peer gets an error.
    pub(crate) fn reset(self) {
        self.0.reset("resets");
    }
}

impl End {
    /// Whether its stream has been dropped.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Whether closing is a reset, as `SO_LINGER` without time makes it.
    pub(crate) fn reset_on_close(&self, resets: bool) {
        self.resets_on_close.set(resets);
    }

    /// What it sends from now on is no part of the trace, as it is not the same each time.
    pub(crate) fn hide_bytes(&self) {
        self.are_bytes_hidden.set(true);
    }

    /// Bytes that its stream has read.
    pub(crate) fn bytes_read(&self) -> usize {
        self.bytes_read.get()
    }

    /// Bytes that its stream has written.
    pub(crate) fn bytes_written(&self) -> usize {
        self.bytes_written.get()
    }

    /// Whether a read would find something now: bytes, an end or a reset.
    pub(crate) fn has_news(&self) -> bool {
        let (incoming, now) = (self.incoming.borrow(), self.executor.elapsed());
        incoming.has_arrived(now) || incoming.due(now).is_some()
    }

    /// Since when the peer is gone, as far as this end can know.
    pub(crate) fn hung_up_since(&self) -> Option<Duration> {
        let incoming = self.incoming.borrow();
        let arrived = [incoming.end_arrives, incoming.reset_arrives].into_iter().flatten().min();
        arrived.filter(|arrived| *arrived <= self.executor.elapsed())
    }

    /// Whether a read or write shall do nothing this time.
    fn hesitates(&self, cx: &Context<'_>) -> bool {
        let one_in = self.weather.hesitate_one_in;
        // Whoever does not wait to be woken wants to know what is there.
        let is_waiting = !Waker::noop().will_wake(cx.waker());
        let hesitates = is_waiting && one_in > 0 && self.executor.chance(|rng| rng.u32(..one_in) == 0);
        if hesitates {
            cx.waker().wake_by_ref();
        }
        hesitates
    }

    fn tell(&self, what: &str, count: usize) {
        self.trace.event(self.executor.elapsed(), format_args!("{} {what} {count}", self.name));
    }

    /// A part of that many bytes, all of them for the most part.
    fn part(&self, length: usize) -> usize {
        let one_in = self.weather.split_one_in;
        self.executor.chance(|rng| match length {
            2.. if one_in > 0 && rng.u32(..one_in) == 0 => rng.usize(1..length),
            _ => length,
        })
    }

    fn arrival(&self, pipe: &mut Pipe) -> Duration {
        let most = self.weather.delay_max.as_micros() as u64;
        let delay = self.executor.chance(|rng| rng.u64(..=most));
        pipe.arrives = pipe.arrives.max(self.executor.elapsed() + Duration::from_micros(delay));
        pipe.arrives
    }

    fn send(&self, outgoing: &mut Pipe, bytes: &[u8]) {
        let arrives = self.arrival(outgoing);
        if !self.are_bytes_hidden.get() {
            self.trace.bytes(bytes);
        }
        self.bytes_written.set(self.bytes_written.get() + bytes.len());
        if outgoing.is_reader_gone {
            // The peer has closed: its answer to more bytes is a reset.
            let mut incoming = self.incoming.borrow_mut();
            if incoming.reset_arrives.is_none() {
                // It overtakes nothing that was sent before it.
                let arrives = arrives.max(incoming.arrives);
                incoming.reset_arrives = Some(arrives);
                self.wake_reader(&incoming);
                self.wake_writer(outgoing, arrives);
            }
            return;
        }
        outgoing.length += bytes.len();
        outgoing.segments.push_back(Segment { arrives, bytes: bytes.iter().copied().collect() });
        self.wake_reader(outgoing);
    }

    fn end(&self) {
        let mut outgoing = self.outgoing.borrow_mut();
        if outgoing.end_arrives.is_none() && outgoing.reset_arrives.is_none() {
            outgoing.end_arrives = Some(self.arrival(&mut outgoing));
            self.wake_reader(&outgoing);
        }
    }

    pub(crate) fn reset(&self, what: &str) {
        let mut outgoing = self.outgoing.borrow_mut();
        if outgoing.reset_arrives.is_none() {
            self.tell(what, 0);
            outgoing.reset_arrives = Some(self.arrival(&mut outgoing));
            self.wake_reader(&outgoing);
        }
    }

    fn wake_reader(&self, pipe: &Pipe) {
        if let (Some(at), Some(reader)) = (pipe.next_news(), &pipe.reader) {
            self.executor.wake_at(at, reader);
        }
    }

    fn wake_writer(&self, pipe: &Pipe, at: Duration) {
        if let Some(writer) = &pipe.writer {
            self.executor.wake_at(at, writer);
        }
    }
}

impl Pipe {
    /// The end that has come: an orderly one, or a reset.
    fn due(&self, now: Duration) -> Option<io::Result<usize>> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.reset_arrives) {
            Some(Err(io::ErrorKind::ConnectionReset.into()))
        } else {
            is_due(self.end_arrives).then_some(Ok(0))
        }
    }

    /// Whether there are bytes to read.
    fn has_arrived(&self, now: Duration) -> bool {
        self.segments.front().is_some_and(|segment| segment.arrives <= now)
    }

    fn arrived(&self, now: Duration) -> usize {
        let arrived = self.segments.iter().take_while(|segment| segment.arrives <= now);
        arrived.map(|segment| segment.bytes.len()).sum()
    }

    /// Fills as much of `buffer` as there are bytes for.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(segment) = self.segments.front_mut().filter(|_| filled < buffer.len()) {
            let part = segment.bytes.len().min(buffer.len() - filled);
            for (target, byte) in buffer[filled..].iter_mut().zip(segment.bytes.drain(..part)) {
                *target = byte;
            }
            filled += part;
            if segment.bytes.is_empty() {
                self.segments.pop_front();
            }
        }
        self.length -= filled;
        filled
    }

    /// When there is something new to read.
    fn next_news(&self) -> Option<Duration> {
        let segment = self.segments.front().map(|segment| segment.arrives);
        [segment, self.end_arrives, self.reset_arrives].into_iter().flatten().min()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let end = &*self.0;
        if end.hesitates(cx) {
            return Poll::Pending;
        }
        let now = end.executor.elapsed();
        let mut incoming = end.incoming.borrow_mut();
        if !incoming.has_arrived(now) {
            if let Some(due) = incoming.due(now) {
                end.tell(if due.is_ok() { "reads the end" } else { "reads a reset" }, 0);
                return Poll::Ready(due);
            }
            incoming.reader = Some(cx.waker().clone());
            end.wake_reader(&incoming);
            return Poll::Pending;
        }
        let length = end.part(incoming.arrived(now).min(buffer.len()));
        let filled = incoming.take(&mut buffer[..length]);
        end.wake_writer(&incoming, now);
        end.bytes_read.set(end.bytes_read.get() + filled);
        end.tell("reads", filled);
        Poll::Ready(Ok(filled))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let end = &*self.0;
        if end.hesitates(cx) {
            return Poll::Pending;
        }
        let mut outgoing = end.outgoing.borrow_mut();
        let reset_arrives = end.incoming.borrow().reset_arrives;
        if reset_arrives.is_some_and(|at| at <= end.executor.elapsed())
            || outgoing.end_arrives.is_some()
            || outgoing.reset_arrives.is_some()
        {
            end.tell("cannot write", 0);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = end.weather.capacity.saturating_sub(outgoing.length);
        if room == 0 && !bytes.is_empty() {
            outgoing.writer = Some(cx.waker().clone());
            if let Some(at) = reset_arrives {
                end.wake_writer(&outgoing, at);
            }
            return Poll::Pending;
        }
        let length = end.part(bytes.len().min(room));
        end.tell("writes", length);
        end.send(&mut outgoing, &bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.tell("ends", 0);
        self.0.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    /// As the kernel does it: bytes that nobody has read are answered with a reset.
    fn drop(&mut self) {
        let end = &*self.0;
        end.is_closed.set(true);
        let mut incoming = end.incoming.borrow_mut();
        let unread = std::mem::take(&mut incoming.length);
        incoming.segments.clear();
        incoming.is_reader_gone = true;
        incoming.reader = None;
        end.outgoing.borrow_mut().writer = None;
        end.wake_writer(&incoming, Duration::ZERO);
        drop(incoming);
        end.tell("closes", unread);
        if unread > 0 {
            end.reset("resets what has not been read");
        } else if end.resets_on_close.get() {
            end.reset("resets");
        } else {
            end.end();
        }
    }
}
