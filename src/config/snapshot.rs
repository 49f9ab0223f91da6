//! What a shard knows of the configuration: whole, checked and never changed.

use super::limits;
use crate::route::{Cors, HeaderPolicy, Routes};

/// One checked configuration. A request keeps the one it began with.
#[derive(Debug)]
pub struct Snapshot {
    /// Which account serves which model.
    pub routes: Routes,
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
    /// Whether the access log has the bodies of model calls.
    pub logs_content: bool,
}

impl Snapshot {
    /// Routes with the defaults of everything else.
    pub fn new(routes: Routes) -> Self {
        Self {
            routes,
            cors: Cors::default(),
            headers: HeaderPolicy::default(),
            client_connections_max: limits::CLIENT_CONNECTIONS_MAX,
            request_body_bytes_max: limits::REQUEST_BODY_BYTES_MAX,
            allows_direct_keys: false,
            logs_content: false,
        }
    }
}
