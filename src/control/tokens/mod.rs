//! Credentials that do not last: got from the clouds, renewed before they end, told to the shards that ask.

mod aws;
mod entra;
mod google;

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    bus::Minted,
    config::limits::{TOKEN_LIFE_MAX, TOKEN_RETRY, TOKEN_TIME_MAX},
    dialect::json::document::{self, Value},
    provider::{Grant, GrantKind, Secret, Token},
};

/// The share of its life after which a token is renewed.
const RENEWED_AT: f64 = 0.8;

/// All tokens of the process. Only configured ways are asked for, so that they are few.
pub(super) struct Tokens {
    http: Option<reqwest::Client>,
    known: Rc<RefCell<HashMap<u64, Known>>>,
}

/// What is known of a way.
#[derive(Default)]
struct Known {
    token: Option<Minted>,
    /// Why there was none when it was last tried, and when that was.
    failed: Option<(String, Instant)>,
    is_minting: bool,
    waiting: Vec<flume::Sender<Result<Minted, String>>>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self { http: None, known: Rc::default() }
    }

    /// Answers with a token that is good for a while yet.
    pub(super) fn mint(&mut self, grant: Arc<Grant>, reply: flume::Sender<Result<Minted, String>>) {
        let now = now();
        let mut all = self.known.borrow_mut();
        let known = all.entry(grant.id).or_default();
        let is_fresh = known.token.as_ref().is_some_and(|token| now < token.renew_at);
        if let Some(token) = known.token.clone().filter(|token| now < token.ends_at) {
            let _ = reply.try_send(Ok(token));
        } else if let Some((why, _)) = known.failed.as_ref().filter(|(_, at)| now < *at + TOKEN_RETRY) {
            let _ = reply.try_send(Err(why.clone()));
            return;
        } else {
            known.waiting.push(reply);
        }
        if is_fresh || std::mem::replace(&mut known.is_minting, true) {
            return;
        }
        drop(all);
        let http = self.http.get_or_insert_with(client).clone();
        let known = self.known.clone();
        tokio::task::spawn_local(async move {
            let minted = timeout(TOKEN_TIME_MAX, mint(&http, &grant.kind)).await;
            let minted = minted.unwrap_or_else(|_| Err("nobody answered in time".to_owned()));
            settle(&mut known.borrow_mut(), grant.id, minted);
        });
    }
}

/// A token, and how long it lives.
struct Fresh {
    token: Token,
    life: Duration,
}

async fn mint(http: &reqwest::Client, kind: &GrantKind) -> Result<Fresh, String> {
    match kind {
        GrantKind::Google { credentials } => google::mint(http, credentials).await,
        GrantKind::Entra { tenant, client_id, client_secret, scope } => {
            entra::mint(http, tenant, client_id, client_secret, scope).await
        }
        GrantKind::Aws { .. } => aws::mint(kind).await,
    }
}

fn settle(all: &mut HashMap<u64, Known>, id: u64, minted: Result<Fresh, String>) {
    let now = now();
    let known = all.entry(id).or_default();
    known.is_minting = false;
    let told = minted.map(|Fresh { token, life }| {
        let life = life.min(TOKEN_LIFE_MAX);
        Minted { token, renew_at: now + life.mul_f64(RENEWED_AT), ends_at: now + life }
    });
    match &told {
        Ok(token) => (known.token, known.failed) = (Some(token.clone()), None),
        Err(why) => {
            tracing::warn!(%why, "a cloud gave no credentials");
            known.failed = Some((why.clone(), now));
        }
    }
    for reply in known.waiting.drain(..) {
        let _ = reply.try_send(told.clone());
    }
}

fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.build().unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "control reads the clock where a shard has a coarse one")]
fn now() -> Instant {
    Instant::now()
}

/// The member of a document that is a text.
fn text<'d>(document: &'d Value, name: &str) -> Result<&'d str, String> {
    document[name].as_str().ok_or_else(|| format!("`{name}` is missing"))
}

/// The document that a token server answers with; its refusal is told without what was sent.
async fn answer(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let response = request.send().await.map_err(|error| error.without_url().to_string())?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| error.without_url().to_string())?;
    let told = document::decode(&body).unwrap_or_default();
    if status == 200 {
        return Ok(told);
    }
    let said = told["error_description"].as_str().or_else(|| told["error"].as_str());
    Err(format!("the token server answered {status}: {}", said.unwrap_or("without a reason")))
}

/// A bearer token by OAuth's names.
fn bearer(document: &Value) -> Result<Fresh, String> {
    let token = Token::Bearer(Secret::new(text(document, "access_token")?));
    let seconds = &document["expires_in"];
    let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()).unwrap_or(3600);
    Ok(Fresh { token, life: Duration::from_secs(seconds) })
}
