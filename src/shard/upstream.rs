//! One attempt: take a connection, send the request, read the head of the response.

use std::{
    future::poll_fn,
    io::IoSlice,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant, SystemTime},
};

use super::{
    attempt::Attempt,
    connect::connect,
    connection::{Client, Ending, body_timeout},
    net::Net,
    socket::Socket,
    state::ShardState,
    timer::Timer,
    tls::Wire,
    translation::Translation,
    tunnel::{Payload, Rest, Stuck},
};
use crate::{
    config::{
        Snapshot,
        limits::{BODY_IDLE_MAX, INTERIM_RESPONSES_MAX, RESPONSE_HEAD_BYTES_MAX},
    },
    dialect::{FormScanner, Splice, json::Outline},
    http::{BodyDecoder, BodyError, Framing, HeadError, Known, RequestHead, ResponseHead, length_line},
    ir::ApiError,
    provider::{Account, Call, Grant, Key, Token},
    route::{self, Attempts, Failure, Ingress, Next, Operation, query_with_model, query_without_credentials},
};

/// A request up to this length is sent in one piece.
const JOINED_BYTES_MAX: usize = 8 * 1024;

/// Who serves a request.
pub(super) struct Target<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) account: &'s Account,
    pub(super) key: &'s Key,
    /// Whether the caller's own credentials are sent instead of the key.
    pub(super) is_direct: bool,
    /// The credential that does not last, where the key is one that is exchanged.
    pub(super) token: Option<Token>,
    /// The model as the client names it.
    pub(super) original_model: Option<&'s str>,
    /// The alias of the configuration that this is, if so.
    pub(super) alias: Option<&'s str>,
    /// The model as the provider names it.
    pub(super) resolved_model: Option<&'s str>,
}

/// A request on its way: what is sent before the client's own rest.
pub(super) struct Outgoing<'a> {
    pub(super) head: Vec<u8>,
    pub(super) payload: Payload<'a>,
    /// Whether the method is `HEAD`.
    pub(super) is_head: bool,
    /// Whether the response may be a 101, from which on the connection is WebSocket's.
    pub(super) may_switch: bool,
    /// Looks at what the client still has to send of a form.
    pub(super) form: Option<Box<FormScanner>>,
}

/// An upstream whose response has begun.
pub(super) struct Upstream<'a, N: Net> {
    pub(super) attempt: &'a Attempt<'a, N>,
    pub(super) head: ResponseHead,
    /// What has come of the body, without framing, and has not been passed on.
    pub(super) content: Vec<u8>,
    /// When the attempt began, or the last byte of the client's rest moved: the upstream's time counts from
    /// here.
    pub(super) moved_at: Instant,
    /// What the client still has to send.
    pub(super) rest: Option<Rest<'a, N>>,
    /// Whether the request could not be sent to its end.
    pub(super) is_request_cut: bool,
    /// Whether a byte of a response came, or a byte of the client's rest went, so that the request cannot
    /// be sent again.
    has_begun: bool,
    /// Interim responses that have come.
    interim: u32,
    /// Bytes of all heads that have come.
    head_bytes: usize,
    socket: Socket<Wire<N::Stream>>,
    endpoint: u64,
    body: BodyDecoder,
    received: Vec<u8>,
}

/// Why a response could not be read.
pub(super) enum Break {
    Elapsed,
    Protocol(String),
    /// The connection ended, perhaps before a byte of the response.
    Closed,
    Client(Ending),
}

impl Target<'_> {
    /// What has to change in the body so that the provider sees its own name of the model.
    pub(super) fn splice(&self, outline: &Outline<'_>, ingress: &Ingress<'_>) -> Option<Splice> {
        let is_in_body = ingress.operation.may_name_model() && ingress.model.is_none();
        let resolved = self.resolved_model.filter(|_| is_in_body)?;
        if self.original_model == Some(resolved) {
            return None;
        }
        Some(Splice::model(outline, resolved))
    }

    /// How the key is exchanged for a credential that does not last, where it is.
    pub(super) fn grant(&self) -> Option<&Arc<Grant>> {
        self.key.cloud.as_ref()?.grant.as_ref().filter(|_| !self.is_direct)
    }

    /// Whether a response is about the operator's key, not about the request.
    pub(super) fn is_key_refused(&self, head: &ResponseHead) -> bool {
        matches!(head.status, 401..=403) && !self.is_direct
    }

    /// The head of the request to the provider.
    pub(super) fn request_head(
        &self,
        ingress: &Ingress<'_>,
        head: &RequestHead,
        payload: &Payload<'_>,
    ) -> Vec<u8> {
        // With room for a body that joins it.
        let room = Some(payload.held()).filter(|held| *held <= JOINED_BYTES_MAX).unwrap_or_default();
        let mut out = Vec::with_capacity(1024 + room);
        let model = self.resolved_model.filter(|_| ingress.names_model_in_path());
        let endpoint = &self.key.endpoint;
        let prefix = match (ingress.is_native(), ingress.is_at_root()) {
            (false, _) => endpoint.path_prefix.as_str(),
            (true, false) => &endpoint.native_prefix,
            (true, true) => endpoint.root(self.account.provider.native_path()),
        };
        out.extend_from_slice(head.method().as_bytes());
        out.push(b' ');
        out.extend_from_slice(prefix.as_bytes());
        match model {
            Some(model) => out.extend_from_slice(ingress.path_with_model(model).as_bytes()),
            None if ingress.is_native() => out.extend_from_slice(ingress.path.as_bytes()),
            None => {
                let own = self.account.provider.openai_path(self.key, self.resolved_model, ingress.path);
                out.extend_from_slice(own.as_deref().unwrap_or(ingress.path).as_bytes());
            }
        }
        if let Some(query) = self.query(ingress, head).filter(|query| !query.is_empty()) {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(self.key.endpoint.authority.as_bytes());
        out.extend_from_slice(b"\r\n");
        let own = self.is_direct.then_some(head);
        let is_native = ingress.is_native();
        let names_version = is_native && head.fields.all("anthropic-version").next().is_some();
        let call = Call { names_version, ..self.call(is_native, head.method(), ingress.path, b"") };
        route::add_credentials(self.account, self.key, own, &call, &mut out);
        let (policy, operation) = (&self.snapshot.headers, ingress.operation);
        route::add_request_fields(&head.fields, policy, self.account, operation, self.is_direct, &mut out);
        match payload.framing {
            Framing::Length(length) => length_line(length, &mut out),
            Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Framing::Empty | Framing::UntilClose => {}
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// A call as whoever signs it sees it.
    pub(super) fn call<'c>(
        &'c self,
        is_native: bool,
        method: &'c str,
        path: &'c str,
        body: &'c [u8],
    ) -> Call<'c> {
        Call {
            is_native,
            cloud: self.key.cloud.as_deref(),
            token: self.token.as_ref(),
            method,
            authority: &self.key.endpoint.authority,
            path,
            body,
            names_version: false,
            // What passes as it came is not signed.
            now: if is_native { SystemTime::now() } else { SystemTime::UNIX_EPOCH },
        }
    }

    /// The head of a request to the provider whose body has been translated.
    pub(super) fn translated_head(&self, head: &RequestHead, translation: &Translation) -> Vec<u8> {
        let Translation { body, is_streamed, openai_path, .. } = translation;
        let provider = self.account.provider;
        let path = match openai_path {
            Some(openai_path) => self.openai_path(openai_path),
            None => {
                let mut path = self.key.endpoint.native_prefix.clone();
                let model = self.resolved_model.unwrap_or_default();
                provider.push_chat_path(self.key, model, *is_streamed, &mut path);
                path
            }
        };
        self.native_head(head, &path, body)
    }

    /// The head of a request for vectors whose body has been translated.
    pub(super) fn embedding_head(&self, head: &RequestHead, body: &[u8]) -> Vec<u8> {
        let mut path = self.key.endpoint.native_prefix.clone();
        let (provider, model) = (self.account.provider, self.resolved_model.unwrap_or_default());
        provider.push_embedding_path(self.key, model, &mut path);
        self.native_head(head, &path, body)
    }

    fn native_head(&self, head: &RequestHead, path: &str, body: &[u8]) -> Vec<u8> {
        let authority = &self.key.endpoint.authority;
        let mut out = Vec::with_capacity(1024);
        out.extend_from_slice(format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\n").as_bytes());
        let call = self.call(true, "POST", path, body);
        if self.is_direct {
            route::add_own_credentials(self.account, head, &call, &mut out);
        } else {
            route::add_credentials(self.account, self.key, None, &call, &mut out);
        }
        let policy = &self.snapshot.headers;
        route::add_translated_fields(&head.fields, policy, self.account, self.is_direct, &mut out);
        length_line(body.len() as u64, &mut out);
        out.extend_from_slice(b"\r\n");
        out
    }

    /// A path of OpenAI's with all that comes before and behind it.
    fn openai_path(&self, path: &str) -> String {
        let provider = self.account.provider;
        let own = provider.openai_path(self.key, self.resolved_model, path);
        let mut whole = format!("{}{}", self.key.endpoint.path_prefix, own.as_deref().unwrap_or(path));
        let query = provider.query(self.key);
        if !query.is_empty() {
            whole.push('?');
            whole.push_str(&query);
        }
        whole
    }

    /// The query as the provider gets it.
    fn query(&self, ingress: &Ingress<'_>, head: &RequestHead) -> Option<String> {
        let own = self.account.provider.query(self.key);
        let query = match (head.query(), own.is_empty()) {
            (None, true) => return None,
            (None, false) => return Some(own),
            (Some(query), is_empty) => {
                let query = query_without_credentials(query);
                if is_empty || query.contains("api-version=") { query } else { format!("{query}&{own}") }
            }
        };
        match self.resolved_model.filter(|_| ingress.operation == Operation::WebSocket) {
            Some(model) if self.original_model != Some(model) => Some(query_with_model(&query, model)),
            _ => Some(query),
        }
    }
}

impl Outgoing<'_> {
    /// Puts a short body right behind the head: copying is cheaper than sending several pieces.
    fn join(&mut self) {
        if self.head.len() + self.payload.held() <= JOINED_BYTES_MAX {
            let mut size_line = Vec::new();
            for piece in self.payload.framed(&mut size_line) {
                self.head.extend_from_slice(piece);
            }
            self.payload.clear();
        }
    }
}

impl<'a, N: Net> Upstream<'a, N> {
    /// Opens, sends and reads the head of the response. A connection that was kept and turns out to be
    /// dead before a byte of the response is replaced once, unless the client's rest has begun to flow.
    pub(super) async fn open(
        shard: &ShardState<N>,
        attempt: &'a Attempt<'a, N>,
        mut outgoing: Outgoing<'_>,
        timer: &Timer<N>,
        client: Option<&'a Client<N>>,
    ) -> Result<Self, Ending> {
        outgoing.join();
        let target = attempt.target;
        let endpoint = &*target.key.endpoint;
        let time_max = target.account.request_time_max;
        let deadline = attempt.began + time_max;
        let mut attempts = Attempts::new(shard.pool.take(&shard.net, endpoint.id, attempt.began));
        let opened = loop {
            let wire = match attempts.next() {
                Next::GiveUp(ending) => break Err(ending),
                Next::Reuse(wire) => wire,
                Next::Connect => {
                    let connecting = timer.limit(deadline, Box::pin(connect(shard, target, endpoint)));
                    match connecting.await.unwrap_or_else(|_| Err(timeout(target, time_max))) {
                        Ok(wire) => wire,
                        Err(error) => {
                            attempts.failed(Failure::Final(error.into()));
                            continue;
                        }
                    }
                }
            };
            let mut upstream = Self::new(wire, attempt);
            let rest = client.filter(|_| outgoing.payload.has_rest);
            upstream.rest =
                rest.map(|client| Rest::new(client, outgoing.payload.framing, outgoing.form.clone()));
            let Err(broken) = upstream.converse(shard, &outgoing, timer, time_max).await else {
                break Ok(upstream);
            };
            if upstream.has_begun {
                attempts.committed();
            }
            let failure = if matches!(broken, Break::Closed) { Failure::Closed } else { Failure::Final };
            attempts.failed(failure(broken.into_ending(target, time_max)));
        };
        match &opened {
            Ok(upstream) => attempt.answered(upstream.head.status),
            Err(ending) => attempt.failed(ending),
        }
        opened
    }

    fn new(wire: Wire<N::Stream>, attempt: &'a Attempt<'a, N>) -> Self {
        Self {
            attempt,
            head: ResponseHead::default(),
            content: Vec::new(),
            moved_at: attempt.began,
            rest: None,
            is_request_cut: false,
            has_begun: false,
            interim: 0,
            head_bytes: 0,
            socket: Socket::new(wire),
            endpoint: attempt.target.key.endpoint.id,
            body: BodyDecoder::new(Framing::Empty),
            received: Vec::new(),
        }
    }

    /// Sends the request and reads until the head of the final response is there, both at once: an
    /// upstream may answer before it has read everything.
    async fn converse(
        &mut self,
        shard: &ShardState<N>,
        outgoing: &Outgoing<'_>,
        timer: &Timer<N>,
        time_max: Duration,
    ) -> Result<(), Break> {
        let mut size_line = Vec::new();
        let [one, two, three, four, five] = outgoing.payload.framed(&mut size_line);
        let mut slices = [&outgoing.head, one, two, three, four, five].map(IoSlice::new);
        let mut left = match outgoing.payload.held() {
            0 => &mut slices[..1],
            _ => &mut slices[..],
        };
        let mut is_held_sent = false;
        loop {
            let look = self.patience(shard, self.moved_at, time_max)?;
            let step = poll_fn(|cx| {
                if !is_held_sent {
                    match self.socket.poll_send(cx, &mut left) {
                        Poll::Ready(sent) => {
                            is_held_sent = true;
                            self.is_request_cut |= sent.is_err();
                        }
                        Poll::Pending => {}
                    }
                }
                if is_held_sent {
                    self.poll_rest(cx, shard)?;
                }
                self.poll_head(cx, shard, outgoing)
            });
            if let Ok(ended) = timer.limit(look, step).await {
                if ended.is_ok() && !is_held_sent {
                    // It answers early; what follows on this connection must still be the request's end.
                    self.rest.get_or_insert_with(Rest::held).hold_back(left);
                }
                return ended;
            }
        }
    }

    /// Until when there is no reason to lose patience; an error where one side has been silent too long.
    /// The upstream's time counts from `since`, or from the last byte of the client's rest.
    fn patience(&self, shard: &ShardState<N>, since: Instant, time_max: Duration) -> Result<Instant, Break> {
        let now = shard.net.now();
        let since = since.max(self.moved_at);
        if self.rest.as_ref().is_some_and(Rest::waits_for_client) {
            let is_over = now.saturating_duration_since(since) >= BODY_IDLE_MAX;
            // What comes next may be the client's last, from when on the upstream's time counts.
            return if is_over {
                Err(Break::Client(Ending::Refused(body_timeout())))
            } else {
                Ok(now + time_max)
            };
        }
        let end = since + time_max;
        if now < end { Ok(end) } else { Err(Break::Elapsed) }
    }

    /// Passes the client's rest on; what the upstream no longer takes is not an error yet.
    fn poll_rest(&mut self, cx: &mut std::task::Context<'_>, shard: &ShardState<N>) -> Result<(), Break> {
        let Some(rest) = &mut self.rest else { return Ok(()) };
        let before = rest.moved();
        let polled = rest.poll(cx, &shard.scratch, &self.socket);
        if rest.moved() > before || polled.is_ready() {
            self.moved_at = shard.net.now();
        }
        self.has_begun |= rest.moved() > 0;
        match polled {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(Stuck::Upstream)) => self.is_request_cut = true,
            Poll::Ready(Err(Stuck::Client(ending))) => return Err(Break::Client(ending)),
        }
        self.rest = None;
        Ok(())
    }

    /// Reads the head of the response; interim ones (1xx) are passed over.
    fn poll_head(
        &mut self,
        cx: &mut std::task::Context<'_>,
        shard: &ShardState<N>,
        outgoing: &Outgoing<'_>,
    ) -> Poll<Result<(), Break>> {
        loop {
            let length = std::task::ready!(self.socket.poll_receive(cx, &shard.scratch, &mut self.received));
            if !length.is_ok_and(|length| length > 0) {
                let what = "the connection ended within the head of the response";
                let is_silent = self.received.is_empty();
                return Poll::Ready(Err(if is_silent {
                    Break::Closed
                } else {
                    Break::Protocol(what.to_owned())
                }));
            }
            self.has_begun = true;
            self.attempt.heard();
            while !self.received.is_empty() {
                let before = self.received.len();
                let is_whole = self.head.take(&mut self.received, outgoing.is_head).map_err(protocol)?;
                let length = before - if is_whole { self.received.len() } else { 0 };
                if self.head_bytes + length > RESPONSE_HEAD_BYTES_MAX {
                    let what = "the head of the response is too large";
                    return Poll::Ready(Err(Break::Protocol(what.to_owned())));
                }
                if !is_whole {
                    break;
                }
                self.head_bytes += length;
                match self.head.status {
                    101 if outgoing.may_switch && self.head.is_websocket() => return Poll::Ready(Ok(())),
                    101 => {
                        return Poll::Ready(Err(Break::Protocol("it switched protocols unasked".to_owned())));
                    }
                    100..=199 => {
                        self.interim += 1;
                        if self.interim > INTERIM_RESPONSES_MAX {
                            let what = "it sends interim responses without end";
                            return Poll::Ready(Err(Break::Protocol(what.to_owned())));
                        }
                    }
                    _ => {
                        self.body = BodyDecoder::new(self.head.framing);
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }

    /// Reads more of the body into `content`; true once that was all. The upstream has its time from
    /// `since`, or from the last byte of the client's rest.
    pub(super) async fn read(
        &mut self,
        shard: &ShardState<N>,
        timer: &Timer<N>,
        since: Instant,
        time_max: Duration,
    ) -> Result<bool, Break> {
        loop {
            let look = self.patience(shard, since, time_max)?;
            if let Ok(read) = timer.limit(look, self.read_some(shard)).await {
                return read;
            }
        }
    }

    async fn read_some(&mut self, shard: &ShardState<N>) -> Result<bool, Break> {
        let before = self.content.len();
        poll_fn(|cx| {
            self.poll_rest(cx, shard)?;
            let taken = self.body.push(&self.received, &mut self.content).map_err(broken_body)?;
            self.received.drain(..taken);
            while !self.body.is_done() && self.content.len() == before {
                let (body, content, received) = (&mut self.body, &mut self.content, &mut self.received);
                let decoded = std::task::ready!(self.socket.poll_receive_with(cx, &shard.scratch, |bytes| {
                    let taken = body.push(bytes, content)?;
                    received.extend_from_slice(&bytes[taken..]);
                    Ok(bytes.len())
                }));
                // Only an orderly end can be the end of a body; a reset never is.
                let Ok(decoded) = decoded else { return Poll::Ready(Err(Break::Closed)) };
                self.attempt.heard();
                if decoded.map_err(broken_body)? == 0 {
                    return Poll::Ready(self.body.close().map(|()| true).map_err(|_| Break::Closed));
                }
            }
            Poll::Ready(Ok(self.body.is_done()))
        })
        .await
    }

    /// The connection and what has come on it, once it has switched to another protocol.
    pub(super) fn into_parts(self) -> (Socket<Wire<N::Stream>>, Vec<u8>) {
        (self.socket, self.received)
    }

    /// Whether there is nothing to read: a body that is none.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Whether the body is compressed, so that nothing in it can be recognised.
    pub(super) fn is_encoded(&self) -> bool {
        self.head.fields.known_text(Known::ContentEncoding).is_some_and(|coding| coding != "identity")
    }

    /// Keeps the connection for the next request, if both sides are at the end of this one.
    pub(super) fn release(self, shard: &ShardState<N>) {
        self.attempt.completed();
        let is_clean = self.body.is_done() && self.received.is_empty();
        if is_clean && self.head.is_persistent && self.rest.is_none() && !self.is_request_cut {
            shard.pool.put(&shard.net, self.endpoint, self.socket.into_inner(), shard.net.now());
        }
    }
}

impl Break {
    /// What the client is told where nothing has been sent to it.
    pub(super) fn into_ending(self, target: &Target<'_>, time_max: Duration) -> Ending {
        let name = &target.account.name;
        Ending::Refused(match self {
            Self::Client(ending) => return ending,
            Self::Elapsed => timeout(target, time_max),
            Self::Closed => ApiError::provider(
                502,
                "upstream_connection_error",
                format!("The provider `{name}` closed the connection without a whole answer. Try again."),
            ),
            Self::Protocol(what) => ApiError::provider(
                502,
                "upstream_protocol_error",
                format!("The provider `{name}` sent something that is not HTTP/1.1: {what}."),
            ),
        })
    }
}

fn timeout(target: &Target<'_>, time_max: Duration) -> ApiError {
    let name = &target.account.name;
    let message = format!(
        "The provider `{name}` did not answer within {} s. Raise \
         providers.{name}.network_config.default_request_timeout_in_seconds in config.json if it needs longer.",
        time_max.as_secs()
    );
    ApiError::provider(504, "upstream_timeout", message)
}

fn protocol(error: HeadError) -> Break {
    Break::Protocol(error.to_string())
}

fn broken_body(error: BodyError) -> Break {
    Break::Protocol(error.to_string())
}
