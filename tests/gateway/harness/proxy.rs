//! A proxy that leads to one upstream, wherever it is asked to lead.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crossbeam::channel::{Receiver, Sender, unbounded};
use data_encoding::BASE64;
use rustls::{ServerConnection, StreamOwned};

use super::{DEADLINE, authority::TlsSettings, wire::Wire};

/// A listener on loopback that takes connections elsewhere.
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Receiver<Asked>,
    is_stopped: Arc<AtomicBool>,
}

/// What a proxy was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    /// `host:port`
    pub(crate) to: String,
    /// `username:password`
    pub(crate) credentials: Option<String>,
    /// The names of the header fields, where there are any.
    pub(crate) fields: Vec<String>,
}

/// How a proxy is spoken to.
enum Speech {
    Http(Option<TlsSettings>),
    Socks5,
    /// This is said to whatever comes.
    Fixed(Vec<u8>),
}

struct Script {
    speech: Speech,
    upstream: SocketAddr,
    wanted: Option<&'static str>,
    asked: Sender<Asked>,
}

/// A connection that can be joined to another one, both ways at once.
pub(crate) trait Joinable {
    fn join(self: Box<Self>, other: TcpStream);
}

impl Proxy {
    /// Speaks HTTP; without the wanted `username:password` it leads nowhere.
    pub(crate) fn http(upstream: SocketAddr, wanted: Option<&'static str>) -> Self {
        Self::start(Speech::Http(None), upstream, wanted)
    }

    /// As `http`, over TLS.
    pub(crate) fn https(tls: TlsSettings, upstream: SocketAddr) -> Self {
        Self::start(Speech::Http(Some(tls)), upstream, None)
    }

    /// As `http`, in SOCKS version 5.
    pub(crate) fn socks5(upstream: SocketAddr, wanted: Option<&'static str>) -> Self {
        Self::start(Speech::Socks5, upstream, wanted)
    }

    /// Says the same to everybody, and closes.
    pub(crate) fn saying(bytes: &[u8]) -> Self {
        Self::start(Speech::Fixed(bytes.to_vec()), ([127, 0, 0, 1], 1).into(), None)
    }

    fn start(speech: Speech, upstream: SocketAddr, wanted: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (sender, asked) = unbounded();
        let proxy = Self { address: listener.local_addr().unwrap(), asked, is_stopped: Arc::default() };
        let script = Arc::new(Script { speech, upstream, wanted, asked: sender });
        let is_stopped = proxy.is_stopped.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_stopped.load(Ordering::SeqCst) {
                    break;
                }
                let script = script.clone();
                thread::spawn(move || drop(script.serve(stream)));
            }
        });
        proxy
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }

    /// The one thing it was asked for and that was not taken yet.
    pub(crate) fn only_asked(&self) -> Asked {
        let first = self.asked.recv_timeout(DEADLINE).expect("the proxy is asked in time");
        assert!(self.asked.is_empty(), "{first:?} {:?}", self.asked());
        first
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Script {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut wire = match &self.speech {
            Speech::Http(Some(tls)) => tls.accept(stream)?.0,
            _ => Wire::new(stream),
        };
        let is_let_through = match &self.speech {
            Speech::Http(_) => self.serve_http(&mut wire)?,
            Speech::Socks5 => self.serve_socks(&mut wire)?,
            Speech::Fixed(bytes) => {
                wire.exactly(1)?;
                wire.socket.write_all(bytes)?;
                false
            }
        };
        if is_let_through {
            let upstream = TcpStream::connect(self.upstream)?;
            upstream.set_nodelay(true)?;
            wire.into_socket().join(upstream);
        }
        Ok(())
    }

    fn serve_http(&self, wire: &mut Wire) -> io::Result<bool> {
        let Some(head) = wire.head()? else { return Ok(false) };
        assert_eq!(head.method(), "CONNECT");
        assert_eq!(head.value("host"), Some(head.target()));
        let credentials = head.value("proxy-authorization").map(|value| {
            let encoded = value.strip_prefix("Basic ").expect("credentials are sent as Basic");
            String::from_utf8(BASE64.decode(encoded.as_bytes()).unwrap()).unwrap()
        });
        let is_known = self.wanted.is_none_or(|wanted| credentials.as_deref() == Some(wanted));
        let fields = head.fields.iter().map(|(name, _)| name.clone()).collect();
        self.note(head.target().to_owned(), credentials, fields);
        let answer: &[u8] = if is_known {
            b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n"
        } else {
            b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho"
        };
        wire.socket.write_all(answer)?;
        Ok(is_known)
    }

    fn serve_socks(&self, wire: &mut Wire) -> io::Result<bool> {
        let count = wire.exactly(2)?[1];
        let offered = wire.exactly(count.into())?;
        let choice = if self.wanted.is_some() { 2 } else { 0 };
        wire.socket.write_all(&[5, if offered.contains(&choice) { choice } else { 255 }])?;
        let mut credentials = None;
        if choice == 2 && offered.contains(&2) {
            assert_eq!(wire.exactly(1)?, [1]);
            let [username, password] = [wire.counted()?, wire.counted()?];
            let pair = format!("{username}:{password}");
            let is_known = self.wanted == Some(&pair);
            wire.socket.write_all(&[1, u8::from(!is_known)])?;
            credentials = Some(pair);
        }
        let asked = wire.exactly(4)?;
        let host = match asked[3] {
            1 => wire.exactly(4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
            _ => wire.counted()?,
        };
        let port = wire.exactly(2)?;
        let port = u16::from_be_bytes([port[0], port[1]]);
        self.note(format!("{host}:{port}"), credentials, Vec::new());
        // The address that it connected from: a name, as nobody is to rely on four bytes.
        wire.socket.write_all(b"\x05\x00\x00\x03\x04here\x00\x50")?;
        Ok(true)
    }

    fn note(&self, to: String, credentials: Option<String>, fields: Vec<String>) {
        let _ = self.asked.send(Asked { to, credentials, fields });
    }
}

impl Joinable for TcpStream {
    fn join(self: Box<Self>, other: TcpStream) {
        let (here, there) = (self.try_clone().unwrap(), other.try_clone().unwrap());
        thread::spawn(move || copy(*self, other));
        copy(there, here);
    }
}

impl Joinable for StreamOwned<ServerConnection, TcpStream> {
    fn join(self: Box<Self>, other: TcpStream) {
        let Self { conn, sock } = *self;
        let session = Arc::new(Mutex::new(conn));
        let (from_client, to_upstream) = (sock.try_clone().unwrap(), other.try_clone().unwrap());
        let reading = session.clone();
        thread::spawn(move || decrypt(&reading, from_client, to_upstream));
        encrypt(&session, other, sock);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn decrypt(session: &Mutex<ServerConnection>, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut received = &buffer[..count];
        while !received.is_empty() {
            let mut session = session.lock().unwrap();
            session.read_tls(&mut received).unwrap();
            session.process_new_packets().unwrap();
            let mut plain = Vec::new();
            let _ = session.reader().read_to_end(&mut plain);
            drop(session);
            to.write_all(&plain).unwrap();
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn encrypt(session: &Mutex<ServerConnection>, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut session = session.lock().unwrap();
        session.writer().write_all(&buffer[..count]).unwrap();
        while session.wants_write() {
            session.write_tls(&mut to).unwrap();
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
