//! A whole answer for a client of Google's.

use super::{
    encode_stream::Call, grounding::write_grounding, logprobs::write_logprobs, own_seal, usage::write_usage,
};
use crate::{
    dialect::{Wishes, input::object_of, json::Writer},
    ir::{Choice, Finish, Input, Piece, Response, Text, ToolCall},
};

/// Google's name of an end; calls of tools end as everything does.
pub(super) const fn finish_name(reason: Option<Finish>) -> &'static str {
    match reason {
        Some(Finish::Length) => "MAX_TOKENS",
        Some(Finish::ContentFilter) => "SAFETY",
        Some(Finish::Stop | Finish::ToolCalls | Finish::Other) | None => "STOP",
    }
}

/// Writes a whole answer.
pub(super) fn encode_document(response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
    let silent = [Choice::default()];
    let choices = if response.choices.is_empty() { &silent } else { &response.choices[..] };
    Writer::new(out).object(|writer| {
        writer.member("candidates").array(|writer| {
            for (index, choice) in choices.iter().enumerate() {
                writer.object(|writer| write_choice(index, choice, writer));
            }
        });
        if let Some(usage) = &response.usage {
            writer.member("usageMetadata");
            write_usage(usage, writer);
        }
        write_end(response.id.as_ref(), response.model.as_ref(), wishes, writer);
    });
}

/// The names of model and answer.
pub(super) fn write_end(
    id: Option<&Text<'_>>,
    model: Option<&Text<'_>>,
    wishes: &Wishes,
    writer: &mut Writer<'_>,
) {
    writer.member("modelVersion").text_or(model, &wishes.model);
    writer.member("responseId").text_or(id, &wishes.id);
}

fn write_choice(index: usize, choice: &Choice, writer: &mut Writer<'_>) {
    writer.member("content").object(|writer| {
        writer.member("parts").array(|writer| {
            let pieces = || choice.pieces.iter().filter(|piece| is_written(piece));
            if pieces().next().is_none() {
                write_text("", false, None, writer);
            }
            pieces().for_each(|piece| write_piece(piece, writer));
        });
        writer.member("role").string("model");
    });
    writer.member("finishReason").string(finish_name(choice.finish));
    writer.member("index").count(index as u64);
    let citations: Vec<_> = choice.pieces.iter().flat_map(citations).cloned().collect();
    let said = choice.text().unwrap_or_default();
    write_grounding(&citations, &Text::escaped(&said).to_plain(), writer);
    write_logprobs(choice.logprobs.iter(), writer);
}

fn citations(piece: &Piece) -> &[crate::ir::Citation<'static>] {
    match piece {
        Piece::Text { citations, .. } => citations,
        _ => &[],
    }
}

/// Whether Google's clients know such a thing.
fn is_written(piece: &Piece) -> bool {
    match piece {
        Piece::RedactedReasoning { .. } => false,
        Piece::Opaque { dialect, .. } => *dialect == super::NAME,
        Piece::Text { text, signature, .. } | Piece::Reasoning { text, signature } => {
            !text.is_empty() || own_seal(signature.as_ref()).is_some()
        }
        Piece::Refusal(_) | Piece::ToolCall { .. } | Piece::Media { .. } => true,
    }
}

fn write_piece(piece: &Piece, writer: &mut Writer<'_>) {
    match piece {
        Piece::Text { text, signature, .. } => write_text(text, false, own_seal(signature.as_ref()), writer),
        Piece::Reasoning { text, signature } => write_text(text, true, own_seal(signature.as_ref()), writer),
        Piece::Refusal(text) => write_text(text, false, None, writer),
        Piece::ToolCall { tool, id, name, input, is_custom, signature } => {
            let (tool, id, name, input) = (*tool, id.clone(), name.clone(), input.clone());
            write_call(
                &Call { tool, id, name, input, is_custom: *is_custom, seal: signature.clone() },
                writer,
            );
        }
        Piece::Media { media_type, data } => write_media(media_type, data, writer),
        Piece::Opaque { raw, .. } => writer.raw(raw),
        Piece::RedactedReasoning { .. } => {}
    }
}

/// A part with a text, as it stands between quotes.
pub(super) fn write_text(text: &str, is_thought: bool, seal: Option<&Text<'_>>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("text").string(text);
        if is_thought {
            writer.member("thought").boolean(true);
        }
        write_seal(seal, writer);
    });
}

fn write_seal(seal: Option<&Text<'_>>, writer: &mut Writer<'_>) {
    if let Some(seal) = seal {
        writer.member("thoughtSignature").text(seal);
    }
}

/// A part with a call.
pub(super) fn write_call(call: &Call, writer: &mut Writer<'_>) {
    let input = Input::Text(Text::escaped(&call.input));
    let (id, name) = (call.id.reborrow(), call.name.reborrow());
    let told = ToolCall { id, name, input, is_custom: call.is_custom };
    writer.object(|writer| {
        writer.member("functionCall").object(|writer| {
            writer.member("id").text(&call.id);
            writer.member("name").text(&call.name);
            writer.member("args").raw(&object_of(&told));
        });
        write_seal(own_seal(call.seal.as_ref()), writer);
    });
}

/// A part with an image or a sound.
pub(super) fn write_media(media_type: &Text<'_>, data: &Text<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("inlineData").object(|writer| {
            writer.member("mimeType").text(media_type);
            writer.member("data").text(data);
        });
    });
}
