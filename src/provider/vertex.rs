//! Google's Vertex AI: Gemini, Claude, and others by an API that is compatible with OpenAI's.

use super::{
    Call, Chat, Cloud, Key, Provider, Secret, Token, gemini::push_generate_path, path_segment, push_bearer,
};
use crate::dialect::{
    Quirks,
    anthropic::Anthropic,
    embedding::{EmbedContent, EmbeddingDialect, Predict},
    gemini::Gemini,
    openai_chat::OpenAiChat,
};

/// `aiplatform.googleapis.com`.
#[derive(Debug)]
pub(super) struct Vertex;

/// Names of calls are not kept here, and pairs are found by their order.
static GEMINI: Quirks = Quirks {
    names_model: false,
    fetches_urls: true,
    takes_call_ids: false,
    takes_labels: true,
    takes_service_tier: false,
    ..Quirks::OWNER
};

static CLAUDE: Quirks = Quirks {
    names_model: false,
    version_in_body: Some("vertex-2023-10-16"),
    fetches_urls: false,
    takes_service_tier: false,
    ..Quirks::OWNER
};

static OTHERS: Quirks =
    Quirks { says_max_tokens: true, takes_developer: false, takes_service_tier: false, ..Quirks::OWNER };

/// What a model is asked by.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Publisher {
    Google,
    /// A model of Gemini's that has been tuned, which has a number for a name.
    Tuned,
    Anthropic,
    Mistral,
    Other,
}

fn publisher(model: &str) -> Publisher {
    let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    match () {
        () if begins(&["claude"]) => Publisher::Anthropic,
        () if begins(&["mistral", "codestral", "ministral"]) => Publisher::Mistral,
        () if model.contains('/') => Publisher::Other,
        () if !model.is_empty() && model.bytes().all(|byte| byte.is_ascii_digit()) => Publisher::Tuned,
        () => Publisher::Google,
    }
}

/// Appends where in Google's cloud a key is used.
fn push_place(key: &Key, path: &mut String) {
    let (project, region) =
        key.cloud.as_deref().map_or(("", ""), |cloud| (cloud.project.as_str(), cloud.region.as_str()));
    path.push_str(&format!("/projects/{}/locations/{}", path_segment(project), path_segment(region)));
}

/// Whether vectors of a model are asked for in Gemini's way.
fn is_newer_embedding(model: &str) -> bool {
    model.contains("gemini") && model != "gemini-embedding-001"
}

impl Provider for Vertex {
    fn name(&self) -> &'static str {
        "vertex"
    }

    fn base_url(&self) -> Option<&'static str> {
        None
    }

    fn version_path(&self) -> &'static str {
        "/v1"
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn speaks_openai(&self) -> bool {
        false
    }

    fn speaks(&self, _: &str) -> bool {
        false
    }

    fn has_model_list(&self) -> bool {
        false
    }

    fn is_keyless(&self) -> bool {
        true
    }

    fn chat(&self, model: &str) -> Chat {
        match publisher(model) {
            Publisher::Google | Publisher::Tuned => Chat::new(&Gemini, &GEMINI),
            Publisher::Anthropic => Chat::new(&Anthropic, &CLAUDE),
            Publisher::Mistral | Publisher::Other => Chat::new(&OpenAiChat, &OTHERS),
        }
    }

    fn embeddings(&self, model: &str) -> Option<&'static dyn EmbeddingDialect> {
        match publisher(model) {
            Publisher::Google if is_newer_embedding(model) => Some(&EmbedContent),
            Publisher::Google => Some(&Predict),
            _ => None,
        }
    }

    fn push_embedding_path(&self, key: &Key, model: &str, path: &mut String) {
        push_place(key, path);
        let call = if is_newer_embedding(model) { "embedContent" } else { "predict" };
        path.push_str(&format!("/publishers/google/models/{}:{call}", path_segment(model)));
    }

    fn push_chat_path(&self, key: &Key, model: &str, is_streamed: bool, path: &mut String) {
        push_place(key, path);
        let predict = if is_streamed { "streamRawPredict" } else { "rawPredict" };
        let name = path_segment(model);
        match publisher(model) {
            Publisher::Google => push_generate_path("/publishers/google/models/", model, is_streamed, path),
            Publisher::Tuned => push_generate_path("/endpoints/", model, is_streamed, path),
            Publisher::Anthropic => path.push_str(&format!("/publishers/anthropic/models/{name}:{predict}")),
            Publisher::Mistral => path.push_str(&format!("/publishers/mistralai/models/{name}:{predict}")),
            Publisher::Other => path.push_str("/endpoints/openapi/chat/completions"),
        }
    }

    fn url_of(&self, cloud: &Cloud) -> Option<String> {
        let region = cloud.region.as_str();
        let is_name = region.starts_with(|first: char| first.is_ascii_lowercase())
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_name.then(|| match region {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("https://aiplatform.{region}.rep.googleapis.com"),
            _ => format!("https://{region}-aiplatform.googleapis.com"),
        })
    }

    fn authorize(&self, key: &Secret, call: &Call<'_>, head: &mut Vec<u8>) {
        match call.token {
            Some(Token::Bearer(token)) => push_bearer(token, head),
            _ => push_bearer(key, head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_that_is_none_makes_no_host() {
        let url = |region: &str| Vertex.url_of(&Cloud { region: region.to_owned(), ..Cloud::default() });
        assert_eq!(url("global").as_deref(), Some("https://aiplatform.googleapis.com"));
        assert_eq!(url("europe-west1").as_deref(), Some("https://europe-west1-aiplatform.googleapis.com"));
        for region in ["", "evil.com/", "a.b", "-x", "A"] {
            assert_eq!(url(region), None, "{region}");
        }
    }
}
