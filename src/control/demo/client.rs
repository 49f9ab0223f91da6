//! The tests' client: raw bytes to a demo of its own.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    task::{LocalSet, spawn_local},
};

use super::serve;
use crate::dialect::json::document::{Value, decode};

pub(super) struct Answered {
    pub(super) status: u16,
    /// In lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Answered {
    pub(super) fn document(&self) -> Value {
        assert!(self.head.contains("content-type: application/json\r\n"), "{}", self.head);
        decode(self.body.as_bytes()).unwrap()
    }

    /// The data of each server-sent event, `[DONE]` left out after it was found at the end.
    pub(super) fn chunks(&self) -> Vec<Value> {
        let body = self.body.strip_suffix("data: [DONE]\n\n").expect("the stream ends in [DONE]");
        let frames = body.split_terminator("\n\n");
        frames.map(|frame| decode(frame.strip_prefix("data: ").unwrap().as_bytes()).unwrap()).collect()
    }

    /// Name and data of each named server-sent event.
    pub(super) fn events(&self) -> Vec<(&str, Value)> {
        let frames = self.body.split_terminator("\n\n");
        frames
            .map(|frame| {
                let (name, data) = frame.split_once("\ndata: ").unwrap();
                (name.strip_prefix("event: ").unwrap(), decode(data.as_bytes()).unwrap())
            })
            .collect()
    }
}

pub(super) fn get(path: &str) -> Answered {
    send("GET", path, "")
}

pub(super) fn post(path: &str, body: &str) -> Answered {
    send("POST", path, body)
}

pub(super) fn send(method: &str, path: &str, body: &str) -> Answered {
    let mut bytes = Vec::new();
    in_demo(async |address| {
        let mut client = connect(address).await;
        write(&mut client, method, path, body).await;
        client.read_to_end(&mut bytes).await.unwrap();
    });
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = format!("{}\r\n", head.to_ascii_lowercase());
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let is_chunked = head.contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunk(body) } else { body.to_owned() };
    Answered { status, head, body }
}

/// Runs `test` beside a demo that listens on the address it is given.
pub(super) fn in_demo(test: impl AsyncFnOnce(SocketAddr)) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = spawn_local(serve(listener));
        test(address).await;
        served.abort();
    });
}

pub(super) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

pub(super) async fn write(client: &mut TcpStream, method: &str, path: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: demo\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(body.as_bytes()).await.unwrap();
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.push_str(&rest[..size]);
        text = rest[size..].strip_prefix("\r\n").unwrap();
    }
}
