//! Vendors that speak OpenAI's API, a line each.

use super::{Call, Chat, Provider, Secret, push_bearer};
use crate::dialect::{Deltas, Quirks, openai_chat::OpenAiChat};

/// An OpenAI-compatible vendor: where it is, and which variables hold its key.
#[derive(Debug)]
pub(super) struct Vendor {
    name: &'static str,
    base_url: &'static str,
    version_path: &'static str,
    key_variables: &'static [&'static str],
    deltas: &'static Deltas,
    quirks: &'static Quirks,
    /// Whether it serves models that have no chat completions, or none with tools, by responses.
    has_responses: bool,
}

const fn vendor(
    name: &'static str,
    base_url: &'static str,
    version_path: &'static str,
    key_variables: &'static [&'static str],
) -> Vendor {
    Vendor {
        name,
        base_url,
        version_path,
        key_variables,
        deltas: &MAX_TOKENS,
        quirks: &COMPATIBLE,
        has_responses: false,
    }
}

impl Vendor {
    const fn wanting(self, deltas: &'static Deltas) -> Self {
        Self { deltas, ..self }
    }

    /// Takes all that OpenAI takes, by OpenAI's names.
    const fn like_openai(self) -> Self {
        self.wanting(&Deltas::NONE).asked(&Quirks::OWNER)
    }

    const fn with_responses(self) -> Self {
        Self { has_responses: true, ..self }
    }

    const fn asked(self, quirks: &'static Quirks) -> Self {
        Self { quirks, ..self }
    }
}

/// Servers that know the bound of an answer by its older name only, and no role `developer`.
static MAX_TOKENS: Deltas =
    Deltas { renamed: &[("max_completion_tokens", "max_tokens")], dropped: &[], takes_developer: false };

/// Mistral refuses members that it does not know (422).
static MISTRAL: Deltas = Deltas {
    renamed: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
    dropped: &[
        "audio",
        "logit_bias",
        "modalities",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream_options",
        "user",
        "verbosity",
        "web_search_options",
    ],
    takes_developer: false,
};

/// Groq refuses these (400).
static GROQ: Deltas =
    Deltas { renamed: &[], dropped: &["logit_bias", "logprobs", "top_logprobs"], takes_developer: false };

/// How such servers differ when they are asked for a client of another dialect.
static COMPATIBLE: Quirks =
    Quirks { says_max_tokens: true, takes_developer: false, takes_service_tier: false, ..Quirks::OWNER };

/// What Mistral says at the end of each stream cannot be asked for.
static NO_STREAM_OPTIONS: Quirks = Quirks { takes_stream_options: false, ..COMPATIBLE };

/// Reaches many makers, some of whom want to be told what to cache.
static OPENROUTER: Quirks = Quirks { takes_cache_marks: true, ..Quirks::OWNER };

/// In the order in which a merged list of models shows them. An empty URL must be configured.
pub(super) static VENDORS: &[Vendor] = &[
    vendor("openai", "https://api.openai.com", "/v1", &["OPENAI_API_KEY", "OPENAI_KEY"])
        .like_openai()
        .with_responses(),
    vendor("mistral", "https://api.mistral.ai", "/v1", &["MISTRAL_API_KEY", "MISTRAL_KEY"])
        .wanting(&MISTRAL)
        .asked(&NO_STREAM_OPTIONS),
    vendor("groq", "https://api.groq.com/openai", "/v1", &["GROQ_API_KEY"]).wanting(&GROQ),
    vendor("openrouter", "https://openrouter.ai/api", "/v1", &["OPENROUTER_API_KEY"])
        .wanting(&Deltas::NONE)
        .asked(&OPENROUTER),
    vendor("deepseek", "https://api.deepseek.com", "/v1", &["DEEPSEEK_API_KEY"]),
    vendor("xai", "https://api.x.ai", "/v1", &["XAI_API_KEY"]),
    vendor("cerebras", "https://api.cerebras.ai", "/v1", &["CEREBRAS_API_KEY"]),
    vendor("perplexity", "https://api.perplexity.ai", "", &["PERPLEXITY_API_KEY"]),
    vendor("fireworks", "https://api.fireworks.ai/inference", "/v1", &["FIREWORKS_API_KEY"]),
    vendor("together", "https://api.together.xyz", "/v1", &["TOGETHER_API_KEY"]),
    vendor("nebius", "https://api.studio.nebius.com", "/v1", &["NEBIUS_API_KEY"]),
    vendor("huggingface", "https://router.huggingface.co", "/v1", &["HF_TOKEN", "HUGGINGFACE_API_KEY"]),
    vendor("parasail", "https://api.parasail.io", "/v1", &["PARASAIL_API_KEY"]),
    vendor("ollama", "", "/v1", &[]),
    vendor("sgl", "", "/v1", &[]),
    vendor("vllm", "", "/v1", &[]),
    vendor("bedrock_mantle", "", "", &[]),
    vendor("databricks", "", "", &[]),
    vendor("deepgram", "", "", &[]),
    vendor("elevenlabs", "", "", &[]),
    vendor("github_copilot", "", "", &[]),
    vendor("opencode-go", "", "", &[]),
    vendor("opencode-zen", "", "", &[]),
    vendor("replicate", "", "", &[]),
    vendor("runware", "", "", &[]),
    vendor("runway", "", "", &[]),
    vendor("sarvam", "", "", &[]),
    vendor("typesafe", "", "", &[]),
    vendor("wafer", "", "", &[]),
];

impl Provider for Vendor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn base_url(&self) -> Option<&'static str> {
        (!self.base_url.is_empty()).then_some(self.base_url)
    }

    fn version_path(&self) -> &'static str {
        self.version_path
    }

    fn key_variables(&self) -> &'static [&'static str] {
        self.key_variables
    }

    fn deltas(&self) -> &'static Deltas {
        self.deltas
    }

    fn chat(&self, _: &str) -> Chat {
        Chat::new(&OpenAiChat, self.quirks)
    }

    fn is_spoken(&self) -> bool {
        !(self.base_url.is_empty() && self.version_path.is_empty())
    }

    fn speaks_openai(&self) -> bool {
        self.is_spoken()
    }

    fn has_responses(&self) -> bool {
        self.has_responses
    }

    fn has_key_addresses(&self) -> bool {
        self.is_keyless()
    }

    fn is_keyless(&self) -> bool {
        self.base_url.is_empty() && self.is_spoken()
    }

    fn authorize(&self, key: &Secret, _: &Call<'_>, head: &mut Vec<u8>) {
        push_bearer(key, head);
    }
}
