//! What a shard knows of the configuration: whole, checked and never changed.

use std::sync::Arc;

use super::limits;
use crate::{
    provider::Catalog,
    route::{Cors, HeaderPolicy, Routes},
};

/// One checked configuration. A request keeps the one it began with.
#[derive(Debug)]
pub struct Snapshot {
    /// Which account serves which model.
    pub routes: Routes,
    /// What models take and cost.
    pub models: Arc<Catalog>,
    /// Who may call from a browser.
    pub cors: Cors,
    /// Which of the client's header fields go on beyond the rules, and which do not.
    pub headers: HeaderPolicy,
    /// Client connections that a shard serves at once.
    pub client_connections_max: usize,
    /// A larger held body is a 413, bytes.
    pub request_body_bytes_max: usize,
    /// Whether `x-bf-direct-key: true` sends the caller's own key.
    pub allows_direct_keys: bool,
    /// Whether what requests point at may be inside.
    pub allows_private_media: bool,
    /// Whether chats go on as responses where the model wants that.
    pub bridges_to_responses: bool,
    /// Whether a parameter that a provider cannot take refuses the request.
    pub is_strict: bool,
    /// Whether the access log has the bodies of model calls.
    pub logs_content: bool,
}

impl Snapshot {
    /// Routes with the defaults of everything else.
    pub fn new(routes: Routes) -> Self {
        Self {
            models: Arc::new(Catalog::of(routes.accounts())),
            routes,
            cors: Cors::default(),
            headers: HeaderPolicy::default(),
            client_connections_max: limits::CLIENT_CONNECTIONS_MAX,
            request_body_bytes_max: limits::REQUEST_BODY_BYTES_MAX,
            allows_direct_keys: false,
            allows_private_media: false,
            bridges_to_responses: true,
            is_strict: false,
            logs_content: false,
        }
    }
}
