//! The way to a provider: `proxy_config`, and the variables that name proxies.

use std::sync::Arc;

use url::Url;

use super::{
    bypass::Bypass,
    network::read_certificates,
    reader::{Field, Section},
};
use crate::{
    provider::{Endpoint, Provider, Proxy, ProxyCredentials, ProxyKind, Secret, Tls},
    route::percent_decoded,
};

/// How to write the URL of a proxy.
const URL_REMEDY: &str = "Write it like http://host:3128, https://host:3128 or socks5://host:1080";
/// Length of a username or password that a message of SOCKS holds, bytes.
const SOCKS_BYTES_MAX: usize = 255;

/// How the endpoints of an account are reached.
#[derive(Default)]
pub(super) struct Reach {
    pub(super) tls: Tls,
    pub(super) proxies: Proxies,
}

/// Which proxy leads where.
#[derive(Default)]
pub(super) struct Proxies {
    choice: Choice,
    /// PEM of an authority that proxies sign with, also in the provider's name.
    ca_cert_pem: Option<String>,
}

#[derive(Default)]
enum Choice {
    #[default]
    Direct,
    Fixed(Arc<Proxy>),
    /// By the scheme of the endpoint's URL, unless it is to be reached directly.
    Environment {
        http: Option<Arc<Proxy>>,
        https: Option<Arc<Proxy>>,
        bypass: Bypass,
    },
}

impl Reach {
    /// The endpoint at a base URL.
    pub(super) fn endpoint(&self, url: &Url, provider: &dyn Provider) -> Option<Arc<Endpoint>> {
        let proxy = self.proxies.to(url);
        let mut tls = self.tls.clone();
        if let Some(pem) = self.proxies.ca_cert_pem.as_ref().filter(|_| proxy.is_some()) {
            let own = tls.ca_cert_pem.take().unwrap_or_default();
            tls.ca_cert_pem = Some(format!("{own}\n{pem}"));
        }
        Endpoint::new(url, [provider.version_path(), provider.native_path()], tls, proxy).map(Arc::new)
    }
}

impl Proxies {
    fn to(&self, url: &Url) -> Option<Arc<Proxy>> {
        match &self.choice {
            Choice::Direct => None,
            Choice::Fixed(proxy) => Some(proxy.clone()),
            Choice::Environment { http, https, bypass } => {
                let proxy = if url.scheme() == "https" { https } else { http };
                let host = bare_host(url)?;
                let is_direct = bypass.covers(&host, url.port_or_known_default()?);
                proxy.clone().filter(|_| !is_direct)
            }
        }
    }
}

pub(super) fn read(file: &Section<'_>) -> Proxies {
    let kind = file.field("type");
    let [url, username, password] = ["url", "username", "password"].map(|name| file.field(name));
    let pem = file.field("ca_cert_pem");
    let ca_cert_pem = if pem.is_blank() { None } else { read_certificates(&pem) };
    let named = kind.text().unwrap_or_default().to_lowercase();
    let choice = match named.as_str() {
        "http" => read_fixed(ProxyKind::Http, [&url, &username, &password], ca_cert_pem.as_ref()),
        "socks5" => read_fixed(ProxyKind::Socks5, [&url, &username, &password], ca_cert_pem.as_ref()),
        "environment" => read_environment(&kind, ca_cert_pem.as_ref()),
        "none" => Choice::Direct,
        "" => {
            if [url, username, password, pem].iter().any(|field| !field.is_blank()) {
                kind.mistake(
                    "nothing says of which type this proxy is",
                    "Write http, socks5, environment, or none to go directly",
                );
            }
            Choice::Direct
        }
        _ => {
            kind.mistake("there is no such type of proxy", "Write http, socks5, environment or none");
            Choice::Direct
        }
    };
    Proxies { choice, ca_cert_pem }
}

fn read_fixed(
    kind: ProxyKind,
    [url, username, password]: [&Field<'_>; 3],
    ca_cert_pem: Option<&String>,
) -> Choice {
    if url.is_blank() {
        url.mistake("nothing says where the proxy is", URL_REMEDY);
        return Choice::Direct;
    }
    let [given_username, given_password] =
        [username, password].map(|field| if field.is_blank() { None } else { field.secret() });
    let Some(text) = url.secret() else { return Choice::Direct };
    let mut proxy = match parse(&text, kind, ca_cert_pem) {
        Ok(proxy) if proxy.kind == kind => proxy,
        Ok(_) => {
            url.mistake("this URL is of another type of proxy than proxy_config.type says", URL_REMEDY);
            return Choice::Direct;
        }
        Err(mistake) => {
            url.mistake(mistake, URL_REMEDY);
            return Choice::Direct;
        }
    };
    if given_username.is_some() || given_password.is_some() {
        let [username, password] =
            [given_username, given_password].map(|text| Secret::new(&text.unwrap_or_default()));
        proxy.credentials = Some(ProxyCredentials { username, password });
    }
    if let Some(mistake) = proxy.credentials.as_ref().and_then(|credentials| unsendable(kind, credentials)) {
        let field = if username.is_blank() { url } else { username };
        field.mistake(mistake, "Write the username and the password that the proxy knows");
    }
    Choice::Fixed(Arc::new(proxy))
}

/// As other programs read them: the variables in lower case win, and `ALL_PROXY` stands in for both.
fn read_environment(kind: &Field<'_>, ca_cert_pem: Option<&String>) -> Choice {
    let variable = |name: &str| {
        let lower = name.to_lowercase();
        let names = [lower, name.to_owned()].into_iter();
        names.into_iter().find_map(|name| kind.reading.variable(&name).map(|value| (name, value)))
    };
    let proxy = |own: &str| {
        let (name, value) = variable(own).or_else(|| variable("ALL_PROXY"))?;
        let parsed = parse(&value, ProxyKind::Http, ca_cert_pem).and_then(|proxy| {
            let credentials = proxy.credentials.as_ref();
            match credentials.and_then(|credentials| unsendable(proxy.kind, credentials)) {
                Some(mistake) => Err(mistake),
                None => Ok(proxy),
            }
        });
        match parsed {
            Ok(proxy) => Some(Arc::new(proxy)),
            Err(mistake) => {
                kind.mistake(format!("in the variable {name}: {mistake}"), URL_REMEDY);
                None
            }
        }
    };
    let (http, https) = (proxy("HTTP_PROXY"), proxy("HTTPS_PROXY"));
    let (bypass, strange) = variable("NO_PROXY").map(|(_, list)| Bypass::parse(&list)).unwrap_or_default();
    for position in strange {
        kind.warning(
            format!("entry {position} of the variable NO_PROXY is neither a name, an address nor a network"),
            "Correct or remove it",
        );
    }
    if http.is_none() && https.is_none() {
        kind.warning(
            "no variable names a proxy, so requests go directly",
            "Set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or write the type none",
        );
    }
    Choice::Environment { http, https, bypass }
}

/// A proxy by its URL; a host alone is one of `kind`.
fn parse(text: &str, kind: ProxyKind, ca_cert_pem: Option<&String>) -> Result<Proxy, &'static str> {
    let scheme = if kind == ProxyKind::Http { "http" } else { "socks5" };
    let completed = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    let url = Url::parse(&completed).map_err(|_| "this is not a URL")?;
    let (kind, is_tls, port) = match url.scheme() {
        "http" => (ProxyKind::Http, false, 80),
        "https" => (ProxyKind::Http, true, 443),
        "socks5" | "socks5h" => (ProxyKind::Socks5, false, 1080),
        _ => return Err("there is no such type of proxy"),
    };
    let host = bare_host(&url).filter(|host| !host.is_empty()).ok_or("this names no host")?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("the URL of a proxy ends with its port");
    }
    let decoded = |text| percent_decoded(text).ok_or("a character in the credentials is badly encoded");
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (username, password) => Some(ProxyCredentials {
            username: Secret::new(&decoded(username)?),
            password: Secret::new(&decoded(password.unwrap_or_default())?),
        }),
    };
    let tls = is_tls.then(|| Tls { ca_cert_pem: ca_cert_pem.cloned(), is_unverified: false });
    Ok(Proxy { kind, host, port: url.port().unwrap_or(port), tls, credentials })
}

/// Why credentials cannot be said in the language of a proxy, if so.
fn unsendable(kind: ProxyKind, credentials: &ProxyCredentials) -> Option<&'static str> {
    let [username, password] = [&credentials.username, &credentials.password].map(Secret::reveal);
    let has_control = [username, password].iter().any(|part| part.contains(char::is_control));
    match kind {
        _ if has_control => Some("neither username nor password can hold control characters"),
        ProxyKind::Http if username.contains(':') => {
            Some("the username for an HTTP proxy cannot hold a colon")
        }
        ProxyKind::Socks5 if username.is_empty() => Some("a SOCKS proxy wants a username with the password"),
        ProxyKind::Socks5 if username.len().max(password.len()) > SOCKS_BYTES_MAX => {
            Some("the username or the password is longer than SOCKS allows, 255 bytes")
        }
        _ => None,
    }
}

fn bare_host(url: &Url) -> Option<String> {
    Some(url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Finding, Snapshot, check,
        fixture::{mistakes_of, provider},
    };

    const PEM: &str = r"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

    fn with(proxy: &str) -> String {
        format!(
            r#"{{"keys": [{{"value": "a"}}], "network_config": {{"base_url": "https://host"}},
                "proxy_config": {{{proxy}}}}}"#
        )
    }

    fn endpoint(snapshot: &Snapshot) -> &Endpoint {
        &snapshot.routes.accounts()[0].keys[0].endpoint
    }

    /// URL, username and password of the proxy.
    fn shown(snapshot: &Snapshot) -> Option<(String, String)> {
        let proxy = endpoint(snapshot).proxy.as_ref()?;
        let credentials = proxy.credentials.as_ref().map(|credentials| {
            format!("{}:{}", credentials.username.reveal(), credentials.password.reveal())
        });
        Some((proxy.to_string(), credentials.unwrap_or_default()))
    }

    fn in_environment(variables: &[(&str, &str)], base_url: &str) -> (Option<String>, Vec<Finding>) {
        let text = format!(
            r#"{{"providers": {{"openai": {{"keys": [{{"value": "a"}}],
                "network_config": {{"base_url": "{base_url}"}}, "proxy_config": {{"type": "environment"}}}}}}}}"#
        );
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match check(&text, &variable) {
            Ok((snapshot, warnings)) => (shown(&snapshot).map(|(url, _)| url), warnings),
            Err(rejected) => (None, rejected.mistakes),
        }
    }

    #[test]
    fn without_a_proxy_requests_go_directly() {
        for text in ["", r#""type": "none", "url": "http://p", "username": "u""#, r#""type": """#] {
            let (snapshot, warnings) = provider("openai", &with(text));
            assert!(shown(&snapshot).is_none() && warnings.is_empty(), "{text}: {warnings:?}");
        }
    }

    #[test]
    fn a_proxy_is_told_by_its_type_and_url() {
        for (text, url, credentials) in [
            (r#""type": "http", "url": "http://Proxy.test:3128/""#, "http://proxy.test:3128", ""),
            (r#""type": "HTTP", "url": "proxy.test""#, "http://proxy.test:80", ""),
            (r#""type": "http", "url": "https://proxy.test""#, "https://proxy.test:443", ""),
            (r#""type": "socks5", "url": "socks5h://[::1]""#, "socks5://[::1]:1080", ""),
            (r#""type": "socks5", "url": "proxy.test:9050""#, "socks5://proxy.test:9050", ""),
            (r#""type": "http", "url": "http://me:p%40ss@p""#, "http://p:80", "me:p@ss"),
            (
                r#""type": "socks5", "url": "socks5://p", "username": "me", "password": "env.B_KEY""#,
                "socks5://p:1080",
                "me:sk-very-secret-B_KEY",
            ),
        ] {
            let (snapshot, warnings) = provider("openai", &with(text));
            assert_eq!(shown(&snapshot), Some((url.to_owned(), credentials.to_owned())), "{text}");
            assert!(warnings.is_empty(), "{text}: {warnings:?}");
            assert!(!format!("{snapshot:?}").contains("very-secret"));
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_a_mistake_at_its_place() {
        let long = "x".repeat(256);
        for (text, expected) in [
            (r#""url": "http://p""#, "type"),
            (r#""type": "ftp", "url": "http://p""#, "type"),
            (r#""type": "http""#, "url"),
            (r#""type": "http", "url": "socks5://p""#, "url"),
            (r#""type": "socks5", "url": "http://p""#, "url"),
            (r#""type": "http", "url": "ftp://p""#, "url"),
            (r#""type": "http", "url": "http://p/path""#, "url"),
            (r#""type": "http", "url": "http://p?a""#, "url"),
            (r#""type": "http", "url": "http://""#, "url"),
            (r#""type": "http", "url": "http://me:%zz@p""#, "url"),
            (r#""type": "http", "url": "env.NOT_THERE""#, "url"),
            (r#""type": "http", "url": "p", "username": "a:b""#, "username"),
            (r#""type": "http", "url": "p", "username": "a", "password": "env.NOT_THERE""#, "password"),
            (r#""type": "socks5", "url": "socks5://:secret@p""#, "url"),
            (&format!(r#""type": "socks5", "url": "p", "username": "{long}""#), "username"),
            (r#""type": "http", "url": "p", "ca_cert_pem": "MIIB""#, "ca_cert_pem"),
        ] {
            assert_eq!(mistakes_of("openai", &with(text)), [format!("proxy_config.{expected}")], "{text}");
        }
    }

    #[test]
    fn the_authority_of_a_proxy_is_trusted_on_both_ends_of_it() {
        let text = format!(r#""type": "http", "url": "https://p", "ca_cert_pem": "{PEM}""#);
        let (snapshot, _) = provider("openai", &with(&text));
        let endpoint = endpoint(&snapshot);
        let pem = |tls: Option<&Tls>| tls.and_then(|tls| tls.ca_cert_pem.clone()).unwrap_or_default();
        assert!(pem(endpoint.tls.as_ref()).contains("MIIB"));
        assert!(pem(endpoint.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref())).contains("MIIB"));
        let (snapshot, _) = provider("openai", &with(&format!(r#""type": "none", "ca_cert_pem": "{PEM}""#)));
        assert_eq!(self::endpoint(&snapshot).tls, Some(Tls::default()));
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_scheme() {
        let both = [("HTTP_PROXY", "http://one"), ("HTTPS_PROXY", "two:2"), ("NO_PROXY", ".direct.test")];
        for (variables, base_url, expected) in [
            (&both[..], "http://host", Some("http://one:80")),
            (&both[..], "https://host", Some("http://two:2")),
            (&both[..], "https://x.direct.test", None),
            (&both[..], "http://127.0.0.1:8000", None),
            (&[("HTTPS_PROXY", "upper"), ("https_proxy", "lower")], "https://host", Some("http://lower:80")),
            (&[("all_proxy", "socks5://all")], "http://host", Some("socks5://all:1080")),
            (&[("ALL_PROXY", "https://all"), ("no_proxy", "host:80")], "http://host", None),
        ] {
            let (proxy, findings) = in_environment(variables, base_url);
            assert_eq!(proxy.as_deref(), expected, "{variables:?}");
            assert!(findings.is_empty(), "{findings:?}");
        }
    }

    #[test]
    fn what_is_wrong_in_the_environment_is_told_without_its_value() {
        for (name, value) in [
            ("HTTPS_PROXY", "ftp://very-secret"),
            ("ALL_PROXY", "socks5://:very-secret@p"),
            ("NO_PROXY", "10.0.0.0/99,very-secret/8"),
            ("UNRELATED", "very-secret"),
        ] {
            let (_, findings) = in_environment(&[(name, value)], "https://host");
            let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
            assert!(told.iter().all(|finding| finding.starts_with("providers.openai.proxy_config.type: ")));
            assert!(!told.is_empty() && !format!("{told:?}").contains("very-secret"), "{told:?}");
        }
    }
}
