//! The ways in which one model's name is written: by its maker, and by those who lend it.

/// A name as the others are cut from it: in lower case, versions of Claude with dashes (`claude-opus-4.5`).
pub(super) fn lower(model: &str) -> String {
    let mut text = model.trim().to_ascii_lowercase();
    if let Some(at) = text.find("claude-") {
        let claude = text.split_off(at).replace('.', "-");
        text.push_str(&claude);
    }
    text
}

/// All spellings of a name that `lower` gave, the plainest last, each a part of it.
pub(super) fn spellings(name: &str) -> Vec<&str> {
    let mut found = vec![name];
    let mut note = |spelling| {
        if !str::is_empty(spelling) && found.last() != Some(&spelling) {
            found.push(spelling);
        }
    };
    // `models/…`, `accounts/…/models/…`, `meta-llama/…`, an ARN.
    let mut rest = name.rsplit('/').next().unwrap_or(name);
    note(rest);
    // What was fine-tuned has a price of its own: `ft:gpt-4o:organization::id`.
    if let Some(tuned) = rest.strip_prefix("ft:") {
        let base = tuned.split(':').next().unwrap_or(tuned);
        let whole = rest.get(.."ft:".len() + base.len()).unwrap_or(rest);
        note(whole);
        note(without_date(whole));
        rest = base;
        note(rest);
    }
    // Bedrock's region and vendor, words without digits: `us.anthropic.claude-…-v1:0`.
    let mut is_vendors = false;
    while let Some((word, tail)) = rest.split_once('.') {
        if tail.is_empty() || word.bytes().any(|byte| byte.is_ascii_digit()) {
            break;
        }
        (rest, is_vendors) = (tail, true);
        note(rest);
    }
    // Versions and tags: `…-v1:0`, `…@20251001`, `…:free`.
    rest = rest.split([':', '@']).next().unwrap_or(rest);
    note(rest);
    if is_vendors {
        rest = without_version(rest);
        note(rest);
    }
    note(without_date(rest));
    found
}

fn without_version(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((rest, digit)) if digit.len() == 1 && digit.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => name,
    }
}

/// Without the `-20250929` or `-2025-08-07` of a snapshot.
fn without_date(name: &str) -> &str {
    let is_date = |end: &str, shape: &str| {
        let fits = |(byte, wanted)| if wanted == b'0' { u8::is_ascii_digit(&byte) } else { byte == wanted };
        end.len() == shape.len() && end.bytes().zip(shape.bytes()).all(fits)
    };
    let cut = ["-00000000", "-0000-00-00"].iter().find_map(|shape| {
        let (rest, end) = name.split_at_checked(name.len().checked_sub(shape.len())?)?;
        is_date(end, shape).then_some(rest)
    });
    cut.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_however_it_is_written() {
        for (plain, names) in [
            (
                "claude-haiku-4-5",
                &[
                    "claude-haiku-4-5",
                    "Claude-Haiku-4-5",
                    "claude-haiku-4-5-20251001",
                    "claude-haiku-4-5@20251001",
                    "anthropic/claude-haiku-4.5",
                    "anthropic/claude-haiku-4.5:beta",
                    "anthropic.claude-haiku-4-5-20251001-v1:0",
                    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
                    "global.anthropic.claude-haiku-4-5-20251001-v1:0",
                    "arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
                ][..],
            ),
            ("gpt-5", &["gpt-5-2025-08-07", "openai/gpt-5", " GPT-5 ", "ft:gpt-5-2025-08-07:me::id"]),
            ("gpt-5.4", &["gpt-5.4", "us.openai.gpt-5.4"]),
            ("gemini-3-flash", &["models/gemini-3-flash", "publishers/google/models/gemini-3-flash"]),
            ("nova-2-lite", &["apac.amazon.nova-2-lite-v1:0"]),
            ("deepseek-v3", &["accounts/fireworks/models/deepseek-v3", "deepseek-ai/DeepSeek-V3"]),
            ("llama3.2", &["llama3.2:3b"]),
        ] {
            for name in names {
                assert_eq!(spellings(&lower(name)).last(), Some(&plain), "{name}");
            }
        }
    }

    #[test]
    fn the_whole_name_comes_before_what_is_cut_from_it() {
        let name = lower("us.anthropic.claude-haiku-4-5-20251001-v1:0");
        let expected = [
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5-20251001-v1",
            "claude-haiku-4-5-20251001",
            "claude-haiku-4-5",
        ];
        assert_eq!(spellings(&name), expected);
        let name = lower("ft:gpt-4o-2024-08-06:me::id");
        let tuned = ["ft:gpt-4o-2024-08-06:me::id", "ft:gpt-4o-2024-08-06", "ft:gpt-4o"];
        assert_eq!(spellings(&name), [&tuned[..], &["gpt-4o-2024-08-06", "gpt-4o"]].concat());
    }

    #[test]
    fn any_name_has_spellings() {
        for name in ["", "/", ":", ".", "ft:", "ft:::", "a.", ".a", "-00000000", "é-20250101", "x/", "@"] {
            assert!(!spellings(&lower(name)).is_empty(), "{name}");
        }
    }
}
