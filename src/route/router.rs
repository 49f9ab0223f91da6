//! From the model's name to the account that serves it.

use crate::{
    ir::ApiError,
    provider::{self, Account},
    route::Mount,
};

/// A longer model name is refused, bytes.
const MODEL_BYTES_MAX: usize = 512;

/// Which bytes nearly all model names are made of.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        plain[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'/' | b'.');
        byte += 1;
    }
    plain
};

/// The accounts of one configuration and the defaults of the mounts.
#[derive(Debug, Default)]
pub struct Routes {
    /// In the order of the file.
    accounts: Vec<Account>,
    /// Names of those that the file has and that cannot be used.
    left_out: Vec<String>,
    /// Position of the account that serves a bare model under `/openai`.
    openai_default: Option<usize>,
    /// Position of the account that serves a bare model under `/v1`.
    v1_default: Option<usize>,
    /// Position of the account that serves a bare model under `/anthropic`.
    anthropic_default: Option<usize>,
    /// Position of the account that serves a bare model under `/genai`.
    genai_default: Option<usize>,
}

impl Routes {
    /// `default` serves bare models on every mount; without it openai does under `/openai`, and
    /// under `/v1` openai or, where it is not there, the first account.
    pub fn new(accounts: Vec<Account>, default: Option<&str>) -> Self {
        let position = |name: &str| accounts.iter().position(|account| account.name == name);
        let fixed = default.and_then(position);
        let openai = position("openai");
        let first = (!accounts.is_empty()).then_some(0);
        let (openai_default, v1_default) = (fixed.or(openai), fixed.or(openai).or(first));
        let own = |names: &[&str]| fixed.or_else(|| names.iter().find_map(|name| position(name)));
        let (anthropic_default, genai_default) = (own(&["anthropic"]), own(&["gemini", "vertex"]));
        Self { openai_default, v1_default, anthropic_default, genai_default, accounts, left_out: Vec::new() }
    }

    /// With the names of accounts that were left out: whoever asks for one is told so.
    pub fn leave_out(mut self, names: Vec<String>) -> Self {
        self.left_out = names;
        self
    }

    /// In the order of the file.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account of that name.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    /// The account that serves a model, and the model's name without the account's.
    pub fn find<'m>(&self, mount: Mount, model: &'m str) -> Result<(&Account, &'m str), ApiError> {
        let is_plain = is_plain(model);
        if !is_plain {
            check_unusual(model)?;
        }
        if let Some((prefix, rest)) = model.split_once('/') {
            if let Some(account) = self.account(prefix) {
                // The end of a plain name is plain, or empty.
                if !is_plain || rest.is_empty() {
                    check_unusual(rest)?;
                }
                return Ok((account, rest));
            }
            if self.left_out.iter().any(|name| name == prefix) {
                let message = format!(
                    "The model `{model}` belongs to the provider `{prefix}`, which was left out at the start: \
                     it has no key{}, or its language is not spoken yet. `bifrost check` tells which.",
                    variable_hint(prefix)
                );
                return Err(not_found(message));
            }
            if provider::find(prefix).is_some() && !self.accounts.is_empty() {
                let message = format!(
                    "The model `{model}` belongs to the provider `{prefix}`, which is not configured. \
                     Add `providers.{prefix}` with a key to config.json{}.",
                    variable_hint(prefix)
                );
                return Err(not_found(message));
            }
        }
        let account = self
            .default_at(mount)
            .ok_or_else(|| self.no_default(mount, "Name the model as `provider/model`"))?;
        Ok((account, model))
    }

    /// The account that serves what names no model.
    pub fn default(&self, mount: Mount) -> Result<&Account, ApiError> {
        self.default_at(mount).ok_or_else(|| self.no_default(mount, "Call it under /v1"))
    }

    fn default_at(&self, mount: Mount) -> Option<&Account> {
        let position = match mount {
            Mount::OpenAi => self.openai_default,
            Mount::V1 => self.v1_default,
            Mount::Anthropic => self.anthropic_default,
            Mount::Genai => self.genai_default,
        };
        position.and_then(|at| self.accounts.get(at))
    }

    fn no_default(&self, mount: Mount, remedy: &str) -> ApiError {
        let name = match mount {
            Mount::OpenAi | Mount::V1 => "openai",
            Mount::Anthropic => "anthropic",
            Mount::Genai => "gemini",
        };
        not_found(if self.accounts.is_empty() {
            "No provider is configured. Set OPENAI_API_KEY (or another provider's key variable) and \
             start the gateway again, write a config.json, or try `bifrost demo`, which needs no key."
                .to_owned()
        } else {
            format!(
                "The provider `{name}`, which serves what names no provider here, is not configured. {remedy}, \
                 or add `providers.{name}` to config.json."
            )
        })
    }
}

/// Refuses a tunnel to a provider of another dialect, since nobody reads what goes through it.
pub fn check_tunnel(account: &Account) -> Result<(), ApiError> {
    if account.provider.speaks_openai() {
        return Ok(());
    }
    let message = format!(
        "The provider `{}` does not speak OpenAI's dialect, and WebSocket is not translated. \
         Name a model of a provider that does, or call the API without WebSocket.",
        account.name
    );
    Err(ApiError::client(501, "websocket_not_supported", message))
}

/// What to say where no key of an account may be used for a model.
pub fn no_key(account: &Account, model: &str, pinned: Option<&str>) -> ApiError {
    let name = &account.name;
    not_found(match pinned {
        Some(pin) => format!(
            "The provider `{name}` has no enabled key `{pin}` that allows the model `{model}`. \
             Check x-bf-api-key or x-bf-api-key-id, and providers.{name}.keys in config.json."
        ),
        None => format!(
            "No key of the provider `{name}` allows the model `{model}`. \
             Add it to `models` under providers.{name}.keys in config.json."
        ),
    })
}

fn not_found(message: String) -> ApiError {
    ApiError::client(404, "model_not_found", message).with_param("model")
}

fn variable_hint(prefix: &str) -> String {
    let variables = provider::find(prefix).map(|provider| provider.key_variables()).unwrap_or_default();
    variables.first().map(|name| format!(", or set {name} where there is no config.json")).unwrap_or_default()
}

/// Whether a name is made of what nearly all are made of; a dot must not begin a segment.
fn is_plain(model: &str) -> bool {
    let bytes = model.as_bytes();
    let begins_with_dot = |pair: &[u8]| pair == b"/.";
    !model.is_empty()
        && model.len() <= MODEL_BYTES_MAX
        && bytes.iter().all(|byte| PLAIN[usize::from(*byte)])
        && !(bytes.starts_with(b".") || bytes.windows(2).any(begins_with_dot))
}

fn check_unusual(model: &str) -> Result<(), ApiError> {
    let refused = |what: &str| {
        Err(ApiError::client(400, "invalid_value", format!("The model name {what}.")).with_param("model"))
    };
    if model.trim_start().is_empty() {
        return refused("is empty");
    }
    if model.len() > MODEL_BYTES_MAX {
        return refused("is longer than 512 bytes");
    }
    if model.bytes().any(|byte| byte.is_ascii_control())
        || !model.is_ascii() && model.chars().any(char::is_control)
    {
        return refused("has control characters");
    }
    // Where a provider takes the model in its path, these would lead elsewhere.
    let has_dots = || model.split('/').any(|segment| segment == "." || segment == "..");
    let has_escapes = || {
        let lower = model.to_ascii_lowercase();
        lower.contains("%2e") || lower.contains("%2f")
    };
    let is_suspect = |byte: u8| matches!(byte, b'%' | b'\\' | b'.');
    if model.bytes().any(is_suspect) && (has_dots() || has_escapes() || model.contains('\\')) {
        return refused("has a dot segment, an encoded dot or slash, or a backslash");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::provider::{Call, Provider, Secret};

    fn routes(names: &[&str], default: Option<&str>) -> Routes {
        let account = |name: &&str| Account {
            name: (*name).to_owned(),
            provider: provider::find("openai").unwrap(),
            keys: Vec::new(),
            extra_headers: Vec::new(),
            request_time_max: Duration::from_secs(30),
            stream_idle_max: Duration::from_secs(60),
            allowed_requests: None,
            signals_end: true,
        };
        Routes::new(names.iter().map(account).collect(), default)
    }

    fn found(routes: &Routes, mount: Mount, model: &str) -> (String, String) {
        let (account, bare) = routes.find(mount, model).unwrap();
        (account.name.clone(), bare.to_owned())
    }

    #[test]
    fn a_prefix_counts_only_where_it_names_a_provider() {
        let routes = routes(&["mine", "openai"], None);
        let pair = |account: &str, model: &str| (account.to_owned(), model.to_owned());
        assert_eq!(found(&routes, Mount::V1, "mine/a/b"), pair("mine", "a/b"));
        assert_eq!(found(&routes, Mount::V1, "meta-llama/Llama-3"), pair("openai", "meta-llama/Llama-3"));
        assert_eq!(found(&routes, Mount::OpenAi, "gpt-4o"), pair("openai", "gpt-4o"));
    }

    #[test]
    fn a_provider_that_is_not_configured_is_told_where_to_add_it() {
        let error = routes(&["openai"], None).find(Mount::OpenAi, "anthropic/claude").unwrap_err();
        assert_eq!((error.status, error.code), (404, Some("model_not_found")));
        assert!(error.message.contains("providers.anthropic"), "{}", error.message);
    }

    #[test]
    fn bare_models_go_to_openai_or_under_v1_to_whoever_is_there() {
        let others = routes(&["mistral", "groq"], None);
        assert_eq!(found(&others, Mount::V1, "x").0, "mistral");
        let error = others.find(Mount::OpenAi, "x").unwrap_err();
        assert!(error.status == 404 && error.message.contains("as `provider/model`"), "{error:?}");
        let error = others.default(Mount::OpenAi).unwrap_err();
        assert!(error.status == 404 && error.message.contains("under /v1"), "{error:?}");
        let fixed = routes(&["openai", "demo"], Some("demo"));
        assert_eq!(found(&fixed, Mount::OpenAi, "x").0, "demo");
    }

    #[test]
    fn without_any_provider_the_error_names_the_variable_and_the_demo() {
        for model in ["gpt-4o", "anthropic/claude"] {
            let error = routes(&[], None).find(Mount::V1, model).unwrap_err();
            assert!(error.message.contains("OPENAI_API_KEY") && error.message.contains("bifrost demo"));
        }
    }

    #[test]
    fn a_model_name_that_cannot_be_one_is_refused() {
        let routes = routes(&["openai"], None);
        for model in ["", " ", "a\nb", "openai/", "a/../b", "%2E%2e", "a%2Fb", &"x".repeat(600)] {
            assert_eq!(routes.find(Mount::V1, model).unwrap_err().status, 400, "{model:?}");
        }
    }
    /// Speaks a language of its own.
    #[derive(Debug)]
    struct Foreign;

    impl Provider for Foreign {
        fn name(&self) -> &'static str {
            "foreign"
        }

        fn base_url(&self) -> Option<&'static str> {
            None
        }

        fn version_path(&self) -> &'static str {
            ""
        }

        fn key_variables(&self) -> &'static [&'static str] {
            &[]
        }

        fn speaks_openai(&self) -> bool {
            false
        }

        fn authorize(&self, _: &Secret, _: &Call<'_>, _: &mut Vec<u8>) {}
    }

    #[test]
    fn a_tunnel_leads_only_to_providers_of_the_same_dialect() {
        let routes = routes(&["openai"], None);
        assert_eq!(check_tunnel(&routes.accounts()[0]), Ok(()));
        let foreign = Account { provider: &Foreign, ..routes.accounts.into_iter().next().unwrap() };
        let error = check_tunnel(&foreign).unwrap_err();
        assert_eq!((error.status, error.code), (501, Some("websocket_not_supported")));
        assert!(error.message.contains("`openai`"), "{}", error.message);
    }
}
