//! WebSocket: once the upstream has switched to it, bytes go both ways, and nobody reads them.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    task::{Context, Poll, ready},
    time::Instant,
};

use futures_lite::{AsyncRead, AsyncWrite};

use super::{
    attempt::Passing,
    connection::{Client, Ending},
    net::Net,
    relay::add_own_fields,
    socket::{Scratch, Socket},
    state::ShardState,
    tally::Tally,
    upstream::{Target, Upstream},
};
use crate::{
    config::limits::TUNNEL_IDLE_MAX,
    http::{ResponseHead, response_line},
    route,
};

/// Buffers moved one way before others get their turn.
const ROUNDS_MAX: usize = 16;

/// One of the two ways of a tunnel.
struct Way {
    /// What has been received and not been sent.
    buffer: Vec<u8>,
    sent: usize,
    state: State,
    /// When a byte was last sent.
    moved_at: Instant,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Open,
    /// The sender has said its last; what is left of it is to be sent.
    Ending,
    /// The receiver has been told so.
    Closed,
}

/// Passes the upstream's 101 on, then bytes until both sides have ended, one breaks, or both fall silent.
pub(super) async fn tunnel<N: Net>(
    shard: &ShardState<N>,
    upstream: Upstream<'_, N>,
    client: &Client<N>,
    tally: &Tally<'_, N>,
    target: &Target<'_>,
) -> Result<bool, Ending> {
    tally.answered(upstream.head.status);
    upstream.attempt.passes(Passing::Bytes);
    // What is said from here on is nobody's failure.
    upstream.attempt.completed();
    client.send(shard, [&response_head(&upstream.head, tally, target)]).await?;
    let (there, from_there) = upstream.into_parts();
    let (here, from_here) = client.take_over();
    let mut up = Way::new(from_here, shard.net.now());
    let mut down = Way::new(from_there, shard.net.now());
    loop {
        let deadline = up.moved_at.max(down.moved_at) + TUNNEL_IDLE_MAX;
        let both = poll_fn(|cx| {
            let up = up.poll(cx, &shard.net, &shard.scratch, here, &there)?;
            let down = down.poll(cx, &shard.net, &shard.scratch, &there, here)?;
            if up.is_ready() && down.is_ready() { Poll::Ready(io::Result::Ok(())) } else { Poll::Pending }
        });
        match client.timer.limit(deadline, both).await {
            Ok(Ok(())) => return Ok(false),
            Ok(Err(_)) => return Err(Ending::Cut),
            Err(_) if up.moved_at.max(down.moved_at) + TUNNEL_IDLE_MAX <= shard.net.now() => {
                return Ok(false);
            }
            Err(_) => {}
        }
    }
}

/// The upstream's 101 with our fields.
fn response_head<N: Net>(head: &ResponseHead, tally: &Tally<'_, N>, target: &Target<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    response_line(head.status, &head.reason, &mut out);
    route::add_response_fields(&head.fields, false, &mut out);
    add_own_fields(target, tally.request_id(), &mut out);
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    out
}

impl Way {
    fn new(buffer: Vec<u8>, now: Instant) -> Self {
        Self { buffer, sent: 0, state: State::Open, moved_at: now }
    }

    /// Moves bytes, one buffer at a time, until the sender has ended and the receiver knows it.
    fn poll<N, A, B>(
        &mut self,
        cx: &mut Context<'_>,
        net: &N,
        scratch: &Scratch,
        sender: &Socket<A>,
        receiver: &Socket<B>,
    ) -> Poll<io::Result<()>>
    where
        N: Net,
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        for _ in 0..ROUNDS_MAX {
            // What is sent may still have to be flushed.
            if !self.buffer.is_empty() {
                let mut slices = [IoSlice::new(&self.buffer[self.sent..])];
                let mut left = &mut slices[..];
                let sent = receiver.poll_send(cx, &mut left);
                let unsent = left.first().map_or(0, |slice| slice.len());
                if self.buffer.len() - unsent > self.sent {
                    self.sent = self.buffer.len() - unsent;
                    self.moved_at = net.now();
                }
                ready!(sent)?;
                self.buffer.clear();
                self.sent = 0;
            }
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(receiver.poll_close(cx))?;
                    self.state = State::Closed;
                    continue;
                }
                State::Open => {}
            }
            match sender.poll_receive(cx, scratch, &mut self.buffer) {
                Poll::Ready(Ok(0)) => self.state = State::Ending,
                Poll::Ready(received) => drop(received?),
                Poll::Pending => {
                    // A tunnel may be silent for long.
                    self.buffer = Vec::new();
                    return Poll::Pending;
                }
            }
        }
        // Both sides are fast: let others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, pin::Pin, task::Waker};

    use super::*;
    use crate::shard::net::epoll::Epoll;

    /// Gives what it is told to give, then its end; takes everything, and flushes at the second try.
    #[derive(Default)]
    struct Peer {
        gives: Vec<u8>,
        taken: Vec<u8>,
        is_flushed: bool,
        is_closed: bool,
    }

    impl AsyncRead for Peer {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let length = self.gives.len().min(buffer.len());
            self.gives.drain(..length).zip(buffer).for_each(|(byte, place)| *place = byte);
            Poll::Ready(Ok(length))
        }
    }

    impl AsyncWrite for Peer {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.taken.extend_from_slice(bytes);
            self.is_flushed = false;
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if std::mem::replace(&mut self.is_flushed, true) { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.is_closed = true;
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_was_taken_is_flushed_before_the_way_goes_on() {
        let (net, scratch) = (Epoll::default(), RefCell::new(vec![0; 8].into_boxed_slice()));
        let sender = Socket::new(Peer { gives: b"message".to_vec(), ..Peer::default() });
        let receiver = Socket::new(Peer::default());
        let mut way = Way::new(b"early ".to_vec(), net.now());
        let mut cx = Context::from_waker(Waker::noop());
        let mut poll = || way.poll(&mut cx, &net, &scratch, &sender, &receiver).map(|moved| moved.is_ok());
        assert_eq!((poll(), poll(), poll()), (Poll::Pending, Poll::Pending, Poll::Ready(true)));
        let receiver = receiver.into_inner();
        assert_eq!(String::from_utf8_lossy(&receiver.taken), "early message");
        assert!(receiver.is_flushed && receiver.is_closed);
    }
}
