//! The messages of a conversation.

use std::borrow::Cow;

use crate::{
    dialect::{
        Encoded, data_uri, input,
        json::Writer,
        turns::{Answer, Block, Said, Turn},
    },
    ir::{ApiError, Content, Media, Message, Part, Role, Text, ToolCall},
};

use super::encode_tools::tool_name;

/// What stands where a tool has said nothing.
const EMPTY_RESULT: &str = "(empty)";
/// What stands where a client has left a call without a result.
const NO_RESULT: &str = "No result was provided.";

/// Something that a message can hold.
enum Piece<'p> {
    Text(Cow<'p, Text<'p>>),
    Image { url: Text<'p>, detail: Option<&'p Text<'p>> },
}

/// Whether a part can be said by this role; images are the user's alone.
pub(super) fn is_said(part: &Part<'_>, role: Role) -> bool {
    match &part.content {
        Content::Text(text) | Content::Refusal(text) => !text.is_blank(),
        // What another maker's model has thought is left to it.
        Content::Reasoning(text) => role == Role::Assistant && part.signature.is_none() && !text.is_blank(),
        Content::Image { .. } | Content::File { .. } | Content::Audio(_) | Content::Video(_) => {
            role == Role::User
        }
        _ => false,
    }
}

/// An error where something in the turns cannot be taken.
pub(super) fn check(turns: &[Turn<'_, '_>]) -> Result<(), ApiError> {
    for turn in turns {
        let results = turn.answers.iter().filter_map(|answer| answer.result);
        results.flat_map(|result| &result.parts).try_for_each(|part| piece(part).map(drop))?;
        for block in &turn.blocks {
            if let Said::Part(part) = block.said {
                piece(part)?;
            }
        }
    }
    Ok(())
}

/// What a part is; an error where Cohere has no place for it.
fn piece<'p>(part: &'p Part<'p>) -> Result<Option<Piece<'p>>, ApiError> {
    let (media, detail) = match &part.content {
        Content::Text(text) | Content::Refusal(text) => return Ok(Some(Piece::Text(Cow::Borrowed(text)))),
        Content::Image { media, detail } => (media, detail.as_ref()),
        Content::File { media: Media::Text(text), .. } => return Ok(Some(Piece::Text(Cow::Borrowed(text)))),
        Content::File { media, .. } => (media, None),
        Content::Audio(_) => return Err(refusal("Cohere takes no audio. Leave it out.")),
        Content::Video(_) => return Err(refusal("Cohere takes no videos. Leave it out.")),
        _ => return Ok(None),
    };
    let is_image = matches!(part.content, Content::Image { .. });
    match media {
        Media::Data { media_type, data } if is_of(media_type, "image/") => {
            Ok(Some(Piece::Image { url: data_uri::uri(media_type, data), detail }))
        }
        Media::Data { media_type, data }
            if is_of(media_type, "text/") || media_type.is("application/json") =>
        {
            let text = data_uri::text_of(data).ok_or_else(|| refusal("The file is not a text in UTF-8."))?;
            Ok(Some(Piece::Text(Cow::Owned(Text::plain(text)))))
        }
        Media::Url { url, .. } if is_image => Ok(Some(Piece::Image { url: url.reborrow(), detail })),
        Media::Text(text) => Ok(Some(Piece::Text(Cow::Borrowed(text)))),
        Media::Stored(_) => {
            Err(refusal("The file is stored with another provider. Send its content in base64."))
        }
        Media::Data { .. } | Media::Url { .. } => {
            Err(refusal("Cohere takes images, and files that are texts. Send the document's text."))
        }
    }
}

fn is_of(media_type: &Text<'_>, kind: &str) -> bool {
    media_type.as_escaped().replace('\\', "").starts_with(kind)
}

fn refusal(message: &str) -> ApiError {
    ApiError::client(400, "unsupported_parameter", message).with_param("messages")
}

/// Writes what a system says before all others.
pub(super) fn write_system(message: &Message<'_>, writer: &mut Writer<'_>) {
    let parts = message.parts.iter().filter(|part| is_said(part, Role::System));
    let pieces: Vec<_> = parts.filter_map(|part| piece(part).ok().flatten()).collect();
    if !pieces.is_empty() {
        write_message("system", &pieces, writer);
    }
}

/// Writes a turn: a message, and before it one for each result.
pub(super) fn write_turn(turn: &Turn<'_, '_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    turn.answers.iter().for_each(|answer| write_answer(answer, writer));
    if turn.role == Role::Assistant {
        return write_assistant(turn, encoded, writer);
    }
    let results = turn.answers.iter().filter_map(|answer| answer.result);
    let media = results.flat_map(|result| &result.parts).filter_map(|part| piece(part).ok().flatten());
    // A result holds texts only.
    let images = media.filter(|piece| matches!(piece, Piece::Image { .. }));
    let pieces: Vec<_> = images.chain(turn.blocks.iter().filter_map(piece_of)).collect();
    if !pieces.is_empty() {
        write_message(if turn.role == Role::System { "system" } else { "user" }, &pieces, writer);
    }
}

fn piece_of<'b>(block: &'b Block<'_, '_>) -> Option<Piece<'b>> {
    match &block.said {
        Said::Part(part) => piece(part).ok().flatten(),
        Said::Operator(text) => Some(Piece::Text(Cow::Borrowed(text))),
        Said::Ours(text) => Some(Piece::Text(Cow::Borrowed(text))),
        Said::Call { .. } => None,
    }
}

fn write_answer(answer: &Answer<'_, '_>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("role").string("tool");
        writer.member("tool_call_id").text(&answer.id);
        let parts = answer.result.map(|result| result.parts.as_slice()).unwrap_or_default();
        let texts: Vec<_> = parts.iter().filter_map(|part| text_of(part).ok().flatten()).collect();
        let mut words = Vec::new();
        if answer.result.is_none_or(|result| result.is_error) {
            words.push("Error: ");
        }
        for (position, text) in texts.iter().enumerate() {
            if position > 0 {
                words.push("\\n");
            }
            words.push(text.as_escaped());
        }
        if texts.is_empty() {
            words.push(if answer.result.is_some() { EMPTY_RESULT } else { NO_RESULT });
        }
        writer.member("content").joined(words);
    });
}

fn text_of<'p>(part: &'p Part<'p>) -> Result<Option<Cow<'p, Text<'p>>>, ApiError> {
    Ok(match piece(part)? {
        Some(Piece::Text(text)) if !text.is_blank() => Some(text),
        _ => None,
    })
}

/// Beside calls a message has no content but a plan of what they are for.
fn write_assistant(turn: &Turn<'_, '_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    let calls: Vec<_> = turn.calls().collect();
    if calls.is_empty() {
        let pieces: Vec<_> = turn.blocks.iter().filter_map(piece_of).collect();
        return write_message("assistant", &pieces, writer);
    }
    let plan: Vec<_> = turn.blocks.iter().filter_map(planned).collect();
    writer.object(|writer| {
        writer.member("role").string("assistant");
        if !plan.is_empty() {
            let words = plan
                .iter()
                .enumerate()
                .flat_map(|(position, text)| [if position > 0 { "\\n" } else { "" }, text.as_escaped()]);
            writer.member("tool_plan").joined(words);
        }
        writer.member("tool_calls").array(|writer| {
            calls.iter().for_each(|(call, id)| write_call(call, id, encoded, writer));
        });
    });
}

fn planned<'b>(block: &'b Block<'_, '_>) -> Option<&'b Text<'b>> {
    match &block.said {
        Said::Part(Part { content: Content::Text(text) | Content::Reasoning(text), .. }) => Some(text),
        _ => None,
    }
}

fn write_call(call: &ToolCall<'_>, id: &Text<'_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("id").text(id);
        writer.member("type").string("function");
        writer.member("function").object(|writer| {
            writer.member("name").string(&tool_name(&call.name, &mut encoded.emulation.names));
            writer.member("arguments").text(&Text::plain(input::object_of(call).as_str()));
        });
    });
}

/// One text is told as such.
fn write_message(role: &str, pieces: &[Piece<'_>], writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("role").string(role);
        writer.member("content");
        match pieces {
            [Piece::Text(text)] => writer.text(text),
            pieces => writer.array(|writer| pieces.iter().for_each(|piece| write_piece(piece, writer))),
        }
    });
}

fn write_piece(piece: &Piece<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| match piece {
        Piece::Text(text) => {
            writer.member("type").string("text");
            writer.member("text").text(text);
        }
        Piece::Image { url, detail } => {
            writer.member("type").string("image_url");
            writer.member("image_url").object(|writer| {
                writer.member("url").text(url);
                let known = ["auto", "low", "high"];
                if let Some(detail) = detail.filter(|detail| known.iter().any(|known| detail.is(known))) {
                    writer.member("detail").text(detail);
                }
            });
        }
    });
}
