//! The response on its way back: bytes as they come, events whole, at the pace of the client.

use std::io::Write;

use futures_lite::future;

use super::{
    attempt::Passing,
    connection::{Client, Ending},
    net::Net,
    respond,
    state::ShardState,
    tally::Tally,
    upstream::{Break, Target, Upstream},
};
use crate::{
    config::limits::{EVENT_HELD_BYTES_MAX, REFUSAL_BYTES_MAX, WINDOW_BYTES_MAX},
    dialect::{ClientDialect, CompletionTap},
    http::{EventBoundary, Framing, RequestHead, chunk_head, length_line, response_line},
    ir::ApiError,
    provider::{self, Secret},
    route,
};

/// An answer up to this length is sent in one piece.
const JOINED_BYTES_MAX: usize = 8 * 1024;

/// Reads that are passed on before others get their turn.
const ROUNDS_MAX: usize = 16;

/// What is decided before the first byte goes to the client.
pub(super) struct Commit<'t, 's> {
    pub(super) target: &'t Target<'s>,
    /// Whether the response is passed on without a look at what it is.
    pub(super) is_unread: bool,
    /// Sees whether a stream comes to its own end.
    pub(super) tap: Option<CompletionTap>,
    /// Header lines for browsers.
    pub(super) cors: String,
    /// Parameters that the provider did not get.
    pub(super) dropped: Vec<String>,
    /// How errors of the gateway's own are said.
    pub(super) client_dialect: &'static dyn ClientDialect,
}

/// How a response is passed on.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// Up to the last whole event.
    Events,
    /// Whole, where it is short, so that one which breaks can still be refused.
    Document,
    /// As it comes.
    Bytes,
}

/// The response as the client gets it.
pub(super) struct Outlet {
    /// Sent together with the first content; then the buffer in which pieces are put together.
    pub(super) head: Vec<u8>,
    pub(super) framing: Framing,
}

/// Passes a response on; true where the client's connection may serve another request.
pub(super) async fn relay<N: Net>(
    shard: &ShardState<N>,
    mut upstream: Upstream<'_, N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    mut commit: Commit<'_, '_>,
) -> Result<bool, Ending> {
    let account = commit.target.account;
    let kind = kind(&upstream, &commit);
    commit.tap = commit.tap.take().filter(|_| kind == Kind::Events);
    let mut boundary = EventBoundary::default();
    let mut is_done = upstream.is_done();

    // Before the commit: what breaks here is an error with a status of its own.
    let mut complete = 0;
    while !is_done && kind != Kind::Bytes && complete == 0 && upstream.content.len() < WINDOW_BYTES_MAX {
        let before = upstream.content.len();
        let read = upstream.read(shard, &client.timer, upstream.moved_at, account.request_time_max).await;
        is_done = read.map_err(|broken| broken.into_ending(commit.target, account.request_time_max))?;
        if kind == Kind::Events {
            complete = ended(&mut boundary, &upstream.content, before, complete);
        }
    }
    if complete == 0 && is_done && is_cut_short(kind, &upstream, &mut commit.tap) {
        return Err(Break::Closed.into_ending(commit.target, account.request_time_max));
    }
    check_refusal(&upstream, &commit, is_done)?;
    let is_about_key = commit.target.is_key_refused(&upstream.head);
    let secret =
        (upstream.head.status >= 400 && !commit.target.is_direct).then_some(&commit.target.key.secret);

    let is_persistent =
        respond::may_persist(shard, head) && upstream.rest.is_none() && !upstream.is_request_cut;
    let framing = framing(&upstream, kind, is_done, head);
    let is_persistent = is_persistent && framing != Framing::UntilClose;
    let out = response_head(&upstream, head, tally, &commit, framing, is_persistent);
    let mut outlet = Outlet { head: out, framing };
    tally.answered(upstream.head.status);
    if upstream.head.status >= 400 {
        let is_about_key = commit.target.is_key_refused(&upstream.head);
        tally.refused(if is_about_key { "upstream-credentials" } else { "provider" });
    }

    // After the commit: there is only one way to go, and a break shows as one.
    let mut is_mid_event = false;
    let mut rounds = 0;
    let mut document_since = upstream.moved_at;
    let broken = loop {
        let is_whole = is_done && !is_cut_short(kind, &upstream, &mut commit.tap);
        let held = upstream.content.len() - complete;
        let ready = match (kind, secret) {
            (Kind::Events, _) if !is_whole && held <= EVENT_HELD_BYTES_MAX => complete,
            (Kind::Document, Some(secret)) => hide_key(&mut upstream.content, secret, is_about_key, is_whole),
            _ => upstream.content.len(),
        };
        is_mid_event = if ready == 0 { is_mid_event } else { ready > complete && kind == Kind::Events };
        if let Some(tap) = &mut commit.tap {
            tap.push(&upstream.content[..ready]);
        }
        upstream.attempt.passes(match kind {
            Kind::Events => Passing::Events(&upstream.content[..ready]),
            Kind::Document if is_whole => Passing::Document(&upstream.content[..ready]),
            _ => Passing::Bytes,
        });
        tally.passed(ready);
        if kind != Kind::Bytes {
            tally.said(&upstream.content[..ready]);
        }
        let before = shard.net.now();
        outlet.pass(shard, client, &upstream.content[..ready], is_whole).await?;
        // While the client takes what there is, the upstream's time does not pass.
        document_since += shard.net.now().saturating_duration_since(before);
        upstream.content.drain(..ready);
        if is_whole {
            let is_upload_whole = upstream.rest.is_none() && !upstream.is_request_cut;
            upstream.release(shard);
            return Ok(is_persistent && is_upload_whole);
        }
        if is_done {
            break Break::Closed;
        }
        rounds += 1;
        if rounds % ROUNDS_MAX == 0 {
            // Both sides are fast: let others have their turn.
            future::yield_now().await;
        }
        let before = upstream.content.len();
        // A document has the attempt's time in all; what flows has its time for each silence.
        let (since, time_max) = match kind {
            Kind::Document => (document_since, account.request_time_max),
            Kind::Events | Kind::Bytes => (shard.net.now(), account.stream_idle_max),
        };
        match upstream.read(shard, &client.timer, since, time_max).await {
            Ok(done) => is_done = done,
            Err(broken) => break broken,
        }
        complete = ended(&mut boundary, &upstream.content, before, 0);
    };
    upstream.attempt.broke(&broken);
    if let Break::Client(_) = broken {
        return Err(Ending::Cut);
    }
    let error = stream_error(broken, commit.target);
    if kind != Kind::Events || is_mid_event {
        tally.failed(&error);
        return Err(Ending::Cut);
    }
    if commit.tap.as_ref().is_some_and(CompletionTap::has_ended) {
        // All has been said, only the connection did not end.
        upstream.attempt.completed();
        outlet.pass(shard, client, b"", true).await?;
        return Ok(is_persistent);
    }
    // Whole events only have gone out, so that this one is read as one.
    tally.failed(&error);
    let mut event = Vec::new();
    commit.client_dialect.encode_stream_error(&error, &mut event);
    outlet.pass(shard, client, &event, true).await?;
    Ok(is_persistent)
}

fn kind<N: Net>(upstream: &Upstream<'_, N>, commit: &Commit<'_, '_>) -> Kind {
    if upstream.head.status >= 400 && (!upstream.is_encoded() || commit.target.is_key_refused(&upstream.head))
    {
        // What is said of a failed request may show our key.
        Kind::Document
    } else if upstream.head.is_event_stream() && !upstream.is_encoded() {
        Kind::Events
    } else if !commit.is_unread && upstream.head.fields.say_json() {
        Kind::Document
    } else {
        Kind::Bytes
    }
}

/// An answer about our credentials that cannot be searched for them is not passed on.
fn check_refusal<N: Net>(
    upstream: &Upstream<'_, N>,
    commit: &Commit<'_, '_>,
    is_done: bool,
) -> Result<(), ApiError> {
    let is_short = is_done && upstream.content.len() <= REFUSAL_BYTES_MAX;
    if !commit.target.is_key_refused(&upstream.head) || is_short && !upstream.is_encoded() {
        return Ok(());
    }
    let name = &commit.target.account.name;
    let message =
        format!("The provider `{name}` refused the gateway's credentials, in an answer that may show them.");
    Err(ApiError::provider(upstream.head.status, "upstream_credentials", message))
}

/// Overwrites our key in what a provider says of a failed request, and whatever looks like a key where it
/// is about the key. What may be the front of a key is not ready before the rest has come.
fn hide_key(content: &mut [u8], secret: &Secret, is_about_key: bool, is_whole: bool) -> usize {
    provider::mask_secret(content, secret);
    if is_about_key {
        provider::mask_keys(content);
    }
    let fronts = secret.reveal().len().min(content.len() + 1);
    let is_front =
        |length: &usize| secret.reveal().as_bytes().starts_with(&content[content.len() - length..]);
    let held = if is_whole { 0 } else { (1..fronts).rev().find(is_front).unwrap_or_default() };
    content.len() - held
}

/// Length of the front of `content` that ends in a whole event; the boundary has seen the bytes before
/// `seen`, and found `known`.
fn ended(boundary: &mut EventBoundary, content: &[u8], seen: usize, known: usize) -> usize {
    match boundary.scan(&content[seen..]) {
        0 => known,
        length => seen + length,
    }
}

/// Whether a stream that has ended lacks the end signal of its dialect.
fn is_cut_short<N: Net>(kind: Kind, upstream: &Upstream<'_, N>, tap: &mut Option<CompletionTap>) -> bool {
    let Some(tap) = tap.as_mut().filter(|_| kind == Kind::Events && upstream.head.status == 200) else {
        return false;
    };
    tap.push(&upstream.content);
    !tap.is_complete()
}

/// What a client is told that has a part of a stream.
pub(super) fn stream_error(broken: Break, target: &Target<'_>) -> ApiError {
    let name = &target.account.name;
    let (code, what) = match broken {
        Break::Elapsed => ("upstream_timeout", "fell silent".to_owned()),
        Break::Protocol(what) => ("upstream_protocol_error", format!("broke the protocol ({what})")),
        Break::Closed | Break::Client(_) => {
            ("upstream_connection_error", "ended the stream too early".to_owned())
        }
    };
    ApiError::provider(
        502,
        code,
        format!("The provider `{name}` {what}. What has come so far is incomplete."),
    )
}

/// How the client is told where the response ends.
fn framing<N: Net>(upstream: &Upstream<'_, N>, kind: Kind, is_done: bool, head: &RequestHead) -> Framing {
    let flowing = if head.minor_version == 0 { Framing::UntilClose } else { Framing::Chunked };
    match (upstream.head.framing, kind) {
        (Framing::Empty, _) => Framing::Empty,
        // There must be room for an error at the end.
        (_, Kind::Events) => flowing,
        (Framing::Length(length), _) => Framing::Length(length),
        _ if is_done => Framing::Length(upstream.content.len() as u64),
        _ => flowing,
    }
}

/// The upstream's head, with our fields and our framing.
fn response_head<N: Net>(
    upstream: &Upstream<'_, N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    commit: &Commit<'_, '_>,
    framing: Framing,
    is_persistent: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    response_line(upstream.head.status, &upstream.head.reason, &mut out);
    route::add_response_fields(&upstream.head.fields, !commit.cors.is_empty(), &mut out);
    add_own_fields(commit.target, tally.request_id(), &mut out);
    if commit.target.is_key_refused(&upstream.head) {
        out.extend_from_slice(b"x-bifrost-error-source: upstream-credentials\r\n");
    }
    add_dropped(&commit.dropped, &mut out);
    out.extend_from_slice(commit.cors.as_bytes());
    match framing {
        Framing::Length(length) => length_line(length, &mut out),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Empty if upstream.head.status != 204 => {
            for length in upstream.head.fields.all("content-length") {
                drop(write!(out, "Content-Length: {}\r\n", String::from_utf8_lossy(length)));
            }
        }
        Framing::Empty | Framing::UntilClose => {}
    }
    out.extend_from_slice(respond::connection_line(head, is_persistent).as_bytes());
    out.extend_from_slice(b"\r\n");
    if upstream.head.status >= 400 && !commit.target.is_direct {
        provider::mask_secret(&mut out, &commit.target.key.secret);
    }
    out
}

impl Outlet {
    /// Sends content, behind the head where that has not gone out yet.
    pub(super) async fn pass<N: Net>(
        &mut self,
        shard: &ShardState<N>,
        client: &Client<N>,
        content: &[u8],
        is_last: bool,
    ) -> Result<(), Ending> {
        if self.framing == Framing::Chunked && self.head.len() + content.len() <= JOINED_BYTES_MAX {
            return self.pass_joined(shard, client, content, is_last).await;
        }
        let mut head = std::mem::take(&mut self.head);
        if self.framing == Framing::UntilClose {
            // The end of the connection ends the body: what breaks off must end in another way.
            client.reset_on_close(shard, true);
            client.send(shard, [&head, content]).await?;
            client.reset_on_close(shard, !is_last);
            return Ok(());
        }
        if self.framing != Framing::Chunked {
            if head.len() + content.len() <= JOINED_BYTES_MAX {
                head.extend_from_slice(content);
                return client.send(shard, [&head]).await;
            }
            return client.send(shard, [&head, content]).await;
        }
        let end: &[u8] = if is_last { b"0\r\n\r\n" } else { b"" };
        if content.is_empty() {
            return client.send(shard, [&head, end]).await;
        }
        let size = chunk_head(content.len());
        client.send(shard, [&head, size.as_bytes(), content, b"\r\n", end]).await
    }

    /// Sends a short chunk in one piece, which costs the kernel less than several.
    async fn pass_joined<N: Net>(
        &mut self,
        shard: &ShardState<N>,
        client: &Client<N>,
        content: &[u8],
        is_last: bool,
    ) -> Result<(), Ending> {
        let piece = &mut self.head;
        if !content.is_empty() {
            piece.extend_from_slice(chunk_head(content.len()).as_bytes());
            piece.extend_from_slice(content);
            piece.extend_from_slice(b"\r\n");
        }
        if is_last {
            piece.extend_from_slice(b"0\r\n\r\n");
        }
        if piece.is_empty() {
            return Ok(());
        }
        let sent = client.send(shard, [piece]).await;
        piece.clear();
        sent
    }
}

/// What of the request did not go on, in a header field of ours.
pub(super) fn add_dropped(dropped: &[String], out: &mut Vec<u8>) {
    for (position, name) in dropped.iter().enumerate() {
        out.extend_from_slice(if position == 0 { b"x-bifrost-dropped-params: " } else { b", " });
        push_escaped(name, out);
    }
    if !dropped.is_empty() {
        out.extend_from_slice(b"\r\n");
    }
}

/// Who served the request, in header fields of ours.
pub(super) fn add_own_fields(target: &Target<'_>, request_id: &str, out: &mut Vec<u8>) {
    let mut field = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        push_escaped(value, out);
        out.extend_from_slice(b"\r\n");
    };
    field("x-bifrost-request-id", request_id);
    field("x-bifrost-provider", &target.account.name);
    if let Some(model) = target.original_model {
        field("x-bifrost-original-model", model);
    }
    if let Some(model) = target.resolved_model {
        field("x-bifrost-resolved-model", model);
    }
}

/// A model's name may hold what no header field may.
fn push_escaped(value: &str, out: &mut Vec<u8>) {
    let is_plain = |byte: u8| matches!(byte, 0x21..=0x7e) && byte != b'%';
    if value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return out.extend_from_slice(value.as_bytes());
    }
    for byte in value.bytes() {
        match byte {
            byte if is_plain(byte) => out.push(byte),
            // Writing to a vector cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}
