//! What a key of a cloud needs beside its secret, and credentials that do not last.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use super::Secret;

/// Where in a cloud a key is used, and how it proves who calls.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    /// The project, where the cloud has such.
    pub project: String,
    /// The region, such as `us-east-1` or `global`.
    pub region: String,
    /// Version of the API that requests name.
    pub api_version: String,
    /// How short-lived credentials are got; none where the key's secret is one that lasts.
    pub grant: Option<Arc<Grant>>,
}

/// How short-lived credentials are got.
#[derive(Debug)]
pub struct Grant {
    /// Equal for equal ways.
    pub id: u64,
    /// The way.
    pub kind: GrantKind,
}

/// Ways to short-lived credentials.
#[derive(Clone, Debug, Hash)]
pub enum GrantKind {
    /// Google's.
    Google {
        /// JSON of a service account or a user; empty for what the machine has (Application Default Credentials).
        credentials: Secret,
    },
    /// Microsoft's Entra.
    Entra {
        /// The directory.
        tenant: String,
        /// The application; empty for what the machine has (managed identity).
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// What the token is for.
        scope: String,
    },
    /// Amazon's.
    Aws {
        /// Empty for what the machine has.
        access_key: Secret,
        /// Empty for what the machine has.
        secret_key: Secret,
        /// Empty where the two last.
        session_token: Secret,
        /// A role to be taken with them, if any.
        role: Option<AwsRole>,
        /// Where roles are taken.
        region: String,
    },
}

/// A role that is taken for a while.
#[derive(Clone, Debug, Hash)]
pub struct AwsRole {
    /// Its name.
    pub arn: String,
    /// What its owner wants to hear, perhaps nothing.
    pub external_id: String,
    /// What it is logged under.
    pub session_name: String,
}

/// A credential that does not last.
#[derive(Clone, Debug)]
pub enum Token {
    /// Sent as it is.
    Bearer(Secret),
    /// Signs requests.
    Aws {
        /// Name of the key.
        access_key: Secret,
        /// The key.
        secret_key: Secret,
        /// Empty where the two last.
        session_token: Secret,
    },
}

impl Grant {
    /// A way to credentials.
    pub fn new(kind: GrantKind) -> Self {
        let mut hasher = DefaultHasher::new();
        kind.hash(&mut hasher);
        Self { id: hasher.finish(), kind }
    }

    /// The credential itself, where it is one that lasts.
    pub fn lasting(&self) -> Option<Token> {
        match &self.kind {
            GrantKind::Aws { access_key, secret_key, session_token, role: None, .. }
                if !access_key.is_empty() =>
            {
                Some(Token::Aws {
                    access_key: access_key.clone(),
                    secret_key: secret_key.clone(),
                    session_token: session_token.clone(),
                })
            }
            _ => None,
        }
    }
}
