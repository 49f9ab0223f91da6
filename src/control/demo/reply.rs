//! What goes back: one document, or server-sent events at the pace of a speaker.

use std::{
    convert::Infallible,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_lite::stream::unfold;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Bytes, Frame},
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use tokio::time::sleep;

use crate::{
    config::limits::DEMO_WORD_PAUSE,
    dialect::json::document::{Value, json},
    ir::ApiError,
};

/// One answer.
pub(super) enum Reply {
    Document(Value),
    Refusal(u16, Value),
    /// Made one by one as the client takes them.
    Events(Box<dyn Iterator<Item = Event> + Send>),
}

/// One server-sent event.
pub(super) struct Event {
    text: String,
    is_paced: bool,
}

impl Reply {
    pub(super) fn refusal(error: &ApiError) -> Self {
        let ApiError { status, kind, code, param, message, .. } = error;
        let error = json!({"message": message, "type": kind, "param": param, "code": code});
        Self::Refusal(*status, json!({ "error": error }))
    }

    pub(super) fn into_response(self) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let mut response = match self {
            Self::Document(document) => whole(StatusCode::OK, &document),
            Self::Refusal(status, document) => {
                whole(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &document)
            }
            Self::Events(events) => streamed(events),
        };
        if let Ok(id) = HeaderValue::from_str(&new_id("req_")) {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }
}

fn whole(status: StatusCode, document: &Value) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let mut response = Response::new(Full::from(document.to_string()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn streamed(events: Box<dyn Iterator<Item = Event> + Send>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let frames = unfold(events, async |mut events| {
        let event = events.next()?;
        if event.is_paced {
            sleep(DEMO_WORD_PAUSE).await;
        }
        Some((Ok(Frame::data(Bytes::from(event.text))), events))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Event {
    /// Without a name, as chat and completions have them.
    pub(super) fn data(document: &Value) -> Self {
        Self { text: format!("data: {document}\n\n"), is_paced: false }
    }

    /// With the name that its `type` says, as responses have them.
    pub(super) fn named(document: &Value) -> Self {
        let name = document["type"].as_str().unwrap_or("error");
        Self { text: format!("event: {name}\ndata: {document}\n\n"), is_paced: false }
    }

    /// The end of a stream of events without names.
    pub(super) fn done() -> Self {
        Self { text: "data: [DONE]\n\n".to_owned(), is_paced: false }
    }

    /// Whether it waits as long as a speaker does before the next word.
    pub(super) fn paced(self, is_paced: bool) -> Self {
        Self { is_paced, ..self }
    }
}

/// An id like OpenAI's: a prefix that says of what, and 24 characters of chance.
pub(super) fn new_id(prefix: &str) -> String {
    prefix.chars().chain(std::iter::repeat_with(fastrand::alphanumeric).take(24)).collect()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}
