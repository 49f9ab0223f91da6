//! What a shard needs of an operating system: sockets, time and tasks, behind one trait.

mod bell;
mod chime;
mod clock;
pub mod epoll;
pub mod glommio;
mod reactor;
mod ring;

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    net::{SocketAddr, TcpStream},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use futures_lite::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

/// One core's I/O engine. Everything it gives belongs to the thread that made it.
pub trait Net: Clone + 'static {
    /// What a shard is started with to listen on: a bound, listening socket.
    type Socket: Send + 'static;
    /// A socket that connections arrive at.
    type Listener: Clone + 'static;
    /// A connection; closed when dropped.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;
    /// A timer; ends once its time is over.
    type Sleep: Future<Output = ()> + Unpin + 'static;
    /// A running task; dropping it cancels the task and closes what it owns.
    type Task: 'static;

    /// Takes over a socket.
    fn listen(&self, socket: Self::Socket) -> io::Result<Self::Listener>;

    /// Makes a listener accept no more: an accept under way ends with an error. Dropping it instead could
    /// lose the connection that it has just been given.
    fn stop(&self, listener: &Self::Listener);

    /// Waits for a connection.
    fn accept(&self, listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Opens a connection.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Takes over a connection that another shard accepted.
    fn adopt(&self, socket: TcpStream) -> io::Result<Self::Stream>;

    /// Whether the peer has reset the connection or sends nothing more, although not all that it sent has
    /// been read.
    fn has_hung_up(&self, stream: &Self::Stream) -> bool;

    /// Whether bytes, an end or an error are there to be read, as the system knows at this moment.
    fn has_input(&self, stream: &Self::Stream) -> bool;

    /// Says whether closing a connection is a reset, which nobody takes for an orderly end.
    fn reset_on_close(&self, stream: &Self::Stream, resets: bool);

    /// How often the engine has asked the system what there is to be read. What had come by the last time, a
    /// connection shows when it is read.
    fn looks(&self) -> u64;

    /// Gives a connection away, to another shard; nothing may have been read from it.
    fn release(&self, stream: Self::Stream) -> io::Result<TcpStream>;

    /// A timer.
    fn sleep(&self, time: Duration) -> Self::Sleep;

    /// The clock, as it stood when this turn of the task first asked.
    fn now(&self) -> Instant;

    /// The clock at this moment, for measuring what happens within a turn.
    fn precise_now(&self) -> Instant;

    /// Starts a task on this core; its first turn comes after the present one.
    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Self::Task;
}

/// What the system knows of a peer, without reading from it.
fn has_hung_up(socket: impl AsFd) -> bool {
    let mut asked = [PollFd::new(&socket, PollFlags::RDHUP)];
    // An error cannot be told from a dead socket, and the next read will tell.
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

/// What the system has for us, without taking it.
fn has_input(socket: impl AsFd) -> bool {
    let peeked = SockRef::from(&socket).peek(&mut [MaybeUninit::uninit()]);
    !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Has the system reset a socket once it is closed.
fn reset_on_close(socket: impl AsFd, resets: bool) {
    // An error means that the connection is dead.
    let _ = SockRef::from(&socket).set_linger(resets.then_some(Duration::ZERO));
}

/// Whether this machine lets us use io_uring, and if not, why and what to do.
pub fn probe_io_uring() -> Result<(), String> {
    ring::probe()
}
