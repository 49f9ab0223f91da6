//! The response on its way back into another dialect: events are read, and written as the client reads them.

use std::time::{Duration, Instant};

use futures_lite::future;

use super::{
    attempt::Passing,
    connection::{Client, Ending},
    net::Net,
    relay::{Commit, Outlet, add_dropped, add_own_fields, stream_error},
    respond,
    seals::keep_seals,
    state::ShardState,
    tally::Tally,
    translation::Translation,
    upstream::{Break, Upstream},
};
use crate::{
    config::limits::{EVENT_TRANSLATED_BYTES_MAX, HEARTBEAT, REFUSAL_BYTES_MAX, WINDOW_BYTES_MAX},
    dialect::{ClientDialect, Translator, json::lossy},
    http::{Fields, Framing, RequestHead, length_line, reason, response_line},
    ir::ApiError,
    provider, route,
};

/// Reads that are passed on before others get their turn.
const ROUNDS_MAX: usize = 16;

/// Passes a response on in the client's dialect; true where the client's connection may serve another request.
pub(super) async fn relay_translated<N: Net>(
    shard: &ShardState<N>,
    mut upstream: Upstream<'_, N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    commit: Commit<'_, '_>,
    mut translation: Translation,
) -> Result<bool, Ending> {
    let account = commit.target.account;
    if upstream.is_encoded() {
        let what = "the answer is compressed, which was not asked for".to_owned();
        return Err(Break::Protocol(what).into_ending(commit.target, account.request_time_max));
    }
    if !(200..300).contains(&upstream.head.status) {
        let (provider, reader) = (translation.provider, translation.client);
        let decode = |status, fields: &_, body: &str| provider.decode_error(status, fields, body);
        return refuse(shard, upstream, client, head, tally, &commit, &decode, reader).await;
    }
    let is_provider_streamed = upstream.head.is_event_stream() || upstream.head.is_frame_stream();
    let mut translator = translation.translator(is_provider_streamed);
    let is_streamed = translation.is_streamed;
    let mut out = Vec::new();
    let mut is_done = upstream.is_done();

    // Before the commit: what breaks here is an error with a status of its own.
    loop {
        translator.push(&upstream.content, &mut out).map_err(|error| named(error, &commit))?;
        upstream.content.clear();
        if is_done {
            translator.finish(&mut out).map_err(|error| named(error, &commit))?;
            break;
        }
        if is_streamed && (translator.said().has_content || out.len() > WINDOW_BYTES_MAX) {
            break;
        }
        check_held(&translator, &commit)?;
        let read = upstream.read(shard, &client.timer, upstream.moved_at, account.request_time_max).await;
        is_done = read.map_err(|broken| broken.into_ending(commit.target, account.request_time_max))?;
    }
    let is_persistent =
        respond::may_persist(shard, head) && upstream.rest.is_none() && !upstream.is_request_cut;
    let framing = match (is_done, head.minor_version) {
        (true, _) => Framing::Length(out.len() as u64),
        (false, 0) => Framing::UntilClose,
        (false, _) => Framing::Chunked,
    };
    let is_persistent = is_persistent && framing != Framing::UntilClose;
    let is_event_stream = is_streamed && !translation.is_json_array();
    let shape =
        Shape { framing, is_persistent, is_event_stream, is_bridged: translation.openai_path.is_some() };
    let mut outlet = Outlet { head: response_head(&upstream, head, tally, &commit, &shape), framing };
    tally.answered(200);

    // After the commit: there is only one way to go, and a break shows as one.
    let mut rounds = 0;
    let mut heard_at = shard.net.now();
    let error = loop {
        if let Some(usage) = translator.said().usage {
            upstream.attempt.told(usage);
        }
        upstream.attempt.passes(if is_streamed { Passing::Translated(out.len()) } else { Passing::Bytes });
        tally.passed(out.len());
        tally.said(&out);
        if is_done {
            // Before the client has the end, so that what it asks next finds them.
            keep_seals(shard, route::caller(head), translator.take_seals());
        }
        if !out.is_empty() || is_done {
            let before = shard.net.now();
            outlet.pass(shard, client, &out, is_done).await?;
            heard_at += shard.net.now().saturating_duration_since(before);
            out.clear();
        }
        if is_done {
            let is_upload_whole = upstream.rest.is_none() && !upstream.is_request_cut;
            upstream.release(shard);
            return Ok(is_persistent && is_upload_whole);
        }
        rounds += 1;
        if rounds % ROUNDS_MAX == 0 {
            // Both sides are fast: let others have their turn.
            future::yield_now().await;
        }
        let patience = HEARTBEAT.min(account.stream_idle_max);
        match upstream.read(shard, &client.timer, shard.net.now(), patience).await {
            Ok(done) => {
                is_done = done;
                heard_at = shard.net.now();
            }
            Err(Break::Elapsed) if !is_over(shard.net.now(), heard_at, account.stream_idle_max) => {
                out.extend_from_slice(translator.heartbeat());
                continue;
            }
            Err(Break::Client(_)) => {
                upstream.attempt.broke(&Break::Client(Ending::Cut));
                return Err(Ending::Cut);
            }
            Err(broken) => {
                upstream.attempt.broke(&broken);
                break stream_error(broken, commit.target);
            }
        }
        let pushed = translator.push(&upstream.content, &mut out);
        upstream.content.clear();
        let ended = pushed
            .and_then(|()| if is_done { translator.finish(&mut out) } else { Ok(()) })
            .and_then(|()| check_held(&translator, &commit));
        if let Err(error) = ended {
            let error = named(error, &commit);
            upstream.attempt.failed(&Ending::Refused(error.clone()));
            break error;
        }
    };
    // Whole events only have gone out, so that this one is read as one.
    tally.failed(&error);
    translator.fail(&error, &mut out);
    outlet.pass(shard, client, &out, true).await?;
    Ok(is_persistent)
}

fn is_over(now: Instant, since: Instant, time_max: Duration) -> bool {
    now.saturating_duration_since(since) >= time_max
}

fn check_held(translator: &Translator, commit: &Commit<'_, '_>) -> Result<(), ApiError> {
    if translator.held_bytes() <= EVENT_TRANSLATED_BYTES_MAX {
        return Ok(());
    }
    let name = &commit.target.account.name;
    let message = format!("The provider `{name}` sent an answer that is too large to be translated.");
    Err(ApiError::provider(502, "upstream_protocol_error", message))
}

/// An error whose message says whose it is, and does not show our key.
fn named(mut error: ApiError, commit: &Commit<'_, '_>) -> ApiError {
    let name = &commit.target.account.name;
    if let Some(rest) = error.message.strip_prefix("The provider ") {
        error.message = format!("The provider `{name}` {rest}");
    }
    mask(&mut error, commit);
    error
}

fn mask(error: &mut ApiError, commit: &Commit<'_, '_>) {
    if commit.target.is_direct {
        return;
    }
    let mut message = std::mem::take(&mut error.message).into_bytes();
    provider::mask_secret(&mut message, &commit.target.key.secret);
    if matches!(error.status, 401..=403) {
        provider::mask_keys(&mut message);
    }
    error.message = lossy(&message).into_owned();
}

/// Tells the client in its dialect that the provider refused, which `decode` reads.
#[expect(clippy::too_many_arguments, reason = "all that an exchange has is needed to end it")]
pub(super) async fn refuse<N: Net>(
    shard: &ShardState<N>,
    mut upstream: Upstream<'_, N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    commit: &Commit<'_, '_>,
    decode: &dyn Fn(u16, &Fields, &str) -> ApiError,
    reader: &dyn ClientDialect,
) -> Result<bool, Ending> {
    let account = commit.target.account;
    let mut is_done = upstream.is_done();
    while !is_done && upstream.content.len() <= REFUSAL_BYTES_MAX {
        let read = upstream.read(shard, &client.timer, upstream.moved_at, account.request_time_max).await;
        is_done = read.map_err(|broken| broken.into_ending(commit.target, account.request_time_max))?;
    }
    let status = upstream.head.status;
    let mut error = if status < 400 {
        let message = format!("The provider answered with the status {status}, which is not followed.");
        named(ApiError::provider(502, "upstream_protocol_error", message), commit)
    } else {
        decode(status, &upstream.head.fields, &lossy(&upstream.content))
    };
    mask(&mut error, commit);
    let is_about_key = commit.target.is_key_refused(&upstream.head);
    tally.answered(error.status);
    tally.refused(if is_about_key { "upstream-credentials" } else { "provider" });

    let mut body = Vec::new();
    reader.encode_error(&error, &mut body);
    let is_persistent =
        respond::may_persist(shard, head) && !upstream.is_request_cut && upstream.rest.is_none();
    let mut out = Vec::with_capacity(1024 + body.len());
    response_line(error.status, reason(error.status), &mut out);
    let dialect = commit.client_dialect.name();
    route::add_translated_response_fields(&upstream.head.fields, dialect, !commit.cors.is_empty(), &mut out);
    add_own_fields(commit.target, tally.request_id(), &mut out);
    add_dropped(&commit.dropped, &mut out);
    if is_about_key {
        out.extend_from_slice(b"x-bifrost-error-source: upstream-credentials\r\n");
    }
    if let Some(pause) =
        error.retry_after.filter(|_| upstream.head.fields.all("retry-after").next().is_none())
    {
        let seconds = pause.as_secs_f64().ceil();
        out.extend_from_slice(format!("Retry-After: {seconds}\r\n").as_bytes());
    }
    out.extend_from_slice(commit.cors.as_bytes());
    out.extend_from_slice(b"Content-Type: application/json\r\n");
    length_line(body.len() as u64, &mut out);
    out.extend_from_slice(respond::connection_line(head, is_persistent).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    tally.passed(body.len());
    tally.said(&body);
    client.send(shard, [&out]).await?;
    if is_done {
        upstream.release(shard);
    }
    Ok(is_persistent)
}

/// What the head of the client's answer says of it.
pub(super) struct Shape {
    pub(super) framing: Framing,
    pub(super) is_persistent: bool,
    pub(super) is_event_stream: bool,
    /// Whether a chat was asked for and responses were.
    pub(super) is_bridged: bool,
}

/// The head of an answer whose body has been translated.
pub(super) fn response_head<N: Net>(
    upstream: &Upstream<'_, N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    commit: &Commit<'_, '_>,
    shape: &Shape,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    response_line(200, "OK", &mut out);
    let dialect = commit.client_dialect.name();
    route::add_translated_response_fields(&upstream.head.fields, dialect, !commit.cors.is_empty(), &mut out);
    out.extend_from_slice(if shape.is_event_stream {
        b"Content-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
    } else {
        b"Content-Type: application/json\r\n"
    });
    add_own_fields(commit.target, tally.request_id(), &mut out);
    add_dropped(&commit.dropped, &mut out);
    if shape.is_bridged {
        out.extend_from_slice(b"x-bifrost-translated: responses\r\n");
    }
    out.extend_from_slice(commit.cors.as_bytes());
    match shape.framing {
        Framing::Length(length) => length_line(length, &mut out),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Empty | Framing::UntilClose => {}
    }
    out.extend_from_slice(respond::connection_line(head, shape.is_persistent).as_bytes());
    out.extend_from_slice(b"\r\n");
    out
}
