//! What Google's models may call, and whether they must.

use std::collections::HashSet;

use super::{
    encode_request::Native,
    schema::{accepted, is_empty},
};
use crate::{
    dialect::{
        Encoded, NameRule, Recipient, TEXT_PARAMETER,
        json::Writer,
        schema::{describe_text, of_text},
    },
    ir::{Raw, Request, Text, ToolChoice, ToolKind},
};

/// What Google takes as a function's name: the shorter of the lengths that its documents tell.
pub(super) const NAME_RULE: NameRule = NameRule {
    is_allowed: |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'),
    may_begin: |byte| byte.is_ascii_alphabetic() || byte == b'_',
    length_max: 64,
};

/// What is declared of a request's tools.
pub(super) struct Declared<'r, 'a> {
    /// Functions, and tools that take a text.
    pub(super) functions: Vec<&'r ToolKind<'a>>,
    /// What Google runs itself.
    native: Vec<&'r Raw<'a>>,
    searches: bool,
}

impl<'r, 'a> Declared<'r, 'a> {
    /// What of it the model takes.
    pub(super) fn of(request: &'r Request<'a>, recipient: &Recipient<'_>, encoded: &mut Encoded) -> Self {
        let (mut functions, mut native) = (Vec::new(), Vec::new());
        for tool in &request.tools {
            match &tool.kind {
                ToolKind::Native { dialect, raw } if *dialect == super::NAME => native.push(raw),
                ToolKind::Native { .. } => encoded.drop_param("tools"),
                kind => functions.push(kind),
            }
        }
        // Google has no word for a choice among some that may be none.
        if let Some(ToolChoice::Allowed { is_required: false, names }) = &request.tool_choice {
            let allowed: HashSet<_> = names.iter().collect();
            functions.retain(|kind| kind.name().is_some_and(|name| allowed.contains(name)));
        }
        let may_search = recipient.profile.takes_search_with_tools || functions.is_empty();
        let searches = request.web_search.is_some() && may_search;
        if request.web_search.is_some() && !may_search {
            encoded.drop_param("web_search_options");
        }
        Self { functions, native, searches }
    }
}

/// Writes the member `tools`, one item for each kind.
pub(super) fn write_tools(declared: &Declared<'_, '_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    let Declared { functions, native, searches } = declared;
    if functions.is_empty() && native.is_empty() && !searches {
        return;
    }
    writer.member("tools").array(|writer| {
        if !functions.is_empty() {
            writer.object(|writer| {
                writer.member("functionDeclarations").array(|writer| {
                    functions.iter().for_each(|kind| write_function(kind, encoded, writer));
                });
            });
        }
        if *searches {
            writer.object(|writer| writer.member("googleSearch").object(|_| {}));
        }
        native.iter().for_each(|raw| writer.raw(raw));
    });
}

fn write_function(kind: &ToolKind<'_>, encoded: &mut Encoded, writer: &mut Writer<'_>) {
    let Some(name) = kind.name() else { return };
    let given = encoded.emulation.names.replace(name, NAME_RULE).into_owned();
    writer.object(|writer| {
        writer.member("name").string(&given);
        match kind {
            ToolKind::Function { description, parameters, .. } => {
                write_description(description.as_ref(), writer);
                if let Some(parameters) = parameters.as_ref().filter(|parameters| !is_empty(parameters)) {
                    writer.member("parametersJsonSchema").raw(&accepted(parameters));
                }
            }
            ToolKind::Custom { description, format, .. } => {
                let told = describe_text(description.as_ref(), format.as_ref());
                write_description(told.as_ref(), writer);
                writer.member("parametersJsonSchema").raw(&of_text(TEXT_PARAMETER));
                encoded.emulation.custom_tools.push(given.clone());
            }
            ToolKind::Native { .. } => {}
        }
    });
}

fn write_description(description: Option<&Text<'_>>, writer: &mut Writer<'_>) {
    if let Some(description) = description {
        writer.member("description").text(description);
    }
}

/// Writes the member `toolConfig`, where there is anything to tell.
pub(super) fn write_tool_config(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    declared: &Declared<'_, '_>,
    native: &Native<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let calling = calling(request, recipient, declared, encoded);
    let is_said = |name: &str| native.tools.iter().any(|(said, _)| said == name);
    let calling = calling.filter(|_| !is_said("functionCallingConfig"));
    let is_mixed = declared.searches && !declared.functions.is_empty();
    let is_mixed = is_mixed && !is_said("includeServerSideToolInvocations");
    if calling.is_none() && !is_mixed && native.tools.is_empty() {
        return;
    }
    writer.member("toolConfig").object(|writer| {
        if let Some((mode, names)) = calling {
            writer.member("functionCallingConfig").object(|writer| {
                writer.member("mode").string(mode);
                if !names.is_empty() {
                    writer.member("allowedFunctionNames").array(|writer| {
                        for name in names {
                            writer.string(&NAME_RULE.apply(name));
                        }
                    });
                }
            });
        }
        if is_mixed {
            writer.member("includeServerSideToolInvocations").boolean(true);
        }
        for (name, value) in &native.tools {
            writer.member_named(&Text::plain(name.as_str())).raw(value);
        }
    });
}

/// The mode of calling, and the only functions that may be called.
fn calling<'r>(
    request: &'r Request<'_>,
    recipient: &Recipient<'_>,
    declared: &Declared<'_, '_>,
    encoded: &mut Encoded,
) -> Option<(&'static str, Vec<&'r Text<'r>>)> {
    if declared.functions.is_empty() {
        return None;
    }
    let is_strict = |kind: &&ToolKind<'_>| matches!(kind, ToolKind::Function { is_strict: Some(true), .. });
    let by_itself = if declared.functions.iter().any(is_strict) { "VALIDATED" } else { "AUTO" };
    let (mode, names) = match request.tool_choice.as_ref() {
        None if by_itself == "AUTO" => return None,
        None | Some(ToolChoice::Auto | ToolChoice::Allowed { is_required: false, .. }) => {
            (by_itself, Vec::new())
        }
        Some(ToolChoice::None) => ("NONE", Vec::new()),
        Some(ToolChoice::Required) => ("ANY", Vec::new()),
        Some(ToolChoice::Named { name, .. }) => ("ANY", vec![name]),
        Some(ToolChoice::Allowed { names, .. }) => ("ANY", names.iter().collect()),
    };
    if mode == "ANY" && !recipient.profile.takes_forced_tools {
        encoded.drop_param("tool_choice");
        return Some((by_itself, Vec::new()));
    }
    Some((mode, names))
}
