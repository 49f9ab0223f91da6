//! Tokens as Converse counts them: what is cached is not part of what the request has.

use crate::{
    dialect::json::{Kind, ReadError, Reader},
    ir::Usage,
};

/// Reads `usage`; none where it is something else.
pub(super) fn read_usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, ReadError> {
    if reader.kind() != Some(Kind::Object) {
        return reader.skip().map(|()| None);
    }
    let mut usage = Usage::default();
    reader.object(|name, reader| {
        let into = match name {
            "inputTokens" => &mut usage.input_tokens,
            "outputTokens" => &mut usage.output_tokens,
            "cacheReadInputTokens" => &mut usage.cache_read_tokens,
            "cacheWriteInputTokens" => &mut usage.cache_write_tokens,
            _ => return Ok(()),
        };
        *into = reader.count_if_any()?.unwrap_or_default();
        Ok(())
    })?;
    let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
    usage.input_tokens = usage.input_tokens.saturating_add(cached);
    Ok(Some(usage))
}
