//! What a chat is asked for.

use std::borrow::Cow;

use super::{Origin, Raw, Text};

/// A request for the next message of a conversation. All is as the client said it: what a provider cannot
/// take is for the encoder of its dialect to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request<'a> {
    /// The conversation, system messages where the client put them.
    pub messages: Vec<Message<'a>>,
    /// What may be called.
    pub tools: Vec<Tool<'a>>,
    /// Whether something must be called.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several tools may be called at once.
    pub parallel_tool_calls: Option<bool>,
    /// Bound of the answer, reasoning included, tokens.
    pub max_tokens: Option<u64>,
    /// How tokens are chosen.
    pub sampling: Sampling<'a>,
    /// Texts that end the answer.
    pub stop: Vec<Text<'a>>,
    /// The shape of the answer.
    pub format: Format<'a>,
    /// How much is thought before.
    pub reasoning: Option<Reasoning>,
    /// Whether the answer is streamed.
    pub is_streamed: bool,
    /// Whether a stream tells its usage to the client.
    pub includes_usage: bool,
    /// Who the end user is.
    pub user: Option<Text<'a>>,
    /// The client's own notes.
    pub metadata: Option<Raw<'a>>,
    /// How urgent it is, by OpenAI's names.
    pub service_tier: Option<Text<'a>>,
    /// How long-winded the answer may be, by OpenAI's names.
    pub verbosity: Option<Text<'a>>,
    /// Search of the web before the answer, `web_search_options` of OpenAI.
    pub web_search: Option<Raw<'a>>,
    /// Kinds of answer wanted, a list by OpenAI's names.
    pub modalities: Option<Raw<'a>>,
    /// Format and voice of a spoken answer, as OpenAI says it.
    pub audio: Option<Raw<'a>>,
    /// The answer as it is foreseen, as OpenAI says it.
    pub prediction: Option<Raw<'a>>,
    /// Whether the provider keeps the answer.
    pub is_stored: Option<bool>,
    /// Marks everything so far for the provider's cache.
    pub cache: Option<CacheMark<'a>>,
    /// Whether tools were given and called in the way that OpenAI has given up (`functions`).
    pub has_legacy_functions: bool,
    /// Whatever else stands at the top, by the client's names.
    pub extra: Vec<(Cow<'a, str>, Raw<'a>)>,
}

impl Request<'_> {
    /// Whether anything in it is marked for a cache.
    pub fn has_cache_marks(&self) -> bool {
        let mut parts = self.messages.iter().flat_map(|message| &message.parts);
        self.cache.is_some()
            || self.tools.iter().any(|tool| tool.cache.is_some())
            || parts.any(|part| part.cache.is_some())
    }
}

/// How tokens are chosen. Numbers are kept as the client wrote them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling<'a> {
    /// 0 to 2 by OpenAI's measure.
    pub temperature: Option<Raw<'a>>,
    /// 0 to 1.
    pub top_p: Option<Raw<'a>>,
    /// From 1.
    pub top_k: Option<Raw<'a>>,
    /// -2 to 2.
    pub frequency_penalty: Option<Raw<'a>>,
    /// -2 to 2.
    pub presence_penalty: Option<Raw<'a>>,
    /// An integer.
    pub seed: Option<Raw<'a>>,
    /// How many answers.
    pub choices: Option<u64>,
    /// Likelihood of single tokens, an object.
    pub logit_bias: Option<Raw<'a>>,
    /// Whether the answer tells how likely each token was.
    pub logprobs: Option<bool>,
    /// How many others it tells for each token, an integer.
    pub top_logprobs: Option<Raw<'a>>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Whose it is.
    pub role: Role,
    /// Which of several with that role.
    pub name: Option<Text<'a>>,
    /// What it says, in its order.
    pub parts: Vec<Part<'a>>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Who sets the rules.
    System,
    /// OpenAI's newer name of it.
    Developer,
    /// Who asks. Results of tools are part of what the user says.
    User,
    /// The model.
    Assistant,
}

/// Part of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'a> {
    /// What it is.
    pub content: Content<'a>,
    /// Marks everything up to here for the provider's cache.
    pub cache: Option<CacheMark<'a>>,
    /// The maker's seal on it.
    pub signature: Option<Signature<'a>>,
    /// All of it in the client's dialect, where that says more than this.
    pub native: Option<Native<'a>>,
}

/// Something as one dialect says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Native<'a> {
    /// Name of the dialect.
    pub dialect: &'static str,
    /// As it stands.
    pub raw: Raw<'a>,
}

/// What a part of a message is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content<'a> {
    /// Something said.
    Text(Text<'a>),
    /// Something seen.
    Image {
        /// The image.
        media: Media<'a>,
        /// How closely it is looked at, by OpenAI's names.
        detail: Option<Text<'a>>,
    },
    /// Something heard.
    Audio(Media<'a>),
    /// Something watched.
    Video(Media<'a>),
    /// A document.
    File {
        /// The document.
        media: Media<'a>,
        /// Its name.
        name: Option<Text<'a>>,
    },
    /// Why something was not said.
    Refusal(Text<'a>),
    /// Something thought.
    Reasoning(Text<'a>),
    /// Something thought that only its maker can read.
    RedactedReasoning {
        /// Whose it is.
        origin: Origin,
        /// Opaque.
        data: Text<'a>,
    },
    /// A tool is called.
    ToolCall(ToolCall<'a>),
    /// What came of a call.
    ToolResult(ToolResult<'a>),
    /// Something that only one dialect knows.
    Opaque {
        /// Name of the dialect.
        dialect: &'static str,
        /// As it stands.
        raw: Raw<'a>,
    },
}

/// An image, a sound or a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Media<'a> {
    /// Somewhere else.
    Url {
        /// Where.
        url: Text<'a>,
        /// Such as `image/png`, where it is told.
        media_type: Option<Text<'a>>,
    },
    /// Here.
    Data {
        /// Such as `image/png`.
        media_type: Text<'a>,
        /// In base64.
        data: Text<'a>,
    },
    /// Stored with the provider, under this name.
    Stored(Text<'a>),
    /// A document that is a plain text.
    Text(Text<'a>),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall<'a> {
    /// Name of the call.
    pub id: Text<'a>,
    /// The tool's.
    pub name: Text<'a>,
    /// What it is given.
    pub input: Input<'a>,
    /// Whether its input is a text of any kind, not JSON.
    pub is_custom: bool,
}

/// What a tool is given.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// A JSON value, told as the text that models write: perhaps none at all, or cut short.
    Text(Text<'a>),
    /// A JSON value.
    Value(Raw<'a>),
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult<'a> {
    /// Name of the call.
    pub id: Text<'a>,
    /// The tool's, where it is told.
    pub name: Option<Text<'a>>,
    /// What it says.
    pub parts: Vec<Part<'a>>,
    /// Whether the tool failed.
    pub is_error: bool,
}

/// The maker's seal, which it wants to see again.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature<'a> {
    /// Whose it is.
    pub origin: Origin,
    /// Opaque.
    pub data: Text<'a>,
}

/// Marks a place up to which the provider may cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CacheMark<'a> {
    /// How long, such as `5m`.
    pub ttl: Option<Text<'a>>,
}

/// Something that may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool<'a> {
    /// What it is.
    pub kind: ToolKind<'a>,
    /// Marks everything up to here for the provider's cache.
    pub cache: Option<CacheMark<'a>>,
    /// All of it in the client's dialect, where that says more than this.
    pub native: Option<Native<'a>>,
}

/// What a tool is.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind<'a> {
    /// Takes JSON.
    Function {
        /// Its name.
        name: Text<'a>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// JSON schema of what it takes; none where it takes nothing.
        parameters: Option<Raw<'a>>,
        /// Whether the schema binds the model.
        is_strict: Option<bool>,
    },
    /// Takes a text.
    Custom {
        /// Its name.
        name: Text<'a>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// The shape of the text, as OpenAI says it.
        format: Option<Raw<'a>>,
    },
    /// Run by the provider, and known to one dialect only.
    Native {
        /// Name of the dialect.
        dialect: &'static str,
        /// As it stands.
        raw: Raw<'a>,
    },
}

/// Whether something must be called.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolChoice<'a> {
    /// As the model sees fit.
    Auto,
    /// Nothing.
    None,
    /// Something.
    Required,
    /// This.
    Named {
        /// The tool's name.
        name: Text<'a>,
        /// Whether it takes a text.
        is_custom: bool,
    },
    /// One of these.
    Allowed {
        /// Whether one must be called.
        is_required: bool,
        /// The tools' names.
        names: Vec<Text<'a>>,
    },
}

/// The shape of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Format<'a> {
    /// Nothing was said of it.
    #[default]
    Unsaid,
    /// Any text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// What a JSON schema allows.
    JsonSchema {
        /// Its name.
        name: Text<'a>,
        /// What it is for.
        description: Option<Text<'a>>,
        /// The schema.
        schema: Raw<'a>,
        /// Whether it binds the model.
        is_strict: Option<bool>,
    },
}

/// How much is thought before an answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reasoning {
    /// How hard.
    pub effort: Option<Effort>,
    /// Tokens that it may take.
    pub budget_tokens: Option<u64>,
    /// Whether the client wants to read it; none where it said nothing of that.
    pub is_shown: Option<bool>,
    /// Whether the model decides how much, `adaptive` or dynamic.
    pub is_adaptive: bool,
}

/// How hard a model thinks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// As much as it can.
    Max,
}

impl Request<'_> {
    /// Whether anything of it is marked for the provider's cache.
    pub fn is_marked(&self) -> bool {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        self.is_marked_beside_parts() || parts.into_iter().any(|part| part.cache.is_some())
    }

    /// Whether all of it is marked, or one of its tools.
    pub fn is_marked_beside_parts(&self) -> bool {
        self.cache.is_some() || self.tools.iter().any(|tool| tool.cache.is_some())
    }
}

impl Effort {
    /// All, from the least to the most.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// OpenAI's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Tokens that it is worth where reasoning is bound by their number.
    pub const fn budget_tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal | Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::XHigh => 8192,
            Self::Max => 16384,
        }
    }

    /// What a number of tokens is worth where reasoning is asked for by a degree.
    pub const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..=1024 => Self::Low,
            1025..=4096 => Self::Medium,
            _ => Self::High,
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }
}

impl Reasoning {
    /// How hard, in whichever way it was said.
    pub fn degree(&self) -> Option<Effort> {
        self.effort.or_else(|| self.budget_tokens.map(Effort::of_budget))
    }
}

impl<'a> Part<'a> {
    /// Without marks and seals.
    pub const fn new(content: Content<'a>) -> Self {
        Self { content, cache: None, signature: None, native: None }
    }

    /// Something said.
    pub const fn text(text: Text<'a>) -> Self {
        Self::new(Content::Text(text))
    }
}

impl<'a> Tool<'a> {
    /// Without a mark.
    pub const fn new(kind: ToolKind<'a>) -> Self {
        Self { kind, cache: None, native: None }
    }
}

impl<'a> ToolKind<'a> {
    /// The name that calls use; none for what a provider runs.
    pub fn name(&self) -> Option<&Text<'a>> {
        match self {
            Self::Function { name, .. } | Self::Custom { name, .. } => Some(name),
            Self::Native { .. } => None,
        }
    }
}
