//! A network in memory: connections without delay, loss or bound, so that only the gateway takes time.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Pending, pending, poll_fn},
    io::{self, IoSlice},
    net::{SocketAddr, TcpStream},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bifrost::shard::net::Net;
use futures_lite::{AsyncRead, AsyncWrite};
use tokio::task::{JoinHandle, spawn_local, yield_now};

/// One thread's network, and the provider that waits behind every address.
#[derive(Clone)]
pub(crate) struct Memory(Rc<Hub>);

struct Hub {
    now: Instant,
    arriving: RefCell<VecDeque<Stream>>,
    acceptor: RefCell<Option<Waker>>,
    /// What the provider says to each request, piece by piece.
    answer: Vec<Vec<u8>>,
}

/// One end of a connection; closed when dropped.
pub(crate) struct Stream {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    read: usize,
    is_ended: bool,
    reader: Option<Waker>,
}

/// A running task; dropping it cancels the task.
pub(crate) struct Task(JoinHandle<()>);

impl Memory {
    #[expect(clippy::disallowed_methods, reason = "a clock that stands still has to stand somewhere")]
    pub(crate) fn new(answer: Vec<Vec<u8>>) -> Self {
        let now = Instant::now();
        Self(Rc::new(Hub { now, arriving: RefCell::default(), acceptor: RefCell::default(), answer }))
    }

    /// A client's connection to the gateway.
    pub(crate) fn dial(&self) -> Stream {
        let (mine, theirs) = pair();
        self.0.arriving.borrow_mut().push_back(theirs);
        self.0.acceptor.take().into_iter().for_each(Waker::wake);
        mine
    }

    /// A connection to the provider.
    pub(crate) fn dial_provider(&self) -> Stream {
        let (mine, theirs) = pair();
        // It ends with the connection.
        drop(spawn_local(self.clone().provide(theirs)));
        mine
    }

    async fn provide(self, stream: Stream) {
        // Nothing is cut on the way: what comes at once is a whole request.
        while stream.receive(|bytes| !bytes.is_empty()).await {
            for piece in &self.0.answer {
                stream.send(piece);
                yield_now().await;
            }
        }
    }
}

impl Stream {
    /// Sends at once.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut pipe = self.outgoing.borrow_mut();
        pipe.bytes.extend_from_slice(bytes);
        pipe.reader.take().into_iter().for_each(Waker::wake);
    }

    /// Looks at all that has come, at least a byte unless the other end is closed.
    pub(crate) async fn receive<T>(&self, look: impl Fn(&[u8]) -> T) -> T {
        poll_fn(|cx| {
            let mut pipe = self.incoming.borrow_mut();
            if pipe.bytes.is_empty() && !pipe.is_ended {
                pipe.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let seen = look(&pipe.bytes[pipe.read..]);
            pipe.bytes.clear();
            pipe.read = 0;
            Poll::Ready(seen)
        })
        .await
    }
}

fn pair() -> (Stream, Stream) {
    let (there, back) = <(Rc<RefCell<Pipe>>, Rc<RefCell<Pipe>>)>::default();
    (Stream { incoming: back.clone(), outgoing: there.clone() }, Stream { incoming: there, outgoing: back })
}

impl Net for Memory {
    type Socket = ();
    type Listener = ();
    type Stream = Stream;
    type Sleep = Pending<()>;
    type Task = Task;

    fn listen(&self, _: ()) -> io::Result<()> {
        Ok(())
    }

    fn stop(&self, _: &()) {}

    async fn accept(&self, _: &()) -> io::Result<Stream> {
        poll_fn(|cx| match self.0.arriving.borrow_mut().pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => {
                self.0.acceptor.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Stream> {
        Ok(self.dial_provider())
    }

    fn adopt(&self, _: TcpStream) -> io::Result<Stream> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn has_hung_up(&self, stream: &Stream) -> bool {
        stream.incoming.borrow().is_ended
    }

    fn has_input(&self, stream: &Stream) -> bool {
        let pipe = stream.incoming.borrow();
        pipe.is_ended || pipe.read < pipe.bytes.len()
    }

    fn reset_on_close(&self, _: &Stream, _: bool) {}

    fn looks(&self) -> u64 {
        0
    }

    fn release(&self, _: Stream) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, _: Duration) -> Pending<()> {
        pending()
    }

    fn now(&self) -> Instant {
        self.0.now
    }

    fn precise_now(&self) -> Instant {
        self.0.now
    }

    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Task {
        Task(spawn_local(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = pipe.borrow_mut();
            pipe.is_ended = true;
            pipe.reader.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.incoming.borrow_mut();
        let length = buffer.len().min(pipe.bytes.len() - pipe.read);
        if length == 0 && !pipe.is_ended {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer[..length].copy_from_slice(&pipe.bytes[pipe.read..pipe.read + length]);
        pipe.read += length;
        if pipe.read == pipe.bytes.len() {
            pipe.bytes.clear();
            pipe.read = 0;
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.send(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        parts.iter().for_each(|part| self.send(part));
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.borrow_mut().is_ended = true;
        Poll::Ready(Ok(()))
    }
}
