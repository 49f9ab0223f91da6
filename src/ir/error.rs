//! A refusal, whoever makes it: what was wrong, whose fault it was, and what to do.

use std::{borrow::Cow, time::Duration};

/// Whose fault an error is: decides retries, health and what is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The request was wrong: never retried, never counted against a key.
    Client,
    /// This gateway could not serve it.
    Gateway,
    /// The provider failed or refused.
    Provider,
}

/// An error as every dialect can say it; `status` is the HTTP status of the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiError {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// Whose fault it is.
    pub blame: Blame,
    /// OpenAI's `type`.
    pub kind: &'static str,
    /// OpenAI's `code`, null when absent.
    pub code: Option<&'static str>,
    /// The parameter that was wrong, null when absent.
    pub param: Option<Cow<'static, str>>,
    /// What was wrong and what to do.
    pub message: String,
    /// When it may go better, where the provider said so.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// The client sent something wrong.
    pub fn client(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            blame: Blame::Client,
            kind: "invalid_request_error",
            code: Some(code),
            param: None,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The gateway cannot serve the request now.
    pub fn gateway(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { blame: Blame::Gateway, kind: "server_error", ..Self::client(status, code, message) }
    }

    /// The provider could not be reached, or did not keep to the protocol.
    pub fn provider(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { blame: Blame::Provider, kind: "server_error", ..Self::client(status, code, message) }
    }

    /// Says that the conversation is longer than the model takes.
    pub fn into_too_long(self) -> Self {
        Self { code: Some("context_length_exceeded"), ..self }.with_param("messages")
    }

    /// Names the parameter that was wrong.
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }
}
