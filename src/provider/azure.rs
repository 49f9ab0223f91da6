//! Models of OpenAI's in Microsoft's cloud: the same dialect, other addresses.

use super::{Call, Key, Provider, Secret, Token, path_segment, push_bearer};

/// `{resource}.openai.azure.com`.
#[derive(Debug)]
pub(super) struct Azure;

/// Versions of the API that have no paths of deployments.
const UNDATED: [&str; 3] = ["", "preview", "v1"];

/// Paths that belong to a deployment in the dated versions of the API.
const DEPLOYED: [&str; 9] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/images/generations",
    "/images/edits",
    "/images/variations",
];

fn dated(key: &Key) -> Option<&str> {
    let version = key.cloud.as_deref().map_or("", |cloud| &cloud.api_version);
    Some(version).filter(|version| !UNDATED.contains(version))
}

impl Provider for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn base_url(&self) -> Option<&'static str> {
        None
    }

    fn version_path(&self) -> &'static str {
        "/openai"
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn speaks_openai(&self) -> bool {
        true
    }

    fn has_responses(&self) -> bool {
        true
    }

    fn is_keyless(&self) -> bool {
        true
    }

    fn push_chat_path(&self, key: &Key, model: &str, _: bool, path: &mut String) {
        path.push_str(&self.openai_path(key, Some(model), "/chat/completions").unwrap_or_default());
        let query = self.query(key);
        if !query.is_empty() {
            path.push('?');
            path.push_str(&query);
        }
    }

    fn openai_path(&self, key: &Key, model: Option<&str>, path: &str) -> Option<String> {
        match (dated(key), model) {
            // Responses are newer than all dated versions.
            (None, _) => Some(format!("/v1{path}")),
            (Some(_), _) if path.starts_with("/responses") => Some(format!("/v1{path}")),
            (Some(_), Some(model)) if DEPLOYED.contains(&path) => {
                Some(format!("/deployments/{}{path}", path_segment(model)))
            }
            (Some(_), _) => None,
        }
    }

    fn query(&self, key: &Key) -> String {
        let version = key.cloud.as_deref().map_or("", |cloud| &cloud.api_version);
        if version.is_empty() || version == "v1" { String::new() } else { format!("api-version={version}") }
    }

    fn authorize(&self, key: &Secret, call: &Call<'_>, head: &mut Vec<u8>) {
        match call.token {
            Some(Token::Bearer(token)) => push_bearer(token, head),
            _ => head.extend_from_slice(format!("api-key: {}\r\n", key.reveal()).as_bytes()),
        }
    }
}
