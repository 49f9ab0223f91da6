//! `NO_PROXY`: what is reached directly although a proxy is named.

use std::net::IpAddr;

/// The entries of the variable. Loopback always goes directly, as a proxy has another.
#[derive(Default)]
pub(super) struct Bypass(Vec<Rule>);

enum Rule {
    Everything,
    /// A name with all that is below it, or only that.
    Name {
        name: String,
        is_itself: bool,
        port: Option<u16>,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    Network {
        bits: u128,
        prefix: u32,
        is_ipv6: bool,
    },
}

impl Bypass {
    /// The entries of a list, those that mean nothing left out, with the positions of the latter from 1.
    pub(super) fn parse(list: &str) -> (Self, Vec<usize>) {
        let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        let (mut rules, mut strange) = (Vec::new(), Vec::new());
        for (position, entry) in entries.enumerate() {
            match Rule::parse(entry) {
                Some(rule) => rules.push(rule),
                None => strange.push(position + 1),
            }
        }
        (Self(rules), strange)
    }

    /// Whether a host, in lower case and without brackets, is reached directly.
    pub(super) fn covers(&self, host: &str, port: u16) -> bool {
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.0.iter().any(|rule| rule.covers(host, address, port))
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, prefix)) = entry.split_once('/') {
            let (bits, width) = bits(address.parse().ok()?);
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= width)?;
            return Some(Self::Network { bits, prefix, is_ipv6: width == 128 });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (entry, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = below.unwrap_or(host).to_ascii_lowercase();
        let is_name = !name.is_empty() && !name.contains(['*', ':', '[', ']']);
        is_name.then_some(Self::Name { name, is_itself: below.is_none(), port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match (self, address) {
            (Self::Everything, _) => true,
            (Self::Name { name, is_itself, port }, None) => {
                let above = host.strip_suffix(name.as_str());
                let is_meant =
                    above.is_some_and(|above| above.ends_with('.') || above.is_empty() && *is_itself);
                is_meant && is_port(port)
            }
            (Self::Address { address: wanted, port }, Some(address)) => *wanted == address && is_port(port),
            (Self::Network { bits: network, prefix, is_ipv6 }, Some(address)) => {
                let (bits, width) = bits(address);
                let differs = bits ^ network;
                *is_ipv6 == address.is_ipv6() && differs.checked_shr(width - prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// An address as a number, and its width.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, host: &str, port: u16) -> bool {
        Bypass::parse(list).0.covers(host, port)
    }

    #[test]
    fn names_cover_what_is_below_them_and_a_dot_only_that() {
        for (list, host, expected) in [
            ("example.com", "example.com", true),
            ("Example.COM", "api.example.com", true),
            ("example.com", "badexample.com", false),
            ("example.com", "example.com.evil", false),
            (".example.com", "api.example.com", true),
            (".example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("a.test, example.com  b.test", "b.test", true),
            ("", "example.com", false),
            ("*", "anything", true),
            ("*", "10.0.0.1", true),
        ] {
            assert_eq!(covers(list, host, 443), expected, "{list} on {host}");
        }
    }

    #[test]
    fn a_port_narrows_an_entry() {
        for (list, host, port, expected) in [
            ("example.com:8443", "example.com", 8443, true),
            ("example.com:8443", "example.com", 443, false),
            ("10.0.0.1:80", "10.0.0.1", 80, true),
            ("10.0.0.1:80", "10.0.0.1", 81, false),
            ("[2001:db8::1]:80", "2001:db8::1", 80, true),
            ("[2001:db8::1]:80", "2001:db8::1", 81, false),
        ] {
            assert_eq!(covers(list, host, port), expected, "{list} on {host}:{port}");
        }
    }

    #[test]
    fn addresses_and_networks_cover_addresses_only() {
        for (list, host, expected) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.11", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/31", "10.0.0.1", true),
            ("10.0.0.0/31", "10.0.0.2", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("10.0.0.0/8", "10.example", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::1", "2001:db8::1", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
        ] {
            assert_eq!(covers(list, host, 443), expected, "{list} on {host}");
        }
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        for host in ["localhost", "127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(covers("", host, 80), "{host}");
        }
    }

    #[test]
    fn entries_that_mean_nothing_are_told_by_their_positions() {
        let (bypass, strange) = Bypass::parse("10.0.0.0/33, ok.test, a:b:c, x.test:port, a*b, .");
        assert_eq!(strange, [1, 3, 4, 5, 6]);
        assert!(bypass.covers("ok.test", 1) && !bypass.covers("x.test", 1));
    }
}
