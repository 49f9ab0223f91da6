//! Tools, and whether they must be called, as an OpenAI client says it.

use super::decode_message::cache_control;
use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::{Text, Tool, ToolChoice, ToolKind},
};

/// Reads one tool.
pub(super) fn tool<'a>(reader: &mut Reader<'a>) -> Result<Tool<'a>, ReadError> {
    let (mut kind, mut declared, mut cache) = (None, None, None);
    let mut whole = reader.clone();
    let mut flat = reader.clone();
    reader.object(|name, reader| {
        match name {
            "type" => kind = Some(reader.text()?),
            "function" => declared = Some(function(reader)?),
            "custom" => declared = Some(custom(reader)?),
            "cache_control" => cache = cache_control(reader)?,
            _ => {}
        }
        Ok(())
    })?;
    let kind = match (declared, kind) {
        (Some(declared), _) => declared,
        // As the Responses API says it.
        (None, Some(kind)) if kind.is("function") => function(&mut flat)?,
        (None, Some(_)) => ToolKind::Native { dialect: super::NAME, raw: whole.raw()? },
        (None, None) => return Err(ReadError::missing("type")),
    };
    Ok(Tool { cache, ..Tool::new(kind) })
}

/// Reads the description of a function.
pub(in crate::dialect) fn function<'a>(reader: &mut Reader<'a>) -> Result<ToolKind<'a>, ReadError> {
    let (mut name, mut description, mut parameters, mut is_strict) = (None, None, None, None);
    reader.object(|member, reader| {
        match member {
            "name" => name = Some(reader.text()?),
            "description" => description = reader.text_unless_null()?,
            "parameters" => parameters = reader.raw_unless_null()?,
            "strict" => is_strict = reader.boolean_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| ReadError::missing("name"))?;
    Ok(ToolKind::Function { name, description, parameters, is_strict })
}

/// Reads the description of a tool that takes a text.
pub(in crate::dialect) fn custom<'a>(reader: &mut Reader<'a>) -> Result<ToolKind<'a>, ReadError> {
    let (mut name, mut description, mut format) = (None, None, None);
    reader.object(|member, reader| {
        match member {
            "name" => name = Some(reader.text()?),
            "description" => description = reader.text_unless_null()?,
            "format" => format = reader.raw_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(ToolKind::Custom { name: name.ok_or_else(|| ReadError::missing("name"))?, description, format })
}

/// Reads `tool_choice`.
pub(in crate::dialect) fn tool_choice<'a>(
    reader: &mut Reader<'a>,
) -> Result<Option<ToolChoice<'a>>, ReadError> {
    match reader.kind() {
        Some(Kind::Null) => reader.skip().map(|()| None),
        Some(Kind::Text) => chosen_word(&reader.text()?).map(Some),
        _ => chosen_tool(reader).map(Some),
    }
}

fn chosen_word<'a>(word: &Text<'_>) -> Result<ToolChoice<'a>, ReadError> {
    Ok(match word.as_escaped() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" | "any" => ToolChoice::Required,
        _ => return Err(ReadError::invalid("must be auto, none, required or name a tool")),
    })
}

fn chosen_tool<'a>(reader: &mut Reader<'a>) -> Result<ToolChoice<'a>, ReadError> {
    let (mut kind, mut name, mut allowed) = (None, None, None);
    // As the Responses API says it, what is allowed stands here.
    let mut flat = reader.clone();
    reader.object(|member, reader| {
        match member {
            "type" => kind = Some(reader.text()?),
            "name" => name = Some(reader.text()?),
            "function" | "custom" => name = Some(named(reader)?),
            "allowed_tools" => allowed = Some(allowed_tools(reader)?),
            _ => {}
        }
        Ok(())
    })?;
    let kind = kind.ok_or_else(|| ReadError::missing("type"))?;
    match (kind.as_escaped(), name) {
        ("allowed_tools", _) => {
            let (is_required, names) = allowed.map_or_else(|| allowed_tools(&mut flat), Ok)?;
            Ok(ToolChoice::Allowed { is_required, names })
        }
        ("custom", Some(name)) => Ok(ToolChoice::Named { name, is_custom: true }),
        ("function" | "tool", Some(name)) => Ok(ToolChoice::Named { name, is_custom: false }),
        ("function" | "tool" | "custom", None) => Err(ReadError::missing("name")),
        _ => chosen_word(&kind),
    }
}

fn allowed_tools<'a>(reader: &mut Reader<'a>) -> Result<(bool, Vec<Text<'a>>), ReadError> {
    let (mut is_required, mut names) = (false, None);
    reader.object(|member, reader| {
        match member {
            "mode" => is_required = reader.text()?.is("required"),
            "tools" => {
                let names = names.get_or_insert_with(Vec::new);
                reader.array(|reader| {
                    names.push(named(reader)?);
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok((is_required, names.ok_or_else(|| ReadError::missing("tools"))?))
}

/// The name of a tool that is described, perhaps one level below.
fn named<'a>(reader: &mut Reader<'a>) -> Result<Text<'a>, ReadError> {
    let mut name = None;
    reader.object(|member, reader| {
        match member {
            "name" => name = Some(reader.text()?),
            "function" | "custom" => name = Some(named(reader)?),
            _ => {}
        }
        Ok(())
    })?;
    name.ok_or_else(|| ReadError::missing("name"))
}

/// Reads `function_call`.
pub(super) fn legacy_choice<'a>(reader: &mut Reader<'a>) -> Result<Option<ToolChoice<'a>>, ReadError> {
    match reader.kind() {
        Some(Kind::Null) => reader.skip().map(|()| None),
        Some(Kind::Text) => chosen_word(&reader.text()?).map(Some),
        _ => Ok(Some(ToolChoice::Named { name: named(reader)?, is_custom: false })),
    }
}
