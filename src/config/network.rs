//! How a provider is spoken to: `network_config`.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use super::{
    file::NETWORK,
    limits,
    reader::{Field, Section},
};
use crate::provider::Tls;

/// Header fields that belong to one connection, or that the gateway writes itself.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What `network_config` says, with the defaults of what it does not.
pub(super) struct Network {
    /// None if there is none, or a mistake in it.
    pub(super) base_url: Option<Url>,
    pub(super) tls: Tls,
    pub(super) extra_headers: Vec<(String, String)>,
    pub(super) request_time_max: Duration,
    pub(super) stream_idle_max: Duration,
}

pub(super) fn read(file: &Section<'_>) -> Network {
    let seconds = |name, bounds| file.field(name).limit(bounds).map(Duration::from_secs);
    let request_time_max = seconds("default_request_timeout_in_seconds", limits::REQUEST_TIME_SECONDS);
    let stream_idle_max = seconds("stream_idle_timeout_in_seconds", limits::STREAM_IDLE_SECONDS);
    let network = Network {
        base_url: read_url(&file.field("base_url")),
        tls: Tls {
            ca_cert_pem: read_certificates(&file.field("ca_cert_pem")),
            is_unverified: file.field("insecure_skip_verify").boolean().unwrap_or_default(),
        },
        extra_headers: read_headers(&file.section("extra_headers")),
        request_time_max: request_time_max.unwrap_or(limits::REQUEST_TIME_MAX),
        stream_idle_max: stream_idle_max.unwrap_or(limits::STREAM_IDLE_MAX),
    };
    NETWORK.read(file);
    network
}

/// A base URL, without its version path or with `/v1`. None if there is none, or a mistake in it.
pub(super) fn read_url(field: &Field<'_>) -> Option<Url> {
    let text = field.secret().filter(|text| !text.is_empty())?;
    let url = Url::parse(&text).ok().filter(Url::has_host);
    let mistake = match &url {
        None => "this is not a URL",
        Some(url) if !matches!(url.scheme(), "http" | "https") => "only http and https are spoken",
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            "a URL must not hold credentials, they belong into a key's value"
        }
        Some(url) if url.query().is_some() || url.fragment().is_some() => {
            "a base URL has neither a query nor a fragment"
        }
        Some(url) if url.path().trim_end_matches('/').ends_with("/completions") => {
            "this is the URL of an endpoint, the gateway adds the endpoint's path itself"
        }
        Some(_) => return url,
    };
    field.mistake(mistake, "Write it like https://host or https://host/v1");
    None
}

/// Whether a header field can have that name.
pub(super) fn is_header_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

/// PEM of authorities; none where nothing is written, and after a mistake.
pub(super) fn read_certificates(field: &Field<'_>) -> Option<String> {
    let pem = field.secret().filter(|pem| !pem.is_empty())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    if certificates.is_ok_and(|certificates| !certificates.is_empty()) {
        return Some(pem);
    }
    field.mistake(
        "there is no certificate in this, or it is damaged",
        "Write the text of a PEM file, from its line BEGIN CERTIFICATE to its line END CERTIFICATE",
    );
    None
}

fn read_headers(file: &Section<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, field) in file.entries() {
        let value = field.secret();
        if !is_header_name(name) {
            field.mistake("this is not the name of a header field", "Correct or remove it");
        } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            field.mistake("the gateway writes this header field itself", "Remove it");
        } else if let Some(value) = value {
            if value.contains(|letter: char| letter.is_control() && letter != '\t') {
                field.mistake("a header field cannot hold control characters", "Write it on one line");
            }
            headers.push((name.to_owned(), value));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use crate::config::fixture::{mistakes_of, provider};

    fn with(network: &str) -> String {
        format!(r#"{{"keys": [{{"value": "a"}}], "network_config": {{{network}}}}}"#)
    }

    #[test]
    fn a_base_url_may_end_in_nothing_a_slash_or_its_version() {
        for (name, url, expected) in [
            ("openai", "http://host:8000", "http://host:8000/v1"),
            ("openai", "https://Host/", "https://host/v1"),
            ("openai", "https://host/v1", "https://host/v1"),
            ("openai", "https://host/v1/", "https://host/v1"),
            ("groq", "https://host/openai", "https://host/openai/v1"),
            ("openai", "http://[::1]:80/v1", "http://[::1]/v1"),
        ] {
            let (snapshot, _) = provider(name, &with(&format!(r#""base_url": "{url}""#)));
            assert_eq!(snapshot.routes.accounts()[0].keys[0].endpoint.to_string(), expected);
        }
    }

    #[test]
    fn a_base_url_of_another_kind_is_refused() {
        for url in [
            "host",
            "host:8000/v1",
            "ftp://host",
            "http://",
            "https://host/v1?api-version=1",
            "https://host/#a",
            "https://user@host",
            "https://:password@host",
            "https://host/v1/chat/completions",
            "env.BLANK",
        ] {
            let paths = mistakes_of("openai", &with(&format!(r#""base_url": "{url}""#)));
            assert_eq!(paths, ["network_config.base_url"], "{url}");
        }
    }

    #[test]
    fn timeouts_have_defaults_and_bounds() {
        let (snapshot, _) = provider("openai", &with(""));
        let account = &snapshot.routes.accounts()[0];
        assert_eq!((account.request_time_max.as_secs(), account.stream_idle_max.as_secs()), (30, 60));
        for (name, allowed, refused) in [
            ("default_request_timeout_in_seconds", [1, 86_400], ["86401", "-1", "1.5", "\"30\"", "[]"]),
            ("stream_idle_timeout_in_seconds", [5, 3600], ["4", "3601", "-1", "true", "[]"]),
        ] {
            for seconds in allowed {
                provider("openai", &with(&format!(r#""{name}": {seconds}"#)));
            }
            let (snapshot, _) = provider("openai", &with(&format!(r#""{name}": 0"#)));
            let account = &snapshot.routes.accounts()[0];
            assert_eq!((account.request_time_max.as_secs(), account.stream_idle_max.as_secs()), (30, 60));
            for seconds in refused {
                let paths = mistakes_of("openai", &with(&format!(r#""{name}": {seconds}"#)));
                assert_eq!(paths, [format!("network_config.{name}")], "{seconds}");
            }
        }
    }

    #[test]
    fn certificates_are_read_now_and_not_at_the_first_request() {
        let pem = r"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let (snapshot, _) =
            provider("openai", &with(&format!(r#""ca_cert_pem": "{pem}", "insecure_skip_verify": true"#)));
        let Some(tls) = &snapshot.routes.accounts()[0].keys[0].endpoint.tls else { panic!("no TLS") };
        assert!(tls.is_unverified && tls.ca_cert_pem.as_ref().is_some_and(|pem| pem.contains("MIIB")));
        provider("openai", &with(r#""ca_cert_pem": """#));
        for pem in ["MIIB", r"-----BEGIN CERTIFICATE-----\nMIIB", "env.BLANK", "/etc/ssl/ca.pem"] {
            let paths = mistakes_of("openai", &with(&format!(r#""ca_cert_pem": "{pem}""#)));
            assert_eq!(paths, ["network_config.ca_cert_pem"], "{pem}");
        }
    }

    #[test]
    fn extra_headers_are_checked_before_they_are_sent() {
        let (snapshot, _) = provider("openai", &with(r#""extra_headers": {"X-A": "1", "X-B": "env.B_KEY"}"#));
        let expected = [("X-A", "1"), ("X-B", "sk-very-secret-B_KEY")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(snapshot.routes.accounts()[0].extra_headers, expected);
        for header in [
            r#""Host": "a""#,
            r#""content-length": "1""#,
            r#""X A": "1""#,
            r#""": "1""#,
            r#""X-A\r\nX-B": "1""#,
            r#""X-A": "1\r\nX-B: 2""#,
            r#""X-A": 1"#,
            r#""X-A": "env.NOT_THERE""#,
        ] {
            let paths = mistakes_of("openai", &with(&format!(r#""extra_headers": {{{header}}}"#)));
            assert_eq!(paths.len(), 1, "{header}");
        }
    }
}
