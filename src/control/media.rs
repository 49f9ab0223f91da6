//! Images and documents that a request points at and its provider does not fetch: fetched here, with bounds,
//! and never from where only this machine may look.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use data_encoding::BASE64;
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    bus::{Fetch, Fetched},
    config::limits::{MEDIA_BYTES_MAX, MEDIA_FETCHES_MAX, MEDIA_REDIRECTS_MAX, MEDIA_TIME_MAX},
};

/// Fetches what requests point at.
pub(super) struct MediaFetcher {
    public: Option<Client>,
    any: Option<Client>,
    free: Rc<Semaphore>,
}

impl MediaFetcher {
    pub(super) fn new() -> Self {
        Self { public: None, any: None, free: Rc::new(Semaphore::new(MEDIA_FETCHES_MAX)) }
    }

    /// Fetches in a task of its own. The clients are made when they are first needed.
    pub(super) fn fetch(&mut self, wanted: Fetch) {
        let client = if wanted.may_be_private { &mut self.any } else { &mut self.public };
        if client.is_none() {
            *client = build(wanted.may_be_private).ok();
        }
        let (client, free) = (client.clone(), self.free.clone());
        tokio::task::spawn_local(async move {
            let _turn = free.acquire().await;
            let fetched = match client {
                Some(client) => timeout(MEDIA_TIME_MAX, get(&client, &wanted)).await.unwrap_or_else(|_| {
                    Err(format!("it did not come within {} s", MEDIA_TIME_MAX.as_secs()))
                }),
                None => Err("this machine cannot fetch anything".to_owned()),
            };
            let _ = wanted.reply.send_async(fetched).await;
        });
    }
}

fn build(may_be_private: bool) -> reqwest::Result<Client> {
    let follow = Policy::custom(move |attempt| {
        let is_too_far = attempt.previous().len() > MEDIA_REDIRECTS_MAX;
        if is_too_far || check(attempt.url(), may_be_private).is_err() {
            attempt.error("it leads where nothing is fetched from")
        } else {
            attempt.follow()
        }
    });
    let builder = Client::builder()
        .no_proxy()
        .redirect(follow)
        .user_agent(concat!("bifrost/", env!("CARGO_PKG_VERSION")));
    if may_be_private {
        return builder.build();
    }
    builder.dns_resolver(Arc::new(PublicNames)).build()
}

async fn get(client: &Client, wanted: &Fetch) -> Result<Fetched, String> {
    let url = Url::parse(&wanted.url).map_err(|_| "it is not a URL".to_owned())?;
    check(&url, wanted.may_be_private)?;
    let mut response = client.get(url).send().await.map_err(|error| told(&error))?;
    if !response.status().is_success() {
        return Err(format!("its server answered with the status {}", response.status().as_u16()));
    }
    let media_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_owned();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| told(&error))? {
        if bytes.len() + chunk.len() > MEDIA_BYTES_MAX {
            return Err(format!("it is larger than {} MiB", MEDIA_BYTES_MAX / (1024 * 1024)));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Fetched { media_type, data: BASE64.encode(&bytes) })
}

/// The innermost reason, which says most and shows no address.
fn told(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Whether anything is fetched from there; a name is looked at once it has been resolved.
fn check(url: &Url, may_be_private: bool) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it is not an http or https URL".to_owned());
    }
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
        Some(url::Host::Domain(_)) => return Ok(()),
        None => return Err("it names no host".to_owned()),
    };
    if may_be_private || is_public(address) { Ok(()) } else { Err(PRIVATE.to_owned()) }
}

const PRIVATE: &str =
    "its address is a private one; client.allow_private_media_urls in config.json allows these";

/// Names whose addresses are all public; one that leads inside as well leads nowhere.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect::<Vec<SocketAddr>>();
            if !found.iter().all(|address| is_public(address.ip())) {
                return Err(PRIVATE.into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the internet's (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || a == 100 && (64..128).contains(&b)
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && (18..20).contains(&b))
}

/// Only what is given to the internet at large, 2000::/3, without what stands for IPv4 there.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(address) = address.to_ipv4_mapped() {
        return is_public_v4(address);
    }
    let [a, b, ..] = address.segments();
    let stands_for_v4 = a == 0x2002 || a == 0x2001 && b == 0;
    let is_documentation = a == 0x2001 && b == 0x0db8 || a == 0x3fff;
    a & 0xe000 == 0x2000 && !stands_for_v4 && !is_documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fetched_from_inside() {
        for url in [
            "http://127.0.0.1/a",
            "http://127.1/a",
            "http://2130706433/a",
            "http://0x7f.1/a",
            "http://10.0.0.1/a",
            "http://169.254.169.254/latest/meta-data",
            "http://100.100.1.1/a",
            "http://192.168.1.1/a",
            "http://0.0.0.0/a",
            "http://[::1]/a",
            "http://[::ffff:127.0.0.1]/a",
            "http://[fd00::1]/a",
            "http://[fe80::1]/a",
            "http://[64:ff9b::7f00:1]/a",
            "http://[2002:7f00:1::]/a",
            "ftp://example.com/a",
            "file:///etc/passwd",
        ] {
            assert!(check(&Url::parse(url).unwrap(), false).is_err(), "{url}");
        }
        for url in ["https://example.com/a.png", "http://1.1.1.1/a", "http://[2606:4700::1111]/a"] {
            assert_eq!(check(&Url::parse(url).unwrap(), false), Ok(()), "{url}");
        }
    }
}
