//! Opening a connection to an endpoint.

use std::io;

use super::{net::Net, state::ShardState, timer::Timer, tls::Wire, upstream::Target};
use crate::{config::limits::CONNECT_TIME_MAX, ir::ApiError, provider::Endpoint};

/// Connects to the first address that answers.
pub(super) async fn connect<N: Net>(
    shard: &ShardState<N>,
    target: &Target<'_>,
    endpoint: &Endpoint,
) -> Result<Wire<N::Stream>, ApiError> {
    let failed = |what: String| {
        let name = &target.account.name;
        let message = format!(
            "The provider `{name}` at {endpoint} cannot be reached: {what}. Check its base_url and the network."
        );
        ApiError::provider(502, "upstream_connection_error", message)
    };
    let found = shard.names.resolve(&endpoint.host, endpoint.port, shard.net.now(), &shard.control).await;
    let addresses = found.map_err(|why| failed(format!("the name does not resolve ({why})")))?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let timer = Timer::new(shard.net.clone());
    for address in addresses {
        match timer.limit(shard.net.now() + CONNECT_TIME_MAX, shard.net.connect(address)).await {
            Ok(Ok(stream)) => {
                let shaken = shard.tls.connect(endpoint, stream).await;
                return shaken.map_err(|error| failed(format!("TLS failed ({error})")));
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed(last.to_string()))
}
