//! `GET /v1/models`: what the providers offer, asked at once and remembered for a while.

use std::{
    cell::RefCell,
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
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
        limits::{MODELS_AGE_MAX, MODELS_BYTES_MAX, MODELS_RETRY, MODELS_TIME_MAX},
    },
    dialect::json::document::{self, Value, json},
    provider::{Account, Endpoint, Models},
    route::{self, Choice, pick},
};

/// Days since 1970 that have a date here.
const DAYS_MAX: u64 = 1_000_000;

/// The lists of models that this core knows, by account.
#[derive(Default)]
pub(super) struct ModelLists {
    known: RefCell<HashMap<String, Known>>,
    waiting: RefCell<Vec<Waker>>,
}

/// What is known of an account's list.
enum Known {
    /// Somebody is asking.
    Asked,
    /// What was answered, nothing where there was no answer.
    Models { models: Rc<Vec<Value>>, until: Instant },
}

/// A question that is under way: whoever waits for its answer asks anew if it is dropped without one.
struct Question<'a> {
    lists: &'a ModelLists,
    account: &'a str,
}

impl ModelLists {
    /// The list of an account, or the question where it has to be asked for.
    async fn find<'a>(&'a self, account: &'a str, now: Instant) -> Result<Rc<Vec<Value>>, Question<'a>> {
        poll_fn(|cx| {
            let mut known = self.known.borrow_mut();
            match known.get(account) {
                Some(Known::Asked) => {
                    self.waiting.borrow_mut().push(cx.waker().clone());
                    return Poll::Pending;
                }
                Some(Known::Models { models, until }) if now < *until => {
                    return Poll::Ready(Ok(models.clone()));
                }
                _ => {}
            }
            known.insert(account.to_owned(), Known::Asked);
            Poll::Ready(Err(Question { lists: self, account }))
        })
        .await
    }
}

impl Question<'_> {
    fn settle(self, answer: Known) {
        self.lists.known.borrow_mut().insert(self.account.to_owned(), answer);
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let mut known = self.lists.known.borrow_mut();
        if matches!(known.get(self.account), Some(Known::Asked)) {
            known.remove(self.account);
        }
        self.lists.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// The merged list, as OpenAI shows one or as Anthropic does. A provider that does not answer is left out.
pub(super) async fn merged<N: Net>(
    shard: &ShardState<N>,
    snapshot: &Snapshot,
    is_for_anthropic: bool,
) -> String {
    let accounts = snapshot.routes.accounts().iter();
    let accounts = accounts.filter(|account| account.allows_request(route::LIST_MODELS));
    let lists = together(accounts.map(|account| list(shard, snapshot, account))).await;
    let models = lists.iter().flat_map(|list| list.iter());
    if is_for_anthropic {
        return anthropic_list(&models.map(anthropic_model).collect::<Vec<_>>()).to_string();
    }
    json!({"object": "list", "data": models.cloned().collect::<Vec<_>>()}).to_string()
}

/// A model of the merged list, by the name that the client has for it within an account.
pub(super) async fn details<N: Net>(
    shard: &ShardState<N>,
    snapshot: &Snapshot,
    account: &Account,
    model: &str,
) -> Option<String> {
    let id = format!("{}/{model}", account.name);
    let list = list(shard, snapshot, account).await;
    let is_asked_for =
        |model: &&Value| model["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(&id));
    list.iter().find(is_asked_for).map(Value::to_string)
}

/// A list as Anthropic shows it, all of it at once.
fn anthropic_list(models: &[Value]) -> Value {
    let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
    let (first, last) = (id(models.first()), id(models.last()));
    json!({"data": models, "has_more": false, "first_id": first, "last_id": last})
}

/// A model as Anthropic shows it.
fn anthropic_model(model: &Value) -> Value {
    let name = model.get("display_name").unwrap_or_else(|| &model["id"]);
    let created_at = match model.get("created_at") {
        Some(created_at) => created_at.clone(),
        None => date(model["created"].as_u64().unwrap_or_default()).into(),
    };
    json!({"type": "model", "id": model["id"], "display_name": name, "created_at": created_at})
}

/// The day of seconds since 1970, as the time at which it begins.
fn date(seconds: u64) -> String {
    let (mut year, mut days) = (1970, (seconds / 86_400).min(DAYS_MAX));
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}T00:00:00Z", days + 1)
}

/// One provider's models that its keys allow, named `provider/model`; asked for at all of its endpoints.
async fn list<N: Net>(shard: &ShardState<N>, snapshot: &Snapshot, account: &Account) -> Rc<Vec<Value>> {
    if !account.provider.has_model_list() {
        return Rc::new(allowed(account, configured(account)));
    }
    let now = shard.net.now();
    let question = match shard.model_lists.find(&account.name, now).await {
        Ok(known) => return known,
        Err(question) => question,
    };
    let mut endpoints = Vec::new();
    for key in account.keys.iter().filter(|key| key.is_enabled) {
        if !endpoints.iter().any(|(known, _)| *known == &key.endpoint) {
            endpoints.push((&key.endpoint, ask_in_time(shard, snapshot, account, &key.endpoint)));
        }
    }
    let answers = together(endpoints.into_iter().map(|(_, asked)| asked)).await;
    let age_max = if answers.iter().all(Option::is_some) { MODELS_AGE_MAX } else { MODELS_RETRY };
    let offered: Vec<_> = answers.into_iter().flatten().collect();
    // Aliases are worth nothing where nobody answers.
    let models = if offered.is_empty() { Vec::new() } else { allowed(account, offered.concat()) };
    let models = Rc::new(models);
    question.settle(Known::Models { models: models.clone(), until: shard.net.now() + age_max });
    models
}

async fn ask_in_time<N: Net>(
    shard: &ShardState<N>,
    snapshot: &Snapshot,
    account: &Account,
    endpoint: &Endpoint,
) -> Option<Vec<Value>> {
    let timer = Timer::new(shard.net.clone());
    let deadline = shard.net.now() + MODELS_TIME_MAX;
    timer.limit(deadline, ask(shard, snapshot, account, endpoint)).await.ok().flatten()
}

/// Asks one endpoint, with the key for stored objects or the heaviest of those that are used there.
async fn ask<N: Net>(
    shard: &ShardState<N>,
    snapshot: &Snapshot,
    account: &Account,
    endpoint: &Endpoint,
) -> Option<Vec<Value>> {
    let keys = account.keys.iter().filter(|key| *key.endpoint == *endpoint);
    let key = pick(keys, None, Choice::Fixed, &mut shard.rng.borrow_mut())?;
    let timer = Timer::new(shard.net.clone());
    let token = match key.cloud.as_deref().and_then(|cloud| cloud.grant.as_ref()) {
        Some(grant) => Some(shard.tokens.find(grant, &shard.net, &timer, &shard.control).await.ok()?),
        None => None,
    };
    let target = Target {
        snapshot,
        account,
        key,
        is_direct: false,
        token,
        original_model: None,
        alias: None,
        resolved_model: None,
    };
    let own = account.provider.openai_path(key, None, "/models");
    let mut path = format!("{}{}", key.endpoint.path_prefix, own.as_deref().unwrap_or("/models"));
    let query = account.provider.query(key);
    if !query.is_empty() {
        path.push('?');
        path.push_str(&query);
    }
    let mut head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", key.endpoint.authority).into_bytes();
    route::add_credentials(account, key, None, &target.call(false, "GET", &path, b""), &mut head);
    route::add_operator_fields(account, false, &mut head);
    head.extend_from_slice(b"Accept: application/json\r\nAccept-Encoding: identity\r\n\r\n");
    let payload = Payload::none();
    let outgoing = Outgoing { head, payload, is_head: false, may_switch: false, form: None };
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

/// The models that the configuration names.
fn configured(account: &Account) -> Vec<Value> {
    let names = account.keys.iter().flat_map(|key| match &key.models {
        Models::Only(names) => &names[..],
        Models::All => &[],
    });
    names.map(|name| json!({"id": name})).collect()
}

/// Those that a key allows, and the aliases, which no provider lists.
fn allowed(account: &Account, offered: Vec<Value>) -> Vec<Value> {
    let name = &account.name;
    let mut models = Vec::new();
    for mut model in offered {
        let Some(id) = model.get("id").and_then(Value::as_str).map(str::to_owned) else { continue };
        let id_here = format!("{name}/{id}");
        let is_new = !models.iter().any(|known: &Value| known["id"] == id_here.as_str());
        if is_new && account.keys.iter().any(|key| key.allows(&id)) {
            model["id"] = id_here.into();
            if model.get("object").is_none() {
                model["object"] = "model".into();
                model["created"] = 0.into();
                model["owned_by"] = name.as_str().into();
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_date() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_715_367_049, "2024-05-10"),
            (1_735_603_200, "2024-12-31"),
        ] {
            assert_eq!(date(seconds), format!("{expected}T00:00:00Z"));
        }
        assert!(!date(u64::MAX).is_empty());
    }
}
