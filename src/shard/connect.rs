//! Opening a connection to an endpoint, directly or through a proxy: of a name's addresses the first to
//! answer wins.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use super::{net::Net, proxy::pass_through, state::ShardState, timer::Timer, tls::Wire, upstream::Target};
use crate::{
    config::limits::{CONNECT_STAGGER, CONNECT_TIME_MAX, PROXY_TIME_MAX},
    ir::ApiError,
    provider::{Endpoint, Proxy},
};

/// Opens a connection to an endpoint.
pub(super) async fn connect<N: Net>(
    shard: &ShardState<N>,
    target: &Target<'_>,
    endpoint: &Endpoint,
) -> Result<Wire<N::Stream>, ApiError> {
    let name = &target.account.name;
    let failed = |way: &str, failure: Failure, remedy: &str| {
        failure.told(&format!("`{name}` at {endpoint}"), way, remedy)
    };
    let wire = match &endpoint.proxy {
        None => open(shard, &endpoint.host, endpoint.port)
            .await
            .map_err(|what| failed("", what, "Check its base_url and the network"))?,
        Some(proxy) => open_through(shard, proxy, endpoint).await.map_err(|what| {
            let remedy = format!("Check providers.{name}.proxy_config in config.json, and the proxy");
            failed(&format!(" through the proxy {proxy}"), what, &remedy)
        })?,
    };
    shard.tls.connect(endpoint.tls.as_ref(), &endpoint.host, wire).await.map_err(|error| {
        let remedy = match &endpoint.proxy {
            None => "Check its base_url and the network",
            Some(_) => "If the proxy looks into TLS, write its authority as proxy_config.ca_cert_pem",
        };
        failed("", format!("TLS failed ({error})").into(), remedy)
    })
}

/// Why there is no connection.
struct Failure {
    what: String,
    is_late: bool,
}

impl Failure {
    fn told(self, provider: &str, way: &str, remedy: &str) -> ApiError {
        let message = format!("The provider {provider} cannot be reached{way}: {}. {remedy}.", self.what);
        match self.is_late {
            true => ApiError::provider(504, "upstream_timeout", message),
            false => ApiError::provider(502, "upstream_connection_error", message),
        }
    }
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self { what, is_late: false }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { is_late: error.kind() == io::ErrorKind::TimedOut, what: error.to_string() }
    }
}

async fn open<N: Net>(shard: &ShardState<N>, host: &str, port: u16) -> Result<Wire<N::Stream>, Failure> {
    let found = shard.names.resolve(host, port, shard.net.now(), &shard.control).await;
    let addresses = found.map_err(|why| format!("the name does not resolve ({why})"))?;
    Ok(Wire::Plain(dial(&shard.net, addresses).await?))
}

async fn open_through<N: Net>(
    shard: &ShardState<N>,
    proxy: &Proxy,
    endpoint: &Endpoint,
) -> Result<Wire<N::Stream>, Failure> {
    let wire = open(shard, &proxy.host, proxy.port).await?;
    let asked = async {
        let wire = shard.tls.connect(proxy.tls.as_ref(), &proxy.host, wire).await;
        let wire = wire.map_err(|error| format!("TLS with it failed ({error})"))?;
        pass_through(proxy, endpoint, wire, &shard.scratch).await
    };
    let timer = Timer::new(shard.net.clone());
    match timer.limit(shard.net.now() + PROXY_TIME_MAX, asked).await {
        Ok(asked) => asked.map_err(Failure::from),
        Err(_) => {
            let what = format!("it opened no way within {} s", PROXY_TIME_MAX.as_secs());
            Err(Failure { what, is_late: true })
        }
    }
}

/// Connects to the address that answers first (RFC 8305, "happy eyeballs"): each next one is tried once
/// the one before it has failed or has had its time alone; the losers are dropped.
async fn dial<N: Net>(net: &N, addresses: Vec<SocketAddr>) -> io::Result<N::Stream> {
    let mut untried = addresses.into_iter();
    let mut running: Vec<Pin<Box<_>>> = Vec::new();
    let mut stagger = None;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    poll_fn(|cx| {
        loop {
            while let Poll::Ready(ended) = poll_first(cx, &mut running) {
                match ended {
                    Ok(stream) => return Poll::Ready(Ok(stream)),
                    Err(error) => last = error,
                }
                stagger = None;
            }
            if stagger.as_mut().is_some_and(|pause: &mut N::Sleep| Pin::new(pause).poll(cx).is_pending()) {
                return Poll::Pending;
            }
            match untried.next() {
                Some(address) => running.push(Box::pin(attempt(net, address))),
                None if running.is_empty() => {
                    let none_left = io::Error::from(io::ErrorKind::AddrNotAvailable);
                    return Poll::Ready(Err(std::mem::replace(&mut last, none_left)));
                }
                None => return Poll::Pending,
            }
            stagger = (untried.len() > 0).then(|| net.sleep(CONNECT_STAGGER));
        }
    })
    .await
}

/// The first success among attempts, or a failure, whose attempt is then gone.
fn poll_first<S, F: Future<Output = io::Result<S>>>(
    cx: &mut Context<'_>,
    running: &mut Vec<Pin<Box<F>>>,
) -> Poll<io::Result<S>> {
    for (position, attempt) in running.iter_mut().enumerate() {
        if let Poll::Ready(ended) = attempt.as_mut().poll(cx) {
            drop(running.swap_remove(position));
            return Poll::Ready(ended);
        }
    }
    Poll::Pending
}

async fn attempt<N: Net>(net: &N, address: SocketAddr) -> io::Result<N::Stream> {
    let timer = Timer::new(net.clone());
    let connected = timer.limit(net.now() + CONNECT_TIME_MAX, net.connect(address)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::shard::net::epoll::{self, Epoll};

    /// A socket that listens with that backlog, or refuses connections, and its address.
    fn bound(backlog: Option<i32>) -> (TcpListener, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        if let Some(backlog) = backlog {
            socket.listen(backlog).unwrap();
        }
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket.into(), address)
    }

    fn dialled(addresses: &[SocketAddr]) -> Result<(), io::ErrorKind> {
        let mut dialled = Ok(());
        let outcome = &mut dialled;
        let ended = epoll::run(async |net| {
            *outcome = dial::<Epoll>(&net, addresses.to_vec()).await.map(drop).map_err(|error| error.kind());
            Ok(())
        });
        ended.unwrap();
        dialled
    }

    #[test]
    fn an_address_that_says_nothing_at_all_is_a_timeout() {
        let told = |kind: io::ErrorKind| Failure::from(io::Error::from(kind)).told("`p`", "", "Look").status;
        assert_eq!(told(io::ErrorKind::TimedOut), 504);
        assert_eq!(told(io::ErrorKind::ConnectionRefused), 502);
        assert_eq!(Failure::from("no such name".to_owned()).told("`p`", "", "Look").status, 502);
    }

    #[test]
    fn refused_addresses_give_way_to_the_next() {
        let [(_one, refused), (_two, also_refused), (listener, answering)] = [None, None, Some(8)].map(bound);
        assert_eq!(dialled(&[refused, also_refused, answering]), Ok(()));
        assert!(listener.accept().is_ok());
    }

    #[test]
    fn an_address_that_says_nothing_gives_way_to_the_next() {
        let [(_silent, silent), (listener, answering)] = [Some(0), Some(8)].map(bound);
        // Its queue is full with this one, so that the next ones get no answer.
        assert_eq!(dialled(&[silent]), Ok(()));
        assert_eq!(dialled(&[silent, answering]), Ok(()));
        assert!(listener.accept().is_ok());
    }

    #[test]
    fn the_last_failure_is_told_once_no_address_is_left() {
        let [(_one, refused), (_two, also_refused)] = [None, None].map(bound);
        assert_eq!(dialled(&[refused, also_refused]), Err(io::ErrorKind::ConnectionRefused));
        assert_eq!(dialled(&[]), Err(io::ErrorKind::AddrNotAvailable));
    }
}
