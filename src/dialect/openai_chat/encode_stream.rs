//! A stream of chunks for an OpenAI client.

use super::{format_of, usage::write_usage};
use crate::{
    dialect::{StreamEncoder, Wishes, choices, data_uri, json::Writer},
    ir::{Citation, Event, Finish, Origin, Signed, Text, Usage},
};

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Encoder {
    wishes: Wishes,
    /// What every chunk begins with; empty before the first.
    front: Vec<u8>,
    choices: Vec<ChoiceState>,
    usage: Option<Usage>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    has_begun: bool,
    has_finished: bool,
    /// Calls that take a text.
    custom: Vec<usize>,
    /// What has been thought since the last seal, as it stands between quotes.
    reasoning: String,
    /// Blocks of reasoning that have been told whole.
    details: u64,
}

/// OpenAI's name of an end.
pub(super) const fn finish_name(reason: Finish, has_legacy_functions: bool) -> &'static str {
    match reason {
        Finish::ToolCalls if has_legacy_functions => "function_call",
        Finish::ToolCalls => "tool_calls",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::Stop | Finish::Other => "stop",
    }
}

impl Encoder {
    pub(super) const fn new(wishes: Wishes) -> Self {
        Self { wishes, front: Vec::new(), choices: Vec::new(), usage: None }
    }

    fn begin(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, created: Option<u64>) {
        let mut front = b"data: ".to_vec();
        let mut writer = Writer::new(&mut front);
        let wishes = &self.wishes;
        writer.object(|writer| {
            writer.member("id").text_or(id, &wishes.id);
            writer.member("object").string("chat.completion.chunk");
            writer.member("created").count(created.unwrap_or(wishes.created));
            writer.member("model").text_or(model, &wishes.model);
        });
        front.pop();
        self.front = front;
    }

    /// One chunk of one choice; `delta` writes what is in it.
    fn chunk(
        &mut self,
        choice: usize,
        out: &mut Vec<u8>,
        finish: Option<&str>,
        delta: impl FnOnce(&mut Writer<'_>),
    ) {
        self.open(choice, out);
        self.write_chunk(choice, out, finish, |writer| {
            writer.member("delta").object(delta);
        });
    }

    fn write_chunk(
        &self,
        choice: usize,
        out: &mut Vec<u8>,
        finish: Option<&str>,
        members: impl FnOnce(&mut Writer<'_>),
    ) {
        out.extend_from_slice(&self.front);
        out.extend_from_slice(b",\"choices\":[");
        Writer::new(out).object(|writer| {
            writer.member("index").count(choice as u64);
            members(writer);
            match finish {
                Some(reason) => writer.member("finish_reason").string(reason),
                None => writer.member("finish_reason").null(),
            }
        });
        out.extend_from_slice(if self.wishes.includes_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" });
    }

    /// The first chunk of a choice says who speaks.
    fn open(&mut self, choice: usize, out: &mut Vec<u8>) {
        if self.front.is_empty() {
            self.begin(None, None, None);
        }
        if !std::mem::replace(&mut self.state(choice).has_begun, true) {
            self.write_chunk(choice, out, None, |writer| {
                writer.member("delta").object(|writer| {
                    writer.member("role").string("assistant");
                    writer.member("content").string("");
                    writer.member("refusal").null();
                });
            });
        }
    }

    fn state(&mut self, choice: usize) -> &mut ChoiceState {
        choices::state(&mut self.choices, choice)
    }

    fn begin_tool(
        &mut self,
        choice: usize,
        tool: usize,
        (id, name): (&Text<'_>, &Text<'_>),
        is_custom: bool,
        out: &mut Vec<u8>,
    ) {
        if is_custom {
            self.state(choice).custom.push(tool);
        }
        if self.wishes.has_legacy_functions {
            return self.chunk(choice, out, None, |writer| {
                writer.member("function_call").object(|writer| {
                    writer.member("name").text(name);
                    writer.member("arguments").string("");
                });
            });
        }
        let (kind, input) = if is_custom { ("custom", "input") } else { ("function", "arguments") };
        self.tool_chunk(choice, tool, out, |writer| {
            writer.member("id").text(id);
            writer.member("type").string(kind);
            writer.member(kind).object(|writer| {
                writer.member("name").text(name);
                writer.member(input).string("");
            });
        });
    }

    fn tool_input(&mut self, choice: usize, tool: usize, text: &Text<'_>, out: &mut Vec<u8>) {
        if self.wishes.has_legacy_functions {
            return self.chunk(choice, out, None, |writer| {
                writer.member("function_call").object(|writer| writer.member("arguments").text(text));
            });
        }
        let is_custom = self.state(choice).custom.contains(&tool);
        let (kind, input) = if is_custom { ("custom", "input") } else { ("function", "arguments") };
        self.tool_chunk(choice, tool, out, |writer| {
            writer.member(kind).object(|writer| writer.member(input).text(text));
        });
    }

    fn tool_chunk(
        &mut self,
        choice: usize,
        tool: usize,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Writer<'_>),
    ) {
        self.chunk(choice, out, None, |writer| {
            writer.member("tool_calls").array(|writer| {
                writer.object(|writer| {
                    writer.member("index").count(tool as u64);
                    members(writer);
                });
            });
        });
    }

    /// A seal, told where clients may keep it.
    fn sign(&mut self, choice: usize, on: Signed, origin: Origin, data: &Text<'_>, out: &mut Vec<u8>) {
        match on {
            Signed::Tool(tool) => self.tool_chunk(choice, tool, out, |writer| write_seal(data, writer)),
            Signed::Text => self.chunk(choice, out, None, |writer| write_seal(data, writer)),
            Signed::Reasoning => {
                let text = std::mem::take(&mut self.state(choice).reasoning);
                self.detail(choice, origin, out, |writer| {
                    writer.member("type").string("reasoning.text");
                    writer.member("text").string(&text);
                    writer.member("signature").text(data);
                });
            }
        }
    }

    fn detail(
        &mut self,
        choice: usize,
        origin: Origin,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Writer<'_>),
    ) {
        let index = self.state(choice).details;
        self.state(choice).details += 1;
        self.chunk(choice, out, None, |writer| {
            writer.member("reasoning_details").array(|writer| {
                writer.object(|writer| {
                    members(writer);
                    writer.member("format").string(format_of(origin));
                    writer.member("index").count(index);
                });
            });
        });
    }
}

impl StreamEncoder for Encoder {
    fn push(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Begin { id, model, created } => self.begin(id.as_ref(), model.as_ref(), *created),
            Event::Text { choice, text } if !text.is_empty() => {
                self.chunk(*choice, out, None, |writer| writer.member("content").text(text));
            }
            Event::Refusal { choice, text } => {
                self.chunk(*choice, out, None, |writer| writer.member("refusal").text(text));
            }
            Event::Reasoning { choice, text } => {
                self.state(*choice).reasoning.push_str(text.as_escaped());
                self.chunk(*choice, out, None, |writer| writer.member("reasoning_content").text(text));
            }
            Event::RedactedReasoning { choice, origin, data } => {
                self.detail(*choice, *origin, out, |writer| {
                    writer.member("type").string("reasoning.encrypted");
                    writer.member("data").text(data);
                });
            }
            Event::Signature { choice, on, origin, data } => self.sign(*choice, *on, *origin, data, out),
            Event::ToolBegin { choice, tool, id, name, is_custom } => {
                self.begin_tool(*choice, *tool, (id, name), *is_custom, out);
            }
            Event::ToolInput { choice, tool, text } => self.tool_input(*choice, *tool, text, out),
            Event::Media { choice, media_type, data } => {
                self.chunk(*choice, out, None, |writer| write_media(media_type, data, writer));
            }
            Event::Citation { choice, citation } => {
                self.chunk(*choice, out, None, |writer| {
                    writer.member("annotations").array(|writer| write_citation(citation, writer));
                });
            }
            Event::LogProbs { choice, content } => {
                self.open(*choice, out);
                self.write_chunk(*choice, out, None, |writer| {
                    writer.member("delta").object(|_| {});
                    writer.member("logprobs").object(|writer| {
                        writer.member("content").raw(&content.in_one_line());
                        writer.member("refusal").null();
                    });
                });
            }
            Event::Opaque { choice, dialect, raw } => {
                self.chunk(*choice, out, None, |writer| {
                    writer.member("provider_specific_fields").object(|writer| {
                        writer.member(dialect).array(|writer| writer.raw(&raw.in_one_line()));
                    });
                });
            }
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Finish { choice, reason, .. } => {
                let name = finish_name(*reason, self.wishes.has_legacy_functions);
                self.chunk(*choice, out, Some(name), |_| {});
                self.state(*choice).has_finished = true;
            }
            Event::Text { .. } | Event::Ping | Event::Error(_) => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.open(0, out);
        for choice in 0..self.choices.len() {
            if !self.choices[choice].has_finished {
                self.chunk(choice, out, Some("stop"), |_| {});
            }
        }
        if self.wishes.includes_usage {
            out.extend_from_slice(&self.front);
            out.extend_from_slice(b",\"choices\":[],\"usage\":");
            write_usage(&self.usage.unwrap_or_default(), &mut Writer::new(out));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// A seal on a call or on a text, as Google's OpenAI-compatible API says it.
pub(super) fn write_seal(data: &Text<'_>, writer: &mut Writer<'_>) {
    writer.member("extra_content").object(|writer| {
        writer.member("google").object(|writer| writer.member("thought_signature").text(data));
    });
}

/// An image or a sound, in the member that clients look for it.
fn write_media(media_type: &Text<'_>, data: &Text<'_>, writer: &mut Writer<'_>) {
    if media_type.as_escaped().starts_with("audio/") {
        writer.member("audio").object(|writer| writer.member("data").text(data));
    } else {
        writer.member("images").array(|writer| write_image(media_type, data, writer));
    }
}

/// An image as a data URI.
pub(super) fn write_image(media_type: &Text<'_>, data: &Text<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("image_url");
        writer.member("image_url").object(|writer| {
            writer.member("url").text(&data_uri::uri(media_type, data));
        });
    });
}

/// Where something said comes from.
pub(super) fn write_citation(citation: &Citation<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("type").string("url_citation");
        writer.member("url_citation").object(|writer| {
            writer.member("start_index").count(citation.start.unwrap_or_default());
            writer.member("end_index").count(citation.end.unwrap_or_default());
            writer.member("url").text(&citation.url);
            writer.member("title").text(citation.title.as_ref().unwrap_or(&citation.url));
        });
    });
}
