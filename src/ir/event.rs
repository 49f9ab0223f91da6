//! An answer as a sequence of events, whether it is streamed or comes at once.

use super::{ApiError, Raw, Text, Usage};

/// One step of an answer. Choices and tools are counted from 0, tools over the whole choice.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The answer begins; comes first, and once.
    Begin {
        /// The provider's name of the answer.
        id: Option<Text<'a>>,
        /// The model that serves it.
        model: Option<Text<'a>>,
        /// Seconds since 1970.
        created: Option<u64>,
    },
    /// More of what is said.
    Text {
        /// Of this choice.
        choice: usize,
        /// What is said.
        text: Text<'a>,
    },
    /// More of why it will not be said.
    Refusal {
        /// Of this choice.
        choice: usize,
        /// Why.
        text: Text<'a>,
    },
    /// More of what is thought.
    Reasoning {
        /// Of this choice.
        choice: usize,
        /// What is thought.
        text: Text<'a>,
    },
    /// Reasoning that only its maker can read.
    RedactedReasoning {
        /// Of this choice.
        choice: usize,
        /// Whose it is.
        origin: Origin,
        /// Opaque.
        data: Text<'a>,
    },
    /// The maker's seal on something that has come before.
    Signature {
        /// Of this choice.
        choice: usize,
        /// What is sealed.
        on: Signed,
        /// Whose it is.
        origin: Origin,
        /// Opaque.
        data: Text<'a>,
    },
    /// A tool is called.
    ToolBegin {
        /// Of this choice.
        choice: usize,
        /// Which of its calls.
        tool: usize,
        /// Name of the call.
        id: Text<'a>,
        /// The tool's.
        name: Text<'a>,
        /// Whether its input is a text of any kind, not JSON.
        is_custom: bool,
    },
    /// More of a call's input: the text of a JSON object, or of whatever a custom tool takes.
    ToolInput {
        /// Of this choice.
        choice: usize,
        /// Which of its calls.
        tool: usize,
        /// The next piece.
        text: Text<'a>,
    },
    /// An image, or a sound.
    Media {
        /// Of this choice.
        choice: usize,
        /// Such as `image/png`.
        media_type: Text<'a>,
        /// In base64.
        data: Text<'a>,
    },
    /// Where something said comes from.
    Citation {
        /// Of this choice.
        choice: usize,
        /// The source.
        citation: Citation<'a>,
    },
    /// How likely each token was, the list `content` as OpenAI says it.
    LogProbs {
        /// Of this choice.
        choice: usize,
        /// A JSON array.
        content: Raw<'a>,
    },
    /// Something that only one dialect knows, such as a tool that the provider runs itself.
    Opaque {
        /// Of this choice.
        choice: usize,
        /// Name of the dialect.
        dialect: &'static str,
        /// As it stands.
        raw: Raw<'a>,
    },
    /// What has been used up so far; the last one counts.
    Usage(Usage),
    /// A choice is at its end; comes once for each.
    Finish {
        /// This choice.
        choice: usize,
        /// Why.
        reason: Finish,
        /// The reason as the provider says it.
        native: Option<Text<'a>>,
        /// The stop sequence that was met.
        stop_sequence: Option<Text<'a>>,
    },
    /// The provider gave up; nothing comes after it.
    Error(ApiError),
    /// The provider is still there.
    Ping,
}

/// Where something said comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation<'a> {
    /// Where it can be read.
    pub url: Text<'a>,
    /// What it is called.
    pub title: Option<Text<'a>>,
    /// The words themselves.
    pub quote: Option<Text<'a>>,
    /// First character of what was said that it is about.
    pub start: Option<u64>,
    /// Character behind the last one.
    pub end: Option<u64>,
}

/// What a signature is on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Signed {
    /// The reasoning just before.
    Reasoning,
    /// The text just before.
    Text,
    /// A call of a tool, by its number.
    Tool(usize),
}

/// A family of models that can read each other's signatures.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// Claude, wherever it is served.
    Anthropic,
    /// Gemini, wherever it is served.
    Google,
    /// OpenAI's.
    OpenAi,
    /// Any other.
    Other,
}

/// Why a choice has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Finish {
    /// All has been said, or a stop sequence was met.
    Stop,
    /// A limit of tokens.
    Length,
    /// Tools are called.
    ToolCalls,
    /// The provider withholds it.
    ContentFilter,
    /// Something else.
    Other,
}
