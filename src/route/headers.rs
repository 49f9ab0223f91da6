//! Which header fields go on, in both directions.

use crate::{
    http::{Fields, Known, RequestHead},
    provider::{Account, Call, Key, Secret},
    route::Operation,
};

/// The operator's word on single fields, names in lower case.
#[derive(Debug, Default)]
pub struct HeaderPolicy {
    /// Let through although the rules would hold them back.
    pub allowed: Vec<String>,
    /// Held back although the rules would let them through.
    pub denied: Vec<String>,
}

/// What becomes of a field of a request that does not simply go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rule {
    /// It belongs to one connection, to the framing, or to the caller alone: nothing lets it through.
    Never,
    /// It says who the caller is or where it sits: held back unless the operator allows it.
    Private,
    /// Another one stands in its place where the answer must be readable.
    Encoding,
    /// It asks for a WebSocket, and goes on only with that request.
    Handshake,
}

fn rule(known: Known) -> Option<Rule> {
    Some(match known {
        Known::AcceptEncoding => Rule::Encoding,
        Known::Forwarded
        | Known::OpenAiOrganization
        | Known::OpenAiProject
        | Known::XForwarded
        | Known::XRealIp => Rule::Private,
        Known::SecWebSocketExtensions | Known::SecWebSocketKey | Known::SecWebSocketVersion => {
            Rule::Handshake
        }
        Known::ApiKey
        | Known::Authorization
        | Known::Connection
        | Known::ContentLength
        | Known::Cookie
        | Known::Expect
        | Known::Host
        | Known::Http2Settings
        | Known::KeepAlive
        | Known::Own
        | Known::ProxyAuthenticate
        | Known::ProxyAuthorization
        | Known::ProxyConnection
        | Known::SecWebSocketProtocol
        | Known::Te
        | Known::Trailer
        | Known::TransferEncoding
        | Known::Upgrade
        | Known::XApiKey
        | Known::XGoogApiKey => Rule::Never,
        Known::ContentEncoding | Known::ContentType | Known::Origin => return None,
    })
}

/// Fields with this prefix are for the gateway.
const OWN: &str = "x-bf-";
/// A client's `x-bf-eh-<name>` goes on as `<name>`.
const EXTRA: &str = "eh-";

/// Whether a field of a response belongs to its connection, or to its framing.
fn is_of_response_hop(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::ContentLength
            | Known::KeepAlive
            | Known::ProxyAuthenticate
            | Known::ProxyConnection
            | Known::Te
            | Known::Trailer
            | Known::TransferEncoding
            | Known::Upgrade
    )
}

/// Whether a field proves who calls.
fn is_credential(name: &[u8]) -> bool {
    let credentials = [Known::ApiKey, Known::Authorization, Known::XApiKey, Known::XGoogApiKey];
    Known::of(name).is_some_and(|known| credentials.contains(&known))
}

/// Browsers, which can send no other fields, put into this one a credential, and what stands for a field.
const SUBPROTOCOLS: &str = "sec-websocket-protocol";
const SUBPROTOCOL_KEY: &str = "openai-insecure-api-key.";
static SUBPROTOCOL_FIELDS: [(&str, &str); 2] =
    [("openai-organization.", "openai-organization"), ("openai-project.", "openai-project")];

/// Appends the fields of a client's request that the upstream gets, in their order and spelling, and
/// those that the operator adds. A direct call proves itself by the caller's own credentials.
pub fn add_request_fields(
    fields: &Fields,
    policy: &HeaderPolicy,
    account: &Account,
    operation: Operation,
    is_direct: bool,
    head: &mut Vec<u8>,
) {
    let names_hops = names_hops(fields);
    let is_kept = |name: &[u8], known| {
        is_passed(name, known, policy, operation)
            && !has_operator_field(account, name)
            && !(names_hops && is_hop(fields, name))
    };
    fields.push_lines(is_kept, head);
    if operation == Operation::WebSocket {
        add_subprotocols(fields, policy, head);
        head.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
    add_extra_fields(fields, policy, account, head);
    if operation.is_model_call() {
        push(b"Accept-Encoding", b"identity", head);
    }
    add_operator_fields(account, is_direct, head);
}

/// Appends the fields of a request whose body has been translated: of the client's those that the operator
/// has allowed, since the provider's mean other things.
pub fn add_translated_fields(
    fields: &Fields,
    policy: &HeaderPolicy,
    account: &Account,
    is_direct: bool,
    head: &mut Vec<u8>,
) {
    for (name, value) in fields.iter() {
        let is_allowed = policy.allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed.as_bytes()));
        if is_allowed && may_be_extra(name, policy) && !has_operator_field(account, name) {
            push(name, value, head);
        }
    }
    add_extra_fields(fields, policy, account, head);
    push(b"Content-Type", b"application/json", head);
    push(b"Accept-Encoding", b"identity", head);
    push(b"User-Agent", concat!("bifrost/", env!("CARGO_PKG_VERSION")).as_bytes(), head);
    add_operator_fields(account, is_direct, head);
}

/// Appends the fields that a client has disguised so that they reach the provider.
fn add_extra_fields(fields: &Fields, policy: &HeaderPolicy, account: &Account, head: &mut Vec<u8>) {
    if !fields.has_own() {
        return;
    }
    for (name, value) in fields.iter() {
        let extra = without_prefix(name, OWN).and_then(|own| without_prefix(own, EXTRA));
        let extra = extra.filter(|extra| may_be_extra(extra, policy) && !has_operator_field(account, extra));
        if let Some(extra) = extra {
            push(extra, value, head);
        }
    }
}

/// Appends the subprotocols that are no fields in disguise which would be held back.
fn add_subprotocols(fields: &Fields, policy: &HeaderPolicy, head: &mut Vec<u8>) {
    let is_held_back = |protocol: &[u8]| {
        let mut fields = SUBPROTOCOL_FIELDS.iter();
        without_prefix(protocol, SUBPROTOCOL_KEY).is_some()
            || fields.any(|(prefix, name)| {
                without_prefix(protocol, prefix).is_some()
                    && !is_passed(name.as_bytes(), Known::of(name.as_bytes()), policy, Operation::WebSocket)
            })
    };
    let offered = fields.all(SUBPROTOCOLS).flat_map(|value| value.split(|byte| *byte == b','));
    let offered = offered.map(<[u8]>::trim_ascii).filter(|protocol| !protocol.is_empty());
    let kept: Vec<_> = offered.filter(|protocol| !is_held_back(protocol)).collect();
    if !kept.is_empty() {
        push(b"Sec-WebSocket-Protocol", &kept.join(&b", "[..]), head);
    }
}

/// Appends the fields that the operator adds to every request of an account, to a direct one without
/// those that prove who calls.
pub fn add_operator_fields(account: &Account, is_direct: bool, head: &mut Vec<u8>) {
    for (name, value) in &account.extra_headers {
        if !(is_direct && is_credential(name.as_bytes())) {
            push(name.as_bytes(), value.as_bytes(), head);
        }
    }
}

/// Whether the caller proves who it is.
pub fn has_credentials(fields: &Fields) -> bool {
    fields.iter().any(|(name, value)| is_credential(name) && !value.is_empty())
}

/// What tells callers apart: the virtual key or the credential that one sends; empty where it sends none.
pub fn caller(head: &RequestHead) -> &[u8] {
    let virtual_key = head.fields.own("x-bf-vk").map(str::as_bytes);
    let credential = || head.fields.iter().find(|(name, value)| is_credential(name) && !value.is_empty());
    let in_query = || {
        let parameters = head.query().unwrap_or_default().split('&');
        parameters.filter_map(|parameter| parameter.strip_prefix("key=")).next().map(str::as_bytes)
    };
    let credential = virtual_key.or_else(|| credential().map(|(_, value)| value)).or_else(in_query);
    credential.unwrap_or_default()
}

/// Appends the fields of an upstream's response that the client gets, in their order and spelling.
/// `Content-Length` is the writer's.
pub fn add_response_fields(fields: &Fields, replaces_cors: bool, head: &mut Vec<u8>) {
    let names_hops = names_hops(fields);
    let is_kept = |name: &[u8], known: Option<Known>| {
        let is_cors = replaces_cors && without_prefix(name, "access-control-").is_some();
        !(is_cors || known.is_some_and(is_of_response_hop) || names_hops && is_hop(fields, name))
    };
    fields.push_lines(is_kept, head);
}

/// Appends the fields of an upstream's response whose body has been translated: all but those that are about
/// its bytes. What SDKs of the client's dialect look for by another name is there by that one too.
pub fn add_translated_response_fields(
    fields: &Fields,
    client: &str,
    replaces_cors: bool,
    head: &mut Vec<u8>,
) {
    let names_hops = names_hops(fields);
    let about_bytes =
        ["etag", "content-md5", "content-digest", "repr-digest", "cache-control", "accept-ranges"];
    let is_kept = |name: &[u8], known: Option<Known>| {
        let is_cors = replaces_cors && without_prefix(name, "access-control-").is_some();
        let is_about_bytes = matches!(known, Some(Known::ContentType | Known::ContentEncoding))
            || about_bytes.iter().any(|field| name.eq_ignore_ascii_case(field.as_bytes()));
        !(is_cors
            || is_about_bytes
            || known.is_some_and(is_of_response_hop)
            || names_hops && is_hop(fields, name))
    };
    fields.push_lines(is_kept, head);
    let same: &[(&str, &[&str])] = if client == ANTHROPIC { &SAME_FOR_ANTHROPIC } else { &SAME_FOR_OPENAI };
    for (wanted, names) in same {
        let value = names.iter().find_map(|name| fields.all(name).next());
        if let Some(value) = value.filter(|_| fields.all(wanted).next().is_none()) {
            push(wanted.as_bytes(), value, head);
        }
    }
}

/// Name of the dialect whose SDKs look for fields of their own.
const ANTHROPIC: &str = "anthropic";

/// What OpenAI's SDKs look for, with what other providers call it.
static SAME_FOR_OPENAI: [(&str, &[&str]); 5] = [
    ("x-request-id", &["request-id", "x-amzn-requestid"]),
    ("x-ratelimit-limit-requests", &["anthropic-ratelimit-requests-limit"]),
    ("x-ratelimit-remaining-requests", &["anthropic-ratelimit-requests-remaining"]),
    ("x-ratelimit-limit-tokens", &["anthropic-ratelimit-tokens-limit"]),
    ("x-ratelimit-remaining-tokens", &["anthropic-ratelimit-tokens-remaining"]),
];

/// What Anthropic's SDKs look for.
static SAME_FOR_ANTHROPIC: [(&str, &[&str]); 5] = [
    ("request-id", &["x-request-id", "x-amzn-requestid"]),
    ("anthropic-ratelimit-requests-limit", &["x-ratelimit-limit-requests"]),
    ("anthropic-ratelimit-requests-remaining", &["x-ratelimit-remaining-requests"]),
    ("anthropic-ratelimit-tokens-limit", &["x-ratelimit-limit-tokens"]),
    ("anthropic-ratelimit-tokens-remaining", &["x-ratelimit-remaining-tokens"]),
];

/// The lines that prove to the provider who calls: the key's, or the caller's own.
pub fn add_credentials(
    account: &Account,
    key: &Key,
    own: Option<&RequestHead>,
    call: &Call<'_>,
    head: &mut Vec<u8>,
) {
    let Some(own) = own else {
        if !has_operator_field(account, b"authorization") {
            account.provider.authorize(&key.secret, call, head);
        }
        return;
    };
    for (name, value) in own.fields.iter() {
        if is_credential(name) {
            push(name, value, head);
        }
    }
}

/// Appends what proves to a provider of another dialect that the caller itself calls.
pub fn add_own_credentials(account: &Account, own: &RequestHead, call: &Call<'_>, head: &mut Vec<u8>) {
    let bearer = |value: &[u8]| without_prefix(value, "bearer ").unwrap_or(value).to_vec();
    let value = own.fields.iter().find(|(name, value)| is_credential(name) && !value.is_empty());
    let Some(secret) = value.and_then(|(_, value)| String::from_utf8(bearer(value)).ok()) else { return };
    account.provider.authorize(&Secret::new(&secret), call, head);
}

/// A client may ask for any field that is not bound to a connection, a credential, decided, or denied.
fn may_be_extra(name: &[u8], policy: &HeaderPolicy) -> bool {
    let is_denied = policy.denied.iter().any(|denied| name.eq_ignore_ascii_case(denied.as_bytes()));
    let known = Known::of(name);
    // By these the gateway has read the body, or will read the answer.
    let decided = [Known::AcceptEncoding, Known::ContentEncoding, Known::ContentType];
    let is_barred = known.is_some_and(|known| {
        decided.contains(&known) || matches!(rule(known), Some(Rule::Never | Rule::Handshake))
    });
    !name.is_empty() && !is_barred && !is_denied
}

/// The operator's word on a field replaces the client's.
fn has_operator_field(account: &Account, name: &[u8]) -> bool {
    account.extra_headers.iter().any(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()))
}

fn is_passed(name: &[u8], known: Option<Known>, policy: &HeaderPolicy, operation: Operation) -> bool {
    let listed = |names: &[String]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let is_let_through = match known.and_then(rule) {
        None => true,
        Some(Rule::Private) => listed(&policy.allowed),
        Some(Rule::Encoding) => !operation.is_model_call(),
        Some(Rule::Handshake) => operation == Operation::WebSocket,
        Some(Rule::Never) => false,
    };
    is_let_through && !listed(&policy.denied)
}

/// Whether `Connection` says more than whether it stays.
fn names_hops(fields: &Fields) -> bool {
    let plain: [&[u8]; 2] = [b"keep-alive", b"close"];
    let is_plain = |value: &[u8]| plain.iter().any(|known| value.eq_ignore_ascii_case(known));
    let first = fields.known(Known::Connection);
    first.is_some_and(|value| !is_plain(value)) || fields.is_repeated(Known::Connection)
}

/// A field that `Connection` names belongs to that connection.
fn is_hop(fields: &Fields, name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| fields.has_token(Known::Connection, name))
}

fn without_prefix<'a>(name: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix.as_bytes()).then_some(rest)
}

fn push(name: &[u8], value: &[u8], head: &mut Vec<u8>) {
    head.extend_from_slice(name);
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::provider;

    fn passed(lines: &str, policy: &HeaderPolicy, operation: Operation) -> String {
        let account = Account {
            name: "openai".to_owned(),
            provider: provider::find("openai").unwrap(),
            keys: Vec::new(),
            extra_headers: vec![("X-Extra".to_owned(), "e".to_owned())],
            request_time_max: Duration::from_secs(30),
            stream_idle_max: Duration::from_secs(60),
            allowed_requests: None,
            signals_end: true,
        };
        let mut request = format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes();
        let mut head = RequestHead::default();
        assert_eq!(head.take(&mut request), Ok(true));
        let mut out = Vec::new();
        add_request_fields(&head.fields, policy, &account, operation, false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn callers_are_told_apart_by_what_they_prove_themselves_with() {
        for (target, lines, expected) in [
            ("/", "", ""),
            ("/", "Authorization: Bearer x\r\nx-bf-vk: v\r\n", "v"),
            ("/", "Authorization:\r\nX-Api-Key: k\r\n", "k"),
            ("/?a=b&key=q", "", "q"),
            ("/?key=q", "x-goog-api-key: k\r\n", "k"),
        ] {
            let mut request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes();
            let mut head = RequestHead::default();
            assert_eq!(head.take(&mut request), Ok(true));
            assert_eq!(caller(&head), expected.as_bytes(), "{target} {lines}");
        }
    }

    #[test]
    fn end_to_end_fields_go_on_in_order_and_spelling() {
        let lines = "X-Organization: a\r\nuser-AGENT: b\r\nx-multi: 1\r\nx-multi: 2\r\n";
        assert_eq!(
            passed(lines, &HeaderPolicy::default(), Operation::Passthrough),
            format!("{lines}X-Extra: e\r\n")
        );
    }

    #[test]
    fn credentials_hops_and_whereabouts_stay_here() {
        let lines = "Authorization: Bearer x\r\nX-Api-Key: k\r\nCookie: c\r\nOpenAI-Organization: o\r\n\
            OpenAI-Project: p\r\nx-bf-vk: v\r\nForwarded: f\r\nX-Forwarded-For: i\r\nConnection: x-hop, close\r\n\
            X-Hop: 1\r\nTE: trailers\r\nExpect: 100-continue\r\nx-bf-eh-authorization: z\r\n\
            x-bf-eh-: z\r\nx-bf-eh-content-type: z\r\nx-bf-eh-content-encoding: z\r\n\
            x-bf-eh-accept-encoding: z\r\nx-bf-eh-x-bf-vk: z\r\nx-extra: client\r\n";
        assert_eq!(passed(lines, &HeaderPolicy::default(), Operation::Passthrough), "X-Extra: e\r\n");
    }

    #[test]
    fn the_operator_lets_private_fields_through_and_holds_others_back() {
        let policy = HeaderPolicy {
            allowed: vec!["openai-organization".to_owned(), "cookie".to_owned()],
            denied: vec!["x-secret".to_owned()],
        };
        let lines = "OpenAI-Organization: o\r\nCookie: c\r\nX-Secret: s\r\n";
        assert_eq!(
            passed(lines, &policy, Operation::Passthrough),
            "OpenAI-Organization: o\r\nX-Extra: e\r\n"
        );
    }

    #[test]
    fn an_sdk_finds_what_it_looks_for_whoever_the_provider_is() {
        let translated = |lines: &str, client| {
            let mut answer =
                format!("HTTP/1.1 200 OK\r\n{lines}Content-Type: a/b\r\nContent-Length: 3\r\n\r\n");
            let mut head = crate::http::ResponseHead::default();
            let mut bytes = std::mem::take(&mut answer).into_bytes();
            assert_eq!(head.take(&mut bytes, false), Ok(true));
            let mut out = Vec::new();
            add_translated_response_fields(&head.fields, client, false, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(translated("request-id: r\r\n", "openai_chat"), "request-id: r\r\nx-request-id: r\r\n");
        assert_eq!(translated("x-request-id: r\r\n", "anthropic"), "x-request-id: r\r\nrequest-id: r\r\n");
        let both = "x-request-id: r\r\nrequest-id: s\r\n";
        assert_eq!(translated(both, "openai_chat"), both);
        let limit = "anthropic-ratelimit-tokens-limit: 9\r\n";
        assert_eq!(translated(limit, "openai_chat"), format!("{limit}x-ratelimit-limit-tokens: 9\r\n"));
    }

    #[test]
    fn extra_fields_lose_their_prefix() {
        assert_eq!(
            passed("x-bf-eh-X-Y: z\r\n", &HeaderPolicy::default(), Operation::Passthrough),
            "X-Y: z\r\nX-Extra: e\r\n"
        );
    }

    #[test]
    fn a_model_call_asks_for_no_encoding() {
        let out = passed("Accept-Encoding: gzip\r\n", &HeaderPolicy::default(), Operation::Chat);
        assert_eq!(out, "Accept-Encoding: identity\r\nX-Extra: e\r\n");
    }
    #[test]
    fn what_asks_for_a_websocket_goes_on_only_where_that_is_understood() {
        let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: e\r\nSec-WebSocket-Protocol: realtime\r\n";
        let policy = HeaderPolicy::default();
        assert_eq!(passed(lines, &policy, Operation::Passthrough), "X-Extra: e\r\n");
        let expected = "Sec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: e\r\n\
            Sec-WebSocket-Protocol: realtime\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Extra: e\r\n";
        assert_eq!(passed(lines, &policy, Operation::WebSocket), expected);
    }

    #[test]
    fn fields_disguised_as_subprotocols_are_held_back_like_fields() {
        let lines = "Sec-WebSocket-Protocol: realtime,openai-insecure-api-key.sk-client\r\n\
            sec-websocket-protocol: openai-organization.o, openai-beta.realtime-v1\r\n";
        let subprotocols = |policy: &HeaderPolicy| {
            let passed = passed(lines, policy, Operation::WebSocket);
            passed.split("\r\n").next().map(str::to_owned)
        };
        let expected = "Sec-WebSocket-Protocol: realtime, openai-beta.realtime-v1";
        assert_eq!(subprotocols(&HeaderPolicy::default()).as_deref(), Some(expected));
        let allowed = vec!["openai-organization".to_owned()];
        let expected = "Sec-WebSocket-Protocol: realtime, openai-organization.o, openai-beta.realtime-v1";
        let policy = HeaderPolicy { allowed, denied: Vec::new() };
        assert_eq!(subprotocols(&policy).as_deref(), Some(expected));
        let only = passed(
            "Sec-WebSocket-Protocol: openai-insecure-api-key.k\r\n",
            &HeaderPolicy::default(),
            Operation::WebSocket,
        );
        assert!(!only.contains("Protocol"), "{only}");
    }
}
