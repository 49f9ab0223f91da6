//! A client that sends what it is told, byte for byte.

use std::{
    io::{ErrorKind, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};

use super::{
    DEADLINE,
    wire::{Body, Head, Wire},
};

/// One connection to a gateway, or to an upstream.
pub(crate) struct Client {
    wire: Wire,
    body: Body,
    decoded: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, DEADLINE).unwrap())
    }

    /// A client whose system takes little that it does not read.
    pub(crate) fn connect_with_small_buffer(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.connect_timeout(&address.into(), DEADLINE).unwrap();
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { wire: Wire::new(stream), body: Body::Over, decoded: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.socket.write_all(bytes.as_ref()).expect("the gateway takes the request");
    }

    /// Sends a block again and again until one has not been taken for a second, or `bytes_max` are
    /// sent; the bytes taken.
    pub(crate) fn send_until_blocked(&mut self, block: &[u8], bytes_max: usize) -> usize {
        let patience = Some(Duration::from_secs(1));
        self.wire.socket.tcp().set_write_timeout(patience).unwrap();
        let mut taken = 0;
        while taken < bytes_max {
            match self.wire.socket.write(&block[..block.len().min(bytes_max - taken)]) {
                Ok(count) => taken += count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("the gateway closed after {taken} bytes: {error}"),
            }
        }
        taken
    }

    /// Says that nothing more will be sent.
    pub(crate) fn half_close(&self) {
        self.wire.socket.tcp().shutdown(Shutdown::Write).unwrap();
    }

    /// The next head, interim ones included.
    pub(crate) fn any_head(&mut self) -> Head {
        let head = self.wire.head().expect("an answer comes in time");
        let head = head.expect("the gateway answers before it closes");
        self.body = Body::of_response(&head);
        self.decoded.clear();
        head
    }

    /// The next head that is not an interim one.
    pub(crate) fn head(&mut self) -> Head {
        loop {
            let head = self.any_head();
            if head.status() >= 200 {
                return head;
            }
        }
    }

    /// The next head and its body, which must be whole.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.head();
        let (body, is_whole) = self.rest();
        assert!(is_whole, "an answer was cut short: {head:?} {}", String::from_utf8_lossy(&body));
        Response { head, body }
    }

    /// The head of an answer to HEAD, which has no body whatever it says.
    pub(crate) fn response_to_head(&mut self) -> Head {
        let head = self.head();
        self.body = Body::Over;
        head
    }

    /// The next bytes of the body, as they come; none at its end.
    pub(crate) fn piece(&mut self) -> Option<Vec<u8>> {
        if !self.decoded.is_empty() {
            return Some(std::mem::take(&mut self.decoded));
        }
        self.wire.piece(&mut self.body).expect("the body goes on")
    }

    /// The next server-sent event with the empty line that ends it.
    pub(crate) fn event(&mut self) -> String {
        loop {
            if let Some(end) = event_end(&self.decoded) {
                let event = self.decoded.drain(..end).collect();
                return String::from_utf8(event).unwrap();
            }
            let piece = self.wire.piece(&mut self.body).expect("an event comes in time");
            self.decoded.extend(piece.expect("an event comes before the end"));
        }
    }

    /// What has come of the body beyond the events read.
    pub(crate) fn beyond_the_event(&self) -> &[u8] {
        &self.decoded
    }

    /// The rest of the body, and whether it ended as its framing promised.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, bool) {
        let mut rest = std::mem::take(&mut self.decoded);
        loop {
            match self.wire.piece(&mut self.body) {
                Ok(Some(piece)) => rest.extend(piece),
                Ok(None) => return (rest, true),
                Err(error) => {
                    let is_late = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    assert!(!is_late, "the body does not end: {}", String::from_utf8_lossy(&rest));
                    return (rest, false);
                }
            }
        }
    }

    /// The next bytes behind a 101, so many.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.wire.exactly(count).expect("the tunnel brings enough")
    }

    /// Makes the close that follows a reset.
    pub(crate) fn reset(&self) {
        SockRef::from(self.wire.socket.tcp()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Waits for the connection's end or another byte; whether it was the end.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.wire.is_closed() {
            Ok(is_closed) => is_closed,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
            Err(error) => panic!("the gateway neither speaks nor closes: {error}"),
        }
    }
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The inner object of an error of the gateway's own, whose shape is checked.
    pub(crate) fn error(&self, status: u16) -> Value {
        assert_eq!(self.status(), status, "{}", self.text());
        let kind = self.head.value("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{:?}", self.head);
        let mut body = self.json();
        let error = body["error"].take();
        for name in ["message", "type", "param", "code"] {
            assert!(error.get(name).is_some(), "no {name}: {error}");
        }
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        assert!(error["type"].is_string(), "{error}");
        error
    }
}

fn event_end(bytes: &[u8]) -> Option<usize> {
    let ends = [b"\n\n".as_slice(), b"\r\r", b"\r\n\r\n"];
    let positions = ends.iter().filter_map(|end| {
        let start = bytes.windows(end.len()).position(|window| window == *end)?;
        Some(start + end.len())
    });
    positions.min()
}
