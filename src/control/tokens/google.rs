//! Tokens of Google's: for a service account, a user, or the machine itself.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::{Fresh, answer, bearer, text};
use crate::{
    dialect::json::document::{self, Value, json},
    provider::Secret,
};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The machine's own account, seen from inside Google's cloud; a variable may name another host.
const METADATA_HOST: &str = "metadata.google.internal";
/// Seconds that a clock here may be ahead.
const SKEW: u64 = 10;
const HOUR: u64 = 3600;

/// A token for credentials, or for those that the machine has.
pub(super) async fn mint(http: &reqwest::Client, credentials: &Secret) -> Result<Fresh, String> {
    let text = if credentials.is_empty() {
        machine_credentials().await
    } else {
        Some(credentials.reveal().to_owned())
    };
    let Some(text) = text else { return from_metadata(http).await };
    let credentials =
        document::decode(text.as_bytes()).map_err(|_| "Google's credentials are not JSON".to_owned())?;
    match credentials["type"].as_str() {
        Some("service_account") => for_service_account(http, &credentials).await,
        Some("authorized_user") => for_user(http, &credentials).await,
        Some("impersonated_service_account") => impersonate(http, &credentials).await,
        kind => Err(format!(
            "credentials of Google's of the type {} are not understood; use a service account",
            kind.unwrap_or("null")
        )),
    }
}

/// The file that a variable names, or the one that `gcloud auth application-default login` writes.
async fn machine_credentials() -> Option<String> {
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let path = named.or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from)?;
        Some(home.join(".config/gcloud/application_default_credentials.json"))
    })?;
    tokio::task::spawn_blocking(move || std::fs::read_to_string(path).ok()).await.ok()?
}

async fn for_service_account(http: &reqwest::Client, credentials: &Value) -> Result<Fresh, String> {
    let uri = token_uri(credentials)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iss": text(credentials, "client_email")?,
        "scope": SCOPE,
        "aud": uri,
        "iat": now.saturating_sub(SKEW),
        "exp": now.saturating_sub(SKEW) + HOUR,
    });
    let mut header = Header::new(Algorithm::RS256);
    header.kid = credentials["private_key_id"].as_str().map(str::to_owned);
    let pem = text(credentials, "private_key")?.to_owned();
    // Signing takes milliseconds, which the loop is spared.
    let signed = tokio::task::spawn_blocking(move || {
        let key = EncodingKey::from_rsa_pem(pem.as_bytes())?;
        jsonwebtoken::encode(&header, &claims, &key)
    });
    let assertion = signed.await.map_err(|_| "signing failed".to_owned())?;
    let assertion = assertion.map_err(|_| "`private_key` is not a key of RSA in PEM".to_owned())?;
    let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
    bearer(&answer(http.post(uri).form(&form)).await?)
}

async fn for_user(http: &reqwest::Client, credentials: &Value) -> Result<Fresh, String> {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", text(credentials, "client_id")?),
        ("client_secret", text(credentials, "client_secret")?),
        ("refresh_token", text(credentials, "refresh_token")?),
    ];
    bearer(&answer(http.post(token_uri(credentials)?).form(&form)).await?)
}

async fn impersonate(http: &reqwest::Client, credentials: &Value) -> Result<Fresh, String> {
    let source = &credentials["source_credentials"];
    let first = match source["type"].as_str() {
        Some("service_account") => for_service_account(http, source).await?,
        _ => for_user(http, source).await?,
    };
    let crate::provider::Token::Bearer(token) = &first.token else { return Ok(first) };
    let url = text(credentials, "service_account_impersonation_url")?;
    let body = json!({ "scope": [SCOPE], "lifetime": format!("{HOUR}s") }).to_string();
    let request =
        http.post(url).bearer_auth(token.reveal()).header("content-type", "application/json").body(body);
    let mut told = answer(request).await?;
    told["access_token"] = told["accessToken"].take();
    bearer(&told)
}

async fn from_metadata(http: &reqwest::Client) -> Result<Fresh, String> {
    let host = std::env::var("GCE_METADATA_HOST").unwrap_or_else(|_| METADATA_HOST.to_owned());
    let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
    let asked = answer(http.get(url).header("Metadata-Flavor", "Google")).await;
    let told = asked.map_err(|why| {
        format!(
            "this machine has no credentials of Google's ({why}): write them as auth_credentials, or set \
             GOOGLE_APPLICATION_CREDENTIALS"
        )
    })?;
    bearer(&told)
}

/// Where tokens are got. Whoever could name another host would get the assertion; only this machine may be one.
fn token_uri(credentials: &Value) -> Result<&str, String> {
    let uri = credentials["token_uri"].as_str().unwrap_or(TOKEN_URI);
    let host = reqwest::Url::parse(uri).ok().and_then(|url| url.host_str().map(str::to_owned));
    let is_known =
        host.as_deref().is_some_and(|host| host.ends_with(".googleapis.com") || host == "127.0.0.1");
    if is_known { Ok(uri) } else { Err("`token_uri` is not one of Google's".to_owned()) }
}
