//! One entry under `providers`: who is spoken to, where, and with which keys.

use std::sync::Arc;

use url::Url;

use super::{
    cloud,
    file::{CUSTOM_PROVIDER, OPENAI, PROVIDER},
    key::{self, EmptyList, Surroundings},
    limits, network,
    proxy::{self, Reach},
    reader::{Field, Reading, Section},
};
use crate::provider::{self, Account, BASE_PROVIDER_TYPES, Endpoint, Key, Provider, Secret};

/// The accounts in the order of the file, those with mistakes left out, and the names of those that are
/// left out with a warning; without any provider in the file those of the environment.
pub(super) fn read_all(file: &Section<'_>, empty_list: EmptyList) -> (Vec<Account>, Vec<String>) {
    if file.is_empty() {
        return (fall_back(file.whole()), Vec::new());
    }
    let (mut accounts, mut left_out) = (Vec::new(), Vec::new());
    let mut names = Vec::new();
    for (name, field) in file.entries() {
        let name = name.trim().to_lowercase();
        check_name(&name, &names, &field);
        if is_unspoken(&name, &field) || has_no_key(&name, &field) {
            left_out.push(name.clone());
        } else {
            accounts.extend(field.inside(|file| read(&name, file, empty_list)));
        }
        names.push(name);
    }
    (accounts, left_out)
}

/// An account of each built-in provider whose key is in the environment.
pub(super) fn from_environment(reading: &Reading<'_>) -> Vec<Account> {
    let account = |provider: &'static dyn Provider| {
        let (_, secret) = key_in_environment(provider, reading)?;
        let endpoint = own_endpoint(provider, &Reach::default())?;
        Some(with_defaults(provider.name(), provider, secret, endpoint))
    };
    provider::built_in().filter_map(account).collect()
}

/// The provider that is embedded in the gateway itself.
pub(super) fn demo(port: u16) -> Option<Account> {
    let provider = BASE_PROVIDER_TYPES.iter().find_map(|name| provider::find(name))?;
    let url = Url::parse(&format!("http://127.0.0.1:{port}")).ok()?;
    let endpoint = Reach::default().endpoint(&url, provider)?;
    Some(with_defaults("demo", provider, Secret::new(""), endpoint))
}

fn read(name: &str, file: &Section<'_>, empty_list: EmptyList) -> Option<Account> {
    let built_in = provider::find(name);
    let custom = file.inside("custom_provider_config", |custom| read_custom(custom, built_in, file.whole()));
    let network = file.inside("network_config", network::read);
    let reach = Reach { tls: network.tls, proxies: file.inside("proxy_config", proxy::read) };
    let endpoint = match (&network.base_url, custom.provider, built_in) {
        (Some(url), Some(provider), _) => reach.endpoint(url, provider),
        (None, _, Some(provider)) => own_endpoint(provider, &reach),
        _ => None,
    };
    let surroundings = Surroundings {
        account: name,
        provider: custom.provider,
        is_keyless: custom.is_keyless
            || [custom.provider, built_in].into_iter().flatten().any(Provider::is_keyless),
        has_key_addresses: built_in.is_some_and(Provider::has_key_addresses),
        endpoint,
        reach: &reach,
        empty_list,
    };
    let keys = read_keys(file, built_in, &surroundings);
    file.inside("openai_config", |openai| OPENAI.read(openai));
    PROVIDER.read(file);
    Some(Account {
        name: name.to_owned(),
        provider: custom.provider?,
        keys,
        extra_headers: network.extra_headers,
        request_time_max: network.request_time_max,
        stream_idle_max: network.stream_idle_max,
        allowed_requests: custom.allowed_requests,
        signals_end: custom.signals_end,
    })
}

fn check_name(name: &str, earlier: &[String], field: &Field<'_>) {
    if earlier.iter().any(|other| other == name) {
        field.mistake(
            "this provider is there twice, since upper and lower case are the same here",
            "Put all its keys into one of the two",
        );
    }
    if name.is_empty()
        || name.contains(|letter: char| letter == '/' || !letter.is_ascii() || letter.is_control())
    {
        field.mistake(
            "a provider cannot have this name, which goes before the / of provider/model and into a header",
            "Use letters, digits, - and _",
        );
    }
}

/// Whether its language, or the one that the file says it speaks, is not spoken yet.
fn is_unspoken(name: &str, field: &Field<'_>) -> bool {
    let base = field.section().section("custom_provider_config").field("base_provider_type");
    let is_unspoken = if base.is_blank() {
        provider::find(name).is_some_and(|provider| !provider.is_spoken())
    } else {
        let kind = base.text().unwrap_or_default().to_lowercase();
        provider::find(&kind).is_some() && !BASE_PROVIDER_TYPES.contains(&kind.as_str())
    };
    if is_unspoken {
        field.warning(
            "this version does not speak this provider's language yet, so the provider is left out",
            "Remove it, or, where it has an OpenAI-compatible address, write that as network_config.base_url \
             and openai as custom_provider_config.base_provider_type",
        );
    }
    is_unspoken
}

/// Whether it needs a key and has none, neither in the file nor in the environment.
fn has_no_key(name: &str, field: &Field<'_>) -> bool {
    let file = field.section();
    let built_in = provider::find(name);
    let is_known = built_in.is_some() || !file.section("custom_provider_config").is_empty();
    let is_keyless = file.section("custom_provider_config").field("is_key_less").is_true()
        || built_in.is_some_and(Provider::is_keyless);
    let has_keys = file.field("keys").has_items();
    let in_environment = || built_in.and_then(|provider| key_in_environment(provider, field.reading));
    let has_no_key = is_known && !is_keyless && !has_keys && in_environment().is_none();
    if has_no_key {
        let variables = built_in.map(Provider::key_variables).unwrap_or_default();
        let or_variable = variables.first().map(|name| format!(", or set {name}")).unwrap_or_default();
        field.warning(
            "this provider has no key, so it is left out",
            format!("List one under keys with value and weight{or_variable}"),
        );
    }
    has_no_key
}

struct Custom {
    /// How it is spoken to; none after a mistake.
    provider: Option<&'static dyn Provider>,
    is_keyless: bool,
    allowed_requests: Option<Vec<String>>,
    signals_end: bool,
}

fn read_custom(file: &Section<'_>, built_in: Option<&'static dyn Provider>, account: &Field<'_>) -> Custom {
    let base = file.field("base_provider_type");
    let kind = base.text().unwrap_or_default().to_lowercase();
    let provider = if BASE_PROVIDER_TYPES.contains(&kind.as_str()) {
        provider::find(&kind)
    } else {
        built_in.filter(|_| base.is_blank())
    };
    if provider.is_none() && base.is_blank() {
        account.mistake(
            "this is not a provider that this version knows",
            "Check the spelling, or say where it is and how it speaks: network_config.base_url and \
             custom_provider_config.base_provider_type",
        );
    } else if provider.is_none() {
        base.mistake(
            "providers of this type are not spoken to yet",
            format!("So far it can be: {}", BASE_PROVIDER_TYPES.join(", ")),
        );
    }
    let allowed_requests = file.field("allowed_requests");
    let allowed_requests = allowed_requests.is_present().then(|| {
        let section = allowed_requests.section();
        let allowed = section.entries().filter(|(_, field)| field.boolean() == Some(true));
        allowed.map(|(name, _)| name.to_owned()).collect()
    });
    CUSTOM_PROVIDER.read(file);
    Custom {
        provider,
        is_keyless: file.field("is_key_less").boolean().unwrap_or_default(),
        allowed_requests,
        signals_end: !file.field("does_not_send_done_marker").boolean().unwrap_or_default(),
    }
}

fn read_keys(
    file: &Section<'_>,
    built_in: Option<&'static dyn Provider>,
    surroundings: &Surroundings<'_>,
) -> Vec<Key> {
    let field = file.field("keys");
    let list = field.list();
    let is_listed = list.as_ref().is_some_and(|list| !list.is_empty());
    let base_url = file.section("network_config").field("base_url");
    let is_in_cloud = || list.iter().flatten().any(|key| cloud::is_told(&key.section()));
    let needs_base_url = !(is_listed && (surroundings.has_key_addresses || is_in_cloud()));
    if needs_base_url && surroundings.endpoint.is_none() && base_url.is_blank() {
        base_url.mistake("nothing says where this provider is", "Write its URL, such as https://host/v1");
    }
    match list {
        Some(list) if is_listed => key::read_all(list, surroundings),
        None if field.is_present() => Vec::new(),
        _ => unlisted_key(&field, built_in, surroundings).into_iter().collect(),
    }
}

/// The key of a provider for which none is listed: an empty one, or the one in its well-known variable.
fn unlisted_key(
    field: &Field<'_>,
    built_in: Option<&'static dyn Provider>,
    surroundings: &Surroundings<'_>,
) -> Option<Key> {
    let secret = if surroundings.is_keyless {
        Secret::new("")
    } else {
        let (variable, secret) = key_in_environment(built_in?, field.reading)?;
        field.warning(format!("no key is listed, so the one in {variable} is used"), "List it to be sure");
        secret
    };
    Some(key::plain(surroundings.account, secret, surroundings.endpoint.clone()?))
}

fn fall_back(field: &Field<'_>) -> Vec<Account> {
    let accounts = from_environment(field.reading);
    let names: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
    let message = match names.as_slice() {
        [] => {
            "no provider is configured and no key is in the environment, so no model can be called".to_owned()
        }
        names => {
            format!("no provider is configured, so these come from the environment: {}", names.join(", "))
        }
    };
    field.warning(message, "Configure the providers to be used");
    accounts
}

fn key_in_environment(provider: &dyn Provider, reading: &Reading<'_>) -> Option<(&'static str, Secret)> {
    let value = |name: &&'static str| Some((*name, reading.variable(name)?));
    let (name, value) = provider.key_variables().iter().find_map(value)?;
    key::is_sendable(&value).then(|| (name, Secret::new(&value)))
}

fn own_endpoint(provider: &dyn Provider, reach: &Reach) -> Option<Arc<Endpoint>> {
    reach.endpoint(&Url::parse(provider.base_url()?).ok()?, provider)
}

fn with_defaults(
    name: &str,
    provider: &'static dyn Provider,
    secret: Secret,
    endpoint: Arc<Endpoint>,
) -> Account {
    Account {
        name: name.to_owned(),
        provider,
        keys: vec![key::plain(name, secret, endpoint)],
        extra_headers: Vec::new(),
        request_time_max: limits::REQUEST_TIME_MAX,
        stream_idle_max: limits::STREAM_IDLE_MAX,
        allowed_requests: None,
        signals_end: true,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{
        check,
        fixture::{accepted, mistaken_paths, mistakes_of, provider},
    };
    use crate::route::Mount;

    #[test]
    fn names_are_the_same_in_upper_and_lower_case() {
        let (snapshot, _) = provider("OpenAI", r#"{"keys": [{"value": "a"}]}"#);
        assert_eq!(snapshot.routes.accounts()[0].name, "openai");
        let twice =
            r#"{"providers": {"Groq": {"keys": [{"value": "a"}]}, "groq": {"keys": [{"value": "b"}]}}}"#;
        assert_eq!(mistaken_paths(twice), ["providers.groq"]);
    }

    #[test]
    fn a_custom_provider_is_spoken_to_like_its_base() {
        let (snapshot, warnings) = provider(
            "my-host",
            r#"{"keys": [{"value": "a"}], "network_config": {"base_url": "http://127.0.0.1:9"},
                "custom_provider_config": {"base_provider_type": "openai", "does_not_send_done_marker": true,
                "allowed_requests": null}}"#,
        );
        let account = &snapshot.routes.accounts()[0];
        assert_eq!((account.name.as_str(), account.provider.name()), ("my-host", "openai"));
        assert!(!account.signals_end);
        assert_eq!(account.keys[0].endpoint.to_string(), "http://127.0.0.1:9/v1");
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn a_custom_provider_without_a_key_sends_none() {
        let (snapshot, _) = provider(
            "my-host",
            r#"{"network_config": {"base_url": "http://127.0.0.1:9"},
                "custom_provider_config": {"base_provider_type": "openai", "is_key_less": true}}"#,
        );
        let key = &snapshot.routes.accounts()[0].keys[0];
        assert_eq!((key.name.as_str(), key.secret.is_empty()), ("my-host-1", true));
    }

    #[test]
    fn a_custom_provider_of_a_clouds_kind_takes_keys_of_that_cloud() {
        let (snapshot, _) = provider(
            "my-cloud",
            r#"{"keys": [{"bedrock_key_config": {"access_key": "a", "secret_key": "b", "region": "eu-central-1"}}],
                "custom_provider_config": {"base_provider_type": "bedrock"}}"#,
        );
        let key = &snapshot.routes.accounts()[0].keys[0];
        assert!(key.secret.is_empty() && key.cloud.as_deref().is_some_and(|cloud| cloud.grant.is_some()));
        assert_eq!(key.endpoint.to_string(), "https://bedrock-runtime.eu-central-1.amazonaws.com");
    }

    #[test]
    fn a_custom_provider_needs_a_base_and_an_address() {
        for (name, text, expected) in [
            ("my-host", r#""network_config": {"base_url": "http://h"}"#, vec![""]),
            (
                "my-host",
                r#""custom_provider_config": {"base_provider_type": "openai"}"#,
                vec!["network_config.base_url"],
            ),
            (
                "my-host",
                r#""custom_provider_config": {"base_provider_type": "brock"}, "network_config": {"base_url": "http://h"}"#,
                vec!["custom_provider_config.base_provider_type"],
            ),
            (
                "azure",
                r#""custom_provider_config": {"base_provider_type": "openai"}"#,
                vec!["network_config.base_url"],
            ),
            (
                "openai",
                r#""custom_provider_config": {"base_provider_type": "openai", "allowed_requests": []}"#,
                vec!["custom_provider_config.allowed_requests"],
            ),
            (
                "openai",
                r#""custom_provider_config": {"base_provider_type": "openai", "allowed_requests": {"embedding": 1}}"#,
                vec!["custom_provider_config.allowed_requests.embedding"],
            ),
        ] {
            assert_eq!(
                mistakes_of(name, &format!(r#"{{"keys": [{{"value": "a"}}], {text}}}"#)),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_built_in_provider_may_be_spoken_to_like_another() {
        for name in ["gemini", "vertex"] {
            let (snapshot, _) = provider(
                name,
                r#"{"keys": [{"value": "a"}], "network_config": {"base_url": "http://127.0.0.1:9"},
                    "custom_provider_config": {"base_provider_type": "openai"}}"#,
            );
            let account = &snapshot.routes.accounts()[0];
            assert_eq!(account.provider.name(), "openai");
            assert_eq!(account.keys[0].endpoint.to_string(), "http://127.0.0.1:9/v1");
        }
    }

    #[test]
    fn a_provider_that_is_not_spoken_to_yet_is_left_out_with_a_warning() {
        let (snapshot, warnings) = accepted(
            r#"{"providers": {"replicate": {"keys": [{"value": "env.NOT_THERE"}]},
                "groq": {"keys": [{"value": "a"}]}}}"#,
        );
        assert_eq!(snapshot.routes.accounts().len(), 1);
        assert!(warnings.len() == 1 && warnings[0].starts_with("providers.replicate: "), "{warnings:?}");
        let (snapshot, warnings) = provider(
            "my-host",
            r#"{"keys": [{"value": "a"}], "network_config": {"base_url": "http://h"},
                "custom_provider_config": {"base_provider_type": "Replicate"}}"#,
        );
        assert!(snapshot.routes.accounts().is_empty());
        assert!(warnings.len() == 1 && warnings[0].starts_with("providers.my-host: "), "{warnings:?}");
    }

    #[test]
    fn a_provider_without_a_key_takes_the_one_in_the_environment_or_is_left_out() {
        let (snapshot, warnings) =
            provider("openai", r#"{"network_config": {"default_request_timeout_in_seconds": 60}}"#);
        assert_eq!(snapshot.routes.accounts()[0].keys[0].secret.reveal(), "sk-very-secret-OPENAI_API_KEY");
        assert!(warnings[0].contains("OPENAI_API_KEY"), "{warnings:?}");
        for text in ["{}", r#"{"keys": []}"#, r#"{"keys": null}"#] {
            let alone = check(&format!(r#"{{"providers": {{"openai": {text}}}}}"#), &|_| None);
            let (snapshot, warnings) = alone.unwrap_or_else(|rejected| panic!("{rejected}"));
            assert!(snapshot.routes.accounts().is_empty());
            assert!(warnings[0].remedy.contains("set OPENAI_API_KEY"), "{warnings:?}");
            let error = snapshot.routes.find(Mount::V1, "openai/gpt-4o").unwrap_err();
            assert!(error.status == 404 && error.message.contains("left out"), "{error:?}");
        }
    }

    #[test]
    fn a_provider_that_needs_no_key_needs_an_address() {
        assert_eq!(mistakes_of("ollama", "{}"), ["network_config.base_url"]);
        let (snapshot, _) =
            provider("ollama", r#"{"network_config": {"base_url": "http://localhost:11434"}}"#);
        assert!(snapshot.routes.accounts()[0].keys[0].secret.is_empty());
    }

    #[test]
    fn a_name_that_no_model_can_be_asked_with_is_refused() {
        for name in ["a/b", " ", "a\nb", "ö"] {
            let text = r#"{"network_config": {"base_url": "http://h"},
                "custom_provider_config": {"base_provider_type": "openai", "is_key_less": true}}"#;
            assert_eq!(mistakes_of(name, text).len(), 1, "{name}");
        }
    }

    #[test]
    fn a_wish_not_to_be_stored_is_not_passed_over() {
        let text = r#"{"keys": [{"value": "a"}], "openai_config": {"disable_store": true}}"#;
        assert_eq!(mistakes_of("openai", text), ["openai_config.disable_store"]);
    }
}
