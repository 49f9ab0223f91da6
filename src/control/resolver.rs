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
    names: Rc<RefCell<Names>>,
}

#[derive(Default)]
struct Names(HashMap<String, Name>);

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
        let known = self.names.borrow_mut().find(&host);
        match known {
            Known::Addresses(addresses) => tell(&self.links, &host, &Ok(addresses)),
            Known::LookedUp => {}
            Known::Nothing => self.look_up(host),
        }
    }

    /// Looks those names up again whose records have expired.
    pub(super) fn refresh(&self) {
        let expired = self.names.borrow_mut().expire(now());
        expired.into_iter().for_each(|host| self.look_up(host));
    }

    /// Looks a name up in a task of its own.
    fn look_up(&self, host: String) {
        let (links, dns, names) = (self.links.clone(), self.dns.clone(), self.names.clone());
        tokio::task::spawn_local(async move {
            let found = ask(dns.as_deref(), &host).await;
            let news = names.borrow_mut().learn(&host, found, now());
            match news {
                News::None => {}
                News::Found(found) => tell(&links, &host, &found),
                News::Lost(why) => {
                    tracing::warn!(%host, %why, "a name does not resolve any more: its old addresses are used")
                }
            }
        });
    }
}

/// What is known of a name.
#[derive(Debug, PartialEq)]
enum Known {
    Addresses(Vec<IpAddr>),
    /// Somebody looks it up, and will tell.
    LookedUp,
    Nothing,
}

/// What is new about a name.
#[derive(Debug, PartialEq)]
enum News {
    None,
    /// The shards must know.
    Found(Result<Vec<IpAddr>, String>),
    /// Addresses that were good are kept.
    Lost(String),
}

impl Names {
    /// What is known of a name; whoever gets nothing looks it up.
    fn find(&mut self, host: &str) -> Known {
        match self.0.get(host) {
            Some(name) if !name.addresses.is_empty() => Known::Addresses(name.addresses.clone()),
            Some(name) if name.expires.is_none() => Known::LookedUp,
            _ => {
                self.0.insert(host.to_owned(), Name::default());
                Known::Nothing
            }
        }
    }

    /// The names that have to be looked up again.
    fn expire(&mut self, now: Instant) -> Vec<String> {
        let is_due = |name: &Name| name.expires.is_some_and(|expires| expires <= now);
        let due = self.0.iter_mut().filter(|(_, name)| !name.addresses.is_empty() && is_due(name));
        due.map(|(host, name)| {
            name.expires = None;
            host.clone()
        })
        .collect()
    }

    /// Notes what was found, with the time it lives.
    fn learn(&mut self, host: &str, found: Result<(Vec<IpAddr>, Duration), String>, now: Instant) -> News {
        let name = self.0.entry(host.to_owned()).or_default();
        let age = found.as_ref().map_or(NAME_AGE_MIN, |(_, age)| (*age).clamp(NAME_AGE_MIN, NAME_AGE_MAX));
        name.expires = Some(now + age);
        match found {
            Ok((addresses, _)) if addresses == name.addresses => News::None,
            Ok((addresses, _)) => {
                name.addresses.clone_from(&addresses);
                News::Found(Ok(addresses))
            }
            Err(why) if name.addresses.is_empty() => News::Found(Err(why)),
            Err(why) => News::Lost(why),
        }
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

    fn found(address: &str, seconds: u64) -> Result<(Vec<IpAddr>, Duration), String> {
        Ok((vec![address.parse().unwrap()], Duration::from_secs(seconds)))
    }

    #[test]
    fn a_name_is_looked_up_once_and_again_when_its_records_have_expired() {
        let (mut names, begin) = (Names::default(), now());
        assert_eq!(names.find("a"), Known::Nothing);
        assert_eq!(names.find("a"), Known::LookedUp);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(names.learn("a", found("192.0.2.1", 60), begin), News::Found(Ok(vec![address])));
        assert_eq!(names.find("a"), Known::Addresses(vec![address]));

        let seconds = |count| begin + Duration::from_secs(count);
        assert!(names.expire(seconds(59)).is_empty());
        assert_eq!(names.expire(seconds(60)), ["a"]);
        assert!(names.expire(seconds(61)).is_empty(), "somebody looks it up already");
        assert_eq!(names.find("a"), Known::Addresses(vec![address]), "it is used meanwhile");
        assert_eq!(names.learn("a", found("192.0.2.1", 60), seconds(61)), News::None);
        assert_eq!(names.expire(seconds(121)), ["a"]);
        let changed = News::Found(Ok(vec!["192.0.2.2".parse().unwrap()]));
        assert_eq!(names.learn("a", found("192.0.2.2", 60), seconds(122)), changed);
    }

    #[test]
    fn records_live_no_shorter_and_no_longer_than_the_bounds() {
        for (seconds, bound) in [(0, NAME_AGE_MIN), (86_400, NAME_AGE_MAX)] {
            let (mut names, begin) = (Names::default(), now());
            names.learn("a", found("192.0.2.1", seconds), begin);
            assert!(names.expire(begin + bound - Duration::from_millis(1)).is_empty());
            assert_eq!(names.expire(begin + bound), ["a"]);
        }
    }

    #[test]
    fn good_addresses_outlive_a_failed_refresh() {
        let (mut names, begin) = (Names::default(), now());
        let failed = || Err("no".to_owned());
        assert_eq!(names.learn("a", failed(), begin), News::Found(Err("no".to_owned())));
        assert_eq!(names.find("a"), Known::Nothing, "a name that failed is looked up when it is asked for");
        names.learn("a", found("192.0.2.1", 5), begin);
        names.expire(begin + NAME_AGE_MIN);
        assert_eq!(names.learn("a", failed(), begin), News::Lost("no".to_owned()));
        assert_eq!(names.find("a"), Known::Addresses(vec!["192.0.2.1".parse().unwrap()]));
        assert_eq!(names.expire(begin + NAME_AGE_MIN), ["a"]);
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
