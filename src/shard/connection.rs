//! One client's connection: read a head, run the exchange against "the client is gone", keep alive or
//! close.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io::{self, IoSlice},
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_lite::{FutureExt, future};

use super::{
    exchange::exchange,
    net::Net,
    respond,
    socket::{Scratch, Socket},
    state::{Presence, ShardState},
    tally::Tally,
    timer::Timer,
};
use crate::{
    config::limits::{
        BODY_IDLE_MAX, BODY_RATE_MIN, CLIENT_IDLE_MAX, CLIENT_WRITE_IDLE_MAX, HANG_UP_LOOK, HEAD_TIME_MAX,
        HEADER_FIELDS_MAX, PIPELINED_BYTES_MAX, REQUEST_HEAD_BYTES_MAX,
    },
    http::{BodyDecoder, BodyError, Framing, HeadError, RequestHead},
    ir::ApiError,
    route::Surface,
};

/// A body that nobody wanted is read up to this length, so that the connection can go on.
const UNWANTED_BODY_BYTES_MAX: u64 = 64 * 1024;
/// Requests, and pieces of bodies, that are read before others get their turn.
const ROUNDS_MAX: u32 = 16;
/// Time for the client to read a refusal before its connection is closed.
const LINGER: Duration = Duration::from_secs(2);

/// How a request ended, where it did not end well.
pub(super) enum Ending {
    /// Nothing has been sent: the client gets this error.
    Refused(ApiError),
    /// Part of an answer has been sent: closing is all that can be said.
    Cut,
}

/// One client.
pub(super) struct Client<N: Net> {
    pub(super) timer: Timer<N>,
    pub(super) surface: Surface,
    socket: Socket<N::Stream>,
    received: RefCell<Vec<u8>>,
    body: RefCell<BodyDecoder>,
    is_body_read: Cell<bool>,
    is_taken_over: Cell<bool>,
    owes_continue: Cell<bool>,
    /// Requests and pieces of bodies that have been read.
    rounds: Cell<u32>,
    /// When the present request's body was first asked for.
    body_asked_at: Cell<Option<Instant>>,
    /// Whether the present request's body has not come, or not whole.
    is_body_broken: Cell<bool>,
    /// What has come of the request's body.
    body_bytes: Cell<u64>,
    is_gone: Cell<bool>,
}

/// Serves one connection to its end.
pub(super) async fn serve<N: Net>(
    shard: &Rc<ShardState<N>>,
    stream: N::Stream,
    surface: Surface,
    presence: &Presence,
) {
    let client = Client::<N>::new(stream, surface, shard);
    let mut head = RequestHead::default();
    loop {
        // Boxed, so that a connection that waits for its next request is small.
        match client.next_head(shard, &mut head, presence).await {
            Ok(true) if Box::pin(serve_one(shard, &client, &head)).await => client.end_round().await,
            Ok(_) => return,
            Err(error) => return Box::pin(refuse_head(shard, &client, &error)).await,
        }
    }
}

/// Tells a client that comes when there are too many to come back later.
pub(super) async fn turn_away<N: Net>(shard: &ShardState<N>, stream: N::Stream, surface: Surface) {
    let message = "The gateway has as many connections as it may have. Try again in a moment, or raise \
        server.max_connections in config.json.";
    let error = ApiError::gateway(503, "overloaded", message);
    refuse_head(shard, &Client::<N>::new(stream, surface, shard), &error).await;
}

/// Serves one request; false where it was the connection's last.
async fn serve_one<N: Net>(shard: &ShardState<N>, client: &Client<N>, head: &RequestHead) -> bool {
    let tally = Tally::new(shard, client, head);
    let walk = AssertUnwindSafe(exchange(shard, head, client, &tally)).catch_unwind();
    let gone = async {
        client.gone(shard).await;
        Ok(Err(Ending::Cut))
    };
    let ended = future::or(walk, gone).await.unwrap_or_else(|_| {
        shard.counters.borrow_mut().panics += 1;
        let message = "The gateway failed at this request. Please report it with the request id.";
        Err(Ending::Refused(ApiError::gateway(500, "internal_error", message)))
    });
    let may_go_on = match ended {
        Ok(may_go_on) => may_go_on,
        Err(Ending::Cut) => return false,
        Err(Ending::Refused(error)) => {
            let may_go_on = client.has_little_left(head) && head.is_persistent && !shard.is_draining.get();
            Box::pin(respond::refuse(shard, client, head, &tally, &error, may_go_on)).await && may_go_on
        }
    };
    drop(tally);
    let may_go_on = may_go_on && client.pass_body(shard).await;
    if !may_go_on {
        client.linger(shard).await;
    }
    may_go_on
}

/// Refuses what is not even a head, or before there is one.
async fn refuse_head<N: Net>(shard: &ShardState<N>, client: &Client<N>, error: &ApiError) {
    let head = RequestHead::default();
    let tally = Tally::new(shard, client, &head);
    respond::refuse(shard, client, &head, &tally, error, false).await;
    client.linger(shard).await;
}

impl<N: Net> Client<N> {
    fn new(stream: N::Stream, surface: Surface, shard: &ShardState<N>) -> Self {
        Self {
            timer: Timer::new(shard.net.clone()),
            surface,
            socket: Socket::new(stream),
            received: RefCell::default(),
            body: RefCell::new(BodyDecoder::new(Framing::Empty)),
            is_body_read: Cell::new(true),
            is_taken_over: Cell::new(false),
            owes_continue: Cell::new(false),
            rounds: Cell::new(0),
            body_asked_at: Cell::new(None),
            is_body_broken: Cell::new(false),
            body_bytes: Cell::new(0),
            is_gone: Cell::new(false),
        }
    }

    /// Reads the next head: false where the client wants nothing more.
    async fn next_head(
        &self,
        shard: &ShardState<N>,
        head: &mut RequestHead,
        presence: &Presence,
    ) -> Result<bool, ApiError> {
        // The beginning of a head may have come behind the request before.
        let has_begun = !self.received.borrow().is_empty();
        let mut deadline = shard.net.now() + if has_begun { HEAD_TIME_MAX } else { CLIENT_IDLE_MAX };
        let mut parsed_to = 0;
        loop {
            if self.take_head(head, &mut parsed_to)? {
                return Ok(true);
            }
            let had_nothing = self.received.borrow().is_empty();
            if had_nothing {
                // Nothing is kept while a client is silent.
                self.received.take();
            }
            presence.is_idle.set(true);
            let more = poll_fn(|cx| self.poll_more(cx, &shard.scratch));
            let more = self.timer.limit(deadline, more).await;
            presence.is_idle.set(false);
            match more {
                Ok(true) if had_nothing => deadline = shard.net.now() + HEAD_TIME_MAX,
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(_) if had_nothing => return Ok(false),
                Err(_) => {
                    let message = "The request's head did not arrive within 30 s.";
                    return Err(ApiError::client(408, "request_timeout", message));
                }
            }
        }
    }

    /// Takes a head from what has been received, if it is all there.
    fn take_head(&self, head: &mut RequestHead, parsed_to: &mut usize) -> Result<bool, ApiError> {
        let mut received = self.received.borrow_mut();
        // A head only becomes complete, or worth another look, with the end of a line.
        let is_worth_a_look = *parsed_to == 0 || memchr::memchr(b'\n', &received[*parsed_to..]).is_some();
        let come = received.len();
        let mut is_whole = false;
        if is_worth_a_look && come > 0 {
            *parsed_to = come;
            is_whole = head.take(&mut received).map_err(head_refusal)?;
        }
        let length = if is_whole { come - received.len() } else { come };
        if length > REQUEST_HEAD_BYTES_MAX {
            let message = "The request's head is larger than 64 KiB.";
            return Err(ApiError::client(431, "request_head_too_large", message));
        }
        if is_whole {
            self.expect_body(head);
        }
        Ok(is_whole)
    }

    fn expect_body(&self, head: &RequestHead) {
        let body = BodyDecoder::new(head.framing);
        self.is_body_read.set(body.is_done());
        self.body_bytes.set(0);
        self.owes_continue.set(head.expects_continue && !body.is_done());
        *self.body.borrow_mut() = body;
        self.body_asked_at.set(None);
        self.is_body_broken.set(false);
    }

    /// Receives; false where nothing more will come.
    fn poll_more(&self, cx: &mut Context<'_>, scratch: &Scratch) -> Poll<bool> {
        let received = ready!(self.socket.poll_receive(cx, scratch, &mut self.received.borrow_mut()));
        Poll::Ready(received.is_ok_and(|length| length > 0))
    }

    /// Appends what has come of the request's body to `content`; true once that was all.
    pub(super) fn poll_body(
        &self,
        cx: &mut Context<'_>,
        scratch: &Scratch,
        content: &mut Vec<u8>,
    ) -> Poll<Result<bool, Ending>> {
        let before = content.len();
        self.take_body(content)?;
        let taken = content.len();
        let mut body = self.body.borrow_mut();
        let mut received = self.received.borrow_mut();
        while !body.is_done() && content.len() == before {
            let decoded = ready!(self.socket.poll_receive_with(cx, scratch, |bytes| {
                let taken = body.push(bytes, content)?;
                received.extend_from_slice(&bytes[taken..]);
                Ok(bytes.len())
            }));
            match decoded {
                Ok(decoded) if decoded.map_err(refuse_body)? > 0 => {}
                _ => {
                    self.is_gone.set(true);
                    return Poll::Ready(Err(Ending::Cut));
                }
            }
        }
        self.is_body_read.set(body.is_done());
        self.body_bytes.set(self.body_bytes.get() + (content.len() - taken) as u64);
        Poll::Ready(Ok(body.is_done()))
    }

    /// Appends what has been received of the request's body to `content`; true where that was all.
    pub(super) fn take_body(&self, content: &mut Vec<u8>) -> Result<bool, Ending> {
        let mut body = self.body.borrow_mut();
        let mut received = self.received.borrow_mut();
        let before = content.len();
        let taken = body.push(&received, content).map_err(refuse_body)?;
        received.drain(..taken);
        self.is_body_read.set(body.is_done());
        self.body_bytes.set(self.body_bytes.get() + (content.len() - before) as u64);
        Ok(body.is_done())
    }

    /// Reads more of the request's body; true once that was all.
    pub(super) async fn read_body(
        &self,
        shard: &ShardState<N>,
        content: &mut Vec<u8>,
    ) -> Result<bool, Ending> {
        self.invite_body(shard).await?;
        let now = shard.net.now();
        let asked_at = self.body_asked_at.get().unwrap_or(now);
        self.body_asked_at.set(Some(asked_at));
        let patience = BODY_IDLE_MAX + Duration::from_secs(self.body_bytes.get() / BODY_RATE_MIN);
        let deadline = (now + BODY_IDLE_MAX).min(asked_at + patience);
        let more = poll_fn(|cx| self.poll_body(cx, &shard.scratch, content));
        let more = self.timer.limit(deadline, more).await;
        self.end_round().await;
        let more = more.unwrap_or_else(|_| Err(Ending::Refused(body_timeout())));
        self.is_body_broken.set(more.is_err());
        more
    }

    /// Lets others have their turn now and then, however fast this client is.
    async fn end_round(&self) {
        self.rounds.set(self.rounds.get().wrapping_add(1));
        if self.rounds.get().is_multiple_of(ROUNDS_MAX) {
            future::yield_now().await;
        }
    }

    /// Sends `100 Continue` to a client that waits for it.
    pub(super) async fn invite_body(&self, shard: &ShardState<N>) -> Result<(), Ending> {
        if self.owes_continue.replace(false) && self.received.borrow().is_empty() {
            return self.send(shard, [b"HTTP/1.1 100 Continue\r\n\r\n"]).await;
        }
        Ok(())
    }

    /// Hands the connection over, with what has come ahead; nobody watches for the client's end any more.
    pub(super) fn take_over(&self) -> (&Socket<N::Stream>, Vec<u8>) {
        self.is_taken_over.set(true);
        (&self.socket, self.received.take())
    }

    /// Sends all of `parts`, however slowly the client takes them.
    pub(super) async fn send<const COUNT: usize>(
        &self,
        shard: &ShardState<N>,
        parts: [&[u8]; COUNT],
    ) -> Result<(), Ending> {
        let mut slices = parts.map(IoSlice::new);
        let mut left = &mut slices[..];
        loop {
            let before = unsent(left);
            let deadline = shard.net.now() + CLIENT_WRITE_IDLE_MAX;
            let send = poll_fn(|cx| self.socket.poll_send(cx, &mut left));
            match self.timer.limit(deadline, send).await {
                Ok(Ok(())) => return Ok(()),
                Err(_) if unsent(left) < before => {}
                _ => {
                    self.is_gone.set(true);
                    return Err(Ending::Cut);
                }
            }
        }
    }

    /// Says whether closing the connection is a reset, which the client cannot take for the end of an answer.
    pub(super) fn reset_on_close(&self, shard: &ShardState<N>, resets: bool) {
        self.socket.ask(|stream| shard.net.reset_on_close(stream, resets));
    }

    /// What has come of the request's body, bytes.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body_bytes.get()
    }

    /// Whether the client has left within its request.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    /// Ends once the client has closed its side. What it sends ahead is kept, up to a bound.
    async fn gone(&self, shard: &ShardState<N>) {
        let mut look = None;
        poll_fn(|cx| {
            loop {
                if self.is_taken_over.get() {
                    return Poll::Pending;
                }
                while self.is_body_read.get() && self.received.borrow().len() < PIPELINED_BYTES_MAX {
                    if !ready!(self.poll_more(cx, &shard.scratch)) {
                        return Poll::Ready(());
                    }
                }
                // Behind bytes that nobody reads for now, only the system sees the end.
                let pause = look.get_or_insert_with(|| shard.net.sleep(HANG_UP_LOOK));
                ready!(Pin::new(pause).poll(cx));
                if self.socket.ask(|stream| shard.net.has_hung_up(stream)) {
                    return Poll::Ready(());
                }
                look = None;
            }
        })
        .await;
        self.is_gone.set(true);
    }

    /// Whether so little of the request's body is left that it can be read for nothing.
    fn has_little_left(&self, head: &RequestHead) -> bool {
        let is_small = matches!(head.framing, Framing::Length(length) if length <= UNWANTED_BODY_BYTES_MAX);
        self.is_body_read.get() || is_small && !self.owes_continue.get() && !self.is_body_broken.get()
    }

    /// Reads what is left of a request's body; false where that fails.
    async fn pass_body(&self, shard: &ShardState<N>) -> bool {
        let all = async {
            let mut content = Vec::new();
            while !self.is_body_read.get() {
                content.clear();
                if self.read_body(shard, &mut content).await.is_err() {
                    return false;
                }
            }
            true
        };
        self.is_body_read.get() || self.timer.limit(shard.net.now() + LINGER, all).await == Ok(true)
    }

    /// Closes such that the client can still read what was sent: closing with unread bytes would reset
    /// the connection.
    async fn linger(&self, shard: &ShardState<N>) {
        let until_closed = async {
            if self.socket.close().await.is_err() {
                return;
            }
            loop {
                self.received.borrow_mut().clear();
                if !poll_fn(|cx| self.poll_more(cx, &shard.scratch)).await {
                    return;
                }
            }
        };
        let _ = self.timer.limit(shard.net.now() + LINGER, until_closed).await;
    }
}

impl From<ApiError> for Ending {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for Ending {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

fn unsent(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

pub(super) fn body_timeout() -> ApiError {
    ApiError::client(
        408,
        "request_timeout",
        "The request's body does not come, or too slowly: nothing for 60 s, or less than 500 bytes a second.",
    )
}

fn refuse_body(error: BodyError) -> Ending {
    let message = format!("The request's body is broken: {error}. Send whole chunks.");
    Ending::Refused(ApiError::client(400, "invalid_body", message))
}

fn head_refusal(error: HeadError) -> ApiError {
    match error {
        HeadError::Malformed(what) => ApiError::client(
            400,
            "invalid_request",
            format!("This is not a proper HTTP/1.1 request: {what}."),
        ),
        HeadError::TooManyFields => {
            let message = format!("The request has more than {HEADER_FIELDS_MAX} header fields.");
            ApiError::client(431, "request_head_too_large", message)
        }
        HeadError::UnknownTransferCoding => {
            ApiError::client(501, "unknown_transfer_coding", "The only known Transfer-Encoding is `chunked`.")
        }
        HeadError::UnknownVersion => {
            ApiError::client(505, "unknown_http_version", "Speak HTTP/1.1 or HTTP/1.0.")
        }
    }
}
