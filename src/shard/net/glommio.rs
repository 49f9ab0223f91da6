//! The engine over io_uring: a glommio executor. `unsafe` only to borrow and to duplicate descriptors
//! that glommio owns and offers no other way to use.
#![expect(unsafe_code, reason = "glommio takes and gives sockets as raw descriptors")]

use std::{
    future::Future,
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_lite::{AsyncRead, AsyncWrite};
use glommio::{
    ExecutorJoinHandle, Latency, LocalExecutorBuilder, Placement, Shares, TaskQueueHandle, timer::Timer,
};
use socket2::SockRef;

use super::{
    Net,
    clock::{self, Clock},
};

/// glommio would register 10 MiB a core for files; a shard has none.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// A busy task delays others by up to twice this; 1 ms costs 20 % at low rates.
const PREEMPT_TIMER: Duration = Duration::from_millis(5);
/// Tasks woken from other threads wait up to 100 ms in a queue that promises nothing.
const LATENCY: Duration = Duration::from_millis(5);
/// Entries of the submission ring.
const RING_DEPTH: usize = 256;

/// The engine of one thread.
#[derive(Clone, Debug)]
pub struct Uring {
    queue: TaskQueueHandle,
    clock: Clock,
}

/// A socket that connections arrive at, and a second handle on it to stop it with.
#[derive(Clone, Debug)]
pub struct Listener(Rc<(glommio::net::TcpListener, TcpListener)>);

/// A connection.
#[derive(Debug)]
pub struct Stream(glommio::net::TcpStream);

/// A timer.
#[derive(Debug)]
pub struct Sleep(Timer);

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
        let shares = Shares::default();
        let queue = glommio::executor().create_task_queue(shares, Latency::Matters(LATENCY), "shard");
        let clock = Clock::default();
        let shard = shard(Uring { queue, clock: clock.clone() });
        let task = glommio::spawn_local_into(clock.turns(shard), queue)?;
        task.await
    });
    started.map_err(io::Error::from)
}

impl Net for Uring {
    type Socket = TcpListener;
    type Listener = Listener;
    type Stream = Stream;
    type Sleep = Sleep;
    type Task = glommio::Task<()>;

    fn listen(&self, socket: TcpListener) -> io::Result<Self::Listener> {
        let handle = socket.try_clone()?;
        // SAFETY: the descriptor is owned, open and handed over.
        let listener = unsafe { glommio::net::TcpListener::from_raw_fd(socket.into_raw_fd()) };
        Ok(Listener(Rc::new((listener, handle))))
    }

    fn stop(&self, listener: &Self::Listener) {
        // It may have been stopped before.
        let _ = SockRef::from(&listener.0.1).shutdown(Shutdown::Both);
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<Stream> {
        let stream = listener.0.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Stream(stream))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let stream = glommio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Stream(stream))
    }

    fn adopt(&self, socket: TcpStream) -> io::Result<Stream> {
        // SAFETY: the descriptor is owned, open and handed over.
        Ok(Stream(unsafe { glommio::net::TcpStream::from_raw_fd(socket.into_raw_fd()) }))
    }

    fn release(&self, stream: Stream) -> io::Result<TcpStream> {
        // SAFETY: the stream lives until its descriptor has been duplicated.
        let borrowed = unsafe { BorrowedFd::borrow_raw(stream.0.as_raw_fd()) };
        borrowed.try_clone_to_owned().map(TcpStream::from)
    }

    fn sleep(&self, time: Duration) -> Sleep {
        Sleep(Timer::new(time))
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn precise_now(&self) -> Instant {
        clock::precise()
    }

    #[expect(clippy::expect_used, reason = "the queue is made with the engine and never removed")]
    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Self::Task {
        glommio::spawn_local_into(self.clock.turns(future), self.queue).expect("the shard's queue is there")
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.get_mut().0).poll(cx).map(drop)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    /// glommio sends one slice at a time: try all of them at once, and let it wait where that blocks.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = &mut self.get_mut().0;
        // SAFETY: the stream lives longer than this borrow of its descriptor.
        let socket = unsafe { BorrowedFd::borrow_raw(stream.as_raw_fd()) };
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        match SockRef::from(&socket).send_vectored_with_flags(parts, flags) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| &**part);
                Pin::new(stream).poll_write(cx, first)
            }
            sent => Poll::Ready(sent),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_close(cx)
    }
}
