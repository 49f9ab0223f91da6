//! What an operator has with a provider: where it is reached, its keys, and what each key allows.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use super::{Cloud, Provider, Proxy, Secret};

/// One entry under `providers` of the configuration.
pub struct Account {
    /// The left part of `provider/model`, in lower case.
    pub name: String,
    /// Who is spoken to.
    pub provider: &'static dyn Provider,
    /// In the order of the file; a provider without keys has one with an empty secret.
    pub keys: Vec<Key>,
    /// Header fields that every request to it carries, `network_config.extra_headers`.
    pub extra_headers: Vec<(String, String)>,
    /// Time of one attempt: to the last byte, or to the first event of a stream.
    pub request_time_max: Duration,
    /// Silence between two reads of a stream.
    pub stream_idle_max: Duration,
    /// What it may be asked for, by the names of `allowed_requests`; none allows everything.
    pub allowed_requests: Option<Vec<String>>,
    /// Whether its streams end in a signal of the dialect (`[DONE]`), so that one without is cut short.
    pub signals_end: bool,
}

/// One credential and the models it may be used for.
#[derive(Debug)]
pub struct Key {
    /// `id` of the file, else made from provider and name.
    pub id: String,
    /// `name` of the file, else made from the provider and the position.
    pub name: String,
    /// What is sent to the provider; empty where it wants none.
    pub secret: Secret,
    /// Share of the requests, relative to the other keys that allow the model; 0 or more.
    pub weight: f64,
    /// A key that is not enabled is never used.
    pub is_enabled: bool,
    /// Models it may be used for, by the names that clients use.
    pub models: Models,
    /// Models it may not be used for, in lower case; wins over `models`.
    pub blacklisted_models: Vec<String>,
    /// Names that clients use, in lower case, with the provider's names for them.
    pub aliases: Vec<(String, String)>,
    /// Whether it is the one for stored objects, `use_for_batch_api`.
    pub is_for_stored_objects: bool,
    /// Where it is used.
    pub endpoint: Arc<Endpoint>,
    /// Where in a cloud it is used; none elsewhere.
    pub cloud: Option<Arc<Cloud>>,
    /// Equal for keys with the same account, id and name, also those of different configurations.
    pub fingerprint: u64,
}

/// The models that a key allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Models {
    /// Every model.
    All,
    /// These only, in lower case.
    Only(Vec<String>),
}

/// Where requests go: what a connection is made to, and the path that all requests begin with.
#[derive(Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Equal for endpoints that may share connections.
    pub id: u64,
    /// Name or address without brackets, in lower case.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Set for `https`.
    pub tls: Option<Tls>,
    /// What connections go through; none where they go directly.
    pub proxy: Option<Arc<Proxy>>,
    /// Value of `Host`.
    pub authority: String,
    /// Comes before OpenAI's paths: the base URL's path and the version path, without a `/` at its end.
    pub path_prefix: String,
    /// Comes before the paths of the provider's own API.
    pub native_prefix: String,
}

/// How the peer of a TLS connection proves who it is.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Tls {
    /// PEM of further authorities to trust, beside the public ones.
    pub ca_cert_pem: Option<String>,
    /// Whether the certificate is not verified.
    pub is_unverified: bool,
}

impl Account {
    /// Whether it may be asked for something, by its name in `allowed_requests`.
    pub fn allows_request(&self, kind: &str) -> bool {
        self.allowed_requests.as_ref().is_none_or(|allowed| allowed.iter().any(|name| name == kind))
    }
}

impl Key {
    /// Whether it may be used for a model, by the name that the client uses.
    pub fn allows(&self, model: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(model));
        self.is_enabled
            && !among(&self.blacklisted_models)
            && match &self.models {
                Models::All => true,
                Models::Only(names) => among(names),
            }
    }

    /// A fingerprint of the names that it has now.
    pub fn take_fingerprint(&mut self, account: &str) {
        let mut hasher = DefaultHasher::new();
        (account, &self.id, &self.name).hash(&mut hasher);
        self.fingerprint = hasher.finish();
    }

    /// Whether it may be used for any model.
    pub fn allows_every_model(&self) -> bool {
        self.is_enabled && self.blacklisted_models.is_empty() && self.models == Models::All
    }

    /// The alias that a model's name is, and the provider's name for it.
    pub fn alias(&self, model: &str) -> Option<(&str, &str)> {
        let alias = self.aliases.iter().find(|(name, _)| name.eq_ignore_ascii_case(model));
        alias.map(|(name, resolved)| (name.as_str(), resolved.as_str()))
    }

    /// All names of models that the configuration has for it.
    pub fn named_models(&self) -> impl Iterator<Item = &str> {
        let allowed = match &self.models {
            Models::All => &[][..],
            Models::Only(names) => names,
        };
        let aliases = self.aliases.iter().flat_map(|(name, resolved)| [name, resolved]);
        allowed.iter().chain(aliases).map(String::as_str)
    }
}

impl Endpoint {
    /// An endpoint from a parsed base URL, `http` or `https`; what it already has of a version path, OpenAI's
    /// or the provider's own, is not doubled.
    pub fn new(
        url: &url::Url,
        [version_path, native_path]: [&str; 2],
        tls: Tls,
        proxy: Option<Arc<Proxy>>,
    ) -> Option<Self> {
        let is_tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = url.host_str()?;
        let port = url.port_or_known_default()?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = url.path().trim_end_matches('/');
        let base = without_version(path, version_path).or_else(|| without_version(path, native_path));
        let base = base.unwrap_or(path);
        let [path_prefix, native_prefix] =
            [version_path, native_path].map(|version| format!("{base}{version}"));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let tls = is_tls.then_some(tls);
        let mut hasher = DefaultHasher::new();
        (&host, port, &tls, &proxy).hash(&mut hasher);
        Some(Self { id: hasher.finish(), host, port, tls, proxy, authority, path_prefix, native_prefix })
    }

    /// What comes before the version of the provider's own API.
    pub fn root(&self, native_path: &str) -> &str {
        self.native_prefix.strip_suffix(native_path).unwrap_or(&self.native_prefix)
    }

    /// Host and port as `CONNECT` wants them, the port always told.
    pub fn connect_authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// A path without what it has, at its end, of the beginning of a version path.
fn without_version<'p>(path: &'p str, version: &str) -> Option<&'p str> {
    let ends = version.match_indices('/').map(|(at, _)| at).chain([version.len()]);
    ends.rev().find_map(|end| path.strip_suffix(version.get(..end).filter(|front| !front.is_empty())?))
}

impl fmt::Debug for Account {
    /// Without the values of `extra_headers`, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra_headers: Vec<_> = self.extra_headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("keys", &self.keys)
            .field("extra_headers", &extra_headers)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path_prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::provider::{ProxyCredentials, ProxyKind};

    #[test]
    fn what_a_base_url_has_of_the_version_path_is_not_doubled() {
        for (url, version_path, expected) in [
            ("https://host", "/v1", "https://host/v1"),
            ("https://host/v1/", "/v1", "https://host/v1"),
            ("https://host/api/v1", "/v1", "https://host/api/v1"),
            ("https://host/v1beta", "/v1beta/openai", "https://host/v1beta/openai"),
            ("https://host/v1beta/openai/", "/v1beta/openai", "https://host/v1beta/openai"),
            ("https://host", "/v1beta/openai", "https://host/v1beta/openai"),
            ("https://host/", "", "https://host"),
            ("https://host/v1", "", "https://host/v1"),
        ] {
            let endpoint = url::Url::parse(url)
                .ok()
                .and_then(|url| Endpoint::new(&url, [version_path; 2], Tls::default(), None));
            assert_eq!(endpoint.map(|endpoint| endpoint.to_string()).as_deref(), Some(expected));
        }
    }
    #[test]
    fn connections_are_shared_only_where_they_go_the_same_way() {
        let endpoint = |url: &str, proxy: Option<(&str, &str)>| {
            let proxy = proxy.map(|(host, password)| {
                let [username, password] = ["me", password].map(Secret::new);
                let credentials = Some(ProxyCredentials { username, password });
                let (kind, host) = (ProxyKind::Http, host.to_owned());
                Arc::new(Proxy { kind, host, port: 1, tls: None, credentials })
            });
            Endpoint::new(&url::Url::parse(url).unwrap(), ["/v1"; 2], Tls::default(), proxy).unwrap()
        };
        let ways = [
            endpoint("http://host", None),
            endpoint("https://host", None),
            endpoint("http://host", Some(("one", "a"))),
            endpoint("http://host", Some(("two", "a"))),
            endpoint("http://host", Some(("one", "b"))),
        ];
        let ids: HashSet<_> = ways.iter().map(|endpoint| endpoint.id).collect();
        assert_eq!(ids.len(), ways.len());
        assert_eq!(ways[2].id, endpoint("http://host/other", Some(("one", "a"))).id);
    }

    #[test]
    fn a_tunnel_is_asked_for_with_the_port() {
        for (url, expected) in
            [("https://host", "host:443"), ("http://host:81", "host:81"), ("http://[::1]", "[::1]:80")]
        {
            let url = url::Url::parse(url).unwrap();
            let endpoint = Endpoint::new(&url, [""; 2], Tls::default(), None).unwrap();
            assert_eq!(endpoint.connect_authority(), expected);
        }
    }
}
