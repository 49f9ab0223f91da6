//! Tokens as Anthropic counts them: what is read from a cache or written to it is not part of the input.

use crate::{
    dialect::json::{Kind, ReadError, Reader, Writer},
    ir::Usage,
};

/// What has been told of usage so far. What a later event does not tell stays.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Told {
    /// Reads a value of `usage`; false where it is none.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<bool, ReadError> {
        if reader.kind() != Some(Kind::Object) {
            return reader.skip().map(|()| false);
        }
        let mut steps = None;
        reader.object(|name, reader| {
            let count = match name {
                "input_tokens" => &mut self.input,
                "cache_read_input_tokens" => &mut self.cache_read,
                "cache_creation_input_tokens" => &mut self.cache_write,
                "output_tokens" => &mut self.output,
                "output_tokens_details" => {
                    return reader.object_if_any(|name, reader| {
                        if name == "thinking_tokens" {
                            self.thinking = reader.count_if_any()?.or(self.thinking);
                        }
                        Ok(())
                    });
                }
                // Of a request that took several calls of models, only these tell all.
                "iterations" => return reader.array_if_any(|reader| read_step(reader, &mut steps)),
                _ => return Ok(()),
            };
            *count = reader.count_if_any()?.or(*count);
            Ok(())
        })?;
        if let Some(Self { input, cache_read, cache_write, output, .. }) = steps {
            *self = Self { input, cache_read, cache_write, output, thinking: self.thinking };
        }
        Ok(true)
    }

    /// In nobody's dialect.
    pub(super) fn usage(&self) -> Usage {
        let [input, read, written] =
            [self.input, self.cache_read, self.cache_write].map(Option::unwrap_or_default);
        Usage {
            input_tokens: input.saturating_add(read).saturating_add(written),
            output_tokens: self.output.unwrap_or_default(),
            cache_read_tokens: read,
            cache_write_tokens: written,
            reasoning_tokens: self.thinking.unwrap_or_default(),
            ..Usage::default()
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |into: &mut Option<u64>, more: Option<u64>| {
            *into = Some(into.unwrap_or_default().saturating_add(more.unwrap_or_default()));
        };
        add(&mut self.input, other.input);
        add(&mut self.cache_read, other.cache_read);
        add(&mut self.cache_write, other.cache_write);
        add(&mut self.output, other.output);
    }
}

fn read_step(reader: &mut Reader<'_>, steps: &mut Option<Told>) -> Result<(), ReadError> {
    let mut step = Told::default();
    // What stands in a step is not looked for further down.
    if reader.kind() == Some(Kind::Object) {
        reader.object(|name, reader| {
            let count = match name {
                "input_tokens" => &mut step.input,
                "cache_read_input_tokens" => &mut step.cache_read,
                "cache_creation_input_tokens" => &mut step.cache_write,
                "output_tokens" => &mut step.output,
                _ => return Ok(()),
            };
            *count = reader.count_if_any()?;
            Ok(())
        })?;
        steps.get_or_insert_default().add(&step);
    }
    Ok(())
}

/// Writes the value of `usage`.
pub(super) fn write_usage(usage: &Usage, writer: &mut Writer<'_>) {
    let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
    writer.object(|writer| {
        writer.member("input_tokens").count(usage.input_tokens.saturating_sub(cached));
        writer.member("cache_creation_input_tokens").count(usage.cache_write_tokens);
        writer.member("cache_read_input_tokens").count(usage.cache_read_tokens);
        writer.member("output_tokens").count(usage.output_tokens);
        if usage.reasoning_tokens > 0 {
            writer.member("output_tokens_details").object(|writer| {
                writer.member("thinking_tokens").count(usage.reasoning_tokens);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &[&str]) -> Usage {
        let mut told = Told::default();
        for text in texts {
            told.read(&mut Reader::new(text)).unwrap();
        }
        told.usage()
    }

    #[test]
    fn what_is_cached_is_part_of_the_input_in_nobodys_dialect() {
        let usage = told(&[
            r#"{"input_tokens":20,"cache_read_input_tokens":5,"cache_creation_input_tokens":3,"output_tokens":8,
                "output_tokens_details":{"thinking_tokens":2}}"#,
        ]);
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens), (28, 5, 3));
        assert_eq!((usage.output_tokens, usage.reasoning_tokens), (8, 2));
        let mut out = Vec::new();
        write_usage(&usage, &mut Writer::new(&mut out));
        assert_eq!(told(&[std::str::from_utf8(&out).unwrap()]), usage);
    }

    #[test]
    fn a_later_event_changes_only_what_it_tells() {
        let usage = told(&[
            r#"{"input_tokens":20,"cache_read_input_tokens":5,"output_tokens":1}"#,
            r#"{"input_tokens":30,"output_tokens":8,"cache_read_input_tokens":null,"cache_creation_input_tokens":"x"}"#,
            "null",
        ]);
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (35, 5, 8));
    }

    #[test]
    fn the_steps_of_an_answer_are_added_up() {
        let usage = told(&[
            r#"{"input_tokens":1,"output_tokens":1,"iterations":[{"input_tokens":10,"output_tokens":2},
                {"type":"compaction","input_tokens":20,"output_tokens":3,"cache_read_input_tokens":4}]}"#,
        ]);
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cache_read_tokens), (34, 5, 4));
    }

    #[test]
    fn an_input_is_never_less_than_nothing() {
        let usage = Usage { input_tokens: 1, cache_read_tokens: 5, ..Usage::default() };
        let mut out = Vec::new();
        write_usage(&usage, &mut Writer::new(&mut out));
        assert!(String::from_utf8(out).unwrap().starts_with(r#"{"input_tokens":0,"#));
    }
}
