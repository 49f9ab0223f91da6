//! What stands between us and an endpoint where connections do not go directly.

use std::fmt;

use data_encoding::BASE64;

use super::{Secret, Tls};

/// A proxy, and who we are to it.
#[derive(Debug, Eq, Hash, PartialEq)]
pub struct Proxy {
    /// How it is asked for a connection.
    pub kind: ProxyKind,
    /// Name or address without brackets, in lower case.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Set where it is spoken to over TLS.
    pub tls: Option<Tls>,
    /// What it is told of us; none where it wants nothing.
    pub credentials: Option<ProxyCredentials>,
}

/// The ways of asking for a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ProxyKind {
    /// `CONNECT` (RFC 9110 §9.3.6).
    Http,
    /// SOCKS version 5 (RFC 1928), names resolved by the proxy.
    Socks5,
}

/// A user of a proxy.
#[derive(Debug, Eq, Hash, PartialEq)]
pub struct ProxyCredentials {
    /// Who we are.
    pub username: Secret,
    /// What proves it; may be empty.
    pub password: Secret,
}

impl ProxyCredentials {
    /// The value of `Proxy-Authorization` (RFC 7617).
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", self.username.reveal(), self.password.reveal());
        format!("Basic {}", BASE64.encode(pair.as_bytes()))
    }
}

impl fmt::Display for Proxy {
    /// Its URL, without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.kind, &self.tls) {
            (ProxyKind::Socks5, _) => "socks5",
            (ProxyKind::Http, None) => "http",
            (ProxyKind::Http, Some(_)) => "https",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(kind: ProxyKind, host: &str) -> Proxy {
        let [username, password] = ["somebody", "open sesame"].map(Secret::new);
        let credentials = Some(ProxyCredentials { username, password });
        Proxy { kind, host: host.to_owned(), port: 1080, tls: None, credentials }
    }

    #[test]
    fn credentials_are_encoded_for_http_and_never_shown() {
        let proxy = proxy(ProxyKind::Http, "proxy.test");
        let basic = proxy.credentials.as_ref().map(ProxyCredentials::basic);
        assert_eq!(basic.as_deref(), Some("Basic c29tZWJvZHk6b3BlbiBzZXNhbWU="));
        let shown = format!("{proxy} {proxy:?}");
        assert!(shown.starts_with("http://proxy.test:1080 "), "{shown}");
        assert!(!shown.contains("somebody") && !shown.contains("sesame"), "{shown}");
    }

    #[test]
    fn an_address_of_version_6_is_shown_in_brackets() {
        assert_eq!(proxy(ProxyKind::Socks5, "::1").to_string(), "socks5://[::1]:1080");
    }
}
