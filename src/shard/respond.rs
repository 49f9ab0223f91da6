//! What the gateway itself answers: refusals, its state, its counters, and browsers' questions.

use std::time::Duration;

use super::{
    connection::{Client, Ending},
    models,
    net::Net,
    state::ShardState,
    tally::Tally,
    upstream::Target,
};
use crate::{
    bus::ToControl,
    config::Snapshot,
    dialect::json::document::json,
    http::{Known, RequestHead, reason, response_line},
    ir::ApiError,
    route::{self, Mount},
};

const JSON: &str = "application/json";
/// Time for all shards to say what they have counted.
const SCRAPE_TIME_MAX: Duration = Duration::from_secs(5);

/// A whole answer.
struct Answer<'a> {
    status: u16,
    content_type: &'a str,
    /// Further header lines, each with its end.
    lines: String,
    body: &'a [u8],
}

/// Answers with an error, in the client's dialect; false where the client has gone.
pub(super) async fn refuse<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    error: &ApiError,
    is_persistent: bool,
) -> bool {
    tally.failed(error);
    let mut body = Vec::new();
    route::dialect_at(head.path()).encode_error(error, &mut body);
    let mut lines = cors_lines(&shard.snapshot(), head);
    match error.status {
        405 => lines.push_str("Allow: GET, HEAD, OPTIONS\r\n"),
        503 if error.retry_after.is_none() => lines.push_str("Retry-After: 1\r\n"),
        _ => {}
    }
    if let Some(pause) = error.retry_after {
        lines.push_str(&format!("Retry-After: {}\r\n", pause.as_secs_f64().ceil()));
    }
    let answer = Answer { status: error.status, content_type: JSON, lines, body: &body };
    send(shard, client, head, tally, &answer, is_persistent).await.is_ok()
}

/// `GET /health`: what this shard knows of itself.
pub(super) async fn health<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
) -> Result<bool, Ending> {
    let snapshot = shard.snapshot();
    let ailment = shard.ailment();
    let accounts = snapshot.routes.accounts();
    let providers: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
    let mut document = json!({
        "status": ailment.map_or("ok", |_| "unavailable"),
        "version": env!("CARGO_PKG_VERSION"),
        "providers": providers,
    });
    if let Some(ailment) = ailment {
        document["reason"] = ailment.into();
    }
    if accounts.is_empty() {
        document["hint"] =
            "no provider is configured: set OPENAI_API_KEY or write a config.json, then start the \
            gateway again; `bifrost demo` needs no key"
                .into();
    }
    let body = document.to_string();
    let status = if ailment.is_some() { 503 } else { 200 };
    let lines = cors_lines(&snapshot, head);
    let answer = Answer { status, content_type: JSON, lines, body: body.as_bytes() };
    send(shard, client, head, tally, &answer, may_persist(shard, head)).await
}

/// `GET /metrics`: what all shards have counted, rendered by control.
pub(super) async fn metrics<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
) -> Result<bool, Ending> {
    let (reply, answer) = flume::bounded(1);
    let unavailable =
        || ApiError::gateway(503, "overloaded", "The counters cannot be read now. Try again in a moment.");
    shard.control.try_send(ToControl::Scrape(reply)).map_err(|_| unavailable())?;
    let deadline = shard.net.now() + SCRAPE_TIME_MAX;
    let Ok(Ok(text)) = client.timer.limit(deadline, answer.recv_async()).await else {
        return Err(unavailable().into());
    };
    let answer = Answer {
        status: 200,
        content_type: "text/plain; version=0.0.4; charset=utf-8",
        lines: String::new(),
        body: text.as_bytes(),
    };
    send(shard, client, head, tally, &answer, may_persist(shard, head)).await
}

/// `GET /v1/models`: the models of all providers.
pub(super) async fn models<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
) -> Result<bool, Ending> {
    let snapshot = shard.snapshot();
    if snapshot.routes.accounts().is_empty() {
        snapshot.routes.default(Mount::V1)?;
    }
    let is_for_anthropic = head.fields.all("anthropic-version").next().is_some()
        || route::dialect_at(head.path()).name() == Mount::Anthropic.dialect();
    let body = models::merged(shard, &snapshot, is_for_anthropic).await;
    let lines = cors_lines(&snapshot, head);
    let answer = Answer { status: 200, content_type: JSON, lines, body: body.as_bytes() };
    send(shard, client, head, tally, &answer, may_persist(shard, head)).await
}

/// `GET /v1/models/{model}` of a provider that does not show it itself.
pub(super) async fn model<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    target: &Target<'_>,
) -> Result<bool, Ending> {
    let model = target.alias.or(target.resolved_model).unwrap_or_default();
    let Some(body) = models::details(shard, target.snapshot, target.account, model).await else {
        let message =
            format!("The provider `{}` shows no model `{model}`. See /v1/models.", target.account.name);
        return Err(ApiError::client(404, "model_not_found", message).with_param("model").into());
    };
    let lines = cors_lines(target.snapshot, head);
    let answer = Answer { status: 200, content_type: JSON, lines, body: body.as_bytes() };
    send(shard, client, head, tally, &answer, may_persist(shard, head)).await
}

/// A browser asks before it calls (Fetch standard, "CORS preflight").
pub(super) async fn preflight<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
) -> Result<bool, Ending> {
    let snapshot = shard.snapshot();
    let mut lines = cors_lines(&snapshot, head);
    let asked = head.fields.text("access-control-request-headers").unwrap_or_default();
    let headers = snapshot.cors.allowed_headers(asked);
    lines.push_str("Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS\r\n");
    if !headers.is_empty() {
        lines.push_str(&format!("Access-Control-Allow-Headers: {headers}\r\n"));
    }
    lines.push_str("Access-Control-Max-Age: 86400\r\n");
    let answer = Answer { status: 204, content_type: "", lines, body: b"" };
    send(shard, client, head, tally, &answer, may_persist(shard, head)).await
}

/// Header lines that let the page of an allowed origin read an answer.
pub(super) fn cors_lines(snapshot: &Snapshot, head: &RequestHead) -> String {
    match head.fields.known_text(Known::Origin) {
        Some(origin) if snapshot.cors.allows_origin(origin) => format!(
            "Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Expose-Headers: *\r\nVary: Origin\r\n"
        ),
        _ => String::new(),
    }
}

/// Whether the client's connection may serve another request.
pub(super) fn may_persist<N: Net>(shard: &ShardState<N>, head: &RequestHead) -> bool {
    head.is_persistent && !shard.is_draining.get()
}

/// The header line that says whether the connection stays, where that is not understood by itself.
pub(super) fn connection_line(head: &RequestHead, is_persistent: bool) -> &'static str {
    match (is_persistent, head.minor_version) {
        (false, _) => "Connection: close\r\n",
        (true, 0) => "Connection: keep-alive\r\n",
        (true, _) => "",
    }
}

async fn send<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    head: &RequestHead,
    tally: &Tally<'_, N>,
    answer: &Answer<'_>,
    is_persistent: bool,
) -> Result<bool, Ending> {
    tally.answered(answer.status);
    let mut out = Vec::with_capacity(512 + answer.body.len());
    response_line(answer.status, reason(answer.status), &mut out);
    let mut text = format!("x-bifrost-request-id: {}\r\n", tally.request_id());
    if answer.status != 204 {
        text.push_str(&format!(
            "Content-Type: {}\r\nContent-Length: {}\r\n",
            answer.content_type,
            answer.body.len()
        ));
    }
    text.push_str(&answer.lines);
    text.push_str(connection_line(head, is_persistent));
    text.push_str("\r\n");
    out.extend_from_slice(text.as_bytes());
    if head.method() != "HEAD" {
        out.extend_from_slice(answer.body);
        tally.passed(answer.body.len());
        tally.said(answer.body);
    }
    client.send(shard, [&out]).await?;
    Ok(is_persistent)
}
