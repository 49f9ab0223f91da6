//! Tools, and whether they must be called, as a client of Google's says it.

use super::{camel, decode_request::push_extra, schema::standard};
use crate::{
    dialect::json::{ReadError, Reader},
    ir::{Raw, Request, Text, Tool, ToolChoice, ToolKind},
};

/// Reads `tools`.
pub(super) fn tools<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), ReadError> {
    reader.array(|reader| {
        reader.object(|name, reader| {
            match &*camel(name) {
                "functionDeclarations" => {
                    reader.unless_null(|reader| {
                        reader.array(|reader| {
                            let kind = function(reader)?;
                            request.tools.push(Tool::new(kind));
                            Ok(())
                        })
                    })?;
                }
                other => {
                    let Some(raw) = reader.raw_unless_null()? else { return Ok(()) };
                    if other == "googleSearch" && super::schema::is_empty(&raw) {
                        request.web_search = Some(raw);
                    } else {
                        let raw = Raw::owned(format!(
                            "{{\"{}\":{}}}",
                            Text::plain(other).as_escaped(),
                            raw.as_str()
                        ));
                        let kind = ToolKind::Native { dialect: super::NAME, raw };
                        request.tools.push(Tool::new(kind));
                    }
                }
            }
            Ok(())
        })
    })
}

fn function<'a>(reader: &mut Reader<'a>) -> Result<ToolKind<'a>, ReadError> {
    let (mut name, mut description, mut own, mut parameters) = (None, None, None, None);
    reader.object(|member, reader| {
        match &*camel(member) {
            "name" => name = Some(reader.text()?),
            "description" => description = reader.text_unless_null()?,
            "parameters" => own = reader.raw_unless_null()?,
            "parametersJsonSchema" => parameters = reader.raw_unless_null()?,
            _ => {}
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| ReadError::missing("name"))?;
    let parameters = parameters.or_else(|| own.as_ref().map(standard));
    Ok(ToolKind::Function { name, description, parameters, is_strict: None })
}

/// Reads `toolConfig`, behind all tools.
pub(super) fn tool_config<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), ReadError> {
    let mut rest = Vec::new();
    reader.object(|name, reader| {
        match &*camel(name) {
            "functionCallingConfig" => {
                reader.unless_null(|reader| calling(reader, request))?;
            }
            other => rest.extend(reader.raw_unless_null()?.map(|raw| (other.to_owned(), raw))),
        }
        Ok(())
    })?;
    push_extra(request, "toolConfig", &rest);
    Ok(())
}

fn calling<'a>(reader: &mut Reader<'a>, request: &mut Request<'a>) -> Result<(), ReadError> {
    let (mut mode, mut names) = (None, Vec::new());
    reader.object(|name, reader| {
        match &*camel(name) {
            "mode" => mode = reader.text_unless_null()?,
            "allowedFunctionNames" => {
                reader.unless_null(|reader| {
                    reader.array(|reader| {
                        names.push(reader.text()?);
                        Ok(())
                    })
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    let Some(mode) = mode.map(|mode| mode.to_plain().to_ascii_uppercase()) else { return Ok(()) };
    let choice = match (mode.as_str(), names.len()) {
        ("MODE_UNSPECIFIED", _) => return Ok(()),
        ("AUTO", _) => ToolChoice::Auto,
        ("NONE", _) => ToolChoice::None,
        ("ANY", 0) => ToolChoice::Required,
        ("ANY", 1) => ToolChoice::Named { name: names.remove(0), is_custom: false },
        ("ANY", _) => ToolChoice::Allowed { is_required: true, names },
        ("VALIDATED", count) => {
            request.tools.iter_mut().for_each(|tool| bind(&mut tool.kind));
            if count == 0 { ToolChoice::Auto } else { ToolChoice::Allowed { is_required: false, names } }
        }
        _ => return Err(ReadError::invalid("must be AUTO, ANY, NONE or VALIDATED").inside("mode")),
    };
    request.tool_choice = Some(choice);
    Ok(())
}

/// Lets the schema of a function bind the model.
fn bind(kind: &mut ToolKind<'_>) {
    if let ToolKind::Function { is_strict, .. } = kind {
        *is_strict = Some(true);
    }
}
