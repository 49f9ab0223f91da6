//! A whole answer for an OpenAI client.

use super::{
    encode_stream::{finish_name, write_citation, write_image, write_seal},
    format_of,
    usage::write_usage,
};
use crate::{
    dialect::{Wishes, json::Writer},
    ir::{Choice, Finish, Piece, Response, Text},
};

/// Writes a whole answer.
pub(super) fn encode_document(response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
    let silent = [Choice::default()];
    let choices = if response.choices.is_empty() { &silent } else { &response.choices[..] };
    Writer::new(out).object(|writer| {
        writer.member("id").text_or(response.id.as_ref(), &wishes.id);
        writer.member("object").string("chat.completion");
        writer.member("created").count(response.created.unwrap_or(wishes.created));
        writer.member("model").text_or(response.model.as_ref(), &wishes.model);
        writer.member("choices").array(|writer| {
            for (index, choice) in choices.iter().enumerate() {
                writer.object(|writer| write_choice(index, choice, wishes, writer));
            }
        });
        if let Some(usage) = &response.usage {
            writer.member("usage");
            write_usage(usage, writer);
        }
    });
}

fn write_choice(index: usize, choice: &Choice, wishes: &Wishes, writer: &mut Writer<'_>) {
    writer.member("index").count(index as u64);
    writer.member("message").object(|writer| write_message(choice, wishes, writer));
    if choice.logprobs.is_empty() {
        writer.member("logprobs").null();
    } else {
        writer.member("logprobs").object(|writer| {
            writer.member("content").array(|writer| {
                for list in &choice.logprobs {
                    let inside = list.as_str().trim_start_matches('[').trim_end_matches(']').trim();
                    if !inside.is_empty() {
                        writer.json(inside);
                    }
                }
            });
            writer.member("refusal").null();
        });
    }
    let reason = choice.finish.unwrap_or(Finish::Stop);
    writer.member("finish_reason").string(finish_name(reason, wishes.has_legacy_functions));
}

fn write_message(choice: &Choice, wishes: &Wishes, writer: &mut Writer<'_>) {
    writer.member("role").string("assistant");
    match choice.text() {
        Some(text) => writer.member("content").string(&text),
        None if choice.calls_tools() || choice.refusal().is_some() => writer.member("content").null(),
        None => writer.member("content").string(""),
    }
    match choice.refusal() {
        Some(text) => writer.member("refusal").string(&text),
        None => writer.member("refusal").null(),
    }
    writer.member("annotations").array(|writer| {
        for piece in &choice.pieces {
            if let Piece::Text { citations, .. } = piece {
                citations.iter().for_each(|citation| write_citation(citation, writer));
            }
        }
    });
    if let Some(text) = choice.reasoning() {
        writer.member("reasoning_content").string(&text);
    }
    write_details(choice, writer);
    if let Some(seal) = choice.pieces.iter().find_map(text_seal) {
        write_seal(seal, writer);
    }
    if choice.calls_tools() {
        write_calls(choice, wishes, writer);
    }
    write_media(choice, writer);
    write_opaque(choice, writer);
}

fn text_seal(piece: &Piece) -> Option<&Text<'static>> {
    match piece {
        Piece::Text { signature: Some(signature), .. } => Some(&signature.data),
        _ => None,
    }
}

/// Reasoning that has to come back as it is, as OpenRouter says it.
fn write_details(choice: &Choice, writer: &mut Writer<'_>) {
    let is_detail = |piece: &&Piece| {
        matches!(piece, Piece::RedactedReasoning { .. } | Piece::Reasoning { signature: Some(_), .. })
    };
    if !choice.pieces.iter().any(|piece| is_detail(&piece)) {
        return;
    }
    writer.member("reasoning_details").array(|writer| {
        for (index, piece) in choice.pieces.iter().filter(is_detail).enumerate() {
            writer.object(|writer| {
                match piece {
                    Piece::RedactedReasoning { origin, data } => {
                        writer.member("type").string("reasoning.encrypted");
                        writer.member("data").text(data);
                        writer.member("format").string(format_of(*origin));
                    }
                    Piece::Reasoning { text, signature: Some(signature) } => {
                        writer.member("type").string("reasoning.text");
                        writer.member("text").string(text);
                        writer.member("signature").text(&signature.data);
                        writer.member("format").string(format_of(signature.origin));
                    }
                    _ => {}
                }
                writer.member("index").count(index as u64);
            });
        }
    });
}

fn write_calls(choice: &Choice, wishes: &Wishes, writer: &mut Writer<'_>) {
    let calls = choice.pieces.iter().filter_map(|piece| match piece {
        Piece::ToolCall { id, name, input, is_custom, signature, .. } => {
            Some((id, name, input, *is_custom, signature))
        }
        _ => None,
    });
    if wishes.has_legacy_functions {
        for (_, name, input, ..) in calls.take(1) {
            writer.member("function_call").object(|writer| {
                writer.member("name").text(name);
                writer.member("arguments").string(input);
            });
        }
        return;
    }
    writer.member("tool_calls").array(|writer| {
        for (id, name, input, is_custom, signature) in calls {
            let (kind, member) = if is_custom { ("custom", "input") } else { ("function", "arguments") };
            writer.object(|writer| {
                writer.member("id").text(id);
                writer.member("type").string(kind);
                writer.member(kind).object(|writer| {
                    writer.member("name").text(name);
                    writer.member(member).string(input);
                });
                if let Some(signature) = signature {
                    write_seal(&signature.data, writer);
                }
            });
        }
    });
}

fn write_media(choice: &Choice, writer: &mut Writer<'_>) {
    let media = || {
        choice.pieces.iter().filter_map(|piece| match piece {
            Piece::Media { media_type, data } => Some((media_type, data)),
            _ => None,
        })
    };
    let is_audio = |media_type: &Text<'_>| media_type.as_escaped().starts_with("audio/");
    if media().any(|(media_type, _)| !is_audio(media_type)) {
        writer.member("images").array(|writer| {
            let images = media().filter(|(media_type, _)| !is_audio(media_type));
            images.for_each(|(media_type, data)| write_image(media_type, data, writer));
        });
    }
    if let Some((_, data)) = media().find(|(media_type, _)| is_audio(media_type)) {
        writer.member("audio").object(|writer| writer.member("data").text(data));
    }
}

/// What only the provider's dialect knows, so that nothing is lost.
fn write_opaque(choice: &Choice, writer: &mut Writer<'_>) {
    let opaque = || {
        choice.pieces.iter().filter_map(|piece| match piece {
            Piece::Opaque { dialect, raw } => Some((dialect, raw)),
            _ => None,
        })
    };
    if let Some((dialect, _)) = opaque().next() {
        writer.member("provider_specific_fields").object(|writer| {
            writer.member(dialect).array(|writer| opaque().for_each(|(_, raw)| writer.raw(raw)));
        });
    }
}
