//! What else a request says, for a provider of Claude: how tokens are chosen, and who asks.

use crate::{
    dialect::{Encoded, Recipient, json::Writer},
    ir::{Raw, Request, Text},
};

/// Digits of a number that may be somebody's telephone's.
const PHONE_DIGITS_MIN: usize = 7;
/// Longest name of a user, bytes.
const USER_BYTES_MAX: usize = 256;
/// What Claude's own clients may say beside all that has a place of its own.
const OWN: [&str; 8] = [
    "container",
    "context_management",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "speed",
    "user_profile_id",
];
/// What they say in the body where the body names the version.
const BETAS: &str = "anthropic_beta";
/// What the name of a member begins with that stands in `output_config`.
const IN_OUTPUT_CONFIG: &str = "output_config.";

/// Notes what there is no word for.
pub(super) fn note_lost(request: &Request<'_>, encoded: &mut Encoded) {
    encoded.drop_all_but(request, &["user", "service_tier", "web_search_options"]);
    if request.stop.iter().any(|text| text.is_blank() && !text.is_empty()) {
        encoded.drop_param("stop");
    }
}

/// Writes how tokens are chosen, as far as the model lets it be chosen; while it thinks it does not.
pub(super) fn write_sampling(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    thinks: bool,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    let sampling = &request.sampling;
    let profile = recipient.profile;
    let is_free = profile.takes_sampling && !thinks;
    match &sampling.temperature {
        Some(value) if is_free => {
            let is_beyond = value.as_number().is_some_and(|temperature| temperature > 1.0);
            writer.member("temperature").json(if is_beyond { "1" } else { value.as_str() });
        }
        // It is what the model does anyway.
        Some(value) if value.as_number() == Some(1.0) => {}
        Some(_) => encoded.drop_param("temperature"),
        None => {}
    }
    let is_one_too_many = sampling.temperature.is_some() && !profile.takes_both_samplings;
    for (name, value, is_taken) in
        [("top_p", &sampling.top_p, !is_one_too_many), ("top_k", &sampling.top_k, true)]
    {
        match value {
            Some(value) if is_free && is_taken => writer.member(name).raw(value),
            Some(_) => encoded.drop_param(name),
            None => {}
        }
    }
    // Claude refuses empty and blank ones.
    let stop: Vec<_> = request.stop.iter().filter(|text| !text.is_blank()).collect();
    if !stop.is_empty() {
        writer.member("stop_sequences").array(|writer| stop.iter().for_each(|text| writer.text(text)));
    }
}

/// Writes who asks, and how urgently.
pub(super) fn write_caller(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    match &request.user {
        Some(user) if is_anonymous(user) => {
            writer.member("metadata").object(|writer| writer.member("user_id").text(user));
        }
        Some(_) => encoded.drop_param("user"),
        None => {}
    }
    let tier = request.service_tier.as_ref().map(|tier| match tier.as_escaped() {
        _ if !recipient.quirks.takes_service_tier => None,
        "auto" => Some("auto"),
        "default" => Some("standard_only"),
        _ => None,
    });
    match tier {
        Some(Some(tier)) => writer.member("service_tier").string(tier),
        Some(None) => encoded.drop_param("service_tier"),
        None => {}
    }
}

/// Claude refuses names that are somebody's address or telephone number.
fn is_anonymous(user: &Text<'_>) -> bool {
    let plain = user.to_plain();
    let digits = plain.bytes().filter(u8::is_ascii_digit).count();
    let is_number = plain.chars().all(|letter| letter.is_ascii_digit() || " +-.()/".contains(letter));
    let is_phone = is_number && digits >= PHONE_DIGITS_MIN;
    !plain.contains('@') && !is_phone && !user.is_blank() && plain.len() <= USER_BYTES_MAX
}

/// Writes what only Claude's own clients say, and notes what nobody here understands.
pub(super) fn write_own(
    request: &Request<'_>,
    recipient: &Recipient<'_>,
    encoded: &mut Encoded,
    writer: &mut Writer<'_>,
) {
    for (name, value) in &request.extra {
        let is_beta = name == BETAS && recipient.quirks.version_in_body.is_some();
        if is_beta || OWN.contains(&&**name) {
            writer.member(name).raw(value);
        } else if !name.starts_with(IN_OUTPUT_CONFIG) {
            encoded.drop_extra(name);
        }
    }
}

/// What they say of the answer, by the names that it has in `output_config`.
pub(super) fn in_output_config<'r, 'a>(
    request: &'r Request<'a>,
) -> impl Iterator<Item = (&'r str, &'r Raw<'a>)> {
    request.extra.iter().filter_map(|(name, value)| Some((name.strip_prefix(IN_OUTPUT_CONFIG)?, value)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::asked;
    use crate::{dialect::Encoded, ir::Profile};

    fn rest(members: &str, profile: &Profile) -> (String, Encoded) {
        let (asked, encoded) = asked(&format!(r#""messages":[],{members}"#), profile).unwrap();
        let (_, rest) = asked.split_once("}]}]").unwrap();
        (rest.trim_start_matches(',').to_owned(), encoded)
    }

    #[test]
    fn how_tokens_are_chosen_is_said_as_far_as_the_model_takes_it() {
        let all = r#""temperature":1.50,"top_p":0.90,"top_k":4"#;
        let (told, encoded) = rest(all, &Profile::default());
        assert_eq!(told, r#""temperature":1,"top_p":0.90,"top_k":4"#);
        assert!(encoded.dropped.is_empty());
        let one = Profile { takes_both_samplings: false, ..Profile::default() };
        let (told, encoded) = rest(all, &one);
        assert_eq!((told.as_str(), &encoded.dropped[..]), (r#""temperature":1,"top_k":4"#, &["top_p"][..]));
        assert_eq!(rest(r#""top_p":0.9"#, &one).0, r#""top_p":0.9"#);
        let none = Profile { takes_sampling: false, ..Profile::default() };
        let (told, encoded) = rest(all, &none);
        assert_eq!((told.as_str(), &encoded.dropped[..]), ("", &["temperature", "top_p", "top_k"][..]));
        assert!(rest(r#""temperature":1.0"#, &none).1.dropped.is_empty());
        let (told, encoded) = rest(r#""temperature":0,"reasoning_effort":"low""#, &Profile::default());
        assert!(told.starts_with(r#""thinking":{"type":"adaptive""#) && !told.contains("temperature"));
        assert_eq!(encoded.dropped, ["temperature"]);
    }

    #[test]
    fn what_claude_does_not_know_is_named_and_what_means_something_else_is_refused() {
        let members = r#""frequency_penalty":0,"presence_penalty":0.5,"seed":1,"logit_bias":{},"logprobs":false,"n":1,
            "metadata":{"a":"b"},"verbosity":"low","modalities":[ "text" ],"store":false,"prompt_cache_key":"k",
            "service_tier":"flex","user":"a@b.c","stop":["", "\n", "x"],"container":"c""#;
        let (told, encoded) = rest(members, &Profile::default());
        assert_eq!(told, r#""stop_sequences":["x"],"container":"c""#);
        let named = [
            "presence_penalty",
            "seed",
            "logit_bias",
            "metadata",
            "verbosity",
            "stop",
            "user",
            "service_tier",
        ];
        assert_eq!(encoded.dropped, named);
        assert_eq!(encoded.dropped_extra, ["prompt_cache_key"]);
        let error = asked(r#""messages":[],"n":2"#, &Profile::default()).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), (Some("unsupported_parameter"), Some("n")));
    }

    #[test]
    fn a_user_has_a_name_but_neither_address_nor_telephone() {
        for user in ["u-1", "6ba7b810-9dad-11d1", "12345"] {
            let (told, _) = rest(&format!(r#""user":"{user}""#), &Profile::default());
            assert_eq!(told, format!(r#""metadata":{{"user_id":"{user}"}}"#));
        }
        for user in ["a@b", "+49 30 1234567", ""] {
            assert_eq!(rest(&format!(r#""user":"{user}""#), &Profile::default()).1.dropped, ["user"]);
        }
    }
}
