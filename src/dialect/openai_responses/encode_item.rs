//! The items of an answer, for a client of the Responses API.

use super::seal::{About, wrap};
use crate::{
    dialect::json::Writer,
    ir::{Citation, Origin, Raw, Text},
};

/// One item of an answer.
#[derive(Debug)]
pub(super) struct Item {
    /// Its name, as it stands between quotes.
    pub(super) id: String,
    /// What it is.
    pub(super) content: Content,
    /// Whether nothing more comes.
    pub(super) is_whole: bool,
    /// Whether it was cut off.
    pub(super) is_cut: bool,
}

/// What an item is. Texts are as they stand in JSON.
#[derive(Debug)]
pub(super) enum Content {
    /// Something said.
    Message(Vec<Part>),
    /// Something thought, and what stands sealed beside it.
    Reasoning { text: String, encrypted: Option<Text<'static>> },
    /// A tool is called.
    Call { tool: usize, id: Text<'static>, name: Text<'static>, input: String, is_custom: bool },
    /// An image.
    Image { media_type: Text<'static>, data: Text<'static> },
    /// Something that only this dialect knows.
    Native(Raw<'static>),
}

/// Part of a message.
#[derive(Debug)]
pub(super) enum Part {
    /// Something said.
    Text { text: String, citations: Vec<Citation<'static>>, logprobs: Vec<Raw<'static>> },
    /// Why something is not said.
    Refusal(String),
}

impl Item {
    /// The item at a place of the answer whose name is `stem` but for its beginning.
    pub(super) fn new(stem: &str, index: usize, content: Content) -> Self {
        let prefix = match &content {
            Content::Message(_) => "msg",
            Content::Reasoning { .. } => "rs",
            Content::Call { is_custom: false, .. } => "fc",
            Content::Call { is_custom: true, .. } => "ctc",
            Content::Image { .. } => "ig",
            Content::Native(_) => "item",
        };
        Self { id: format!("{prefix}_{stem}_{index}"), content, is_whole: false, is_cut: false }
    }

    /// Writes all that is known of it so far.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        if let Content::Native(raw) = &self.content {
            return writer.raw(raw);
        }
        writer.object(|writer| {
            writer.member("id").string(&self.id);
            match &self.content {
                Content::Message(parts) => {
                    writer.member("type").string("message");
                    writer.member("status").string(self.status());
                    writer.member("role").string("assistant");
                    writer.member("content").array(|writer| parts.iter().for_each(|part| part.write(writer)));
                }
                Content::Reasoning { text, encrypted } => {
                    writer.member("type").string("reasoning");
                    writer.member("summary").array(|writer| {
                        if !text.is_empty() {
                            write_summary(text, writer);
                        }
                    });
                    if let Some(encrypted) = encrypted.as_ref().filter(|_| self.is_whole) {
                        writer.member("encrypted_content").text(encrypted);
                    }
                }
                Content::Call { id, name, input, is_custom, .. } => {
                    let (kind, member) = if *is_custom {
                        ("custom_tool_call", "input")
                    } else {
                        ("function_call", "arguments")
                    };
                    writer.member("type").string(kind);
                    writer.member("status").string(self.status());
                    writer.member("call_id").text(id);
                    writer.member("name").text(name);
                    writer.member(member).string(input);
                }
                Content::Image { media_type, data } => {
                    writer.member("type").string("image_generation_call");
                    writer.member("status").string(self.status());
                    let kind = media_type.as_escaped();
                    let format = kind.rsplit_once('/').map_or(kind, |(_, format)| format);
                    writer.member("output_format").string(format);
                    // It is long, and told once.
                    writer.member("result").text_or_null(Some(data).filter(|_| self.is_whole));
                }
                Content::Native(_) => {}
            }
        });
    }

    /// The part that is open, if it is a message.
    pub(super) fn open_part(&mut self) -> Option<&mut Part> {
        match &mut self.content {
            Content::Message(parts) => parts.last_mut(),
            _ => None,
        }
    }

    const fn status(&self) -> &'static str {
        match (self.is_whole, self.is_cut) {
            (false, _) => "in_progress",
            (true, true) => "incomplete",
            (true, false) => "completed",
        }
    }
}

impl Part {
    /// Nothing said yet.
    pub(super) const fn said() -> Self {
        Self::Text { text: String::new(), citations: Vec::new(), logprobs: Vec::new() }
    }

    /// Whether what one says may go on in the other.
    pub(super) const fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Text { .. }, Self::Text { .. }) | (Self::Refusal(_), Self::Refusal(_)))
    }

    /// Writes all that is known of it so far.
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        writer.object(|writer| match self {
            Self::Text { text, citations, logprobs } => {
                writer.member("type").string("output_text");
                writer.member("text").string(text);
                writer.member("annotations").array(|writer| {
                    citations.iter().for_each(|citation| write_citation(citation, writer));
                });
                writer.member("logprobs");
                write_logprobs(logprobs, writer);
            }
            Self::Refusal(text) => {
                writer.member("type").string("refusal");
                writer.member("refusal").string(text);
            }
        });
    }
}

/// Part of a summary of reasoning.
pub(super) fn write_summary(text: &str, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("summary_text");
        writer.member("text").string(text);
    });
}

/// Lists as one.
pub(super) fn write_logprobs(lists: &[Raw<'_>], writer: &mut Writer<'_>) {
    writer.array(|writer| {
        for list in lists {
            let inside = list.as_str().trim_start_matches('[').trim_end_matches(']').trim();
            if !inside.is_empty() {
                writer.json(inside);
            }
        }
    });
}

/// Where something said comes from.
pub(super) fn write_citation(citation: &Citation<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("url_citation");
        writer.member("start_index").count(citation.start.unwrap_or_default());
        writer.member("end_index").count(citation.end.unwrap_or_default());
        writer.member("url").text(&citation.url);
        writer.member("title").text(citation.title.as_ref().unwrap_or(&citation.url));
    });
}

/// An item that carries nothing but a seal.
pub(super) fn sealed(about: &About, origin: Origin, data: &Text<'_>) -> Content {
    Content::Reasoning { text: String::new(), encrypted: Some(wrap(about, origin, data)) }
}
