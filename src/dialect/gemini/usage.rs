//! Tokens as Google counts them: what is cached is part of the request, what is thought mostly stands beside
//! the answer.

use crate::{
    dialect::json::{ReadError, Reader, Writer},
    ir::Usage,
};

/// Reads `usageMetadata`, whatever of it is there.
pub(super) fn read_usage(reader: &mut Reader<'_>) -> Result<Usage, ReadError> {
    let mut usage = Usage::default();
    let (mut by_tools, mut total) = (0, 0);
    reader.object_if_any(|name, reader| {
        let mut count = |into: &mut u64| reader.count_if_any().map(|read| *into = read.unwrap_or(*into));
        match name {
            "promptTokenCount" => count(&mut usage.input_tokens),
            "toolUsePromptTokenCount" => count(&mut by_tools),
            "candidatesTokenCount" => count(&mut usage.output_tokens),
            "thoughtsTokenCount" => count(&mut usage.reasoning_tokens),
            "cachedContentTokenCount" => count(&mut usage.cache_read_tokens),
            "totalTokenCount" => count(&mut total),
            "promptTokensDetails" => read_audio(reader, &mut usage.input_audio_tokens),
            "candidatesTokensDetails" => read_audio(reader, &mut usage.output_audio_tokens),
            _ => Ok(()),
        }
    })?;
    usage.input_tokens = usage.input_tokens.saturating_add(by_tools);
    // Some hosts count what is thought within the answer, and only the total shows it.
    if usage.total_tokens() != total {
        usage.output_tokens = usage.output_tokens.saturating_add(usage.reasoning_tokens);
    }
    Ok(usage)
}

fn read_audio(reader: &mut Reader<'_>, tokens: &mut u64) -> Result<(), ReadError> {
    reader.array_if_any(|reader| {
        let (mut is_audio, mut count) = (false, None);
        reader.object_if_any(|name, reader| {
            match name {
                "modality" => is_audio = reader.text_if_any()?.is_some_and(|kind| kind.is("AUDIO")),
                "tokenCount" => count = reader.count_if_any()?,
                _ => {}
            }
            Ok(())
        })?;
        if is_audio {
            *tokens = count.unwrap_or(*tokens);
        }
        Ok(())
    })
}

/// Writes the value of `usageMetadata`.
pub(super) fn write_usage(usage: &Usage, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("promptTokenCount").count(usage.input_tokens);
        let said = usage.output_tokens.saturating_sub(usage.reasoning_tokens);
        writer.member("candidatesTokenCount").count(said);
        if usage.reasoning_tokens > 0 {
            writer.member("thoughtsTokenCount").count(usage.reasoning_tokens);
        }
        if usage.cache_read_tokens > 0 {
            writer.member("cachedContentTokenCount").count(usage.cache_read_tokens);
        }
        writer.member("totalTokenCount").count(usage.total_tokens());
        for (name, tokens, audio) in [
            ("promptTokensDetails", usage.input_tokens, usage.input_audio_tokens),
            ("candidatesTokensDetails", said, usage.output_audio_tokens),
        ] {
            if audio > 0 {
                writer.member(name).array(|writer| {
                    for (modality, tokens) in [("TEXT", tokens.saturating_sub(audio)), ("AUDIO", audio)] {
                        writer.object(|writer| {
                            writer.member("modality").string(modality);
                            writer.member("tokenCount").count(tokens);
                        });
                    }
                });
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Usage {
        read_usage(&mut Reader::new(text)).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let usage = Usage {
            input_tokens: 25,
            output_tokens: 8,
            cache_read_tokens: 5,
            reasoning_tokens: 2,
            input_audio_tokens: 3,
            output_audio_tokens: 1,
            ..Usage::default()
        };
        let mut out = Vec::new();
        write_usage(&usage, &mut Writer::new(&mut out));
        assert_eq!(read(std::str::from_utf8(&out).unwrap()), usage);
    }

    #[test]
    fn what_is_thought_is_counted_once_wherever_the_host_counts_it() {
        let beside = read(
            r#"{"promptTokenCount":5,"candidatesTokenCount":2,"thoughtsTokenCount":3,"totalTokenCount":10}"#,
        );
        assert_eq!((beside.input_tokens, beside.output_tokens, beside.reasoning_tokens), (5, 5, 3));
        let within = read(
            r#"{"promptTokenCount":5,"candidatesTokenCount":5,"thoughtsTokenCount":3,"totalTokenCount":10}"#,
        );
        assert_eq!((within.output_tokens, within.reasoning_tokens), (5, 3));
        let by_tools = read(
            r#"{"promptTokenCount":5,"toolUsePromptTokenCount":4,"candidatesTokenCount":2,"thoughtsTokenCount":1,"totalTokenCount":12}"#,
        );
        assert_eq!((by_tools.input_tokens, by_tools.output_tokens), (9, 3));
        let odd = read(r#"{"promptTokenCount":null,"candidatesTokenCount":"x","totalTokenCount":2.0}"#);
        assert_eq!(odd, Usage::default());
        assert_eq!(read("null"), Usage::default());
    }
}
