//! A whole answer for an Anthropic client.

use super::{
    encode_stream::{Ending, is_image, write_citation, write_image, write_redacted},
    kept_seal,
    usage::write_usage,
};
use crate::{
    dialect::{Wishes, input, json::Writer},
    ir::{Choice, Input, Piece, Response, Text, ToolCall},
};

/// Writes a whole answer, which has one choice.
pub(super) fn encode_document(response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
    let silent = Choice::default();
    let choice = response.choices.first().unwrap_or(&silent);
    Writer::new(out).object(|writer| {
        writer.member("id").text_or(response.id.as_ref(), &wishes.id);
        writer.member("type").string("message");
        writer.member("role").string("assistant");
        writer.member("model").text_or(response.model.as_ref(), &wishes.model);
        writer.member("content").array(|writer| {
            choice.pieces.iter().for_each(|piece| write_piece(piece, writer));
        });
        let (native, stop_sequence) = (choice.native_finish.clone(), choice.stop_sequence.clone());
        Ending::new(choice.finish, native, stop_sequence).write(choice.calls_tools(), writer);
        writer.member("usage");
        write_usage(&response.usage.unwrap_or_default(), writer);
    });
}

fn write_piece(piece: &Piece, writer: &mut Writer<'_>) {
    match piece {
        Piece::Text { text, citations, .. } if !text.is_empty() => writer.object(|writer| {
            writer.member("type").string("text");
            writer.member("text").string(text);
            if !citations.is_empty() {
                writer.member("citations").array(|writer| {
                    for citation in citations {
                        writer.object(|writer| write_citation(citation, writer));
                    }
                });
            }
        }),
        Piece::Refusal(text) if !text.is_empty() => writer.object(|writer| {
            writer.member("type").string("text");
            writer.member("text").string(text);
        }),
        Piece::Reasoning { text, signature } => writer.object(|writer| {
            writer.member("type").string("thinking");
            writer.member("thinking").string(text);
            let seal = signature.as_ref().map(|signature| kept_seal(signature.origin, &signature.data));
            writer.member("signature").string(seal.as_deref().unwrap_or_default());
        }),
        Piece::RedactedReasoning { origin, data } => {
            writer.object(|writer| write_redacted(*origin, data, writer));
        }
        Piece::ToolCall { id, name, input, is_custom, .. } => {
            let call = ToolCall {
                id: id.reborrow(),
                name: name.reborrow(),
                input: Input::Text(Text::escaped(input)),
                is_custom: *is_custom,
            };
            writer.object(|writer| {
                writer.member("type").string("tool_use");
                writer.member("id").text(id);
                writer.member("name").text(name);
                writer.member("input").raw(&input::object_of(&call));
            });
        }
        Piece::Media { media_type, data } if is_image(media_type) => {
            writer.object(|writer| write_image(media_type, data, writer));
        }
        Piece::Opaque { dialect, raw } if *dialect == super::NAME => writer.raw(raw),
        // What no client of this dialect could read.
        Piece::Text { .. } | Piece::Refusal(_) | Piece::Media { .. } | Piece::Opaque { .. } => {}
    }
}
