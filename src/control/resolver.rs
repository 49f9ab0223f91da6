//! Names of upstreams: looked up once, kept fresh for as long as their records live, told to all shards.

use std::{
    cell::RefCell,
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use hickory_resolver::{TokioResolver, config::LookupIpStrategy};
use tokio::time::timeout;

use crate::{
    bus::{ShardLinks, ToShard},
    config::limits::{NAME_AGE_MAX, NAME_AGE_MIN, NAME_TIME_MAX},
};

/// Age of an answer of the system's resolver, which does not say how long it lives.
const SYSTEM_AGE: Duration = Duration::from_secs(30);

/// What is known of names. Only configured hosts are asked for, so that they are few.
pub(super) struct Resolver {
    links: ShardLinks,
    dns: Option<Rc<TokioResolver>>,
    names: Rc<RefCell<HashMap<String, Name>>>,
}

#[derive(Default)]
struct Name {
    addresses: Vec<IpAddr>,
    /// When to look again; none while somebody looks.
    expires: Option<Instant>,
}

impl Resolver {
    pub(super) fn new(links: ShardLinks) -> Self {
        let dns = TokioResolver::builder_tokio().map(|mut builder| {
            builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            Rc::new(builder.build())
        });
        Self { links, dns: dns.ok(), names: Rc::default() }
    }

    /// Answers from what is known, or looks the name up.
    pub(super) fn resolve(&self, host: String) {
        let mut names = self.names.borrow_mut();
        match names.get(&host) {
            Some(name) if !name.addresses.is_empty() => tell(&self.links, &host, &Ok(name.addresses.clone())),
            Some(name) if name.expires.is_none() => {}
            _ => {
                names.insert(host.clone(), Name::default());
                drop(names);
                self.look_up(host);
            }
        }
    }

    /// Looks those names up again whose records have expired.
    pub(super) fn refresh(&self) {
        let now = now();
        let mut expired = Vec::new();
        for (host, name) in self.names.borrow_mut().iter_mut() {
            if !name.addresses.is_empty() && name.expires.is_some_and(|expires| expires <= now) {
                name.expires = None;
                expired.push(host.clone());
            }
        }
        expired.into_iter().for_each(|host| self.look_up(host));
    }

    /// Looks a name up in a task of its own. Addresses that were good are kept where a refresh fails.
    fn look_up(&self, host: String) {
        let (links, dns, names) = (self.links.clone(), self.dns.clone(), self.names.clone());
        tokio::task::spawn_local(async move {
            let found = ask(dns.as_deref(), &host).await;
            let mut names = names.borrow_mut();
            let name = names.entry(host.clone()).or_default();
            let age =
                found.as_ref().map_or(NAME_AGE_MIN, |(_, age)| (*age).clamp(NAME_AGE_MIN, NAME_AGE_MAX));
            name.expires = Some(now() + age);
            match found {
                Ok((addresses, _)) if addresses == name.addresses => {}
                Ok((addresses, _)) => {
                    name.addresses.clone_from(&addresses);
                    tell(&links, &host, &Ok(addresses));
                }
                Err(why) if name.addresses.is_empty() => tell(&links, &host, &Err(why)),
                Err(why) => {
                    tracing::warn!(%host, %why, "a name does not resolve any more: its old addresses are used")
                }
            }
        });
    }
}

/// Addresses in the order in which they are tried, and how long they live: from DNS, else from whatever the system knows.
async fn ask(dns: Option<&TokioResolver>, host: &str) -> Result<(Vec<IpAddr>, Duration), String> {
    if let Some(dns) = dns
        && let Ok(Ok(found)) = timeout(NAME_TIME_MAX, dns.lookup_ip(host)).await
    {
        let age = found.valid_until().saturating_duration_since(now());
        let addresses = interleaved(found.iter());
        if !addresses.is_empty() {
            return Ok((addresses, age));
        }
    }
    match timeout(NAME_TIME_MAX, tokio::net::lookup_host((host, 0))).await {
        Ok(Ok(found)) => {
            let addresses = interleaved(found.map(|address| address.ip()));
            if addresses.is_empty() {
                Err("it has no address".to_owned())
            } else {
                Ok((addresses, SYSTEM_AGE))
            }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// Each address once, the families by turns (RFC 8305 §4), so that a family that leads nowhere costs one
/// attempt. IPv4 begins: where IPv6 is only half there, that is the one that works.
fn interleaved(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut families = [Vec::new(), Vec::new()];
    for address in addresses {
        let family = &mut families[usize::from(address.is_ipv6())];
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let [mut first, mut second] = families.map(Vec::into_iter);
    let mut ordered = Vec::new();
    while first.len() + second.len() > 0 {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

#[expect(clippy::disallowed_methods, reason = "control reads the clock")]
fn now() -> Instant {
    Instant::now()
}

fn tell(links: &ShardLinks, host: &str, found: &Result<Vec<IpAddr>, String>) {
    for link in links.iter() {
        let message = ToShard::Addresses { host: host.to_owned(), found: found.clone() };
        let inbox = link.inbox.clone();
        tokio::task::spawn_local(async move {
            let _ = inbox.send_async(message).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(addresses: &[&str]) -> Vec<String> {
        let addresses = addresses.iter().map(|address| address.parse::<IpAddr>().unwrap());
        interleaved(addresses).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_keep_their_own_order() {
        assert_eq!(
            ordered(&["2::2", "2::1", "1.0.0.2", "1.0.0.1", "1.0.0.3"]),
            ["1.0.0.2", "2::2", "1.0.0.1", "2::1", "1.0.0.3"]
        );
        assert_eq!(ordered(&["2::1", "2::2", "1.0.0.1"]), ["1.0.0.1", "2::1", "2::2"]);
        assert_eq!(ordered(&["2::1", "2::2"]), ["2::1", "2::2"]);
        assert!(ordered(&[]).is_empty());
    }

    #[test]
    fn an_address_that_is_told_twice_is_tried_once() {
        assert_eq!(ordered(&["1.0.0.1", "2::1", "1.0.0.1", "2::1"]), ["1.0.0.1", "2::1"]);
    }
}
