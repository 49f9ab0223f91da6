//! The engine over io_uring: a glommio executor runs the tasks, the reactor's ring watches their sockets.
//! glommio's own sockets would submit and wait for a poll of their own at each silence, in two calls.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement, TaskQueueHandle};
use pin_project_lite::pin_project;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{
    Net,
    bell::Place,
    clock::{self, Clock, Turns},
    reactor::{Reactor, Side, Sleep, Watch},
};

/// glommio would register 10 MiB a core for files; a shard has none.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// How often glommio looks at its own rings, of which nothing here makes use.
const PREEMPT_TIMER: Duration = Duration::from_secs(1);
/// Entries of each of glommio's submission rings.
const RING_DEPTH: usize = 128;

/// The engine of one thread.
#[derive(Clone)]
pub struct Uring {
    reactor: Rc<Reactor>,
    queue: TaskQueueHandle,
    clock: Clock,
}

/// A socket that connections arrive at.
#[derive(Clone)]
pub struct Listener(Rc<Watched<TcpListener>>);

/// A connection.
pub struct Stream(Watched<TcpStream>);

/// A timer.
pub struct Timer(Sleep);

/// A socket and the eye on it, which closes first.
struct Watched<S> {
    watch: Watch,
    socket: S,
}

pin_project! {
    /// A task with its place among those that other threads can wake.
    struct Task<F> {
        place: Place,
        waker: Waker,
        #[pin]
        task: Turns<F>,
    }
}

/// Starts a shard on a thread of its own, on that core if one is named.
pub fn spawn<F: Future<Output = io::Result<()>> + 'static>(
    core: Option<usize>,
    shard: impl FnOnce(Uring) -> F + Send + 'static,
) -> io::Result<ExecutorJoinHandle<io::Result<()>>> {
    let placement = core.map_or(Placement::Unbound, Placement::Fixed);
    let builder = LocalExecutorBuilder::new(placement)
        .name("shard")
        .io_memory(IO_MEMORY_BYTES)
        .preempt_timer(PREEMPT_TIMER)
        .ring_depth(RING_DEPTH)
        .spin_before_park(Duration::ZERO);
    let started = builder.spawn(move || async move {
        let clock = Clock::default();
        let queue = glommio::executor().current_task_queue();
        let engine = Uring { reactor: Reactor::new(clock.clone())?, queue, clock };
        let reactor = glommio::spawn_local(engine.reactor.clone().run());
        let ended = engine.task(shard(engine.clone())).await;
        reactor.cancel().await;
        ended
    });
    started.map_err(io::Error::from)
}

impl Uring {
    /// A task that other threads can wake.
    fn task<F: Future>(&self, task: F) -> Task<F> {
        let (place, waker) = self.reactor.tasks().place();
        Task { place, waker, task: self.clock.turns(task) }
    }

    fn watched<S: std::os::fd::AsRawFd>(&self, socket: S, may_be_readable: bool) -> Watched<S> {
        Watched { watch: Watch::new(self.reactor.clone(), &socket, may_be_readable), socket }
    }
}

impl Net for Uring {
    type Socket = TcpListener;
    type Listener = Listener;
    type Stream = Stream;
    type Sleep = Timer;
    type Task = glommio::Task<()>;

    fn listen(&self, socket: TcpListener) -> io::Result<Self::Listener> {
        socket.set_nonblocking(true)?;
        Ok(Listener(Rc::new(self.watched(socket, true))))
    }

    fn stop(&self, listener: &Self::Listener) {
        // It may have been stopped before.
        let _ = SockRef::from(&listener.0.socket).shutdown(Shutdown::Both);
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<Stream> {
        let accept = |listener: &TcpListener| listener.accept();
        let (stream, _) = poll_fn(|cx| listener.0.poll(cx, Side::Read, accept)).await?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // A client speaks first, and mostly has by now.
        Ok(Stream(self.watched(stream, true).writable()))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let socket =
            Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        socket.set_tcp_nodelay(true)?;
        let watched = self.watched(TcpStream::from(socket), false);
        poll_fn(|cx| watched.watch.poll_ready(cx, Side::Write)).await;
        match watched.socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(Stream(watched)),
        }
    }

    fn adopt(&self, socket: TcpStream) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        Ok(Stream(self.watched(socket, true).writable()))
    }

    fn has_hung_up(&self, stream: &Stream) -> bool {
        super::has_hung_up(&stream.0.socket)
    }

    fn has_input(&self, stream: &Stream) -> bool {
        super::has_input(&stream.0.socket)
    }

    fn reset_on_close(&self, stream: &Stream, resets: bool) {
        super::reset_on_close(&stream.0.socket, resets);
    }

    fn looks(&self) -> u64 {
        self.reactor.waits_so_far()
    }

    fn release(&self, stream: Stream) -> io::Result<TcpStream> {
        let Watched { watch, socket } = stream.0;
        drop(watch);
        Ok(socket)
    }

    fn sleep(&self, time: Duration) -> Timer {
        Timer(Sleep::new(self.reactor.clone(), self.clock.now() + time))
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn precise_now(&self) -> Instant {
        clock::precise()
    }

    #[expect(clippy::expect_used, reason = "the queue is the executor's own")]
    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Self::Task {
        // Without naming its queue, a task would have its first turn before this returns.
        glommio::spawn_local_into(self.task(future), self.queue).expect("the queue is there")
    }
}

impl<S> Watched<S> {
    /// The same, known to take bytes.
    fn writable(self) -> Self {
        self.watch.ready(Side::Write);
        self
    }

    /// Tries until it works, fails, or would block.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        side: Side,
        mut attempt: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.watch.poll_ready(cx, side));
            match attempt(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.watch.not_ready(side),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.place.set_task(cx.waker());
        this.task.poll(&mut Context::from_waker(this.waker))
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.get_mut().0).poll(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = ready!(self.0.poll(cx, Side::Read, |mut socket| socket.read(buffer)))?;
        if length > 0 && length < buffer.len() {
            // That was all: the next bytes, or the end, make an event.
            self.0.watch.not_ready(Side::Read);
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll(cx, Side::Write, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(cx, Side::Write, |mut socket| socket.write_vectored(parts))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.socket.shutdown(Shutdown::Write))
    }
}
