//! The conversation, for Google.

use std::borrow::Cow;

use super::{
    encode_request::instruction,
    encode_tools::NAME_RULE,
    media::{self, Place, level_of, place, write_place},
    own_seal,
};
use crate::{
    dialect::{
        Encoded, Recipient,
        input::{kind_of, object_of},
        json::{Kind, Writer},
        turns::{Answer, Block, Rules, Said, Turn, begin_with_user, turns},
    },
    ir::{ApiError, Content, Message, Part, Raw, Request, Role, Text, ToolCall, ToolResult},
};

/// The seal of a call whose own is not known, which the provider lets pass.
const SEAL_PLACEHOLDER: &str = "skip_thought_signature_validator";
/// What became of a call whose result the client does not tell.
const NO_RESULT: &str = "No result was given.";

/// Refuses what Google could not find.
pub(super) fn check_media(request: &Request<'_>, recipient: &Recipient<'_>) -> Result<(), ApiError> {
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let inner = match &part.content {
            Content::ToolResult(result) => &result.parts[..],
            _ => &[],
        };
        for part in inner.iter().chain([part]) {
            if let Some((media, fallback)) = media::of_part(part) {
                place(media, fallback, recipient.quirks)?;
            }
        }
    }
    Ok(())
}

/// Writes the member `systemInstruction`: what stands before the conversation, and perhaps what the answer has
/// to look like.
pub(super) fn write_system(
    request: &Request<'_>,
    describes_format: bool,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let (system, rest) = split_system(request);
    let systems = system.iter().chain(rest.iter().filter(|message| is_system(message)));
    if systems.flat_map(|message| &message.parts).any(|part| !matches!(part.content, Content::Text(_))) {
        encoded.drop_param("messages");
    }
    let mut texts: Vec<_> = system.iter().flat_map(|message| &message.parts).filter_map(said_text).collect();
    let instruction = instruction(&request.format).filter(|_| describes_format);
    texts.extend(instruction.as_ref());
    if texts.is_empty() {
        return;
    }
    writer.member("systemInstruction").object(|writer| {
        writer.member("parts").array(|writer| texts.iter().for_each(|text| write_text(text, writer)));
    });
}

/// What stands before the conversation, and the conversation.
fn split_system<'r, 'a>(request: &'r Request<'a>) -> (&'r [Message<'a>], &'r [Message<'a>]) {
    let first = request.messages.iter().position(|message| !is_system(message));
    let first = first.unwrap_or(request.messages.len());
    request.messages.split_at(first)
}

fn is_system(message: &Message<'_>) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

fn said_text<'p, 'a>(part: &'p Part<'a>) -> Option<&'p Text<'a>> {
    match &part.content {
        Content::Text(text) => Some(text).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// Writes the member `contents`.
pub(super) fn write_contents(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let (_, messages) = split_system(request);
    let of_users = messages.iter().filter(|message| message.role == Role::User);
    let has_strange = of_users.flat_map(|message| &message.parts).any(is_strange);
    if has_strange {
        encoded.drop_param("messages");
    }
    let mut turns = turns(messages, &Rules { is_said: &is_said, takes_system: false });
    begin_with_user(&mut turns);
    writer.member("contents").array(|writer| {
        let mut calls = Vec::new();
        for turn in &turns {
            write_turn(turn, &calls, recipient, writer);
            calls = turn.calls().map(|(call, _)| call).collect();
        }
    });
}

/// Whether a part is of another dialect alone, or holds such a one.
fn is_strange(part: &Part<'_>) -> bool {
    match &part.content {
        Content::Opaque { dialect, .. } => *dialect != super::NAME,
        Content::ToolResult(result) => result.parts.iter().any(is_strange),
        _ => false,
    }
}

/// Whether Google takes a part from this role.
fn is_said(part: &Part<'_>, role: Role) -> bool {
    let is_sealed = own_seal(part.signature.as_ref()).is_some();
    match &part.content {
        Content::Text(text) => !text.is_empty() || is_sealed,
        _ if matches!(role, Role::System | Role::Developer) => false,
        Content::Refusal(text) => !text.is_empty(),
        // What others have thought cannot be read, and what has no seal is only a summary.
        Content::Reasoning(_) => is_sealed && role == Role::Assistant,
        Content::RedactedReasoning { .. } | Content::ToolCall(_) | Content::ToolResult(_) => false,
        Content::Opaque { dialect, .. } => *dialect == super::NAME,
        Content::Image { .. } | Content::Audio(_) | Content::Video(_) | Content::File { .. } => true,
    }
}

/// One turn; its answers are those of `calls`, in their order.
fn write_turn(
    turn: &Turn<'_, '_>,
    calls: &[&ToolCall<'_>],
    recipient: &Recipient<'_>,
    writer: &mut Writer<'_>,
) {
    let is_sealed = |block: &Block<'_, '_>| matches!(block.said, Said::Call { signature, .. } if own_seal(signature).is_some());
    let mut lacks_seal = recipient.profile.wants_signatures && !turn.blocks.iter().any(is_sealed);
    writer.object(|writer| {
        writer.member("role").string(if turn.role == Role::Assistant { "model" } else { "user" });
        writer.member("parts").array(|writer| {
            for (answer, call) in turn.answers.iter().zip(calls) {
                write_answer(answer, call, recipient, writer);
            }
            for (answer, call) in turn.answers.iter().zip(calls) {
                write_beside(answer, call, recipient, writer);
            }
            for block in &turn.blocks {
                match &block.said {
                    Said::Part(part) => write_part(part, recipient, writer),
                    Said::Operator(text) => write_text(text, writer),
                    Said::Ours(text) => write_text(text, writer),
                    Said::Call { call, id, signature } => {
                        let placeholder = std::mem::take(&mut lacks_seal).then_some(SEAL_PLACEHOLDER);
                        let seal = own_seal(*signature).map(Text::as_escaped).or(placeholder);
                        let id = Some(id).filter(|_| takes_ids(recipient));
                        write_call(call, id, seal, writer);
                    }
                }
            }
        });
    });
}

const fn takes_ids(recipient: &Recipient<'_>) -> bool {
    recipient.profile.takes_call_ids && recipient.quirks.takes_call_ids
}

fn write_text(text: &Text<'_>, writer: &mut Writer<'_>) {
    writer.object(|writer| writer.member("text").text(text));
}

fn write_call(call: &ToolCall<'_>, id: Option<&Text<'_>>, seal: Option<&str>, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("functionCall").object(|writer| {
            if let Some(id) = id {
                writer.member("id").text(id);
            }
            writer.member("name").string(&NAME_RULE.apply(&call.name));
            writer.member("args").raw(&object_of(call));
        });
        if let Some(seal) = seal {
            writer.member("thoughtSignature").string(seal);
        }
    });
}

fn write_part(part: &Part<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    if let Content::Opaque { raw, .. } = &part.content {
        return writer.raw(raw);
    }
    if let Some(native) = part.native.as_ref().filter(|native| native.dialect == super::NAME) {
        return writer.raw(&native.raw);
    }
    writer.object(|writer| {
        match &part.content {
            Content::Reasoning(text) => {
                writer.member("text").text(text);
                writer.member("thought").boolean(true);
            }
            Content::Text(text) | Content::Refusal(text) => writer.member("text").text(text),
            _ => write_media(part, recipient, writer),
        }
        if let Some(seal) = own_seal(part.signature.as_ref()) {
            writer.member("thoughtSignature").text(seal);
        }
    });
}

fn write_media(part: &Part<'_>, recipient: &Recipient<'_>, writer: &mut Writer<'_>) {
    if let Some(place) = place_of(part, recipient) {
        write_place(&place, writer);
    }
    if let Content::Image { detail: Some(detail), .. } = &part.content
        && let Some(level) = level_of(detail).filter(|_| recipient.profile.takes_image_detail)
    {
        writer.member("mediaResolution").object(|writer| writer.member("level").string(level));
    }
}

/// Where the media of a part are; what cannot be found was refused before.
fn place_of<'p>(part: &'p Part<'_>, recipient: &Recipient<'_>) -> Option<Place<'p>> {
    let (media, fallback) = media::of_part(part)?;
    place(media, fallback, recipient.quirks).ok()
}

fn write_answer(
    answer: &Answer<'_, '_>,
    call: &ToolCall<'_>,
    recipient: &Recipient<'_>,
    writer: &mut Writer<'_>,
) {
    writer.object(|writer| {
        writer.member("functionResponse").object(|writer| {
            if takes_ids(recipient) {
                writer.member("id").text(&answer.id);
            }
            writer.member("name").string(&NAME_RULE.apply(&call.name));
            writer.member("response");
            write_response(answer.result, writer);
            let mut within = media_of(answer.result, recipient).filter(|place| is_within(place, recipient));
            if let Some(first) = within.next() {
                writer.member("parts").array(|writer| {
                    for place in [first].into_iter().chain(within) {
                        writer.object(|writer| write_place(&place, writer));
                    }
                });
            }
        });
    });
}

/// What a result shows and cannot hold stands behind all results.
fn write_beside(
    answer: &Answer<'_, '_>,
    call: &ToolCall<'_>,
    recipient: &Recipient<'_>,
    writer: &mut Writer<'_>,
) {
    let mut beside =
        media_of(answer.result, recipient).filter(|place| !is_within(place, recipient)).peekable();
    if beside.peek().is_some() {
        write_text(&Text::plain(format!("{} also gave this:", call.name.to_plain())), writer);
    }
    beside.for_each(|place| writer.object(|writer| write_place(&place, writer)));
}

fn media_of<'r>(
    result: Option<&'r ToolResult<'_>>,
    recipient: &Recipient<'_>,
) -> impl Iterator<Item = Place<'r>> {
    let parts = result.map(|result| &result.parts[..]).unwrap_or_default();
    parts.iter().filter_map(|part| place_of(part, recipient))
}

const fn is_within(place: &Place<'_>, recipient: &Recipient<'_>) -> bool {
    matches!(place, Place::Inline { .. }) && recipient.profile.takes_images_in_results
}

/// What a tool says, as an object.
fn write_response(result: Option<&ToolResult<'_>>, writer: &mut Writer<'_>) {
    let Some(result) = result else {
        return writer.object(|writer| writer.member("error").string(NO_RESULT));
    };
    let texts = result.parts.iter().filter_map(said_text);
    let said = texts.map(Text::as_escaped).collect::<Vec<_>>().join("\\n");
    let said = Text::escaped(&said);
    match (object_in(&said), result.is_error) {
        (Some(object), false) => writer.raw(&object),
        (Some(object), true) => writer.object(|writer| writer.member("error").raw(&object)),
        (None, is_error) => writer.object(|writer| {
            writer.member(if is_error { "error" } else { "output" }).text(&said);
        }),
    }
}

/// The object that a text is. Google takes a `$ref` within it for something else, so that one which may hold
/// some stays a text.
fn object_in<'t>(text: &'t Text<'_>) -> Option<Raw<'t>> {
    if !text.as_escaped().trim_ascii_start().starts_with(['{', '\\']) {
        return None;
    }
    let plain = text.to_plain();
    let is_object = kind_of(&plain) == Some(Kind::Object);
    if !is_object || plain.contains("$ref") || plain.contains("\\u0024") {
        return None;
    }
    Some(match plain {
        Cow::Borrowed(plain) => Raw::new(plain.trim_ascii()),
        Cow::Owned(plain) => Raw::owned(plain.trim_ascii().to_owned()),
    })
}
