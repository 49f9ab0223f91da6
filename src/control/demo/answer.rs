//! What is said, in words. A word is what other models call a token.

use crate::{config::limits::DEMO_ANSWER_BYTES_MAX, dialect::json::document::Value};

use super::options::Options;

/// A text in pieces, each a word with the white space before it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) pieces: Vec<String>,
    /// Whether there would have been more to say.
    pub(super) is_cut: bool,
}

impl Answer {
    pub(super) fn new(text: &str, options: &Options) -> Self {
        let bounded = prefix(text, DEMO_ANSWER_BYTES_MAX);
        let found = options.stops.iter().filter_map(|stop| bounded.find(stop.as_str()));
        let stopped = found.min().map(|end| &bounded[..end]);
        let mut words = pieces(stopped.unwrap_or(bounded));
        let said = words.by_ref().take(options.words_max).map(str::to_owned).collect();
        let is_cut = words.next().is_some() || stopped.is_none() && bounded.len() < text.len();
        Self { pieces: said, is_cut }
    }

    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }

    /// `finish_reason` of chat and completions.
    pub(super) fn finish_reason(&self) -> &'static str {
        if self.is_cut { "length" } else { "stop" }
    }
}

/// What a message says: its text, with what is not text named in brackets.
pub(super) fn said(content: &Value) -> String {
    let Value::Array(parts) = content else {
        return content.as_str().unwrap_or_default().to_owned();
    };
    let parts: Vec<&str> = parts.iter().map(part).collect();
    parts.join(" ")
}

fn part(part: &Value) -> &str {
    match part["type"].as_str() {
        Some("text" | "input_text" | "output_text") => part["text"].as_str().unwrap_or_default(),
        Some("refusal") => part["refusal"].as_str().unwrap_or_default(),
        Some("image_url" | "input_image") => "[an image]",
        Some("input_audio") => "[a sound]",
        Some("file" | "input_file") => "[a file]",
        _ => "[something else]",
    }
}

pub(super) fn count_words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len());
        let length = rest[start..].find(char::is_whitespace).unwrap_or(rest.len() - start);
        let (piece, others) = rest.split_at(start + length);
        rest = others;
        (!piece.is_empty()).then_some(piece)
    })
}

/// As many whole characters as fit.
pub(super) fn prefix(text: &str, bytes_max: usize) -> &str {
    let fits = |end: &usize| text.is_char_boundary(*end);
    &text[..(0..=bytes_max.min(text.len())).rfind(fits).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, words_max: usize, stops: &[&str]) -> Answer {
        let stops = stops.iter().map(|&stop| stop.to_owned()).collect();
        Answer::new(text, &Options { words_max, stops, ..Options::default() })
    }

    #[test]
    fn the_pieces_of_a_text_are_the_text() {
        for text in ["", " ", "one", " one\n two  ", "ein „Wort“\u{3000}mehr"] {
            assert_eq!(pieces(text).collect::<String>(), text);
        }
        assert_eq!(pieces("one two  three").collect::<Vec<_>>(), ["one", " two", "  three"]);
    }

    #[test]
    fn a_text_is_cut_after_its_last_allowed_word() {
        assert_eq!(answer("one two three", 2, &[]).text(), "one two");
        assert!(answer("one two three", 2, &[]).is_cut);
        assert!(!answer("one two three", 3, &[]).is_cut);
    }

    #[test]
    fn the_earliest_stop_ends_a_text_as_its_natural_end_does() {
        let stopped = answer("one two three", 9, &["three", " two"]);
        assert_eq!(stopped.text(), "one");
        assert!(!stopped.is_cut);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = answer(&"ä".repeat(DEMO_ANSWER_BYTES_MAX), 9, &[]);
        assert_eq!(cut.text().len(), DEMO_ANSWER_BYTES_MAX);
        assert!(cut.is_cut);
    }

    #[test]
    fn what_is_not_text_is_named() {
        let content = crate::dialect::json::document::json!([
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        ]);
        assert_eq!(said(&content), "What is this? [an image]");
    }
}
