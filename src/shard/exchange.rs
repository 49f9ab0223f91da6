//! One request and its response: the walk.

use std::borrow::Cow;

use super::{
    attempt::Attempt,
    carriage::{Carriage, Incoming},
    connection::{Client, Ending},
    embedding::relay_embedding,
    net::Net,
    relay::{Commit, relay},
    relay_translated::relay_translated,
    respond,
    state::ShardState,
    tally::Tally,
    upstream::{Outgoing, Target, Upstream},
    websocket::tunnel,
};
use crate::{
    config::{
        Snapshot,
        limits::{JSON_DEPTH_MAX, MULTIPART_HELD_BYTES_MAX, SMALL_BODY_BYTES_MAX},
    },
    dialect::{
        self, CompletionTap, FormScanner,
        json::{self, Outline, ScanError},
    },
    http::{Framing, Known, RequestHead},
    ir::ApiError,
    provider::{Provider, Token},
    route::{Choice, Ingress, Operation, Place, check_tunnel, has_credentials, locate, no_key, pick},
};

/// Serves one request; true where the client's connection may serve another.
pub(super) async fn exchange<N: Net>(
    shard: &ShardState<N>,
    head: &RequestHead,
    client: &Client<N>,
    tally: &Tally<'_, N>,
) -> Result<bool, Ending> {
    let snapshot = shard.snapshot(); // 1 held to the end
    let place = locate(client.surface, head.method(), head.path())?; // 2 route: what is asked for
    check_origin(&snapshot, head)?;
    let ingress = match place {
        _ if head.method() == "OPTIONS" => return respond::preflight(shard, client, head, tally).await,
        Place::Health => return respond::health(shard, client, head, tally).await,
        Place::Metrics => return respond::metrics(shard, client, head, tally).await,
        Place::Models => return respond::models(shard, client, head, tally).await,
        Place::Call(ingress) if head.wants_websocket() => ingress.upgraded(head.query())?,
        Place::Call(ingress) => ingress,
    };
    let mut held = shard.hold();
    let mut body = Vec::new(); // 3 http: the body, as far as it must be read
    let mut form = None;
    let is_whole = match wanted(&ingress, head)? {
        Wanted::Whole => {
            while !read_more(shard, head, client, &snapshot, &mut held, &mut body).await? {}
            true
        }
        Wanted::Model(scanner) => {
            let form = form.insert(scanner);
            read_to_model(shard, head, client, &mut held, &mut body, form).await?
        }
        Wanted::Arrived => client.take_body(&mut body)?,
    };
    if snapshot.logs_content && ingress.operation.is_model_call() && form.is_none() {
        tally.quote(&body);
    }
    let read_at = shard.net.now();
    let outline = outline(&ingress, head, &body, form.as_deref())?; // 4 dialect: model and stream; no tree
    let mut target = plan(shard, &snapshot, &ingress, head, &outline)?; // 5 route: account and key
    if is_shown_by_us(&ingress, head, target.account.provider) {
        return Box::pin(respond::model(shard, client, head, tally, &target)).await;
    }
    if target.grant().is_some() {
        target.token = Box::pin(token(shard, client, &target)).await?;
    }
    form = form.filter(|form| !is_whole && form.model().is_some());
    if outline.model.is_none() && !is_whole && ingress.operation.is_model_call() {
        check_any_model(&target)?;
    }
    let incoming = Incoming { ingress: &ingress, head, outline: &outline, body: &body, is_whole };
    let carriage = Carriage::of(shard, client, incoming, &target, tally.request_id()).await?; // 6 dialect
    let payload = carriage.payload(incoming, &target);
    let outgoing = Outgoing {
        head: carriage.head(incoming, &target, &payload),
        payload,
        is_head: head.method() == "HEAD",
        may_switch: ingress.operation == Operation::WebSocket,
        form,
    };
    if outgoing.payload.has_rest {
        client.invite_body(shard).await?;
    }
    let attempt = Attempt::serving(tally, &target, ingress.operation, outline.is_streamed, read_at);
    let upstream = Upstream::open(shard, &attempt, outgoing, &client.timer, Some(client)).await?; // 7 provider, pool
    if upstream.head.status == 101 {
        return tunnel(shard, upstream, client, tally, &target).await;
    }
    let commit = Commit {
        target: &target,
        is_unread: !ingress.operation.is_model_call(),
        tap: completion_tap(ingress.operation).filter(|_| target.account.signals_end),
        cors: respond::cors_lines(&snapshot, head),
        dropped: carriage.dropped_params(),
        client_dialect: ingress.mount.client_dialect(),
    };
    let relayed = match carriage {
        Carriage::Translated(translation) => {
            Box::pin(relay_translated(shard, upstream, client, head, tally, commit, *translation)).await
        }
        Carriage::Embedded(embedding) => {
            Box::pin(relay_embedding(shard, upstream, client, head, tally, commit, *embedding)).await
        }
        _ => relay(shard, upstream, client, head, tally, commit).await, // 8 and back
    };
    relayed.inspect_err(|ending| attempt.failed(ending))
}

/// How much of the body has to be read before it is known where the request goes.
enum Wanted {
    Whole,
    /// A form, up to its model.
    Model(Box<FormScanner>),
    /// No further than it has come.
    Arrived,
}

fn wanted(ingress: &Ingress<'_>, head: &RequestHead) -> Result<Wanted, ApiError> {
    if !is_scanned(ingress, head) {
        return Ok(if is_small(head.framing) { Wanted::Whole } else { Wanted::Arrived });
    }
    if head.fields.is_repeated(Known::ContentType) || head.fields.is_repeated(Known::ContentEncoding) {
        let message = "There are two Content-Type or Content-Encoding fields, so that the body could be read \
            in two ways. Send each once.";
        return Err(ApiError::client(400, "ambiguous_content_type", message));
    }
    if let Some(coding) =
        head.fields.known_text(Known::ContentEncoding).filter(|coding| *coding != "identity")
    {
        let message = format!("The request's body is encoded ({coding}). Send it without Content-Encoding.");
        return Err(ApiError::client(415, "unsupported_encoding", message));
    }
    if !ingress.operation.takes_form() {
        return Ok(Wanted::Whole);
    }
    let content_type = head.fields.known_text(Known::ContentType);
    let boundary = content_type.map(dialect::boundary).transpose()?.flatten();
    Ok(boundary.map_or(Wanted::Whole, |boundary| Wanted::Model(Box::new(FormScanner::new(boundary)))))
}

/// Whether the body has to be looked at for a model.
fn is_scanned(ingress: &Ingress<'_>, head: &RequestHead) -> bool {
    ingress.operation.is_model_call()
        || ingress.operation.may_name_model()
            && head.fields.say_json()
            && !matches!(head.framing, Framing::Empty | Framing::Length(0))
}

/// Reads a form until its model is known, or no more may be held; true once that was all.
async fn read_to_model<N: Net>(
    shard: &ShardState<N>,
    head: &RequestHead,
    client: &Client<N>,
    held: &mut super::state::HeldBytes<'_>,
    body: &mut Vec<u8>,
    form: &mut FormScanner,
) -> Result<bool, Ending> {
    loop {
        let seen = body.len();
        let is_whole = head.framing == Framing::Empty || client.read_body(shard, body).await?;
        held.set(body.len())?;
        form.push(&body[seen..]).map_err(ApiError::from)?;
        if is_whole {
            form.end().map_err(ApiError::from)?;
            return Ok(true);
        }
        if form.model().is_some() && !is_small(head.framing) || body.len() > MULTIPART_HELD_BYTES_MAX {
            return Ok(false);
        }
    }
}

/// What is held can be sent again where a kept connection turns out to be dead.
fn is_small(framing: Framing) -> bool {
    matches!(framing, Framing::Length(length) if length <= SMALL_BODY_BYTES_MAX)
}

/// Reads more of a body that is held; true once that was all.
async fn read_more<N: Net>(
    shard: &ShardState<N>,
    head: &RequestHead,
    client: &Client<N>,
    snapshot: &Snapshot,
    held: &mut super::state::HeldBytes<'_>,
    body: &mut Vec<u8>,
) -> Result<bool, Ending> {
    let most = snapshot.request_body_bytes_max;
    let announced = match head.framing {
        Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
        _ => 0,
    };
    if announced.max(body.len()) > most {
        let megabytes = most / (1024 * 1024);
        let message = format!(
            "The request's body is larger than {megabytes} MiB. \
             Send less, or raise client.max_request_body_size_mb in config.json."
        );
        return Err(ApiError::client(413, "request_too_large", message).into());
    }
    if head.framing == Framing::Empty {
        return Ok(true);
    }
    let is_whole = client.read_body(shard, body).await?;
    held.set(body.len())?;
    if body.len() > most {
        return Box::pin(read_more(shard, head, client, snapshot, held, body)).await;
    }
    Ok(is_whole)
}

/// What routing needs to know of the body.
fn outline<'a>(
    ingress: &'a Ingress<'_>,
    head: &RequestHead,
    body: &'a [u8],
    form: Option<&FormScanner>,
) -> Result<Outline<'a>, ApiError> {
    if let Some(model) = ingress.model.as_deref() {
        let scanned = is_scanned(ingress, head).then(|| json::scan(body)).transpose();
        let outline = scanned.map_err(|error| refuse_body(error, body))?.unwrap_or_default();
        let model = Some(Cow::Borrowed(model));
        return Ok(Outline { model, is_streamed: ingress.is_streamed(), ..outline });
    }
    if !is_scanned(ingress, head) {
        return Ok(Outline::default());
    }
    let Some(form) = form else {
        return json::scan(body).map_err(|error| refuse_body(error, body));
    };
    let Some(at) = form.model() else { return Ok(Outline::default()) };
    let model = std::str::from_utf8(&body[at.clone()]).map_err(|_| {
        ApiError::client(400, "invalid_value", "The model's name is not UTF-8.").with_param("model")
    })?;
    Ok(Outline { model: Some(Cow::Borrowed(model)), model_at: at, ..Outline::default() })
}

fn refuse_body(error: ScanError, body: &[u8]) -> ApiError {
    match error {
        ScanError::Malformed(_) if body.is_empty() => {
            ApiError::client(400, "invalid_json", "The request has no body. Send a JSON object.")
        }
        ScanError::Malformed(at) => {
            ApiError::client(400, "invalid_json", format!("The body is not valid JSON: see byte {at}."))
        }
        ScanError::TooDeep => {
            let message = format!("The body is nested more than {JSON_DEPTH_MAX} levels deep.");
            ApiError::client(400, "invalid_json", message)
        }
        ScanError::NotAnObject => ApiError::client(400, "invalid_json", "The body is not a JSON object."),
        ScanError::Ambiguous(field) => ApiError::client(
            400,
            "ambiguous_field",
            format!("`{field}` stands in the body twice, or is spelt with escapes. Send it once, as it is."),
        )
        .with_param(field),
        ScanError::WrongType(field) => {
            let wanted = if field == "stream" { "true or false" } else { "a string" };
            ApiError::client(400, "invalid_type", format!("`{field}` must be {wanted}.")).with_param(field)
        }
    }
}

/// Which account and which of its keys serve the request.
fn plan<'s, N: Net>(
    shard: &ShardState<N>,
    snapshot: &'s Snapshot,
    ingress: &Ingress<'_>,
    head: &RequestHead,
    outline: &'s Outline<'_>,
) -> Result<Target<'s>, ApiError> {
    let (account, model) = match outline.model.as_deref() {
        Some(model) => {
            let (account, bare) = snapshot.routes.find(ingress.mount, model)?;
            (account, Some(bare))
        }
        None if needs_model(ingress.operation) => {
            let message =
                "You must provide a model parameter: `provider/model`, or a model of the default provider.";
            return Err(ApiError::client(400, "missing_required_parameter", message).with_param("model"));
        }
        None => (snapshot.routes.default(ingress.mount)?, None),
    };
    let request_type = ingress.operation.request_type(outline.is_streamed);
    if !account.allows_request(request_type) {
        let name = &account.name;
        let message = format!(
            "The provider `{name}` may not be asked for {request_type}. Allow it in \
             providers.{name}.custom_provider_config.allowed_requests in config.json."
        );
        return Err(ApiError::client(403, "request_not_allowed", message));
    }
    let is_tunnel = ingress.operation == Operation::WebSocket;
    if is_tunnel {
        check_tunnel(account)?;
    }
    let is_stateful = !(ingress.operation.is_model_call() || is_tunnel);
    let is_for_model = ingress.operation.may_name_model() || is_tunnel;
    let choice = if let Some(id) = head.fields.own("x-bf-api-key-id") {
        Choice::Identified(id)
    } else if let Some(name) = head.fields.own("x-bf-api-key") {
        Choice::Named(name)
    } else if is_stateful || model.is_none() || outline.names_stored_object {
        Choice::Fixed
    } else if let Some(session) = head.fields.own("x-bf-session-id") {
        Choice::Session(session)
    } else {
        Choice::Weighted
    };
    let key = pick(&account.keys, model.filter(|_| is_for_model), choice, &mut shard.rng.borrow_mut());
    let Some(key) = key else {
        let pin = match choice {
            Choice::Identified(pin) | Choice::Named(pin) => Some(pin),
            _ => None,
        };
        return Err(no_key(account, model.unwrap_or("any"), pin));
    };
    let alias = model.and_then(|model| key.alias(model));
    let is_direct = snapshot.allows_direct_keys
        && head.fields.own("x-bf-direct-key").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_direct && !has_credentials(&head.fields) {
        let message = "x-bf-direct-key asks for a call with the caller's own key, and there is none. \
            Send it as Authorization, or leave x-bf-direct-key out.";
        return Err(ApiError::client(401, "missing_credentials", message));
    }
    Ok(Target {
        snapshot,
        account,
        key,
        is_direct,
        token: None,
        original_model: outline.model.as_deref(),
        alias: alias.map(|(alias, _)| alias),
        resolved_model: alias.map(|(_, resolved)| resolved).or(model),
    })
}

/// The credential that a key is exchanged for, where it is one that is.
async fn token<N: Net>(
    shard: &ShardState<N>,
    client: &Client<N>,
    target: &Target<'_>,
) -> Result<Option<Token>, ApiError> {
    let Some(grant) = target.grant() else { return Ok(None) };
    let found = shard.tokens.find(grant, &shard.net, &client.timer, &shard.control).await;
    found.map(Some).map_err(|why| {
        let name = &target.account.name;
        let message = format!("The gateway has no credentials for the provider `{name}`: {why}.");
        ApiError::provider(502, "upstream_credentials", message)
    })
}

/// A form that goes on without having named a model may name one that only some keys allow.
fn check_any_model(target: &Target<'_>) -> Result<(), ApiError> {
    if target.key.allows_every_model() {
        return Ok(());
    }
    let message = "The key that would be used does not allow every model, and the form has not named one in its \
        first 32 MiB. Send the field `model` before the files.";
    Err(ApiError::client(400, "missing_required_parameter", message).with_param("model"))
}

/// Whether OpenAI's API cannot do an operation without a model.
fn needs_model(operation: Operation) -> bool {
    matches!(operation, Operation::Chat | Operation::Completion | Operation::Embedding | Operation::Speech)
}

fn completion_tap(operation: Operation) -> Option<CompletionTap> {
    match operation {
        Operation::Chat | Operation::Completion => Some(CompletionTap::chat()),
        Operation::Responses => Some(CompletionTap::responses()),
        Operation::Message => Some(CompletionTap::messages()),
        Operation::Generate => Some(CompletionTap::generate()),
        _ => None,
    }
}

/// Whether a model is asked for whose provider does not show it in OpenAI's words.
fn is_shown_by_us(ingress: &Ingress<'_>, head: &RequestHead, provider: &dyn Provider) -> bool {
    ingress.operation == Operation::ModelDetails
        && ingress.mount.dialect() == "openai"
        && !provider.speaks("openai")
        && matches!(head.method(), "GET" | "HEAD")
}

/// A page of another origin could spend the operator's keys: it is refused before it is served.
fn check_origin(snapshot: &Snapshot, head: &RequestHead) -> Result<(), ApiError> {
    match head.fields.known_text(Known::Origin) {
        Some(origin) if !snapshot.cors.allows_origin(origin) => {
            let message = format!(
                "Pages of {origin} may not call this gateway. Add the origin to client.allowed_origins in config.json."
            );
            Err(ApiError::client(403, "origin_not_allowed", message))
        }
        _ => Ok(()),
    }
}
