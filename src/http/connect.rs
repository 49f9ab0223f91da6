//! `CONNECT`: asking a proxy for a tunnel (RFC 9110 §9.3.6).

use super::{HeadError, ResponseHead};

/// What a proxy says to a request for a tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TunnelReply {
    /// What follows belongs to the tunnel.
    Open,
    /// There is no tunnel, for the reason that the status gives.
    Refused(u16),
}

/// Appends a request for a tunnel to `authority`, a host with its port.
pub fn connect_request(authority: &str, authorization: Option<&str>, out: &mut Vec<u8>) {
    for part in ["CONNECT ", authority, " HTTP/1.1\r\nHost: ", authority, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(authorization) = authorization {
        for part in ["Proxy-Authorization: ", authorization, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Takes the proxy's reply from the front of `buffer`, interim ones (1xx) passed over: none where it is
/// not all there yet.
pub fn take_tunnel_reply(buffer: &mut Vec<u8>) -> Result<Option<TunnelReply>, HeadError> {
    let mut head = ResponseHead::default();
    while !buffer.is_empty() && head.take(buffer, true)? {
        match head.status {
            100..=199 => {}
            200..=299 => return Ok(Some(TunnelReply::Open)),
            status => return Ok(Some(TunnelReply::Refused(status))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(authorization: Option<&str>) -> String {
        let mut out = Vec::new();
        connect_request("host.test:443", authorization, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_tunnel_is_asked_for_with_and_without_credentials() {
        assert_eq!(request(None), "CONNECT host.test:443 HTTP/1.1\r\nHost: host.test:443\r\n\r\n");
        assert_eq!(
            request(Some("Basic eA==")),
            "CONNECT host.test:443 HTTP/1.1\r\nHost: host.test:443\r\nProxy-Authorization: Basic eA==\r\n\r\n"
        );
    }

    #[test]
    fn a_reply_is_taken_whole_and_what_follows_stays() {
        let whole =
            b"HTTP/1.1 103 Wait\r\n\r\nHTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(take_tunnel_reply(&mut whole[..length].to_vec()), Ok(None), "{length}");
        }
        let mut buffer = [&whole[..], b"tunnel"].concat();
        assert_eq!(take_tunnel_reply(&mut buffer), Ok(Some(TunnelReply::Open)));
        assert_eq!(buffer, b"tunnel");
    }

    #[test]
    fn a_refusal_is_told_by_its_status() {
        let mut buffer =
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nwho".to_vec();
        assert_eq!(take_tunnel_reply(&mut buffer), Ok(Some(TunnelReply::Refused(407))));
        assert!(take_tunnel_reply(&mut b"SSH-2.0-x\r\n\r\n".to_vec()).is_err());
    }
}
