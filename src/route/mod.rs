//! Where a request goes: path and model in, operation, account and key out. Pure: chance is an
//! argument. Knows no socket and no JSON.

mod attempts;
mod cors;
mod headers;
mod ingress;
mod keys;
mod path;
mod query;
mod router;

pub use attempts::{Attempts, Failure, Next};
pub use cors::Cors;
pub use headers::{
    HeaderPolicy, add_credentials, add_operator_fields, add_own_credentials, add_request_fields,
    add_response_fields, add_translated_fields, add_translated_response_fields, caller, has_credentials,
};
pub use ingress::{Ingress, LIST_MODELS, Operation, Place, Surface, dialect_at, locate, template};
pub use keys::{Choice, pick};
pub use path::{Mount, percent_decoded};
pub use query::{query_with_model, query_without_credentials};
pub use router::{Routes, check_tunnel, no_key};
