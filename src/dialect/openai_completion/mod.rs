//! OpenAI's completions of old, asked of models that chat: the prompt is what the user says.

mod decode_request;
mod encode_document;
mod encode_stream;

use super::{ClientDialect, StreamEncoder, Wishes, json::ReadError, openai_chat};
use crate::ir::{ApiError, Finish, Request, Response};

/// `POST /v1/completions`.
#[derive(Debug)]
pub struct OpenAiCompletion;

impl ClientDialect for OpenAiCompletion {
    fn name(&self) -> &'static str {
        "openai_completion"
    }

    fn decode_request<'a>(&self, body: &'a str) -> Result<Request<'a>, ReadError> {
        decode_request::decode_request(body)
    }

    fn stream_encoder(&self, wishes: &Wishes) -> Box<dyn StreamEncoder> {
        Box::new(encode_stream::Encoder::new(wishes.clone()))
    }

    fn encode_document(&self, response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
        encode_document::encode_document(response, wishes, out);
    }

    fn encode_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        openai_chat::encode_error(error, out);
    }

    fn encode_stream_error(&self, error: &ApiError, out: &mut Vec<u8>) {
        openai_chat::encode_stream_error(error, out);
    }
}

/// OpenAI's name of an end; a completion calls no tools.
const fn finish_name(reason: Finish) -> &'static str {
    match reason {
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::Stop | Finish::ToolCalls | Finish::Other => "stop",
    }
}
