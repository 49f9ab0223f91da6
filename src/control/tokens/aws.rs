//! Keys of Amazon's that do not last: those of the machine, or of a role that is taken.

use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, sts::AssumeRoleProvider};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_smithy_http_client::{Builder, tls};

use super::Fresh;
use crate::provider::{GrantKind, Secret, Token};

/// Life of what does not say when it ends.
const LIFE: Duration = Duration::from_secs(900);

/// Keys of the machine (variables, files, web identity, container, instance), or of a role taken with them.
pub(super) async fn mint(kind: &GrantKind) -> Result<Fresh, String> {
    let GrantKind::Aws { access_key, secret_key, session_token, role, region } = kind else {
        return Err("these are not Amazon's".to_owned());
    };
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let region = Region::new(region.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone()).http_client(http);
    if !access_key.is_empty() {
        let session = Some(session_token.reveal().to_owned()).filter(|session| !session.is_empty());
        let keys = Credentials::new(access_key.reveal(), secret_key.reveal(), session, None, "config.json");
        loader = loader.credentials_provider(SharedCredentialsProvider::new(keys));
    }
    let machine = loader.load().await;
    let found = match role {
        None => {
            let provider = machine.credentials_provider().ok_or_else(nothing)?;
            provider.provide_credentials().await
        }
        Some(role) => {
            let mut taking = AssumeRoleProvider::builder(&role.arn).configure(&machine).region(region);
            if !role.external_id.is_empty() {
                taking = taking.external_id(&role.external_id);
            }
            taking = taking.session_name(&role.session_name);
            taking.build().await.provide_credentials().await
        }
    };
    let keys = found.map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        format!("Amazon gave no keys ({why}): write access_key and secret_key under bedrock_key_config, or a key as value")
    })?;
    let life = keys.expiry().and_then(|end| end.duration_since(SystemTime::now()).ok()).unwrap_or(LIFE);
    let token = Token::Aws {
        access_key: Secret::new(keys.access_key_id()),
        secret_key: Secret::new(keys.secret_access_key()),
        session_token: Secret::new(keys.session_token().unwrap_or_default()),
    };
    Ok(Fresh { token, life })
}

fn nothing() -> String {
    "this machine has no keys of Amazon's".to_owned()
}
