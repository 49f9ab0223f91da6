//! An answer as a whole: what its events come to.

use super::{ApiError, Citation, Event, Finish, Origin, Raw, Signature, Signed, Text, Usage};

/// Choices of one answer; an event of a higher one is passed over, since no provider gives more (OpenAI: 128).
const CHOICES_MAX: usize = 128;
/// Calls of one choice; further ones are passed over.
const TOOLS_MAX: usize = 1024;

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// The provider's name of it.
    pub id: Option<Text<'static>>,
    /// The model that served it.
    pub model: Option<Text<'static>>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// In their order.
    pub choices: Vec<Choice>,
    /// What has been used up, where that was told.
    pub usage: Option<Usage>,
    /// Why there is no more of it.
    pub error: Option<ApiError>,
}

/// One of the answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What it consists of, in its order.
    pub pieces: Vec<Piece>,
    /// Why it ended, where it did.
    pub finish: Option<Finish>,
    /// The same as the provider says it.
    pub native_finish: Option<Text<'static>>,
    /// The stop sequence that was met.
    pub stop_sequence: Option<Text<'static>>,
    /// Lists of OpenAI's, one after another.
    pub logprobs: Vec<Raw<'static>>,
}

/// Part of an answer. Texts are as they stand in JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Something said.
    Text {
        /// As it stands between quotes.
        text: String,
        /// Where it comes from.
        citations: Vec<Citation<'static>>,
        /// The maker's seal on it.
        signature: Option<Signature<'static>>,
    },
    /// Why something is not said, as it stands between quotes.
    Refusal(String),
    /// Something thought.
    Reasoning {
        /// As it stands between quotes.
        text: String,
        /// The maker's seal on it.
        signature: Option<Signature<'static>>,
    },
    /// Something thought that only its maker can read.
    RedactedReasoning {
        /// Whose it is.
        origin: Origin,
        /// Opaque.
        data: Text<'static>,
    },
    /// A tool is called.
    ToolCall {
        /// Which of the calls.
        tool: usize,
        /// Name of the call.
        id: Text<'static>,
        /// The tool's.
        name: Text<'static>,
        /// The text of what it is given, as it stands between quotes.
        input: String,
        /// Whether that is a text of any kind, not JSON.
        is_custom: bool,
        /// The maker's seal on it.
        signature: Option<Signature<'static>>,
    },
    /// An image, or a sound.
    Media {
        /// Such as `image/png`.
        media_type: Text<'static>,
        /// In base64.
        data: Text<'static>,
    },
    /// Something that only one dialect knows.
    Opaque {
        /// Name of the dialect.
        dialect: &'static str,
        /// As it stands.
        raw: Raw<'static>,
    },
}

impl Response {
    /// Takes the next event in.
    pub fn push(&mut self, event: &Event<'_>) {
        match event {
            Event::Begin { id, model, created } => {
                let owned = |text: &Option<Text<'_>>| text.clone().map(Text::into_owned);
                (self.id, self.model, self.created) = (owned(id), owned(model), *created);
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error(error) => self.error = Some(error.clone()),
            Event::Ping => {}
            Event::Text { choice, .. }
            | Event::Refusal { choice, .. }
            | Event::Reasoning { choice, .. }
            | Event::RedactedReasoning { choice, .. }
            | Event::Signature { choice, .. }
            | Event::ToolBegin { choice, .. }
            | Event::ToolInput { choice, .. }
            | Event::Media { choice, .. }
            | Event::Citation { choice, .. }
            | Event::LogProbs { choice, .. }
            | Event::Opaque { choice, .. }
            | Event::Finish { choice, .. } => {
                if *choice >= CHOICES_MAX {
                    return;
                }
                if *choice >= self.choices.len() {
                    self.choices.resize_with(choice + 1, Choice::default);
                }
                if let Some(choice) = self.choices.get_mut(*choice) {
                    choice.push(event);
                }
            }
        }
    }

    /// Tells it again, as events that come to the same.
    pub fn replay(&self, sink: &mut dyn FnMut(Event<'_>)) {
        let (id, model) = (self.id.clone(), self.model.clone());
        sink(Event::Begin { id, model, created: self.created });
        for (choice, told) in self.choices.iter().enumerate() {
            // Likelihoods belong to the first text, if there is one.
            let first = told.pieces.iter().position(|piece| matches!(piece, Piece::Text { .. }));
            let before = first.map_or(0, |first| first + 1);
            let logprobs =
                || told.logprobs.iter().map(|list| Event::LogProbs { choice, content: list.reborrow() });
            told.pieces[..before].iter().for_each(|piece| piece.replay(choice, sink));
            logprobs().for_each(&mut *sink);
            told.pieces[before..].iter().for_each(|piece| piece.replay(choice, sink));
            if let Some(reason) = told.finish {
                let (native, stop_sequence) = (told.native_finish.clone(), told.stop_sequence.clone());
                sink(Event::Finish { choice, reason, native, stop_sequence });
            }
        }
        self.usage.iter().for_each(|usage| sink(Event::Usage(*usage)));
        self.error.iter().for_each(|error| sink(Event::Error(error.clone())));
    }

    /// Whether anything is said, thought or called.
    pub fn has_content(&self) -> bool {
        self.choices.iter().any(|choice| !choice.pieces.is_empty())
    }
}

impl Choice {
    /// Whether a tool is called.
    pub fn calls_tools(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::ToolCall { .. }))
    }

    /// All that is said, as it stands between quotes.
    pub fn text(&self) -> Option<String> {
        self.joined(|piece| match piece {
            Piece::Text { text, .. } => Some(text),
            _ => None,
        })
    }

    /// All that is thought, as it stands between quotes.
    pub fn reasoning(&self) -> Option<String> {
        self.joined(|piece| match piece {
            Piece::Reasoning { text, .. } => Some(text),
            _ => None,
        })
    }

    /// Why it is not said, as it stands between quotes.
    pub fn refusal(&self) -> Option<String> {
        self.joined(|piece| match piece {
            Piece::Refusal(text) => Some(text),
            _ => None,
        })
    }

    fn joined(&self, of: fn(&Piece) -> Option<&String>) -> Option<String> {
        let mut texts = self.pieces.iter().filter_map(of).peekable();
        texts.peek()?;
        Some(texts.map(String::as_str).collect())
    }

    fn push(&mut self, event: &Event<'_>) {
        match event {
            Event::Text { text, .. } => match self.pieces.last_mut() {
                Some(Piece::Text { text: before, signature: None, .. }) => before.push_str(text.as_escaped()),
                _ => self.pieces.push(Piece::Text {
                    text: text.as_escaped().to_owned(),
                    citations: Vec::new(),
                    signature: None,
                }),
            },
            Event::Refusal { text, .. } => match self.pieces.last_mut() {
                Some(Piece::Refusal(before)) => before.push_str(text.as_escaped()),
                _ => self.pieces.push(Piece::Refusal(text.as_escaped().to_owned())),
            },
            Event::Reasoning { text, .. } => match self.pieces.last_mut() {
                Some(Piece::Reasoning { text: before, signature: None }) => {
                    before.push_str(text.as_escaped());
                }
                _ => {
                    let text = text.as_escaped().to_owned();
                    self.pieces.push(Piece::Reasoning { text, signature: None });
                }
            },
            Event::RedactedReasoning { origin, data, .. } => {
                let data = data.clone().into_owned();
                self.pieces.push(Piece::RedactedReasoning { origin: *origin, data });
            }
            Event::Signature { on, origin, data, .. } => self.sign(*on, *origin, data),
            Event::ToolBegin { tool, id, name, is_custom, .. } => {
                if *tool < TOOLS_MAX {
                    self.pieces.push(Piece::ToolCall {
                        tool: *tool,
                        id: id.clone().into_owned(),
                        name: name.clone().into_owned(),
                        input: String::new(),
                        is_custom: *is_custom,
                        signature: None,
                    });
                }
            }
            Event::ToolInput { tool, text, .. } => {
                if let Some(Piece::ToolCall { input, .. }) = self.call(*tool) {
                    input.push_str(text.as_escaped());
                }
            }
            Event::Media { media_type, data, .. } => {
                let (media_type, data) = (media_type.clone().into_owned(), data.clone().into_owned());
                self.pieces.push(Piece::Media { media_type, data });
            }
            Event::Citation { citation, .. } => {
                let text = self.pieces.iter_mut().rev().find_map(|piece| match piece {
                    Piece::Text { citations, .. } => Some(citations),
                    _ => None,
                });
                if let Some(citations) = text {
                    citations.push(citation.clone().into_owned());
                }
            }
            Event::LogProbs { content, .. } => self.logprobs.push(content.clone().into_owned()),
            Event::Opaque { dialect, raw, .. } => {
                self.pieces.push(Piece::Opaque { dialect, raw: raw.clone().into_owned() });
            }
            Event::Finish { reason, native, stop_sequence, .. } => {
                self.finish = Some(*reason);
                self.native_finish = native.clone().map(Text::into_owned);
                self.stop_sequence = stop_sequence.clone().map(Text::into_owned);
            }
            Event::Begin { .. } | Event::Usage(_) | Event::Error(_) | Event::Ping => {}
        }
    }

    fn call(&mut self, number: usize) -> Option<&mut Piece> {
        let is_it = |piece: &&mut Piece| matches!(piece, Piece::ToolCall { tool, .. } if *tool == number);
        self.pieces.iter_mut().rev().find(is_it)
    }

    fn sign(&mut self, on: Signed, origin: Origin, data: &Text<'_>) {
        let seal = Some(Signature { origin, data: data.clone().into_owned() });
        match on {
            Signed::Tool(number) => {
                if let Some(Piece::ToolCall { signature, .. }) = self.call(number) {
                    *signature = seal;
                }
            }
            Signed::Text => match self.pieces.last_mut() {
                Some(Piece::Text { signature, .. }) => *signature = seal,
                _ => self.pieces.push(Piece::Text {
                    text: String::new(),
                    citations: Vec::new(),
                    signature: seal,
                }),
            },
            Signed::Reasoning => match self.pieces.last_mut() {
                Some(Piece::Reasoning { signature, .. }) => *signature = seal,
                _ => self.pieces.push(Piece::Reasoning { text: String::new(), signature: seal }),
            },
        }
    }
}

impl Piece {
    fn replay(&self, choice: usize, sink: &mut dyn FnMut(Event<'_>)) {
        let (on, signature) = match self {
            Self::Text { text, citations, signature } => {
                if !text.is_empty() {
                    sink(Event::Text { choice, text: Text::escaped(text) });
                }
                for citation in citations {
                    sink(Event::Citation { choice, citation: citation.clone() });
                }
                (Signed::Text, signature)
            }
            Self::Reasoning { text, signature } => {
                if !text.is_empty() {
                    sink(Event::Reasoning { choice, text: Text::escaped(text) });
                }
                (Signed::Reasoning, signature)
            }
            Self::ToolCall { tool, id, name, input, is_custom, signature } => {
                let (tool, is_custom) = (*tool, *is_custom);
                let (id, name) = (id.reborrow(), name.reborrow());
                sink(Event::ToolBegin { choice, tool, id, name, is_custom });
                if !input.is_empty() {
                    sink(Event::ToolInput { choice, tool, text: Text::escaped(input) });
                }
                (Signed::Tool(tool), signature)
            }
            Self::Refusal(text) => return sink(Event::Refusal { choice, text: Text::escaped(text) }),
            Self::RedactedReasoning { origin, data } => {
                let (origin, data) = (*origin, data.reborrow());
                return sink(Event::RedactedReasoning { choice, origin, data });
            }
            Self::Media { media_type, data } => {
                let (media_type, data) = (media_type.reborrow(), data.reborrow());
                return sink(Event::Media { choice, media_type, data });
            }
            Self::Opaque { dialect, raw } => {
                return sink(Event::Opaque { choice, dialect, raw: raw.reborrow() });
            }
        };
        if let Some(Signature { origin, data }) = signature {
            sink(Event::Signature { choice, on, origin: *origin, data: data.reborrow() });
        }
    }
}

impl Citation<'_> {
    /// The same, for as long as anybody wants it.
    pub fn into_owned(self) -> Citation<'static> {
        Citation {
            url: self.url.into_owned(),
            title: self.title.map(Text::into_owned),
            quote: self.quote.map(Text::into_owned),
            start: self.start,
            end: self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(said: &str) -> Event<'_> {
        Event::Text { choice: 0, text: Text::escaped(said) }
    }

    #[test]
    fn pieces_of_the_same_kind_are_joined_and_others_keep_their_places() {
        let mut response = Response::default();
        let begin =
            Event::ToolBegin { choice: 0, tool: 0, id: "c".into(), name: "f".into(), is_custom: false };
        let input = |said| Event::ToolInput { choice: 0, tool: 0, text: Text::escaped(said) };
        for event in [text("a"), text("b"), begin, input("{"), input("}"), text("c")] {
            response.push(&event);
        }
        let choice = &response.choices[0];
        assert_eq!((choice.pieces.len(), choice.text().as_deref()), (3, Some("abc")));
        assert!(matches!(&choice.pieces[1], Piece::ToolCall { input, .. } if input == "{}"));
        assert!(choice.calls_tools() && choice.reasoning().is_none());
    }

    #[test]
    fn a_signature_ends_the_reasoning_that_it_is_on() {
        let mut response = Response::default();
        let thought = |said| Event::Reasoning { choice: 0, text: Text::escaped(said) };
        let seal = Event::Signature {
            choice: 0,
            on: Signed::Reasoning,
            origin: Origin::Anthropic,
            data: Text::escaped("s"),
        };
        for event in [thought("a"), seal, thought("b")] {
            response.push(&event);
        }
        assert_eq!(response.choices[0].pieces.len(), 2);
    }

    #[test]
    fn what_is_told_again_comes_to_the_same() {
        let seal = |on| Event::Signature { choice: 0, on, origin: Origin::Google, data: "s".into() };
        let begin =
            Event::ToolBegin { choice: 0, tool: 0, id: "c".into(), name: "f".into(), is_custom: true };
        let citation = Citation { url: "https://h".into(), start: Some(1), ..Citation::default() };
        let mut response = Response::default();
        for event in [
            Event::Begin { id: Some("i".into()), model: None, created: Some(1) },
            Event::Reasoning { choice: 0, text: "a".into() },
            seal(Signed::Reasoning),
            Event::RedactedReasoning { choice: 0, origin: Origin::Anthropic, data: "r".into() },
            text("b"),
            Event::Citation { choice: 0, citation },
            seal(Signed::Text),
            Event::LogProbs { choice: 0, content: Raw::new("[1]") },
            text("c"),
            begin,
            Event::ToolInput { choice: 0, tool: 0, text: "d".into() },
            seal(Signed::Tool(0)),
            Event::Refusal { choice: 0, text: "e".into() },
            Event::Media { choice: 0, media_type: "image/png".into(), data: "f".into() },
            Event::Opaque { choice: 0, dialect: "g", raw: Raw::new("{}") },
            Event::Finish { choice: 0, reason: Finish::Stop, native: Some("h".into()), stop_sequence: None },
            Event::Usage(Usage { input_tokens: 1, ..Usage::default() }),
        ] {
            response.push(&event);
        }
        let mut again = Response::default();
        response.replay(&mut |event| again.push(&event));
        assert_eq!(again, response);
    }

    #[test]
    fn a_choice_that_cannot_be_is_passed_over() {
        let mut response = Response::default();
        response.push(&Event::Text { choice: usize::MAX, text: Text::escaped("a") });
        assert!(!response.has_content());
    }
}
