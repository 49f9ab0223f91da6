//! The sockets that clients come to: one for each shard and address, and nobody else's.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
    os::{linux::net::SocketAddrExt, unix::net},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// What a host and a port are given by.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) host: &'static str,
    pub(super) port: &'static str,
}

/// All listening sockets for one host and port.
pub(super) struct Sockets {
    /// For each shard, one socket for each address.
    pub(super) shards: Vec<Vec<TcpListener>>,
    /// The first address, with the port that was taken.
    pub(super) address: SocketAddr,
    /// Held as long as the process lives: shards share a port, so that the kernel would let another
    /// process share it too, and take half of the connections.
    _locks: Vec<net::UnixListener>,
}

impl Sockets {
    /// Binds `host` and `port` for `shards` shards; `flags` name the host's and the port's where they fail.
    pub(super) fn bind(host: &str, port: u16, shards: usize, flags: Flags) -> Result<Self, String> {
        let mut port = port;
        let mut locks = Vec::new();
        let mut bound = Vec::new();
        for (position, ip) in addresses(host)?.into_iter().enumerate() {
            match claim(SocketAddr::new(ip, port)) {
                Ok((address, lock)) => {
                    port = address.port();
                    locks.push(lock);
                    bound.push(address);
                }
                // A machine without IPv6 has localhost once.
                Err(error) if position > 0 && is_absent(&error) => {}
                Err(error) => return Err(explain(SocketAddr::new(ip, port), &error, flags)),
            }
        }
        let address = *bound.first().ok_or_else(|| format!("the host `{host}` has no address"))?;
        let listen_all = || {
            let listen = |address: &SocketAddr| {
                listen(*address, true).map_err(|error| explain(*address, &error, flags))
            };
            bound.iter().map(listen).collect::<Result<Vec<_>, _>>()
        };
        let shards = (0..shards).map(|_| listen_all()).collect::<Result<_, _>>()?;
        Ok(Self { shards, address, _locks: locks })
    }
}

/// All addresses of a name.
#[expect(clippy::disallowed_methods, reason = "before the shards start, nobody waits")]
pub(super) fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    if host == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = (host, 0)
        .to_socket_addrs()
        .map_err(|error| format!("the host `{host}` cannot be resolved: {error}"))?;
    let mut found: Vec<_> = found.map(|address| address.ip()).collect();
    found.dedup();
    Ok(found)
}

/// Makes sure that nobody listens there, and that no other gateway gets the same idea.
fn claim(address: SocketAddr) -> io::Result<(SocketAddr, net::UnixListener)> {
    let address = listen(address, false)?.local_addr()?;
    let name = net::SocketAddr::from_abstract_name(format!("bifrost {address}"))?;
    Ok((address, net::UnixListener::bind_addr(&name)?))
}

fn listen(address: SocketAddr, is_shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether the machine has no such address, or no address of that family.
fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn explain(address: SocketAddr, error: &io::Error, flags: Flags) -> String {
    let Flags { host: host_flag, port: port_flag } = flags;
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} is taken: something already listens on {address}, perhaps another bifrost. \
             Stop it, or choose another port with {port_flag}"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {port} may not be used by this user. Choose one above 1023 with {port_flag}")
        }
        _ => format!("cannot listen on {address}: {error}. Check {host_flag} and {port_flag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_family_that_the_machine_lacks_is_absent() {
        let elsewhere: SocketAddr = ([192, 0, 2, 1], 0).into();
        assert!(listen(elsewhere, false).is_err_and(|error| is_absent(&error)));
        let no_family = Socket::new(Domain::from(libc::AF_UNSPEC), Type::STREAM, None);
        assert!(no_family.is_err_and(|error| is_absent(&error)));
        assert!(!is_absent(&io::ErrorKind::AddrInUse.into()));
    }
}
