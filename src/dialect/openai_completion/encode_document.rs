//! A whole answer for a client of the completions of old.

use super::finish_name;
use crate::{
    dialect::{Wishes, json::Writer, openai_chat::write_usage},
    ir::{Choice, Finish, Piece, Response, Text},
};

/// Writes a whole answer.
pub(super) fn encode_document(response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
    let silent = [Choice::default()];
    let choices = if response.choices.is_empty() { &silent } else { &response.choices[..] };
    Writer::new(out).object(|writer| {
        write_front(response.id.as_ref(), response.model.as_ref(), response.created, wishes, writer);
        writer.member("choices").array(|writer| {
            for (index, choice) in choices.iter().enumerate() {
                let reason = choice.finish.unwrap_or(Finish::Stop);
                write_choice(index, choice.pieces.iter().filter_map(said), Some(reason), writer);
            }
        });
        if let Some(usage) = &response.usage {
            write_usage(usage, writer.member("usage"));
        }
    });
}

/// What an answer and every piece of it begin with.
pub(super) fn write_front(
    id: Option<&Text<'_>>,
    model: Option<&Text<'_>>,
    created: Option<u64>,
    wishes: &Wishes,
    writer: &mut Writer<'_>,
) {
    let own = wishes.id.strip_prefix("chat").unwrap_or(&wishes.id);
    writer.member("id").text_or(id, own);
    writer.member("object").string("text_completion");
    writer.member("created").count(created.unwrap_or(wishes.created));
    writer.member("model").text_or(model, &wishes.model);
}

/// A choice, or a piece of one; its texts are as they stand between quotes.
pub(super) fn write_choice<'t>(
    index: usize,
    texts: impl IntoIterator<Item = &'t str>,
    finish: Option<Finish>,
    writer: &mut Writer<'_>,
) {
    writer.object(|writer| {
        writer.member("index").count(index as u64);
        writer.member("text").joined(texts);
        writer.member("logprobs").null();
        match finish {
            Some(reason) => writer.member("finish_reason").string(finish_name(reason)),
            None => writer.member("finish_reason").null(),
        }
    });
}

/// Why something is not said is a text like any other here.
fn said(piece: &Piece) -> Option<&str> {
    match piece {
        Piece::Text { text, .. } | Piece::Refusal(text) => Some(text),
        _ => None,
    }
}
