//! Tokens as Cohere counts them, in numbers with a fraction.

use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::Usage,
};

/// Reads `usage`; none where it is something else. What is billed is not all that is used.
pub(super) fn read_usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, ReadError> {
    if reader.kind() != Some(Kind::Object) {
        return reader.skip().map(|()| None);
    }
    let (mut tokens, mut billed, mut cached) = (None, None, 0);
    reader.object(|name, reader| {
        match name {
            "tokens" => tokens = read_tokens(reader)?,
            "billed_units" => billed = read_tokens(reader)?,
            "cached_tokens" => cached = reader.count_if_any()?.unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(tokens.or(billed).map(|usage| Usage { cache_read_tokens: cached, ..usage }))
}

fn read_tokens(reader: &mut Reader<'_>) -> Result<Option<Usage>, ReadError> {
    let mut usage = None;
    reader.object_if_any(|name, reader| {
        let into: fn(&mut Usage) -> &mut u64 = match name {
            "input_tokens" => |usage| &mut usage.input_tokens,
            "output_tokens" => |usage| &mut usage.output_tokens,
            _ => return Ok(()),
        };
        *into(usage.get_or_insert_default()) = reader.count_if_any()?.unwrap_or_default();
        Ok(())
    })?;
    Ok(usage)
}
