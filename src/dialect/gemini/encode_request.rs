//! A request to Google, for a client that speaks another dialect.

use std::borrow::Cow;

use super::{
    camel,
    encode_config::write_config,
    encode_message::{check_media, write_contents, write_system},
    encode_tools::{Declared, write_tool_config, write_tools},
};
use crate::{
    dialect::{
        Encoded, Recipient, check_tool_choice,
        json::{Kind, Reader, Writer},
    },
    ir::{ApiError, Content, Format, Raw, Request, Role, Text},
};

/// Longest key or value of a label.
const LABEL_LENGTH_MAX: usize = 63;

/// What a client says of Google's own, by Google's names.
#[derive(Default)]
pub(super) struct Native<'r> {
    safety: Option<&'r Raw<'r>>,
    cached: Option<&'r Raw<'r>>,
    /// Members of `generationConfig`, instead of what the rest of the request comes to.
    pub(super) config: Vec<(String, Raw<'r>)>,
    /// Members of `toolConfig`, likewise.
    pub(super) tools: Vec<(String, Raw<'r>)>,
}

/// Writes a request.
pub(super) fn encode_request(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    out: &mut Vec<u8>,
) -> Result<Encoded, ApiError> {
    check_tool_choice(request)?;
    check_media(request, recipient)?;
    let mut encoded = Encoded::default();
    let native = Native::of(request, &mut encoded);
    let declared = Declared::of(request, recipient, &mut encoded);
    let is_bound = binds_format(request, recipient, &declared);
    if !is_bound {
        encoded.drop_param("response_format");
    }
    let mut config = Vec::new();
    write_config(request, recipient, &native, is_bound, &mut encoded, &mut Writer::new(&mut config));
    drop_rest(request, &mut encoded);
    Writer::new(out).object(|writer| {
        write_system(request, !is_bound, &mut encoded, writer);
        write_contents(request, recipient, &mut encoded, writer);
        write_tools(&declared, &mut encoded, writer);
        write_tool_config(request, recipient, &declared, &native, &mut encoded, writer);
        for (name, value) in [("safetySettings", native.safety), ("cachedContent", native.cached)] {
            if let Some(value) = value {
                writer.member(name).raw(value);
            }
        }
        if config != b"{}" {
            writer.member("generationConfig").json(&String::from_utf8_lossy(&config));
        }
        write_tier(request, recipient, &mut encoded, writer);
        write_labels(request, recipient, &mut encoded, writer);
    });
    Ok(encoded)
}

impl<'r> Native<'r> {
    fn of(request: &'r Request<'_>, encoded: &mut Encoded) -> Self {
        let mut native = Self::default();
        for (name, value) in &request.extra {
            match &*camel(name) {
                "safetySettings" => native.safety = Some(value),
                "cachedContent" => native.cached = Some(value),
                "generationConfig" if value.is_object() => native.config = members(value),
                "toolConfig" if value.is_object() => native.tools = members(value),
                _ => encoded.drop_extra(name),
            }
        }
        native
    }
}

fn members<'r>(object: &'r Raw<'_>) -> Vec<(String, Raw<'r>)> {
    let mut members = Vec::new();
    let mut reader = Reader::new(object.as_str());
    let read = reader.object(|name, reader| {
        if let Some(value) = reader.raw_unless_null()? {
            members.push((camel(name).into_owned(), value));
        }
        Ok(())
    });
    // A value that came out of a body that was read is valid.
    debug_assert!(read.is_ok());
    members
}

/// Whether the answer's shape is the provider's to keep; elsewhere the model is asked for it in words.
fn binds_format(request: &Request<'_>, recipient: &Recipient<'_>, declared: &Declared<'_, '_>) -> bool {
    let profile = recipient.profile;
    let takes_any = profile.takes_schema_with_tools || declared.functions.is_empty();
    match request.format {
        Format::Unsaid | Format::Text => true,
        Format::JsonObject => takes_any,
        Format::JsonSchema { .. } => takes_any && profile.takes_schema,
    }
}

/// What Google has no place for.
fn drop_rest(request: &Request<'_>, encoded: &mut Encoded) {
    let is_named = |role: Role| matches!(role, Role::User | Role::Assistant);
    let has_names = request.messages.iter().any(|message| {
        let is_result = message.parts.iter().any(|part| matches!(part.content, Content::ToolResult(_)));
        message.name.is_some() && is_named(message.role) && !is_result
    });
    for (name, is_there) in [
        ("parallel_tool_calls", request.parallel_tool_calls == Some(false) && !request.tools.is_empty()),
        ("logit_bias", request.sampling.logit_bias.is_some()),
        ("user", request.user.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("prediction", request.prediction.is_some()),
        ("store", request.is_stored == Some(true)),
        ("cache_control", request.is_marked()),
        ("name", has_names),
    ] {
        if is_there {
            encoded.drop_param(name);
        }
    }
}

fn write_tier(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let Some(tier) = &request.service_tier else { return };
    let known = match tier.as_escaped() {
        "auto" => return,
        "default" => Some("standard"),
        "flex" => Some("flex"),
        "priority" => Some("priority"),
        _ => None,
    };
    match known.filter(|_| recipient.quirks.takes_service_tier) {
        Some(known) => writer.member("serviceTier").string(known),
        None => encoded.drop_param("service_tier"),
    }
}

fn write_labels(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let Some(metadata) = &request.metadata else { return };
    if !recipient.quirks.takes_labels || !metadata.is_object() {
        return encoded.drop_param("metadata");
    }
    let mut reader = Reader::new(metadata.as_str());
    writer.member("labels").object(|writer| {
        let read = reader.object(|name, reader| {
            if reader.kind() == Some(Kind::Text) {
                let value = reader.text()?;
                writer.member(&label(name)).string(&label(&value.to_plain()));
            }
            Ok(())
        });
        debug_assert!(read.is_ok());
    });
}

/// A key or value as labels may be: lower case, digits, `_` and `-`.
fn label(text: &str) -> Cow<'_, str> {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-".contains(letter);
    if text.len() <= LABEL_LENGTH_MAX && text.chars().all(fits) {
        return Cow::Borrowed(text);
    }
    let lower = text.chars().map(|letter| letter.to_ascii_lowercase());
    Cow::Owned(lower.map(|letter| if fits(letter) { letter } else { '_' }).take(LABEL_LENGTH_MAX).collect())
}

/// What asks the model in words for an answer of that shape.
pub(super) fn instruction(format: &Format<'_>) -> Option<Text<'static>> {
    let plain = match format {
        Format::Unsaid | Format::Text => return None,
        Format::JsonObject => "Answer with one JSON object, and with nothing else.".to_owned(),
        Format::JsonSchema { schema, .. } => {
            let schema = schema.as_str();
            format!("Answer with JSON that this JSON schema allows, and with nothing else: {schema}")
        }
    };
    Some(Text::plain(plain))
}
