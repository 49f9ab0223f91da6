//! `bifrost health`: what an orchestrator runs beside a gateway to learn whether it serves.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    str,
    time::Instant,
};

use super::{Outcome, sockets};
use crate::config::limits::{HEALTH_ANSWER_BYTES_MAX, HEALTH_TIME_MAX};

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the gateway that listens on `host` and `port`, and prints what it says of itself.
pub(super) fn run(host: &str, port: u16) -> Outcome {
    if port == 0 {
        return Err("port 0 is whichever was free: name the gateway's own with --port or APP_PORT".into());
    }
    let mut failure = format!("the host `{host}` has no address");
    for ip in sockets::addresses(host)? {
        let address = SocketAddr::new(reachable(ip), port);
        match ask(address) {
            Ok(answer) => return judge(address, &answer),
            Err(error) => failure = format!("nobody answers on {address}: {error}"),
        }
    }
    Err(format!("{failure}. Is the gateway started, and are --host and --port its own?").into())
}

/// A gateway on every address is asked on the loopback one.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => ip,
    }
}

#[expect(clippy::disallowed_methods, reason = "no shard runs in this process")]
fn ask(address: SocketAddr) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + HEALTH_TIME_MAX;
    let mut stream = TcpStream::connect_timeout(&address, HEALTH_TIME_MAX)?;
    stream.write_all(REQUEST)?;
    let mut answer = vec![0; HEALTH_ANSWER_BYTES_MAX];
    let mut length = 0;
    while let Some(free) = answer.get_mut(length..).filter(|free| !free.is_empty()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(free) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    answer.truncate(length);
    Ok(answer)
}

fn judge(address: SocketAddr, answer: &[u8]) -> Outcome {
    let parts = str::from_utf8(answer).ok().and_then(|text| text.split_once("\r\n\r\n"));
    let Some((head, body)) = parts.filter(|(head, _)| head.starts_with("HTTP/1.1 ")) else {
        return Err(
            format!("what listens on {address} does not speak HTTP: is the port the gateway's?").into()
        );
    };
    writeln!(io::stdout(), "{body}")?;
    let status = head.lines().next().unwrap_or_default();
    if status.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(format!("{address} is not well: {status}").into())
    }
}
