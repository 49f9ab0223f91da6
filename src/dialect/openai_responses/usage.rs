//! Tokens as the Responses API counts them; they are read as those of chats are.

use crate::{dialect::json::Writer, ir::Usage};

/// Writes the value of `usage`.
pub(super) fn write_usage(usage: &Usage, writer: &mut Writer<'_>) {
    writer.object(|writer| {
        writer.member("input_tokens").count(usage.input_tokens);
        writer.member("input_tokens_details").object(|writer| {
            writer.member("cached_tokens").count(usage.cache_read_tokens);
            writer.member("cache_write_tokens").count(usage.cache_write_tokens);
        });
        writer.member("output_tokens").count(usage.output_tokens);
        writer.member("output_tokens_details").object(|writer| {
            writer.member("reasoning_tokens").count(usage.reasoning_tokens);
        });
        writer.member("total_tokens").count(usage.total_tokens());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{json::Reader, openai_chat::read_usage};

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
        let read = read_usage(&mut Reader::new(std::str::from_utf8(&out).unwrap()));
        assert_eq!(read, Ok(Some(usage)));
    }
}
