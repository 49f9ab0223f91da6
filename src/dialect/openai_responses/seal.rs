//! Signatures of any maker within `encrypted_content` of reasoning items, the one member that clients of the
//! Responses API give back as it is. OpenAI's own stand there as they are.

use data_encoding::BASE64URL_NOPAD;

use crate::ir::{Origin, Signature, Text};

/// What a signature of another maker begins with; no content of OpenAI's does (those are base64).
const MARK: &str = "bf1:";

/// Names of makers.
const ORIGINS: [(Origin, &str); 4] = [
    (Origin::Anthropic, "anthropic"),
    (Origin::Google, "google"),
    (Origin::OpenAi, "openai"),
    (Origin::Other, "other"),
];

/// What stands in a reasoning item beside what can be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum About {
    /// The seal on the item's reasoning.
    Reasoning,
    /// Reasoning that only its maker can read.
    Redacted,
    /// The seal on the text before.
    Text,
    /// The seal on the call with this id.
    Call(String),
}

/// Writes what `encrypted_content` says.
pub(super) fn wrap(about: &About, origin: Origin, data: &Text<'_>) -> Text<'static> {
    let is_plain = matches!(about, About::Reasoning | About::Redacted);
    if is_plain && origin == Origin::OpenAi {
        return data.clone().into_owned();
    }
    let maker = ORIGINS.iter().find(|(known, _)| *known == origin).map_or("other", |(_, name)| name);
    let about = match about {
        About::Reasoning => "reasoning",
        About::Redacted => "redacted",
        About::Text => "text",
        About::Call(id) => &format!("call.{}", BASE64URL_NOPAD.encode(id.as_bytes())),
    };
    Text::escaped(&format!("{MARK}{maker}:{about}:{}", data.as_escaped())).into_owned()
}

/// Reads what `encrypted_content` says; `is_readable` tells whether the item has reasoning beside it.
pub(super) fn unwrap<'a>(content: Text<'a>, is_readable: bool) -> (About, Signature<'a>) {
    match marked(content.as_escaped()) {
        Some((about, origin, data)) => (about, Signature { origin, data: Text::escaped(data).into_owned() }),
        None => {
            let about = if is_readable { About::Reasoning } else { About::Redacted };
            (about, Signature { origin: Origin::OpenAi, data: content })
        }
    }
}

fn marked(content: &str) -> Option<(About, Origin, &str)> {
    let (maker, rest) = content.strip_prefix(MARK)?.split_once(':')?;
    let (about, data) = rest.split_once(':')?;
    let (origin, _) = ORIGINS.iter().find(|(_, name)| *name == maker)?;
    let about = match about {
        "reasoning" => About::Reasoning,
        "redacted" => About::Redacted,
        "text" => About::Text,
        call => {
            let id = BASE64URL_NOPAD.decode(call.strip_prefix("call.")?.as_bytes()).ok()?;
            About::Call(String::from_utf8(id).ok()?)
        }
    };
    Some((about, *origin, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_back_whoever_made_it() {
        let call = About::Call("call:1.é".to_owned());
        for about in [About::Reasoning, About::Redacted, About::Text, call] {
            for (origin, _) in ORIGINS {
                for data in ["RXh0:c3M=", r"a\/b+c\u0041", ""] {
                    let data = Text::escaped(data);
                    let wrapped = wrap(&about, origin, &data);
                    let read = unwrap(wrapped, about == About::Reasoning);
                    assert_eq!(read, (about.clone(), Signature { origin, data }));
                }
            }
        }
    }

    #[test]
    fn what_bears_no_mark_is_openais() {
        for content in ["gAAAAABo", "bf1:", "bf1:nobody:text:a", "bf1:google:call.%:a", "bf1:google:song:a"] {
            let (about, signature) = unwrap(Text::escaped(content), false);
            assert_eq!((about, signature.origin), (About::Redacted, Origin::OpenAi), "{content}");
            assert_eq!(signature.data, Text::escaped(content));
        }
    }
}
