//! Tokens as OpenAI counts them: what is cached or thought is part of what it is of.

use crate::{
    dialect::json::{Kind, ReadError, Reader, Writer},
    ir::Usage,
};

/// Reads `usage`; none where it is null. Vendors that count otherwise are understood too.
pub(in crate::dialect) fn read_usage(reader: &mut Reader<'_>) -> Result<Option<Usage>, ReadError> {
    if reader.kind() != Some(Kind::Object) {
        return reader.skip().map(|()| None);
    }
    let mut usage = Usage::default();
    let mut total = 0;
    reader.object(|name, reader| {
        let mut count = |into: &mut u64| reader.count_if_any().map(|read| *into = read.unwrap_or(*into));
        match name {
            "prompt_tokens" | "input_tokens" => count(&mut usage.input_tokens)?,
            "completion_tokens" | "output_tokens" => count(&mut usage.output_tokens)?,
            "total_tokens" => count(&mut total)?,
            // DeepSeek.
            "prompt_cache_hit_tokens" => count(&mut usage.cache_read_tokens)?,
            "prompt_tokens_details" | "input_tokens_details" => {
                reader.object_if_any(|name, reader| {
                    let mut count =
                        |into: &mut u64| reader.count_if_any().map(|read| *into = read.unwrap_or(*into));
                    match name {
                        "cached_tokens" => count(&mut usage.cache_read_tokens),
                        "cache_write_tokens" => count(&mut usage.cache_write_tokens),
                        "audio_tokens" => count(&mut usage.input_audio_tokens),
                        _ => Ok(()),
                    }
                })?;
            }
            "completion_tokens_details" | "output_tokens_details" => {
                reader.object_if_any(|name, reader| {
                    let mut count =
                        |into: &mut u64| reader.count_if_any().map(|read| *into = read.unwrap_or(*into));
                    match name {
                        "reasoning_tokens" => count(&mut usage.reasoning_tokens),
                        "audio_tokens" => count(&mut usage.output_audio_tokens),
                        _ => Ok(()),
                    }
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    // xAI leaves its reasoning out of the answer's tokens, and counts it in the total.
    if usage.output_tokens < usage.reasoning_tokens
        || usage.input_tokens + usage.output_tokens + usage.reasoning_tokens == total
    {
        usage.output_tokens += usage.reasoning_tokens;
    }
    Ok(Some(usage))
}

/// Writes the value of `usage`.
pub(in crate::dialect) fn write_usage(usage: &Usage, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("prompt_tokens").count(usage.input_tokens);
        writer.member("completion_tokens").count(usage.output_tokens);
        writer.member("total_tokens").count(usage.total_tokens());
        writer.member("prompt_tokens_details").object(|writer| {
            writer.member("cached_tokens").count(usage.cache_read_tokens);
            if usage.cache_write_tokens > 0 {
                writer.member("cache_write_tokens").count(usage.cache_write_tokens);
            }
            writer.member("audio_tokens").count(usage.input_audio_tokens);
        });
        writer.member("completion_tokens_details").object(|writer| {
            writer.member("reasoning_tokens").count(usage.reasoning_tokens);
            writer.member("audio_tokens").count(usage.output_audio_tokens);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Usage {
        read_usage(&mut Reader::new(text)).unwrap().unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let usage = Usage {
            input_tokens: 25,
            output_tokens: 8,
            cache_read_tokens: 5,
            cache_write_tokens: 3,
            reasoning_tokens: 2,
            ..Usage::default()
        };
        let mut out = Vec::new();
        write_usage(&usage, &mut Writer::new(&mut out));
        assert_eq!(read(std::str::from_utf8(&out).unwrap()), usage);
    }

    #[test]
    fn vendors_that_count_otherwise_are_understood() {
        let deepseek = read(r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4}"#);
        assert_eq!((deepseek.input_tokens, deepseek.cache_read_tokens), (9, 4));
        let xai = read(
            r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":15,"completion_tokens_details":{"reasoning_tokens":5}}"#,
        );
        assert_eq!(xai.output_tokens, 6);
        let odd = read(r#"{"prompt_tokens":null,"completion_tokens":"x","total_tokens":2.0}"#);
        assert_eq!(odd, Usage::default());
    }
}
