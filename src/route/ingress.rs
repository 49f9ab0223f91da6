//! Method and path → what is asked for.

use std::borrow::Cow;

use super::{
    path::{MODEL_PATH, Mount, is_upload, mounted, plain_path},
    query::model_in_query,
};
use crate::{
    dialect::{
        ClientDialect, anthropic::Anthropic, gemini::Gemini, openai_chat::OpenAiChat,
        openai_completion::OpenAiCompletion, openai_responses::OpenAiResponses,
    },
    ir::ApiError,
    provider::path_segment,
};

/// Where a request belongs.
#[derive(Debug, PartialEq)]
pub enum Place<'a> {
    /// The gateway's own state.
    Health,
    /// The gateway's own counters.
    Metrics,
    /// The models of all providers.
    Models,
    /// Somebody's provider.
    Call(Ingress<'a>),
}

/// What is served where a connection has arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Surface {
    /// All there is.
    Whole,
    /// What clients need; the gateway's inside is served elsewhere.
    Api,
    /// The gateway's inside alone.
    Admin,
}

/// A request to a provider.
#[derive(Debug, PartialEq)]
pub struct Ingress<'a> {
    /// Which API of ours the client uses.
    pub mount: Mount,
    /// What it wants.
    pub operation: Operation,
    /// The path behind the mount, as sent, beginning with `/`.
    pub path: &'a str,
    /// The model that the path, or a WebSocket's query, names, decoded.
    pub model: Option<Cow<'a, str>>,
    /// What is done with the model, where the path says that behind its name: `generateContent` …
    pub action: Option<Cow<'a, str>>,
}

/// What a request asks a provider to do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// `/chat/completions`
    Chat,
    /// `/completions`
    Completion,
    /// `/responses`
    Responses,
    /// `/messages`
    Message,
    /// `/models/{model}:generateContent` and `:streamGenerateContent`
    Generate,
    /// `/embeddings`
    Embedding,
    /// `/audio/speech`
    Speech,
    /// `/audio/transcriptions`
    Transcription,
    /// `/audio/translations`
    Translation,
    /// `/images/generations`
    Image,
    /// `/images/edits`
    ImageEdit,
    /// `/images/variations`
    ImageVariation,
    /// `/videos`
    Video,
    /// `/moderations`
    Moderation,
    /// `/rerank`
    Rerank,
    /// Any other call that names a model in its body.
    OtherModelCall,
    /// A call that may name a model, and makes or uses objects that the provider stores:
    /// `/fine_tuning/jobs`, `/assistants`, runs of threads, `/realtime/sessions`.
    StatefulCall,
    /// `/models/{model}`
    ModelDetails,
    /// A connection that goes on in WebSocket, on any path.
    WebSocket,
    /// Everything else, passed through unread.
    Passthrough,
}

impl<'a> Ingress<'a> {
    fn new(mount: Mount, operation: Operation, path: &'a str) -> Self {
        Self { mount, operation, path, model: None, action: None }
    }

    /// What a request asks for that wants to go on in WebSocket: the query names the model.
    pub fn upgraded(self, query: Option<&str>) -> Result<Self, ApiError> {
        if self.operation != Operation::Passthrough {
            return Ok(self);
        }
        let model = model_in_query(query.unwrap_or_default())?;
        let model = model.map(|model| Cow::Owned(model.into_owned()));
        Ok(Self { operation: Operation::WebSocket, model, ..self })
    }

    /// Whether the path asks for a stream.
    pub fn is_streamed(&self) -> bool {
        self.action.as_deref() == Some(STREAM_GENERATE)
    }

    /// Whether the path names the model.
    pub fn names_model_in_path(&self) -> bool {
        self.model.is_some() && self.operation != Operation::WebSocket
    }

    /// The path behind the prefix, with another model in it.
    pub fn path_with_model(&self, model: &str) -> String {
        let action = self.action.as_deref().map(|action| format!(":{action}")).unwrap_or_default();
        format!("{MODEL_PATH}{}{action}", path_segment(model))
    }

    /// Whether the path stands at the root of the provider's API, not behind its version.
    pub fn is_at_root(&self) -> bool {
        self.mount == Mount::Genai && is_upload(self.path)
    }

    /// Whether it asks for the API of a provider that is not OpenAI.
    pub fn is_native(&self) -> bool {
        matches!(self.mount, Mount::Anthropic | Mount::Genai)
    }
}

impl Operation {
    /// Bifrost's name for it, as in the metrics' label `method`.
    pub fn label(self, is_streamed: bool) -> &'static str {
        match (self, is_streamed) {
            (Self::Chat | Self::Message | Self::Generate, false) => "chat_completion",
            (Self::Chat | Self::Message | Self::Generate, true) => "chat_completion_stream",
            (Self::Completion, false) => "text_completion",
            (Self::Completion, true) => "text_completion_stream",
            (Self::Responses, false) => "responses",
            (Self::Responses, true) => "responses_stream",
            (Self::Embedding, _) => "embedding",
            (Self::Speech, false) => "speech",
            (Self::Speech, true) => "speech_stream",
            (Self::Transcription, false) => "transcription",
            (Self::Transcription, true) => "transcription_stream",
            (Self::Translation, _) => "translation",
            (Self::Image, false) => "image_generation",
            (Self::Image, true) => "image_generation_stream",
            (Self::ImageEdit, false) => "image_edit",
            (Self::ImageEdit, true) => "image_edit_stream",
            (Self::ImageVariation, _) => "image_variation",
            (Self::Video, _) => "video_generation",
            (Self::Moderation, _) => "moderation",
            (Self::Rerank, _) => "rerank",
            (Self::OtherModelCall, _) => "model_call",
            (Self::StatefulCall, _) => "stateful_call",
            (Self::ModelDetails, _) => "model_details",
            (Self::WebSocket, _) => "websocket",
            (Self::Passthrough, _) => "passthrough",
        }
    }

    /// Its name in `allowed_requests`, which has no others.
    pub fn request_type(self, is_streamed: bool) -> &'static str {
        match self {
            Self::Translation => Self::Transcription.label(false),
            Self::ModelDetails => LIST_MODELS,
            Self::WebSocket => "realtime",
            Self::Moderation | Self::OtherModelCall | Self::StatefulCall | Self::Passthrough => {
                Self::Passthrough.label(false)
            }
            _ => self.label(is_streamed),
        }
    }

    /// The dialect of a chat; none for anything else.
    pub fn dialect(self) -> Option<&'static dyn ClientDialect> {
        Some(match self {
            Self::Chat => &OpenAiChat,
            Self::Completion => &OpenAiCompletion,
            Self::Responses => &OpenAiResponses,
            Self::Message => &Anthropic,
            Self::Generate => &Gemini,
            _ => return None,
        })
    }

    /// Whether its body may be a form.
    pub fn takes_form(self) -> bool {
        matches!(
            self,
            Self::Transcription | Self::Translation | Self::ImageEdit | Self::ImageVariation | Self::Video
        )
    }

    /// Whether its body is about a model, and its key picked by weight.
    pub fn is_model_call(self) -> bool {
        !matches!(self, Self::ModelDetails | Self::StatefulCall | Self::WebSocket | Self::Passthrough)
    }

    /// Whether its body may name a model: it is held and scanned.
    pub fn may_name_model(self) -> bool {
        self.is_model_call() || self == Self::StatefulCall
    }
}

/// The POSTs whose bodies name a model.
static MODEL_CALLS: [(&str, Operation); 21] = [
    ("/chat/completions", Operation::Chat),
    ("/completions", Operation::Completion),
    ("/responses", Operation::Responses),
    ("/responses/compact", Operation::OtherModelCall),
    ("/responses/input_tokens", Operation::OtherModelCall),
    ("/embeddings", Operation::Embedding),
    ("/audio/speech", Operation::Speech),
    ("/audio/transcriptions", Operation::Transcription),
    ("/audio/translations", Operation::Translation),
    ("/images/generations", Operation::Image),
    ("/images/edits", Operation::ImageEdit),
    ("/images/variations", Operation::ImageVariation),
    ("/videos", Operation::Video),
    ("/moderations", Operation::Moderation),
    ("/rerank", Operation::Rerank),
    ("/ocr", Operation::OtherModelCall),
    ("/decisions", Operation::OtherModelCall),
    ("/fine_tuning/jobs", Operation::StatefulCall),
    ("/assistants", Operation::StatefulCall),
    ("/threads/runs", Operation::StatefulCall),
    ("/realtime/sessions", Operation::StatefulCall),
];

/// Further ones, with the id of an object between a start and an end.
static STATEFUL_PATHS: [(&str, &str); 2] = [("/assistants/", ""), ("/threads/", "/runs")];

/// The POSTs of Anthropic's API whose bodies name a model.
static ANTHROPIC_CALLS: [(&str, Operation); 3] = [
    ("/messages", Operation::Message),
    ("/messages/count_tokens", Operation::OtherModelCall),
    ("/complete", Operation::OtherModelCall),
];

/// What Google's API does that is a chat.
const GENERATE: &str = "generateContent";
const STREAM_GENERATE: &str = "streamGenerateContent";

/// What `allowed_requests` calls asking for models.
pub const LIST_MODELS: &str = "list_models";

/// Finds where a request belongs; a path that could be read in two ways is refused.
pub fn locate<'a>(surface: Surface, method: &str, path: &'a str) -> Result<Place<'a>, ApiError> {
    // The paths that matter most are plain as they stand; one with an id in it may not be.
    if surface != Surface::Admin
        && let Some((mount, rest)) = mounted(path)
        && let Some(operation) = plain_call(method, mount, rest)
    {
        return Ok(Place::Call(Ingress::new(mount, operation, rest)));
    }
    if matches!(method, "TRACE" | "CONNECT") {
        return Err(ApiError::client(405, "method_not_allowed", format!("{method} is not allowed here.")));
    }
    let plain = plain_path(path)?;
    let own = match plain.as_ref() {
        "/health" => Some(Place::Health),
        "/metrics" if surface != Surface::Api => Some(Place::Metrics),
        _ => None,
    };
    if let Some(place) = own {
        return if matches!(method, "GET" | "HEAD" | "OPTIONS") {
            Ok(place)
        } else {
            Err(not_allowed(method, path))
        };
    }
    if surface == Surface::Admin {
        return Err(unknown(method, path, "This port serves /health and /metrics only"));
    }
    let elsewhere = || {
        let remedy = "OpenAI's API is served under /openai, /openai/v1 and /v1, Anthropic's under /anthropic, Google's \
            under /genai: set the SDK's base_url to one of these";
        unknown(method, path, remedy)
    };
    let (mount, rest) = mounted(path).ok_or_else(elsewhere)?;
    let (_, plain) = mounted(&plain).ok_or_else(elsewhere)?;
    let plain = plain.strip_suffix('/').unwrap_or(plain);
    if matches!(mount, Mount::V1 | Mount::Anthropic) && plain == "/models" && matches!(method, "GET" | "HEAD")
    {
        return Ok(Place::Models);
    }
    if let Some(named) = plain.strip_prefix(MODEL_PATH) {
        let done = named.rsplit_once(':').filter(|_| mount == Mount::Genai);
        let (model, action) = done.map_or((named, None), |(model, action)| (model, Some(action)));
        let operation = match action {
            Some(GENERATE | STREAM_GENERATE) => Operation::Generate,
            Some(_) => Operation::OtherModelCall,
            None => Operation::ModelDetails,
        };
        if action.is_some() && method != "POST" {
            return Err(ApiError::client(
                405,
                "method_not_allowed",
                "Use POST for what is done with a model.",
            ));
        }
        let model = Some(Cow::Owned(model.to_owned()));
        let action = action.map(|action| Cow::Owned(action.to_owned()));
        return Ok(Place::Call(Ingress { model, action, ..Ingress::new(mount, operation, rest) }));
    }
    let operation = model_call(method, mount, plain).unwrap_or(Operation::Passthrough);
    Ok(Place::Call(Ingress::new(mount, operation, rest)))
}

fn plain_call(method: &str, mount: Mount, path: &str) -> Option<Operation> {
    let calls = match mount {
        Mount::OpenAi | Mount::V1 => &MODEL_CALLS[..],
        Mount::Anthropic => &ANTHROPIC_CALLS,
        Mount::Genai => return None,
    };
    let (_, operation) = calls.iter().find(|(known, _)| *known == path)?;
    (method == "POST").then_some(*operation)
}

fn model_call(method: &str, mount: Mount, path: &str) -> Option<Operation> {
    let has_id = |(start, end): &(&str, &str)| {
        let id = path.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
    };
    let is_openai = matches!(mount, Mount::OpenAi | Mount::V1);
    let is_stateful = || is_openai && method == "POST" && STATEFUL_PATHS.iter().any(has_id);
    plain_call(method, mount, path).or_else(|| is_stateful().then_some(Operation::StatefulCall))
}

/// The route that a path belongs to, one of few: for the metrics' label `path`.
pub fn template(path: &str) -> &'static str {
    match path {
        "/health" => return "/health",
        "/metrics" => return "/metrics",
        _ => {}
    }
    let Some((mount, rest)) = mounted(path) else { return "other" };
    let known = |calls: &[(&'static str, Operation)]| {
        calls.iter().find(|(path, _)| *path == rest).map(|(path, _)| *path)
    };
    match mount {
        Mount::OpenAi => known(&MODEL_CALLS).unwrap_or("/openai/*"),
        Mount::V1 => known(&MODEL_CALLS).unwrap_or("/v1/*"),
        Mount::Anthropic => known(&ANTHROPIC_CALLS).unwrap_or("/anthropic/*"),
        Mount::Genai if rest.ends_with(":generateContent") => "/models/{model}:generateContent",
        Mount::Genai if rest.ends_with(":streamGenerateContent") => "/models/{model}:streamGenerateContent",
        Mount::Genai => "/genai/*",
    }
}

/// The dialect in which a refusal is said at a path.
pub fn dialect_at(path: &str) -> &'static dyn ClientDialect {
    mounted(path).map_or(Mount::V1, |(mount, _)| mount).client_dialect()
}

fn not_allowed(method: &str, path: &str) -> ApiError {
    ApiError::client(405, "method_not_allowed", format!("{method} is not allowed on {path}. Use GET."))
}

fn unknown(method: &str, path: &str, remedy: &str) -> ApiError {
    ApiError::client(404, "unknown_url", format!("Unknown request URL: {method} {path}. {remedy}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, path: &str) -> (Mount, Operation, String) {
        match locate(Surface::Whole, method, path) {
            Ok(Place::Call(ingress)) => (ingress.mount, ingress.operation, ingress.path.to_owned()),
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    fn refusal(method: &str, path: &str) -> u16 {
        locate(Surface::Whole, method, path).unwrap_err().status
    }

    #[test]
    fn the_apis_of_other_makers_have_mounts_of_their_own() {
        for (path, mount, operation, rest) in [
            ("/anthropic/v1/messages", Mount::Anthropic, Operation::Message, "/messages"),
            ("/v1/messages", Mount::Anthropic, Operation::Message, "/messages"),
            ("/litellm/v1/messages", Mount::Anthropic, Operation::Message, "/messages"),
            (
                "/v1/messages/count_tokens",
                Mount::Anthropic,
                Operation::OtherModelCall,
                "/messages/count_tokens",
            ),
            ("/anthropic/v1/files", Mount::Anthropic, Operation::Passthrough, "/files"),
            ("/langchain/v1/chat/completions", Mount::OpenAi, Operation::Chat, "/chat/completions"),
            ("/pydanticai/chat/completions", Mount::OpenAi, Operation::Chat, "/chat/completions"),
            ("/genai/upload/v1beta/files", Mount::Genai, Operation::Passthrough, "/upload/v1beta/files"),
        ] {
            assert_eq!(call("POST", path), (mount, operation, rest.to_owned()), "{path}");
        }
        let path = "/genai/v1beta/models/openai/gpt-4o:streamGenerateContent";
        let Ok(Place::Call(ingress)) = locate(Surface::Whole, "POST", path) else { panic!("{path}") };
        assert_eq!(
            (ingress.operation, ingress.model.as_deref()),
            (Operation::Generate, Some("openai/gpt-4o"))
        );
        assert!(ingress.is_streamed());
        assert_eq!(refusal("POST", "/genai/x"), 404);
        assert_eq!(refusal("GET", path), 405);
    }

    #[test]
    fn all_three_mounts_lead_to_the_same_operations() {
        for (path, mount) in [
            ("/openai/v1/chat/completions", Mount::OpenAi),
            ("/openai/chat/completions", Mount::OpenAi),
            ("/v1/chat/completions", Mount::V1),
        ] {
            assert_eq!(call("POST", path), (mount, Operation::Chat, "/chat/completions".to_owned()));
        }
    }

    #[test]
    fn only_posts_that_name_a_model_are_model_calls() {
        assert_eq!(call("GET", "/v1/chat/completions").1, Operation::Passthrough);
        assert_eq!(call("POST", "/v1/files").1, Operation::Passthrough);
        assert_eq!(call("POST", "/v1/assistants/a").1, Operation::StatefulCall);
        assert_eq!(call("POST", "/v1/threads/t/runs").1, Operation::StatefulCall);
        assert_eq!(call("POST", "/v1/threads/t/runs/r").1, Operation::Passthrough);
        assert_eq!(call("GET", "/v1/assistants/a").1, Operation::Passthrough);
        assert_eq!(call("DELETE", "/openai/models/ft:x").1, Operation::ModelDetails);
        assert_eq!(call("GET", "/openai/models").1, Operation::Passthrough);
        assert_eq!(locate(Surface::Whole, "GET", "/v1/models"), Ok(Place::Models));
        assert_eq!(refusal("TRACE", "/v1/files"), 405);
    }

    #[test]
    fn a_path_names_its_model_with_the_slash_encoded_or_not() {
        for path in ["/v1/models/openai%2Fgpt-4o", "/v1/models/openai/gpt-4o", "/v1/%6dodels/openai/gpt-4o/"]
        {
            let Ok(Place::Call(ingress)) = locate(Surface::Whole, "GET", path) else { panic!("{path}") };
            assert_eq!(
                (ingress.operation, ingress.model.as_deref()),
                (Operation::ModelDetails, Some("openai/gpt-4o"))
            );
        }
        assert_eq!(path_segment("meta-llama/Llama 3"), "meta-llama%2FLlama%203");
        assert_eq!(refusal("GET", "/v1/models/a%2F..%2Fb"), 400);
    }

    #[test]
    fn another_spelling_of_a_path_is_no_way_around_the_scan() {
        assert_eq!(call("POST", "/v1/chat/completion%73").1, Operation::Chat);
        assert_eq!(call("POST", "/v1/chat/completions/").1, Operation::Chat);
        for path in [
            "/v1//chat/completions",
            "/v1/./chat",
            "/v1/x/../chat",
            "/v1/%2e%2e/x",
            "/v1/a%2Fb",
            "/v1/a%5cb",
            "/v1/a\\b",
            "/v1/%0a",
            "/v1/%zz",
            "/v1/%ff",
            "/v1/assistants/..",
            "/v1/assistants/%2e%2e",
            "/v1/assistants/a%2Fb",
            "/v1/assistants/a\\b",
            "/v1/threads/%2e%2e/runs",
        ] {
            assert_eq!(refusal("POST", path), 400, "{path}");
        }
    }

    #[test]
    fn own_paths_take_get_only_and_the_rest_is_unknown() {
        assert_eq!(locate(Surface::Whole, "GET", "/health"), Ok(Place::Health));
        assert_eq!(locate(Surface::Whole, "HEAD", "/metrics"), Ok(Place::Metrics));
        assert_eq!(refusal("POST", "/health"), 405);
        for path in ["/", "/v1", "/openai", "/v2/chat/completions", "/openaix/chat", "*"] {
            assert_eq!(refusal("GET", path), 404, "{path}");
        }
    }
    #[test]
    fn the_inside_of_the_gateway_is_served_where_the_operator_wants_it() {
        assert_eq!(locate(Surface::Api, "GET", "/metrics").unwrap_err().status, 404);
        assert_eq!(locate(Surface::Admin, "GET", "/metrics"), Ok(Place::Metrics));
        for path in ["/v1/models", "/v1/chat/completions", "/openai/v1/files", "/"] {
            for method in ["GET", "POST"] {
                assert_eq!(locate(Surface::Admin, method, path).unwrap_err().status, 404, "{path}");
            }
        }
        for surface in [Surface::Whole, Surface::Api, Surface::Admin] {
            assert_eq!(locate(surface, "GET", "/health"), Ok(Place::Health));
        }
    }
}
