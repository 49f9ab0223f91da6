//! What a key of a cloud says beside its value: where it is used, and how it proves who calls.

use std::sync::Arc;

use url::Url;

use super::{
    network,
    reader::{Kind, Section},
};
use crate::provider::{AwsRole, Cloud, Grant, GrantKind, Secret};

/// Azure's version of the API where none is written.
const AZURE_VERSION: &str = "2024-10-21";
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const AWS_REGION: &str = "us-east-1";

/// What a key says of its cloud.
#[derive(Default)]
pub(super) struct CloudKey {
    pub(super) cloud: Option<Arc<Cloud>>,
    /// Its own address.
    pub(super) url: Option<Url>,
}

/// Where a key may say something of a cloud.
const SECTIONS: [&str; 3] = [AZURE, VERTEX, BEDROCK];
const AZURE: &str = "azure_key_config";
const VERTEX: &str = "vertex_key_config";
const BEDROCK: &str = "bedrock_key_config";

/// Whether a key says anything of a cloud.
pub(super) fn is_told(file: &Section<'_>) -> bool {
    SECTIONS.iter().any(|name| file.field(name).is_present())
}

/// Reads what a key says of its cloud; `has_value` where it has a secret that lasts.
pub(super) fn read(file: &Section<'_>, has_value: bool) -> CloudKey {
    let told = SECTIONS.into_iter().find(|name| file.field(name).is_present());
    let read = |name, cloud: &Section<'_>| match name {
        AZURE => read_azure(cloud, has_value),
        VERTEX => read_vertex(cloud, has_value),
        _ => read_bedrock(cloud, has_value),
    };
    told.map(|name| file.inside(name, |cloud| read(name, cloud))).unwrap_or_default()
}

fn read_azure(file: &Section<'_>, has_value: bool) -> CloudKey {
    let endpoint = file.field("endpoint");
    if endpoint.is_blank() {
        endpoint.mistake("nothing says where this key is used", "Write https://RESOURCE.openai.azure.com");
    }
    let url = network::read_url(&endpoint);
    let client_id = written(file, "client_id");
    let kind = GrantKind::Entra {
        tenant: written(file, "tenant_id"),
        client_secret: Secret::new(&written(file, "client_secret")),
        scope: scope(file),
        client_id,
    };
    let api_version = file.field("api_version");
    let cloud = Cloud {
        api_version: if api_version.is_present() {
            written(file, "api_version")
        } else {
            AZURE_VERSION.to_owned()
        },
        grant: (!has_value).then(|| Arc::new(Grant::new(kind))),
        ..Cloud::default()
    };
    file.leave_idle(&[("deployments", Kind::Object)]);
    CloudKey { cloud: Some(Arc::new(cloud)), url }
}

fn scope(file: &Section<'_>) -> String {
    let scopes = file.field("scopes");
    let listed = scopes.texts().and_then(|scopes| scopes.first().map(|scope| (*scope).to_owned()));
    listed.unwrap_or_else(|| AZURE_SCOPE.to_owned())
}

fn read_vertex(file: &Section<'_>, has_value: bool) -> CloudKey {
    for (name, example) in [("project_id", "my-project"), ("region", "global or us-central1")] {
        let field = file.field(name);
        if field.is_blank() {
            field.mistake("nothing says where this key is used", format!("Write it, such as {example}"));
        }
    }
    let credentials = Secret::new(&written(file, "auth_credentials"));
    let kind = GrantKind::Google { credentials };
    let cloud = Cloud {
        project: written(file, "project_id"),
        region: written(file, "region"),
        grant: (!has_value).then(|| Arc::new(Grant::new(kind))),
        ..Cloud::default()
    };
    file.leave_idle(&[("deployments", Kind::Object), ("project_number", Kind::Any)]);
    CloudKey { cloud: Some(Arc::new(cloud)), url: None }
}

fn read_bedrock(file: &Section<'_>, has_value: bool) -> CloudKey {
    let region = Some(written(file, "region")).filter(|region| !region.is_empty());
    let region = region.unwrap_or_else(|| AWS_REGION.to_owned());
    let arn = written(file, "role_arn");
    let session_name = Some(written(file, "session_name")).filter(|name| !name.is_empty());
    let external_id = written(file, "external_id");
    let role = (!arn.is_empty()).then(|| AwsRole {
        arn,
        external_id,
        session_name: session_name.unwrap_or_else(|| "bifrost".to_owned()),
    });
    let [access_key, secret_key, session_token] =
        ["access_key", "secret_key", "session_token"].map(|name| Secret::new(&written(file, name)));
    if access_key.is_empty() != secret_key.is_empty() {
        file.field("secret_key").mistake(
            "access_key and secret_key belong together",
            "Write both, or neither for the keys that the machine has",
        );
    }
    let kind = GrantKind::Aws { access_key, secret_key, session_token, role, region: region.clone() };
    let cloud = Cloud { region, grant: (!has_value).then(|| Arc::new(Grant::new(kind))), ..Cloud::default() };
    file.leave_idle(&[("arn", Kind::Any), ("batch_s3_config", Kind::Object), ("deployments", Kind::Object)]);
    CloudKey { cloud: Some(Arc::new(cloud)), url: None }
}

/// A text that may stand in the environment.
fn written(file: &Section<'_>, name: &str) -> String {
    let field = file.field(name);
    if !field.is_present() || field.is_blank() {
        return String::new();
    }
    field.secret().map(|text| text.trim().to_owned()).unwrap_or_default()
}
