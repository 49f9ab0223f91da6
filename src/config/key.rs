//! One key of a provider: its secret, and what it may be used for.

use std::sync::Arc;

use url::Url;

use super::{
    cloud::{self, CloudKey},
    file::{ALIAS, KEY},
    network,
    proxy::Reach,
    reader::{Field, Kind, Section},
};
use crate::provider::{Cloud, Endpoint, Key, Models, Provider, Secret};

/// What a key says that lists no models, by the `version` of the file.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum EmptyList {
    /// Version 1: every model.
    All,
    /// No version: every model, and a warning where the list is there and empty.
    AllWithWarning,
    /// Version 2: no model.
    Nothing,
}

/// What the account around a key decides.
pub(super) struct Surroundings<'a> {
    /// Name of the account, in lower case.
    pub(super) account: &'a str,
    /// How it is spoken to; none after a mistake.
    pub(super) provider: Option<&'static dyn Provider>,
    /// Whether a key may be empty.
    pub(super) is_keyless: bool,
    /// Where its keys are used that have no address of their own; none if each must have one.
    pub(super) endpoint: Option<Arc<Endpoint>>,
    /// Whether its keys have addresses, in `<account>_key_config.url`.
    pub(super) has_key_addresses: bool,
    pub(super) reach: &'a Reach,
    pub(super) empty_list: EmptyList,
}

/// The keys of a list, those with mistakes left out.
pub(super) fn read_all(list: Vec<Field<'_>>, surroundings: &Surroundings<'_>) -> Vec<Key> {
    let (mut names, mut ids) = (Vec::new(), Vec::new());
    let mut keys = Vec::new();
    for field in list {
        keys.extend(field.inside(|file| {
            check_repetition(&file.field("name"), &mut names);
            check_repetition(&file.field("id"), &mut ids);
            read(file, surroundings)
        }));
    }
    name(&mut keys, names, surroundings.account);
    keys
}

/// A key for every model.
pub(super) fn plain(account: &str, secret: Secret, endpoint: Arc<Endpoint>) -> Key {
    let mut key = Key {
        id: String::new(),
        name: String::new(),
        secret,
        weight: 1.0,
        is_enabled: true,
        models: Models::All,
        blacklisted_models: Vec::new(),
        aliases: Vec::new(),
        is_for_stored_objects: false,
        endpoint,
        cloud: None,
        fingerprint: 0,
    };
    name(std::slice::from_mut(&mut key), Vec::new(), account);
    key
}

/// Whether a value can be sent as a key: a line break in it would begin another header field.
pub(super) fn is_sendable(secret: &str) -> bool {
    secret.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn read(file: &Section<'_>, surroundings: &Surroundings<'_>) -> Option<Key> {
    let secret = read_secret(&file.field("value"), surroundings);
    let blacklisted_models = lower_case(&file.field("blacklisted_models")).unwrap_or_default();
    let name = file.field("name").text().unwrap_or_default();
    let mut models = read_models(&file.field("models"), name, file.whole(), surroundings.empty_list);
    if blacklisted_models.iter().any(|name| name == "*") {
        models = Models::Only(Vec::new());
    }
    let CloudKey { cloud, url } = cloud::read(file, !secret.is_empty());
    let key = Key {
        id: file.field("id").text().unwrap_or_default().to_owned(),
        name: name.to_owned(),
        secret,
        weight: file.field("weight").number_from_zero().unwrap_or(1.0),
        is_enabled: file.field("enabled").boolean().unwrap_or(true),
        models,
        blacklisted_models,
        aliases: read_aliases(&file.section("aliases")),
        is_for_stored_objects: file.field("use_for_batch_api").boolean().unwrap_or_default(),
        endpoint: read_address(file, url, cloud.as_deref(), surroundings)?,
        cloud,
        fingerprint: 0,
    };
    Some(key)
}

fn read_secret(field: &Field<'_>, surroundings: &Surroundings<'_>) -> Secret {
    let value = if field.is_present() { field.secret() } else { Some(String::new()) };
    match value.as_deref().map(str::trim) {
        Some("") if !surroundings.is_keyless => {
            field.mistake("the key is empty", "Write the key, or env.NAME for one from the environment");
        }
        Some(value) if !is_sendable(value) => field.mistake(
            "the key holds characters that no key has, such as a line break",
            "Write it on one line, as the provider shows it",
        ),
        _ => {}
    }
    Secret::new(value.as_deref().unwrap_or_default())
}

fn read_models(field: &Field<'_>, name: &str, key: &Field<'_>, empty_list: EmptyList) -> Models {
    match (lower_case(field), empty_list) {
        (Some(models), _) if models.iter().any(|name| name == "*") => Models::All,
        (Some(models), _) if !models.is_empty() => Models::Only(models),
        (_, EmptyList::Nothing) => {
            key.warning(
                "this key allows no model, since version 2 takes an empty list at its word",
                "List its models, or write \"models\": [\"*\"]",
            );
            Models::Only(Vec::new())
        }
        (Some(_), EmptyList::AllWithWarning) => {
            let key = if name.is_empty() { String::new() } else { format!(", for the key `{name}` too") };
            field.warning(
                format!("without \"version\": 2 an empty list allows every model{key}"),
                "Write [\"*\"] for every model, or \"enabled\": false for none",
            );
            Models::All
        }
        _ => Models::All,
    }
}

/// The names in a list, none where there is no list.
fn lower_case(field: &Field<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for item in field.list()? {
        let name = item.text().unwrap_or_default().to_lowercase();
        if name != "*" && name.contains('*') {
            item.warning("only \"*\" alone stands for other names", "Write the names of the models");
        }
        names.push(name);
    }
    Some(names)
}

fn read_aliases(file: &Section<'_>) -> Vec<(String, String)> {
    let mut aliases = Vec::new();
    for (name, field) in file.entries() {
        let model = if field.is_object() {
            field.inside(|alias| {
                ALIAS.read(alias);
                alias.field("model_id")
            })
        } else {
            field
        };
        match model.text() {
            Some(text) if !text.is_empty() => aliases.push((name.trim().to_lowercase(), text.to_owned())),
            None if model.is_present() => {}
            _ => model.mistake("an alias stands for a model", "Write the provider's name of the model"),
        }
    }
    aliases
}

/// Where a key is used: at its own address, at the account's, or where its cloud has it.
fn read_address(
    file: &Section<'_>,
    own: Option<Url>,
    cloud: Option<&Cloud>,
    surroundings: &Surroundings<'_>,
) -> Option<Arc<Endpoint>> {
    let mut url = own;
    if let (Some(cloud), None) = (cloud, &url) {
        KEY.read(file);
        if let Some(endpoint) = &surroundings.endpoint {
            return Some(endpoint.clone());
        }
        let provider = surroundings.provider?;
        let Some(placed) = provider.url_of(cloud) else {
            file.whole().mistake(
                "this region makes no address",
                "Write one such as us-east-1, or network_config.base_url",
            );
            return None;
        };
        return surroundings.reach.endpoint(&Url::parse(&placed).ok()?, provider);
    }
    if surroundings.has_key_addresses && url.is_none() {
        file.inside(&format!("{}_key_config", surroundings.account), |config| {
            let field = config.field("url");
            if surroundings.endpoint.is_none() && field.is_blank() {
                let remedy =
                    "Write its URL, such as http://127.0.0.1:11434, here or as network_config.base_url";
                field.mistake("nothing says where this provider is", remedy);
            }
            url = network::read_url(&field);
            config.leave_idle(&[("model_name", Kind::Text)]);
        });
    }
    KEY.read(file);
    match (url, surroundings.provider) {
        (Some(url), Some(provider)) => surroundings.reach.endpoint(&url, provider),
        _ => surroundings.endpoint.clone(),
    }
}

fn check_repetition(field: &Field<'_>, earlier: &mut Vec<String>) {
    let Some(text) = field.text().filter(|text| !text.is_empty()) else { return };
    if earlier.iter().any(|other| other == text) {
        field.mistake("another key of this provider is called the same", "Give each its own");
    }
    earlier.push(text.to_owned());
}

/// Names the nameless by their position, past the names that are taken.
fn name(keys: &mut [Key], mut taken: Vec<String>, account: &str) {
    for (index, key) in keys.iter_mut().enumerate() {
        if key.name.is_empty() {
            let mut names = (index + 1..).map(|position| format!("{account}-{position}"));
            key.name = names.find(|name| !taken.contains(name)).unwrap_or_default();
            taken.push(key.name.clone());
        }
        if key.id.is_empty() {
            key.id = format!("{account}/{}", key.name);
        }
        key.take_fingerprint(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::{accepted, mistakes_of, provider};

    fn models(version: &str, key: &str) -> (Models, Vec<String>) {
        let (snapshot, warnings) = accepted(&format!(
            r#"{{{version} "providers": {{"openai": {{"keys": [{{"value": "a" {key}}}]}}}}}}"#
        ));
        (snapshot.routes.accounts()[0].keys[0].models.clone(), warnings)
    }

    #[test]
    fn without_version_2_a_key_without_models_allows_all() {
        for version in ["", "\"version\": 1,"] {
            assert_eq!(models(version, ""), (Models::All, vec![]));
            assert_eq!(models(version, r#", "models": ["*"]"#), (Models::All, vec![]));
        }
        assert_eq!(models("\"version\": 1,", r#", "models": []"#), (Models::All, vec![]));
        let (models, warnings) = models("", r#", "models": []"#);
        assert_eq!(models, Models::All);
        assert!(warnings[0].starts_with("providers.openai.keys[0].models: "), "{warnings:?}");
    }

    #[test]
    fn with_version_2_a_key_without_models_allows_none() {
        for key in ["", r#", "models": []"#, r#", "models": null"#] {
            let (models, warnings) = models("\"version\": 2,", key);
            assert_eq!(models, Models::Only(vec![]));
            assert!(
                warnings[0].starts_with("providers.openai.keys[0]: this key allows no model"),
                "{warnings:?}"
            );
        }
        assert_eq!(models("\"version\": 2,", r#", "models": ["*"]"#), (Models::All, vec![]));
    }

    #[test]
    fn models_and_aliases_are_compared_in_lower_case() {
        let (snapshot, warnings) = provider(
            "openai",
            r#"{"keys": [{"value": "a", "models": ["GPT-4o", "Fast"], "blacklisted_models": ["O1"],
                "aliases": {"Fast": "gpt-4o-Mini", "Far": {"model_id": "gpt-far", "region": "eu"}}}]}"#,
        );
        let key = &snapshot.routes.accounts()[0].keys[0];
        assert_eq!(key.models, Models::Only(vec!["gpt-4o".to_owned(), "fast".to_owned()]));
        assert!(key.allows("fast") && !key.allows("o1"));
        assert_eq!(key.alias("FAST"), Some(("fast", "gpt-4o-Mini")));
        assert_eq!(key.alias("far"), Some(("far", "gpt-far")));
        assert!(warnings[0].contains("keys[0].aliases.Far.region"), "{warnings:?}");
    }

    #[test]
    fn a_blacklist_of_everything_leaves_nothing() {
        let (snapshot, _) = provider(
            "openai",
            r#"{"keys": [{"value": "a", "models": ["gpt-4o"], "blacklisted_models": ["*"]}]}"#,
        );
        assert!(!snapshot.routes.accounts()[0].keys[0].allows("gpt-4o"));
    }

    #[test]
    fn a_key_says_whether_and_how_much_it_is_used() {
        let (snapshot, _) = provider(
            "openai",
            r#"{"keys": [{"value": "a"}, {"value": "b", "weight": 0, "enabled": false, "use_for_batch_api": true}]}"#,
        );
        let said = |index: usize| {
            let key = &snapshot.routes.accounts()[0].keys[index];
            (key.weight, key.is_enabled, key.is_for_stored_objects)
        };
        assert_eq!((said(0), said(1)), ((1.0, true, false), (0.0, false, true)));
    }

    #[test]
    fn nameless_keys_get_names_that_are_not_taken() {
        let (snapshot, _) = provider(
            "openai",
            r#"{"keys": [{"value": "a"}, {"value": "b"}, {"value": "c", "name": "openai-1", "id": "mine"}]}"#,
        );
        let names = snapshot.routes.accounts()[0].keys.iter().map(|key| (key.name.as_str(), key.id.as_str()));
        let expected =
            [("openai-2", "openai/openai-2"), ("openai-3", "openai/openai-3"), ("openai-1", "mine")];
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn two_keys_of_a_provider_cannot_share_a_name_or_an_id() {
        let paths = mistakes_of(
            "openai",
            r#"{"keys": [{"value": "a", "name": "n", "id": "i"}, {"value": "b", "name": "n", "id": "i"}]}"#,
        );
        assert_eq!(paths, ["keys[1].name", "keys[1].id"]);
    }

    #[test]
    fn a_key_that_would_begin_another_header_field_is_refused() {
        for value in [r#""a\r\nX-Other: b""#, r#""a\u0000b""#, r#""ключ""#, r#""env.TWO_LINES""#] {
            assert_eq!(
                mistakes_of("openai", &format!(r#"{{"keys": [{{"value": {value}}}]}}"#)),
                ["keys[0].value"]
            );
        }
    }

    #[test]
    fn a_secret_is_found_in_all_its_forms() {
        let (snapshot, _) = provider(
            "openai",
            r#"{"keys": [{"value": " a "}, {"value": "env.B_KEY"}, {"value": {"value": "c"}},
                {"value": {"value": "old", "env_var": "env.D_KEY", "from_env": true}},
                {"value": {"value": "e", "env_var": "env.E_KEY", "from_env": false}},
                {"value": {"env_var": "F_KEY"}}]}"#,
        );
        let keys = snapshot.routes.accounts()[0].keys.iter().map(|key| key.secret.reveal());
        let expected =
            ["a", "sk-very-secret-B_KEY", "c", "sk-very-secret-D_KEY", "e", "sk-very-secret-F_KEY"];
        assert_eq!(keys.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_empty_key_is_refused_where_a_key_is_needed() {
        for value in [
            r#""value": """#,
            r#""value": null"#,
            r#""value": {}"#,
            "",
            r#""value": "env.""#,
            r#""value": "vault.a""#,
        ] {
            let paths = mistakes_of("openai", &format!(r#"{{"keys": [{{{value}}}]}}"#));
            assert_eq!(paths, ["keys[0].value"], "{value}");
        }
        provider(
            "ollama",
            r#"{"keys": [{"value": "", "ollama_key_config": {"url": "http://localhost:11434"}}]}"#,
        );
    }

    #[test]
    fn a_key_may_have_an_address_of_its_own() {
        let (snapshot, warnings) = provider(
            "vllm",
            r#"{"keys": [{"vllm_key_config": {"url": "http://one:8000/", "model_name": "m"}},
                {"vllm_key_config": {"url": "https://two:8000/v1"}}, {}],
                "network_config": {"base_url": "http://all:8000/v1"}}"#,
        );
        let endpoints = snapshot.routes.accounts()[0].keys.iter().map(|key| key.endpoint.to_string());
        let expected = ["http://one:8000/v1", "https://two:8000/v1", "http://all:8000/v1"];
        assert_eq!(endpoints.collect::<Vec<_>>(), expected);
        assert!(warnings[0].contains("keys[0].vllm_key_config.model_name"), "{warnings:?}");
        assert_eq!(mistakes_of("vllm", r#"{"keys": [{"value": ""}]}"#), ["keys[0].vllm_key_config.url"]);
    }
}
