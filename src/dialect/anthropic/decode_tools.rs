//! Tools, and whether they must be called, as an Anthropic client says it.

use crate::{
    dialect::{
        json::{ReadError, Reader},
        openai_chat::cache_control,
    },
    ir::{Native, Tool, ToolChoice, ToolKind},
};

/// Reads one tool.
pub(super) fn tool<'a>(reader: &mut Reader<'a>) -> Result<Tool<'a>, ReadError> {
    let (mut kind, mut name, mut description, mut parameters, mut is_strict) = (None, None, None, None, None);
    let (mut cache, mut says_more) = (None, false);
    let mut whole = reader.clone();
    reader.object(|member, reader| {
        match member {
            "type" => kind = reader.text_unless_null()?,
            "name" => name = Some(reader.text()?),
            "description" => description = reader.text_unless_null()?,
            "input_schema" => parameters = reader.raw_unless_null()?,
            "strict" => is_strict = reader.boolean_unless_null()?,
            "cache_control" => cache = cache_control(reader)?,
            _ => says_more = true,
        }
        Ok(())
    })?;
    let dialect = super::NAME;
    if kind.is_some_and(|kind| !kind.is("custom")) {
        return Ok(Tool { cache, ..Tool::new(ToolKind::Native { dialect, raw: whole.raw()? }) });
    }
    let name = name.ok_or_else(|| ReadError::missing("name"))?;
    let native = if says_more { Some(Native { dialect, raw: whole.raw()? }) } else { None };
    Ok(Tool { kind: ToolKind::Function { name, description, parameters, is_strict }, cache, native })
}

/// Reads `tool_choice`, and whether several tools may be called at once.
pub(super) fn tool_choice<'a>(
    reader: &mut Reader<'a>,
) -> Result<(Option<ToolChoice<'a>>, Option<bool>), ReadError> {
    let (mut kind, mut name, mut is_parallel) = (None, None, None);
    let read = reader.unless_null(|reader| {
        reader.object(|member, reader| {
            match member {
                "type" => kind = Some(reader.text()?),
                "name" => name = reader.text_unless_null()?,
                "disable_parallel_tool_use" => {
                    is_parallel = reader.boolean_unless_null()?.map(|is_disabled| !is_disabled);
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    if read.is_none() {
        return Ok((None, None));
    }
    let kind = kind.ok_or_else(|| ReadError::missing("type"))?;
    let choice = match kind.as_escaped() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => {
            let name = name.ok_or_else(|| ReadError::missing("name"))?;
            ToolChoice::Named { name, is_custom: false }
        }
        _ => return Err(ReadError::invalid("must be auto, any, tool or none").inside("type")),
    };
    Ok((Some(choice), is_parallel))
}
