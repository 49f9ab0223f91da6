//! An upstream that follows a script.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam::channel::{Receiver, Sender, unbounded};
use socket2::{SockRef, Socket, Type};

use super::{
    DEADLINE,
    authority::{TlsFacts, TlsSettings},
    message::{STREAM_HEAD, chunk, json_reply},
    signal::Signal,
    wire::{Body, Head, Wire},
};

/// A listener on loopback whose connections are served by a script, a thread each.
pub(crate) struct Upstream {
    address: SocketAddr,
    scheme: &'static str,
    requests: Receiver<Request>,
    connections: Arc<AtomicUsize>,
    is_stopped: Arc<AtomicBool>,
}

/// A request as an upstream saw it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// Position of its connection among all, from 0.
    pub(crate) connection: usize,
    /// What was agreed on, when the connection is TLS.
    pub(crate) tls: Option<TlsFacts>,
}

/// The upstream's end of one connection.
pub(crate) struct Peer {
    wire: Wire,
    requests: Sender<Request>,
    is_open: bool,
    connection: usize,
    tls: Option<TlsFacts>,
}

impl Upstream {
    /// The script is called with each request once its body has been read.
    pub(crate) fn answering(script: impl Fn(&Request, &mut Peer) + Send + Sync + 'static) -> Self {
        Self::per_connection(each_request(script))
    }

    /// As `answering`, over TLS.
    pub(crate) fn answering_tls(
        settings: TlsSettings,
        script: impl Fn(&Request, &mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(settings), each_request(script))
    }

    /// Every request gets the same JSON.
    pub(crate) fn json(body: &str) -> Self {
        Self::bytes(json_reply(body))
    }

    /// Every request gets the same bytes.
    pub(crate) fn bytes(answer: Vec<u8>) -> Self {
        Self::answering(move |_, peer| {
            peer.send(&answer);
        })
    }

    /// Every request gets a stream of one event that only ends when its reader has left, which is told.
    pub(crate) fn streaming_until_closed(closed: &Signal<()>) -> Self {
        let closed = closed.clone();
        Self::answering(move |_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(b"data: {\"choices\":[]}\n\n"));
            peer.wait_until_closed();
            closed.give(());
        })
    }

    /// The script is called with each connection and reads it itself.
    pub(crate) fn per_connection(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::start(None, script)
    }

    /// As `per_connection`, with little room for what the script has not read.
    pub(crate) fn per_connection_with_small_buffer(
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_recv_buffer_size(64 * 1024).unwrap();
        Self::start_on(listener, None, script)
    }

    /// As `answering`, on a socket of the test's own.
    pub(crate) fn answering_on(
        listener: TcpListener,
        script: impl Fn(&Request, &mut Peer) + Send + Sync + 'static,
    ) -> Self {
        Self::start_on(listener, None, each_request(script))
    }

    fn start(tls: Option<TlsSettings>, script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), tls, script)
    }

    fn start_on(
        listener: TcpListener,
        tls: Option<TlsSettings>,
        script: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let (sender, requests) = unbounded();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            requests,
            connections: Arc::default(),
            is_stopped: Arc::default(),
        };
        let (connections, is_stopped) = (upstream.connections.clone(), upstream.is_stopped.clone());
        let (script, tls) = (Arc::new(script), tls.map(Arc::new));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                let connection = connections.fetch_add(1, Ordering::SeqCst);
                let (script, sender, tls) = (script.clone(), sender.clone(), tls.clone());
                let stream = stream.unwrap();
                thread::spawn(move || {
                    if let Some(mut peer) = Peer::accept(stream, tls.as_deref(), sender, connection) {
                        script(&mut peer);
                    }
                });
            }
        });
        upstream
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT`.
    pub(crate) fn base_url(&self) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// The next request seen; fails the test after the deadline.
    pub(crate) fn next_request(&self) -> Request {
        self.requests.recv_timeout(DEADLINE).expect("a request reaches the upstream in time")
    }

    /// The requests seen and not yet taken.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }

    /// The one request seen and not yet taken.
    pub(crate) fn only_request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Connections made to it so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Request {
    /// The key that the gateway sent.
    pub(crate) fn key(&self) -> &str {
        let authorization = self.head.value("authorization").unwrap_or_default();
        authorization.strip_prefix("Bearer ").unwrap_or(authorization)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Peer {
    fn accept(
        stream: TcpStream,
        tls: Option<&TlsSettings>,
        requests: Sender<Request>,
        connection: usize,
    ) -> Option<Self> {
        stream.set_nodelay(true).unwrap();
        let (wire, tls) = match tls {
            None => (Wire::new(stream), None),
            Some(settings) => {
                let (wire, facts) = settings.accept(stream).ok()?;
                (wire, Some(facts))
            }
        };
        Some(Self { wire, requests, is_open: true, connection, tls })
    }

    /// The next request with its body; none once the connection is closed.
    pub(crate) fn request(&mut self) -> Option<Request> {
        let head = self.head()?;
        let mut body = Body::of_request(&head);
        let mut bytes = Vec::new();
        while let Some(piece) = self.wire.piece(&mut body).ok()? {
            bytes.extend(piece);
        }
        let request = Request { head, body: bytes, connection: self.connection, tls: self.tls.clone() };
        self.requests.send(request.clone()).ok()?;
        Some(request)
    }

    /// The next request's head; none once the connection is closed.
    pub(crate) fn head(&mut self) -> Option<Head> {
        if !self.is_open {
            return None;
        }
        self.wire.head().ok()?
    }

    /// The next bytes of a request's body; none at its end, or when it is cut short.
    pub(crate) fn piece(&mut self, body: &mut Body) -> Option<Vec<u8>> {
        self.wire.piece(body).ok()?
    }

    /// The next bytes behind a 101, so many; none where the connection ends before.
    pub(crate) fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        self.wire.exactly(count).ok()
    }

    /// Whether the gateway says that it sends no more, before another byte.
    pub(crate) fn is_told_the_end(&mut self) -> bool {
        self.wire.is_closed().unwrap_or(false)
    }

    /// Sends bytes; whether the connection took them.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.is_open = self.is_open && self.wire.socket.write_all(bytes.as_ref()).is_ok();
        self.is_open
    }

    /// Sends as much as is taken until nothing has been for a second; the bytes taken.
    pub(crate) fn send_until_blocked(&mut self, bytes: &[u8]) -> usize {
        self.wire.socket.tcp().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let mut taken = 0;
        while taken < bytes.len() {
            match self.wire.socket.write(&bytes[taken..]) {
                Ok(count) => taken += count,
                Err(_) => break,
            }
        }
        self.wire.socket.tcp().set_write_timeout(None).unwrap();
        taken
    }

    /// Says that nothing more will be sent.
    pub(crate) fn half_close(&self) {
        self.wire.socket.tcp().shutdown(Shutdown::Write).unwrap();
    }

    /// Closes in both directions.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        let _ = self.wire.socket.flush();
        let _ = self.wire.socket.tcp().shutdown(Shutdown::Both);
    }

    /// Makes the close that follows a reset.
    pub(crate) fn reset(&mut self) {
        self.is_open = false;
        SockRef::from(self.wire.socket.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Returns once the gateway has closed the connection; what it still sends is thrown away.
    pub(crate) fn wait_until_closed(&mut self) {
        self.is_open = false;
        let mut thrown_away = [0; 4096];
        while self.wire.socket.read(&mut thrown_away).is_ok_and(|count| count > 0) {}
    }
}

/// An address that refuses connections as long as the socket lives.
pub(crate) fn refusing_address() -> (SocketAddr, Socket) {
    let socket = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any_port.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (address, socket)
}

/// An address that answers no connection as long as the sockets live: its queue is full.
pub(crate) fn silent_address() -> (SocketAddr, [Socket; 2]) {
    let (address, socket) = refusing_address();
    socket.listen(0).unwrap();
    let first = Socket::new(socket2::Domain::IPV4, Type::STREAM, None).unwrap();
    first.connect(&address.into()).unwrap();
    (address, [socket, first])
}

fn each_request(script: impl Fn(&Request, &mut Peer)) -> impl Fn(&mut Peer) {
    move |peer| {
        while let Some(request) = peer.request() {
            script(&request, peer);
        }
    }
}
