//! The network of one world, and each shard's face of it: `Net`.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::{pending, poll_fn},
    io,
    net::{SocketAddr, TcpStream},
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bifrost::shard::net::Net;
use futures_lite::{AsyncRead, AsyncWrite};

use crate::{
    executor::{Executor, Owner, Sleep, Task},
    socket::{End, Stream, Weather, pair},
    trace::Trace,
};

/// How a network fails, each as one in so many; 0 for never.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Troubles {
    /// A connection to an upstream is refused.
    pub(crate) refused_one_in: u32,
    /// It never comes about, and nobody says so.
    pub(crate) lost_one_in: u32,
    /// Accepting fails.
    pub(crate) accept_one_in: u32,
}

/// Everything that is connected.
pub(crate) struct Network {
    pub(crate) executor: Executor,
    pub(crate) trace: Rc<Trace>,
    weather: Weather,
    troubles: Troubles,
    /// Ports that shards listen on.
    ports: RefCell<BTreeMap<u16, Rc<Queue>>>,
    /// Where providers listen.
    upstreams: RefCell<BTreeMap<SocketAddr, Rc<Queue>>>,
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Connections between two shards, by the descriptor that stands for them; it is one end of a pair,
    /// so that the other shows whether it was thrown away.
    handed_over: RefCell<BTreeMap<RawFd, (UnixStream, Stream)>>,
    first_failure: RefCell<Option<String>>,
}

/// One connection of the shell.
pub(crate) struct Connection {
    pub(crate) number: usize,
    /// The shell opened it: its peer is a provider.
    pub(crate) is_upstream: bool,
    /// The shell's end.
    pub(crate) end: Rc<End>,
    /// What has been read once everything that was asked for on it was answered and read; none while
    /// something is under way.
    pub(crate) quiet_at: Cell<Option<usize>>,
    /// The request that the provider is busy with.
    pub(crate) busy_with: Cell<Option<u64>>,
}

/// Connections that wait to be accepted.
#[derive(Default)]
struct Queue {
    waiting: RefCell<VecDeque<(Stream, Rc<Connection>)>>,
    wakers: RefCell<Vec<Waker>>,
    is_stopped: Cell<bool>,
}

/// A shard's face of the network.
#[derive(Clone)]
pub(crate) struct Shore(pub(crate) Rc<Network>);

/// A socket that connections arrive at.
#[derive(Clone)]
pub(crate) struct Listener(Rc<Queue>);

impl Network {
    pub(crate) fn new(
        executor: Executor,
        trace: Rc<Trace>,
        weather: Weather,
        troubles: Troubles,
    ) -> Rc<Self> {
        Rc::new(Self {
            executor,
            trace,
            weather,
            troubles,
            ports: RefCell::default(),
            upstreams: RefCell::default(),
            connections: RefCell::default(),
            handed_over: RefCell::default(),
            first_failure: RefCell::default(),
        })
    }

    /// Something is as it must not be.
    pub(crate) fn fail(&self, what: impl Into<String>) {
        let what = what.into();
        self.tell(format_args!("FAILURE: {what}"));
        self.first_failure.borrow_mut().get_or_insert(what);
    }

    /// What was wrong first.
    pub(crate) fn failure(&self) -> Option<String> {
        self.first_failure.borrow().clone()
    }

    pub(crate) fn tell(&self, what: std::fmt::Arguments<'_>) {
        self.trace.event(self.executor.elapsed(), what);
    }

    /// All connections that the shell has had.
    pub(crate) fn connections(&self) -> Vec<Rc<Connection>> {
        self.connections.borrow().clone()
    }

    /// Connections that the shell holds open.
    pub(crate) fn open(&self, is_upstream: bool) -> usize {
        let connections = self.connections.borrow();
        connections.iter().filter(|one| one.is_upstream == is_upstream && !one.end.is_closed()).count()
    }

    /// A client connects to a shard; none once the port is closed.
    pub(crate) fn dial(&self, port: u16) -> Option<(Stream, Rc<Connection>)> {
        let queue = self.ports.borrow().get(&port).filter(|queue| !queue.is_stopped.get())?.clone();
        let (mine, theirs, connection) = self.connect(false, &format!("client of {port}"));
        queue.push((theirs, connection.clone()));
        Some((mine, connection))
    }

    /// Connections to that address come about from now on.
    pub(crate) fn listen_upstream(&self, address: SocketAddr) {
        self.upstreams.borrow_mut().entry(address).or_default();
    }

    /// A provider waits for a connection at its address.
    pub(crate) async fn accept_upstream(&self, address: SocketAddr) -> (Stream, Rc<Connection>) {
        let queue = self.upstreams.borrow_mut().entry(address).or_default().clone();
        poll_fn(|cx| queue.poll_pop(cx.waker())).await
    }

    /// Connections that were thrown away on their way to another shard are closed.
    pub(crate) fn check_thrown_away(&self) {
        let mut handed_over = self.handed_over.borrow_mut();
        handed_over.retain(|_, (twin, _)| {
            let mut byte = [0];
            let is_gone = matches!(io::Read::read(twin, &mut byte), Ok(0));
            if is_gone {
                self.tell(format_args!("a connection is lost on its way to another shard"));
            }
            !is_gone
        });
    }

    /// Connections on their way to another shard.
    pub(crate) fn handed_over(&self) -> usize {
        self.handed_over.borrow().len()
    }

    fn connect(&self, is_upstream: bool, what: &str) -> (Stream, Stream, Rc<Connection>) {
        let mut connections = self.connections.borrow_mut();
        let number = connections.len();
        let name = format!("#{number} ({what}) ");
        let [mine, theirs] = pair(&name, &self.executor, &self.trace, self.weather);
        let end = if is_upstream { mine.watch() } else { theirs.watch() };
        let (quiet_at, busy_with) = (Cell::new(None), Cell::new(None));
        let connection = Rc::new(Connection { number, is_upstream, end, quiet_at, busy_with });
        connections.push(connection.clone());
        (mine, theirs, connection)
    }

    fn one_in(&self, count: u32) -> bool {
        count > 0 && self.executor.chance(|rng| rng.u32(..count) == 0)
    }

    fn delay(&self) -> Sleep {
        let most = self.weather.delay_max.as_micros() as u64;
        self.executor.sleep(Duration::from_micros(self.executor.chance(|rng| rng.u64(..=most))))
    }
}

impl Queue {
    fn push(&self, waiting: (Stream, Rc<Connection>)) {
        self.waiting.borrow_mut().push_back(waiting);
        self.wake();
    }

    fn poll_pop(&self, waker: &Waker) -> Poll<(Stream, Rc<Connection>)> {
        if let Some(waiting) = self.waiting.borrow_mut().pop_front() {
            return Poll::Ready(waiting);
        }
        self.wakers.borrow_mut().push(waker.clone());
        Poll::Pending
    }

    fn wake(&self) {
        self.wakers.take().into_iter().for_each(Waker::wake);
    }
}

impl Net for Shore {
    type Socket = u16;
    type Listener = Listener;
    type Stream = Watched;
    type Sleep = Sleep;
    type Task = Task;

    fn listen(&self, port: u16) -> io::Result<Listener> {
        Ok(Listener(self.0.ports.borrow_mut().entry(port).or_default().clone()))
    }

    fn stop(&self, listener: &Listener) {
        listener.0.is_stopped.set(true);
        // What nobody has accepted is reset by the kernel.
        let waiting = listener.0.waiting.take();
        waiting.into_iter().for_each(|(stream, _)| stream.reset());
        listener.0.wake();
    }

    async fn accept(&self, listener: &Listener) -> io::Result<Watched> {
        if self.0.one_in(self.0.troubles.accept_one_in) {
            let is_aborted = self.0.executor.chance(|rng| rng.bool());
            let error = if is_aborted { libc::ECONNABORTED } else { libc::EMFILE };
            return Err(io::Error::from_raw_os_error(error));
        }
        let accepted = poll_fn(|cx| {
            if listener.0.is_stopped.get() {
                return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
            }
            listener.0.poll_pop(cx.waker()).map(Ok)
        });
        accepted.await.map(|(stream, connection)| Watched { stream, connection, network: self.0.clone() })
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Watched> {
        let network = &self.0;
        if network.one_in(network.troubles.lost_one_in) {
            network.tell(format_args!("a connection to {address} never comes about"));
            return pending().await;
        }
        network.delay().await;
        let queue = network.upstreams.borrow().get(&address).cloned();
        let Some(queue) = queue.filter(|_| !network.one_in(network.troubles.refused_one_in)) else {
            network.tell(format_args!("a connection to {address} is refused"));
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (stream, theirs, connection) = network.connect(true, &address.to_string());
        queue.push((theirs, connection.clone()));
        Ok(Watched { stream, connection, network: network.clone() })
    }

    fn adopt(&self, socket: TcpStream) -> io::Result<Watched> {
        let found = self.0.handed_over.borrow_mut().remove(&socket.as_raw_fd());
        let (_, stream) = found.ok_or(io::ErrorKind::NotConnected)?;
        let connections = self.0.connections.borrow();
        let connection = connections.iter().find(|one| Rc::ptr_eq(&one.end, &stream.watch()));
        let connection = connection.ok_or(io::ErrorKind::NotConnected)?.clone();
        Ok(Watched { stream, connection, network: self.0.clone() })
    }

    fn has_hung_up(&self, stream: &Watched) -> bool {
        stream.connection.end.hung_up_since().is_some()
    }

    fn has_input(&self, stream: &Watched) -> bool {
        stream.connection.end.has_news()
    }

    fn reset_on_close(&self, stream: &Watched, resets: bool) {
        stream.connection.end.reset_on_close(resets);
    }

    fn looks(&self) -> u64 {
        // Nothing has to be told: a connection shows what there is at any time.
        0
    }

    fn release(&self, stream: Watched) -> io::Result<TcpStream> {
        let (ticket, twin) = UnixStream::pair()?;
        twin.set_nonblocking(true)?;
        let ticket = TcpStream::from(OwnedFd::from(ticket));
        self.0.tell(format_args!("#{} goes to another shard", stream.connection.number));
        self.0.handed_over.borrow_mut().insert(ticket.as_raw_fd(), (twin, stream.stream));
        Ok(ticket)
    }

    fn sleep(&self, time: Duration) -> Sleep {
        self.0.executor.sleep(time)
    }

    fn now(&self) -> Instant {
        self.0.executor.now()
    }

    fn precise_now(&self) -> Instant {
        self.0.executor.now()
    }

    fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Task {
        self.0.executor.spawn(Owner::Shell, future)
    }
}

/// A connection of the shell, which must not do certain things with it.
pub(crate) struct Watched {
    stream: Stream,
    connection: Rc<Connection>,
    network: Rc<Network>,
}

impl Watched {
    /// A new request on a connection that says something unasked would be answered by that.
    fn check_silence(&self) {
        let Some(read) = self.connection.quiet_at.take().filter(|_| self.connection.is_upstream) else {
            return;
        };
        let end = &self.connection.end;
        if end.has_news() || end.bytes_read() != read {
            let number = self.connection.number;
            self.network.fail(format!("a request is sent on #{number}, which has bytes or an end to read"));
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_silence();
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}
