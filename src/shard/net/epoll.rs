//! The engine over epoll: a tokio runtime of one thread.

use std::{
    cell::Cell,
    future::Future,
    io::{self, IoSlice},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_lite::{AsyncRead, AsyncWrite};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    runtime::{Builder, LocalOptions},
    task::unconstrained,
};

use super::{
    Net,
    clock::{self, Clock},
};

thread_local! {
    /// How often this thread has asked what is ready; tokio's hooks have no other way to tell.
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// The engine of one thread.
#[derive(Clone, Debug, Default)]
pub struct Epoll {
    clock: Clock,
}

/// A connection.
#[derive(Debug)]
pub struct Stream(tokio::net::TcpStream);

/// A running task; dropping it cancels the task.
#[derive(Debug)]
pub struct Task(tokio::task::JoinHandle<()>);

/// Runs a shard on this thread until it ends.
pub fn run<F: Future<Output = io::Result<()>>>(shard: impl FnOnce(Epoll) -> F) -> io::Result<()> {
    // A `LocalSet` would be a second queue within the runtime's, and poll the shard's own future at each event.
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time().on_thread_unpark(|| LOOKS.set(LOOKS.get().wrapping_add(1)));
    let runtime = builder.build_local(LocalOptions::default())?;
    let engine = Epoll::default();
    let clock = engine.clock.clone();
    runtime.block_on(unconstrained(clock.turns(shard(engine))))
}

impl Net for Epoll {
    type Socket = TcpListener;
    type Listener = Rc<tokio::net::TcpListener>;
    type Stream = Stream;
    type Sleep = Pin<Box<tokio::time::Sleep>>;
    type Task = Task;

    fn listen(&self, socket: TcpListener) -> io::Result<Self::Listener> {
        socket.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(socket).map(Rc::new)
    }

    fn stop(&self, listener: &Self::Listener) {
        // It may have been stopped before.
        let _ = SockRef::from(&**listener).shutdown(Shutdown::Both);
    }

    async fn accept(&self, listener: &Self::Listener) -> io::Result<Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Stream(stream))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Stream(stream))
    }

    fn adopt(&self, socket: TcpStream) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(socket).map(Stream)
    }

    fn has_hung_up(&self, stream: &Stream) -> bool {
        super::has_hung_up(&stream.0)
    }

    fn has_input(&self, stream: &Stream) -> bool {
        super::has_input(&stream.0)
    }

    fn reset_on_close(&self, stream: &Stream, resets: bool) {
        super::reset_on_close(&stream.0, resets);
    }

    fn looks(&self) -> u64 {
        LOOKS.get()
    }

    fn release(&self, stream: Stream) -> io::Result<TcpStream> {
        stream.0.into_std()
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        Box::pin(tokio::time::sleep(time))
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn precise_now(&self) -> Instant {
        clock::precise()
    }

    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Task {
        // tokio's budget would say of bytes that are there that they are not; the shell lets others have their
        // turn by itself.
        Task(tokio::task::spawn_local(unconstrained(self.clock.turns(future))))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let read = Pin::new(&mut self.get_mut().0).poll_read(cx, &mut buffer);
        read.map_ok(|()| buffer.filled().len())
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, parts)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
