//! Which pages of a browser may call.

/// `client.allowed_origins` and `client.allowed_headers`; localhost is always allowed.
#[derive(Debug, Default)]
pub struct Cors {
    /// `*`, whole origins, or patterns such as `https://*.example.com`.
    pub origins: Vec<String>,
    /// Header names beyond the built-in ones, or `*`.
    pub headers: Vec<String>,
}

/// Header fields that OpenAI's SDK sends from a browser, beside `x-stainless-*` and `x-bf-*`.
static HEADERS: [&str; 12] = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "x-api-key",
    "x-openai-agents-sdk",
    "x-operation-id",
    "x-request-id",
    "x-requested-with",
];

impl Cors {
    /// Whether pages of that origin may call.
    pub fn allows_origin(&self, origin: &str) -> bool {
        is_local(origin) || self.origins.iter().any(|pattern| matches(pattern, origin))
    }

    /// Those of the asked header names that may be sent.
    pub fn allowed_headers(&self, asked: &str) -> String {
        let allowed: Vec<_> =
            asked.split(',').map(str::trim).filter(|name| self.allows_header(name)).collect();
        allowed.join(", ")
    }

    fn allows_header(&self, name: &str) -> bool {
        let lower = name.to_ascii_lowercase();
        let is_name = !lower.is_empty()
            && lower.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_name
            && (HEADERS.contains(&lower.as_str())
                || lower.starts_with("x-stainless-")
                || lower.starts_with("x-bf-")
                || self.headers.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(name)))
    }
}

fn is_local(origin: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(scheme, "http" | "https") && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// A pattern has at most one `*`, which stands for one or more characters that end no host name.
fn matches(pattern: &str, origin: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let Some((start, end)) = pattern.split_once('*') else {
        return pattern.trim_end_matches('/').eq_ignore_ascii_case(origin);
    };
    // `*.example.com` stands for every scheme.
    let has_scheme = pattern.contains("://");
    let Some((_, host)) = origin.split_once("://") else { return false };
    let subject = if has_scheme { origin } else { host };
    let inside = subject.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
    inside.is_some_and(|inside| !inside.is_empty() && !inside.contains(['/', ':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(pattern: &str, origin: &str) -> bool {
        Cors { origins: vec![pattern.to_owned()], headers: Vec::new() }.allows_origin(origin)
    }

    #[test]
    fn without_configuration_only_localhost_may_call() {
        let cors = Cors::default();
        for origin in
            ["http://localhost:3000", "https://localhost", "http://127.0.0.1:5173", "http://[::1]:1"]
        {
            assert!(cors.allows_origin(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil.com",
            "http://evil.com",
            "null",
            "ftp://localhost",
            "http://localhost:80x",
        ] {
            assert!(!cors.allows_origin(origin), "{origin}");
        }
    }

    #[test]
    fn patterns_match_subdomains_and_nothing_else() {
        assert!(allows("*", "https://any.where"));
        assert!(allows("https://app.example.com", "https://app.example.com"));
        assert!(allows("https://*.example.com", "https://a.b.example.com"));
        assert!(allows("*.example.com", "http://a.example.com"));
        assert!(!allows("https://*.example.com", "https://example.com"));
        assert!(!allows("https://*.example.com", "https://evil.com/.example.com"));
        assert!(!allows("https://*.example.com", "https://x.example.com.evil.com"));
    }

    #[test]
    fn header_names_are_allowed_one_by_one() {
        let cors = Cors { origins: Vec::new(), headers: vec!["X-Mine".to_owned()] };
        assert_eq!(
            cors.allowed_headers("Content-Type, x-stainless-os, x-mine, x-evil, a b"),
            "Content-Type, x-stainless-os, x-mine"
        );
    }
}
