//! How it is said: the wire formats of clients and providers. Bytes and values in and out; pure.

pub mod anthropic;
mod choices;
mod claude;
pub mod cohere;
mod completion;
pub mod converse;
mod data_uri;
mod deltas;
pub mod embedding;
mod emulation;
mod event_stream;
#[cfg(test)]
mod fixtures;
pub mod gemini;
pub mod input;
pub mod json;
mod multipart;
mod names;
pub mod openai_chat;
pub mod openai_completion;
pub mod openai_responses;
mod schema;
pub mod seals;
mod splice;
mod sse;
mod translator;
mod turns;
mod usage;

use std::{collections::HashSet, fmt};

pub use completion::CompletionTap;
pub use data_uri::fetched as fetched_media;
pub use deltas::{Adapted, Deltas};
pub use emulation::{Emulation, TEXT_PARAMETER};
use json::ReadError;
pub use multipart::{FormError, FormScanner, boundary};
pub use names::{NameRule, Names};
pub use splice::Splice;
pub use translator::{Said, Translator};
pub use usage::UsageTap;

use crate::{
    http::Fields,
    ir::{ApiError, Event, Origin, Profile, Raw, Request, Response, ToolChoice},
};

/// All that clients speak.
pub const CLIENTS: [&dyn ClientDialect; 5] = [
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &openai_completion::OpenAiCompletion,
    &anthropic::Anthropic,
    &gemini::Gemini,
];

/// All that providers speak.
pub const PROVIDERS: [&dyn ProviderDialect; 6] = [
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &anthropic::Anthropic,
    &gemini::Gemini,
    &converse::Converse,
    &cohere::Cohere,
];

/// A dialect as clients speak it: they ask for chats, and read answers.
pub trait ClientDialect: fmt::Debug + Sync {
    /// Its name; also that of what only it knows.
    fn name(&self) -> &'static str;

    /// What names of answers begin with that the gateway gives.
    fn id_prefix(&self) -> &'static str {
        "chatcmpl-"
    }

    /// Reads a client's request. A model and a wish for a stream that stand in the path are not in it.
    fn decode_request<'a>(&self, body: &'a str) -> Result<Request<'a>, ReadError>;

    /// Writes a stream.
    fn stream_encoder(&self, wishes: &Wishes) -> Box<dyn StreamEncoder>;

    /// Writes a whole answer.
    fn encode_document(&self, response: &Response, wishes: &Wishes, out: &mut Vec<u8>);

    /// Writes a refusal.
    fn encode_error(&self, error: &ApiError, out: &mut Vec<u8>);

    /// Writes what ends a stream that failed.
    fn encode_stream_error(&self, error: &ApiError, out: &mut Vec<u8>);

    /// What shows that a stream is alive, between whole events.
    fn heartbeat(&self) -> &'static [u8] {
        b": ping\n\n"
    }
}

/// A dialect as providers speak it: they are asked for chats, and answer.
pub trait ProviderDialect: fmt::Debug + Sync {
    /// Its name; where it is the client's too, nothing is translated.
    fn name(&self) -> &'static str;

    /// Writes a request.
    fn encode_request(
        &self,
        request: &Request<'_>,
        recipient: &Recipient<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, ApiError>;

    /// Reads an answer.
    fn response_decoder(&self) -> Box<dyn ResponseDecoder>;

    /// How a stream is cut into events.
    fn stream_framing(&self) -> StreamFraming {
        StreamFraming::Sse
    }

    /// Whether inputs of several calls may come in turns in a stream, not one call after the other.
    fn interleaves_calls(&self) -> bool {
        false
    }

    /// Whose seals on reasoning a model reads; none where it knows none.
    fn origin(&self, model: &str) -> Option<Origin> {
        let _ = model;
        None
    }

    /// Whether its owner finds a URL, whatever else it does not fetch.
    fn finds(&self, url: &str) -> bool {
        let _ = url;
        false
    }

    /// Reads a refusal; a header field may say when it may go better.
    fn decode_error(&self, status: u16, fields: &Fields, body: &str) -> ApiError;
}

/// Reads an answer step by step; `sink` takes its events.
pub trait ResponseDecoder {
    /// One event of a stream, with its name, empty where it has none.
    fn event(&mut self, name: &str, data: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError>;

    /// A whole answer.
    fn document(&mut self, text: &str, sink: &mut dyn FnMut(Event<'_>)) -> Result<(), ReadError>;

    /// Whether the provider has said that this is the end.
    fn is_complete(&self) -> bool;
}

/// Writes a stream event by event.
pub trait StreamEncoder {
    /// The next event.
    fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>);

    /// The end.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// The end of one that failed, where what `encode_stream_error` writes does not fit; true if it is written.
    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool {
        let _ = (error, out);
        false
    }

    /// What shows that it is alive, where what its dialect says does not fit.
    fn heartbeat(&self) -> Option<&'static [u8]> {
        None
    }
}

/// How a stream is cut into events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamFraming {
    /// Server-sent events.
    Sse,
    /// Binary frames of AWS (`application/vnd.amazon.eventstream`).
    EventStream,
}

/// Who a request is written for.
#[derive(Clone, Copy, Debug)]
pub struct Recipient<'a> {
    /// The provider's name of the model.
    pub model: &'a str,
    /// What that model takes.
    pub profile: &'a Profile,
    /// What its host takes.
    pub quirks: &'a Quirks,
    /// Whether a parameter that cannot be taken refuses the request instead of being named in the answer.
    pub is_strict: bool,
}

/// How a host of a dialect differs from the dialect's owner.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// Whether the body names the model; elsewhere the path does.
    pub names_model: bool,
    /// Version of the API that the body names.
    pub version_in_body: Option<&'static str>,
    /// Whether it fetches images and documents from anywhere.
    pub fetches_urls: bool,
    /// Whether calls and results carry names of their own, where the model takes them.
    pub takes_call_ids: bool,
    /// Whether it takes labels of the request.
    pub takes_labels: bool,
    /// Whether it takes a tier of service.
    pub takes_service_tier: bool,
    /// Whether the bound of an answer is called `max_tokens`, not `max_completion_tokens`.
    pub says_max_tokens: bool,
    /// Whether it knows the role `developer`.
    pub takes_developer: bool,
    /// Whether a stream may be asked for its usage.
    pub takes_stream_options: bool,
    /// Whether what is to be cached may be marked in OpenAI's dialect, whose owner does not know such marks.
    pub takes_cache_marks: bool,
}

impl Quirks {
    /// The owner of the dialect itself.
    pub const OWNER: Self = Self {
        names_model: true,
        version_in_body: None,
        fetches_urls: true,
        takes_call_ids: true,
        takes_labels: false,
        takes_service_tier: true,
        says_max_tokens: false,
        takes_developer: true,
        takes_stream_options: true,
        takes_cache_marks: false,
    };
}

/// Names of what is not carried that a client is told.
const DROPPED_NAMES_MAX: usize = 64;

/// What became of a request on its way to a provider.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Parameters that it does not carry, by OpenAI's names.
    pub dropped: Vec<&'static str>,
    /// Members that only the client knows and that it does not carry, by the client's names.
    pub dropped_extra: Vec<String>,
    /// What stands in it for something that the provider does not have.
    pub emulation: Emulation,
}

/// What a client's answer has to be like.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The model, where the provider does not tell which it was.
    pub model: String,
    /// Name of the answer, where the provider gives none.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Whether a stream tells its usage.
    pub includes_usage: bool,
    /// Whether tools are called in the way that OpenAI has given up (`function_call`).
    pub has_legacy_functions: bool,
    /// Whether a stream is one JSON list, not events, as Google's API does it unless asked otherwise.
    pub is_json_array: bool,
}

impl Encoded {
    /// All that is not carried, at most [`DROPPED_NAMES_MAX`] names.
    pub fn dropped_names(&self) -> impl Iterator<Item = &str> {
        let extra = self.dropped_extra.iter().map(String::as_str);
        self.dropped.iter().copied().chain(extra).take(DROPPED_NAMES_MAX)
    }

    /// Notes that a parameter is not carried.
    pub fn drop_param(&mut self, name: &'static str) {
        if !self.dropped.contains(&name) {
            self.dropped.push(name);
        }
    }

    /// Notes which parameters that few providers know are there and not `carried`.
    pub fn drop_all_but(&mut self, request: &Request<'_>, carried: &[&str]) {
        let sampling = &request.sampling;
        let is_felt =
            |number: &Option<Raw<'_>>| number.as_ref().is_some_and(|raw| raw.as_number() != Some(0.0));
        let is_text = |modalities: &Raw<'_>| modalities.as_str().replace([' ', '\n'], "") == r#"["text"]"#;
        for (name, is_there) in [
            ("frequency_penalty", is_felt(&sampling.frequency_penalty)),
            ("presence_penalty", is_felt(&sampling.presence_penalty)),
            ("seed", sampling.seed.is_some()),
            ("logit_bias", sampling.logit_bias.is_some()),
            ("logprobs", sampling.logprobs == Some(true)),
            ("top_logprobs", is_felt(&sampling.top_logprobs)),
            ("user", request.user.is_some()),
            ("metadata", request.metadata.is_some()),
            ("service_tier", request.service_tier.as_ref().is_some_and(|tier| !tier.is("auto"))),
            ("verbosity", request.verbosity.is_some()),
            ("web_search_options", request.web_search.is_some()),
            ("modalities", request.modalities.as_ref().is_some_and(|modalities| !is_text(modalities))),
            ("audio", request.audio.is_some()),
            ("prediction", request.prediction.is_some()),
            ("store", request.is_stored == Some(true)),
            ("messages[].name", request.messages.iter().any(|message| message.name.is_some())),
        ] {
            if is_there && !carried.contains(&name) {
                self.drop_param(name);
            }
        }
    }

    /// Notes that a member which only the client knows is not carried.
    pub fn drop_extra(&mut self, name: &str) {
        self.dropped_extra.push(name.to_owned());
    }
}

/// Refuses what means nothing to a `provider` that gives one answer: several of them, and a choice of tools that
/// are not there.
fn check_choices(request: &Request<'_>, provider: &str) -> Result<(), ApiError> {
    if request.sampling.choices.is_some_and(|choices| choices > 1) {
        let message =
            format!("{provider} gives one answer to a request. Leave `n` out, and ask several times.");
        return Err(ApiError::client(400, "unsupported_parameter", message).with_param("n"));
    }
    check_tool_choice(request)
}

/// Refuses a choice of tools that are not there.
fn check_tool_choice(request: &Request<'_>) -> Result<(), ApiError> {
    let there: HashSet<_> = request.tools.iter().filter_map(|tool| tool.kind.name()).collect();
    let is_known = match &request.tool_choice {
        Some(ToolChoice::Named { name, .. }) => there.contains(name),
        Some(ToolChoice::Allowed { names, .. }) => names.iter().any(|name| there.contains(name)),
        _ => true,
    };
    // What only one dialect knows has a name that only that one can read.
    let has_others = request.tools.iter().any(|tool| tool.kind.name().is_none());
    if is_known || has_others || request.tools.is_empty() {
        return Ok(());
    }
    let message = "`tool_choice` names no tool of the request. Name one of `tools`.";
    Err(ApiError::client(400, "invalid_value", message).with_param("tool_choice"))
}
