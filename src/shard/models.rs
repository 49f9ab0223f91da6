//! `GET /v1/models`: what the providers offer, asked at once and remembered for a while.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::Instant,
};

use super::{
    attempt::Attempt,
    connection::Ending,
    net::Net,
    state::ShardState,
    timer::Timer,
    tunnel::Payload,
    upstream::{Outgoing, Target, Upstream},
};
use crate::{
    config::{
        Snapshot,
        limits::{MODELS_AGE_MAX, MODELS_BYTES_MAX, MODELS_TIME_MAX},
    },
    dialect::json::document::{self, Value, json},
    provider::Account,
    route::{self, Choice, pick},
};

/// The lists of models that this core knows, by account.
#[derive(Default)]
pub(super) struct ModelLists(RefCell<HashMap<String, Known>>);

struct Known {
    models: Rc<Vec<Value>>,
    since: Instant,
}

/// The merged list, in OpenAI's shape. A provider that does not answer is left out.
pub(super) async fn merged<N: Net>(shard: &ShardState<N>, snapshot: &Snapshot) -> String {
    let accounts = snapshot.routes.accounts().iter();
    let accounts = accounts.filter(|account| account.allows_request(route::LIST_MODELS));
    let lists = accounts.map(|account| list(shard, snapshot, account));
    let models: Vec<Value> =
        together(lists).await.into_iter().flat_map(|list| list.iter().cloned().collect::<Vec<_>>()).collect();
    json!({"object": "list", "data": models}).to_string()
}

/// One provider's models that its keys allow, named `provider/model`.
async fn list<N: Net>(shard: &ShardState<N>, snapshot: &Snapshot, account: &Account) -> Rc<Vec<Value>> {
    let now = shard.net.now();
    if let Some(known) = shard.model_lists.0.borrow().get(&account.name)
        && now.saturating_duration_since(known.since) < MODELS_AGE_MAX
    {
        return known.models.clone();
    }
    let timer = Timer::new(shard.net.clone());
    let asked = timer.limit(now + MODELS_TIME_MAX, ask(shard, snapshot, account)).await;
    let Some(offered) = asked.ok().flatten() else { return Rc::default() };
    let models = Rc::new(allowed(account, offered));
    let known = Known { models: models.clone(), since: now };
    shard.model_lists.0.borrow_mut().insert(account.name.clone(), known);
    models
}

/// Asks the provider.
async fn ask<N: Net>(shard: &ShardState<N>, snapshot: &Snapshot, account: &Account) -> Option<Vec<Value>> {
    let key = pick(&account.keys, None, Choice::Fixed, &mut shard.rng.borrow_mut())?;
    let target = Target {
        snapshot,
        account,
        key,
        is_direct: false,
        original_model: None,
        alias: None,
        resolved_model: None,
    };
    let prefix = &key.endpoint.path_prefix;
    let mut head =
        format!("GET {prefix}/models HTTP/1.1\r\nHost: {}\r\n", key.endpoint.authority).into_bytes();
    route::add_credentials(account, key, None, &mut head);
    route::add_operator_fields(account, false, &mut head);
    head.extend_from_slice(b"Accept: application/json\r\nAccept-Encoding: identity\r\n\r\n");
    let payload = Payload::none();
    let outgoing = Outgoing { head, payload, is_head: false, may_switch: false, form: None };
    let timer = Timer::new(shard.net.clone());
    let attempt = Attempt::new(shard, &target, "list_models");
    let opened: Result<_, Ending> = Upstream::open(shard, &attempt, outgoing, &timer, None).await;
    let mut upstream = opened.ok()?;
    while !upstream.read(shard, &timer, upstream.moved_at, account.request_time_max).await.ok()? {
        if upstream.content.len() > MODELS_BYTES_MAX {
            return None;
        }
    }
    let is_list = upstream.head.status == 200;
    let body = std::mem::take(&mut upstream.content);
    upstream.release(shard);
    if !is_list {
        return None;
    }
    document::decode(&body).ok()?.get("data")?.as_array().cloned()
}

/// Those that a key allows, and the aliases, which no provider lists.
fn allowed(account: &Account, offered: Vec<Value>) -> Vec<Value> {
    let name = &account.name;
    let mut models = Vec::new();
    for mut model in offered {
        let Some(id) = model.get("id").and_then(Value::as_str).map(str::to_owned) else { continue };
        if account.keys.iter().any(|key| key.allows(&id)) {
            model["id"] = format!("{name}/{id}").into();
            models.push(model);
        }
    }
    for key in &account.keys {
        for (alias, _) in key.aliases.iter().filter(|(alias, _)| key.allows(alias)) {
            let id = format!("{name}/{alias}");
            if !models.iter().any(|model| model["id"] == id.as_str()) {
                models.push(json!({"id": id, "object": "model", "created": 0, "owned_by": name}));
            }
        }
    }
    models
}

/// Runs futures at once and gives their outputs in their order.
async fn together<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut is_all = true;
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(found) => *output = Some(found),
                    Poll::Pending => is_all = false,
                }
            }
        }
        if is_all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
