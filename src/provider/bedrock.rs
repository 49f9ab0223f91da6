//! Models of many makers in Amazon's cloud, by Bedrock's Converse API.

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};

use super::{Call, Chat, Cloud, Key, Provider, Secret, Token, path_segment, push_bearer};
use crate::dialect::{
    Quirks,
    converse::Converse,
    embedding::{CohereInvoke, EmbeddingDialect, Titan},
};

/// `bedrock-runtime.{region}.amazonaws.com`.
#[derive(Debug)]
pub(super) struct Bedrock;

static QUIRKS: Quirks = Quirks { names_model: false, fetches_urls: false, ..Quirks::OWNER };

fn push_model_path(model: &str, call: &str, path: &mut String) {
    // All but letters, digits and `-._~` is encoded, the colon of a version too.
    let model = path_segment(model).replace(':', "%3A").replace('@', "%40");
    path.push_str(&format!("/model/{model}/{call}"));
}

impl Provider for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
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

    fn speaks(&self, _: &str) -> bool {
        false
    }

    fn has_model_list(&self) -> bool {
        false
    }

    fn is_keyless(&self) -> bool {
        true
    }

    fn chat(&self, _: &str) -> Chat {
        Chat::new(&Converse, &QUIRKS)
    }

    fn push_chat_path(&self, _: &Key, model: &str, is_streamed: bool, path: &mut String) {
        let call = if is_streamed { "converse-stream" } else { "converse" };
        push_model_path(model, call, path);
    }

    fn embeddings(&self, model: &str) -> Option<&'static dyn EmbeddingDialect> {
        match model {
            _ if model.contains("titan-embed") => Some(&Titan),
            _ if model.contains("cohere.embed") => Some(&CohereInvoke),
            _ => None,
        }
    }

    fn push_embedding_path(&self, _: &Key, model: &str, path: &mut String) {
        push_model_path(model, "invoke", path);
    }

    fn url_of(&self, cloud: &Cloud) -> Option<String> {
        let region = cloud.region.as_str();
        let is_name = !region.is_empty()
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_name.then(|| format!("https://bedrock-runtime.{region}.amazonaws.com"))
    }

    fn authorize(&self, key: &Secret, call: &Call<'_>, head: &mut Vec<u8>) {
        if !key.is_empty() {
            return push_bearer(key, head);
        }
        let Some(Token::Aws { access_key, secret_key, session_token }) = call.token else { return };
        let region = call.cloud.map_or("", |cloud| &cloud.region);
        let session = Some(session_token.reveal().to_owned()).filter(|session| !session.is_empty());
        let keys =
            Credentials::new(access_key.reveal(), secret_key.reveal(), session, None, "bifrost").into();
        let params = v4::SigningParams::builder()
            .identity(&keys)
            .region(region)
            .name("bedrock")
            .time(call.now)
            .settings(SigningSettings::default())
            .build();
        let uri = format!("https://{}{}", call.authority, call.path);
        let fields = [("host", call.authority), ("content-type", "application/json")];
        let request =
            SignableRequest::new(call.method, uri, fields.into_iter(), SignableBody::Bytes(call.body));
        // What cannot be signed is refused by Bedrock, which says so.
        let (Ok(params), Ok(request)) = (params, request) else { return };
        let Ok(signed) = sign(request, &params.into()) else { return };
        for (name, value) in signed.output().headers() {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
    }
}
