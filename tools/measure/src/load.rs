//! The load: closed loops, an open loop, and streams.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, spawn_local},
    time::{sleep, sleep_until},
};

/// Length of the message at the front of `bytes`, head and body by `Content-Length`, if it is all there.
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let name = b"ontent-Length: ";
    let body = match memchr::memmem::find(&bytes[..head], name) {
        Some(at) => {
            let digits = bytes[at + name.len()..head].iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
        }
        None => 0,
    };
    (bytes.len() >= head + body).then_some(head + body)
}

/// One connection to a proxy.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads the answer.
    pub async fn call(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        loop {
            if let Some(length) = message_length(&self.received) {
                if !self.received.starts_with(b"HTTP/1.1 200") {
                    let told = String::from_utf8_lossy(&self.received).into_owned();
                    return Err(io::Error::other(format!("an answer that is none: {told}")));
                }
                self.received.drain(..length);
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// Sends a request and reads a streamed answer to its end.
    pub async fn stream(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            self.read().await?;
            if self.received.ends_with(b"\r\n0\r\n\r\n") {
                return Ok(());
            }
            let keep = self.received.len().min(16);
            self.received.drain(..self.received.len() - keep);
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// `connections` callers, each with its next request as soon as the last is answered; how many there were.
pub async fn closed_loop(
    port: u16,
    connections: usize,
    request: Rc<Vec<u8>>,
    time: Duration,
) -> io::Result<u64> {
    repeat(port, connections, time, async move |connection| connection.call(&request).await).await
}

/// `connections` callers of streams; how many streams there were.
pub async fn streams(port: u16, connections: usize, request: Rc<Vec<u8>>, time: Duration) -> io::Result<u64> {
    repeat(port, connections, time, async move |connection| connection.stream(&request).await).await
}

async fn repeat(
    port: u16,
    connections: usize,
    time: Duration,
    call: impl AsyncFn(&mut Connection) -> io::Result<()> + 'static,
) -> io::Result<u64> {
    let call = Rc::new(call);
    let count = Rc::new(Cell::new(0));
    let until = Instant::now() + time;
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let (call, count) = (call.clone(), count.clone());
        callers.spawn_local(async move {
            let mut connection = Connection::open(port).await?;
            while Instant::now() < until {
                call(&mut connection).await?;
                count.set(count.get() + 1);
            }
            Ok::<_, io::Error>(())
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(count.get())
}

/// `rate` requests a second, whether the earlier ones are answered or not; how many, and how long each took
/// from when it was due, microseconds.
pub async fn open_loop(
    port: u16,
    rate: u64,
    request: Rc<Vec<u8>>,
    time: Duration,
) -> io::Result<(u64, Histogram<u64>)> {
    let idle = Rc::new(RefCell::new(Vec::new()));
    for _ in 0..64 {
        let mut connection = Connection::open(port).await?;
        connection.call(&request).await?;
        idle.borrow_mut().push(connection);
    }
    let latencies = Rc::new(RefCell::new(Histogram::new_with_max(60_000_000, 3).map_err(io::Error::other)?));
    let failed = Rc::new(RefCell::new(None));
    let began = tokio::time::Instant::now();
    let total = (time.as_secs_f64() * rate as f64) as u64;
    for number in 0..total {
        let due = began + Duration::from_nanos(number * 1_000_000_000 / rate);
        sleep_until(due).await;
        let taken = idle.borrow_mut().pop();
        let (idle, latencies, failed, request) =
            (idle.clone(), latencies.clone(), failed.clone(), request.clone());
        spawn_local(async move {
            let called = async {
                let mut connection = match taken {
                    Some(connection) => connection,
                    None => Connection::open(port).await?,
                };
                connection.call(&request).await?;
                latencies.borrow_mut().saturating_record(due.elapsed().as_micros() as u64);
                idle.borrow_mut().push(connection);
                Ok::<_, io::Error>(())
            };
            if let Err(error) = called.await {
                *failed.borrow_mut() = Some(error);
            }
        });
    }
    let patience = Instant::now() + Duration::from_secs(10);
    while latencies.borrow().len() < total && failed.borrow().is_none() && Instant::now() < patience {
        sleep(Duration::from_millis(5)).await;
    }
    if let Some(error) = failed.take() {
        return Err(error);
    }
    let latencies = latencies.borrow().clone();
    Ok((total, latencies))
}
