//! Tokens of Microsoft's Entra: for an application, or the machine itself.

use super::{Fresh, answer, bearer};
use crate::provider::Secret;

/// Where applications get tokens; a variable may name another, for clouds of their own.
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// The machine's own identity, seen from inside Azure.
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// A token for an application, or for the machine where none is named.
pub(super) async fn mint(
    http: &reqwest::Client,
    tenant: &str,
    client_id: &str,
    client_secret: &Secret,
    scope: &str,
) -> Result<Fresh, String> {
    if client_id.is_empty() {
        return from_metadata(http, scope).await;
    }
    let authority = std::env::var("AZURE_AUTHORITY_HOST").unwrap_or_else(|_| AUTHORITY.to_owned());
    let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret.reveal()),
        ("scope", scope),
    ];
    bearer(&answer(http.post(url).form(&form)).await?)
}

async fn from_metadata(http: &reqwest::Client, scope: &str) -> Result<Fresh, String> {
    let resource = scope.trim_end_matches("/.default");
    let query = [("api-version", "2018-02-01"), ("resource", resource)];
    let asked = answer(http.get(METADATA).query(&query).header("Metadata", "true")).await;
    let told = asked.map_err(|why| {
        format!(
            "this machine has no identity of Azure's ({why}): write a key as value, or client_id, client_secret \
             and tenant_id under azure_key_config"
        )
    })?;
    bearer(&told)
}
