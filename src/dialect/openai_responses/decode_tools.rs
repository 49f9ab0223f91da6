//! Tools as a client of the Responses API says them.

use crate::{
    dialect::{
        json::{ReadError, Reader, Writer},
        openai_chat::{custom, function},
    },
    ir::{Raw, Text, Tool, ToolKind},
};

/// Reads one tool.
pub(super) fn tool<'a>(reader: &mut Reader<'a>) -> Result<Tool<'a>, ReadError> {
    let kind = match kind_of(reader)?.as_escaped() {
        "function" => function(reader)?,
        "custom" => nested(custom(reader)?),
        _ => ToolKind::Native { dialect: super::NAME, raw: reader.raw()? },
    };
    Ok(Tool::new(kind))
}

/// The `type` of the object that comes, which is still to be read.
pub(super) fn kind_of<'a>(reader: &Reader<'a>) -> Result<Text<'a>, ReadError> {
    let mut kind = None;
    reader.clone().object(|name, reader| {
        if name == "type" {
            kind = Some(reader.text()?);
        }
        Ok(())
    })?;
    kind.ok_or_else(|| ReadError::missing("type"))
}

/// A grammar stands one level deeper in a chat.
fn nested(mut kind: ToolKind<'_>) -> ToolKind<'_> {
    if let ToolKind::Custom { format: Some(format), .. } = &mut kind
        && let Some((syntax, definition)) = grammar(format)
    {
        let mut out = Vec::new();
        Writer::new(&mut out).object(|writer| {
            writer.member("type").string("grammar");
            writer.member("grammar").object(|writer| {
                writer.member("syntax").text(&syntax);
                writer.member("definition").text(&definition);
            });
        });
        *format = Raw::owned(String::from_utf8_lossy(&out).into_owned());
    }
    kind
}

/// Syntax and definition of a grammar, as a chat says them or as the Responses API does; none where the
/// format is something else.
pub(super) fn grammar<'r>(format: &'r Raw<'_>) -> Option<(Text<'r>, Text<'r>)> {
    let (mut syntax, mut definition) = (None, None);
    let mut members = |name: &str, reader: &mut Reader<'r>| {
        match name {
            "syntax" => syntax = reader.text_if_any()?,
            "definition" => definition = reader.text_if_any()?,
            _ => {}
        }
        Ok(())
    };
    let read = Reader::new(format.as_str()).object_if_any(|name, reader| match name {
        "grammar" => reader.object_if_any(&mut members),
        name => members(name, reader),
    });
    read.ok()?;
    syntax.zip(definition)
}
