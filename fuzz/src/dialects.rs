//! Requests and answers between any two dialects: nothing panics, what is written is well formed and no longer
//! than what was read explains, and the network's cuts change nothing.

use std::sync::LazyLock;

use bifrost::{
    dialect::{
        CLIENTS, ClientDialect, Encoded, PROVIDERS, ProviderDialect, Recipient, StreamFraming, Translator,
        Wishes,
    },
    ir::{ApiError, Profile},
    provider::{self, Catalog},
};
use serde::de::IgnoredAny;

use crate::event_ends;

/// Bytes that one object of an answer may become, beside its own and the names that each event repeats.
const EVENT_BYTES: usize = 8192;

/// Providers with models that are asked in different words.
const MODELS: [(&str, &str); 8] = [
    ("openai", "gpt-4.1"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-5-5"),
    ("gemini", "gemini-3-pro"),
    ("gemini", "gemini-2.5-flash"),
    ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("cohere", "command-a-03-2025"),
];

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let catalog = Catalog::built_in();
    MODELS.iter().map(|(vendor, model)| catalog.profile(vendor, model)).collect()
});

/// The client's dialect of that name.
pub fn client(name: &str) -> &'static dyn ClientDialect {
    CLIENTS.into_iter().find(|dialect| dialect.name() == name).expect("a client's dialect")
}

/// The provider's dialect of that name.
pub fn provider(name: &str) -> &'static dyn ProviderDialect {
    PROVIDERS.into_iter().find(|dialect| dialect.name() == name).expect("a provider's dialect")
}

/// A client's request behind a byte that picks who is asked.
pub fn request(client: &dyn ClientDialect, input: &[u8]) {
    let [pick, body @ ..] = input else { return };
    let Ok(body) = str::from_utf8(body) else { return };
    let (number, pick) = (usize::from(*pick) % MODELS.len(), usize::from(*pick) / MODELS.len());
    let (dialect, (vendor, model)) = (PROVIDERS[pick % PROVIDERS.len()], MODELS[number]);
    let quirks = provider::find(vendor).expect("a provider").chat(model).quirks;
    let Ok(request) = client.decode_request(body) else { return };
    let recipient = Recipient { model, profile: &PROFILES[number], quirks, is_strict: false };
    let mut out = Vec::new();
    match dialect.encode_request(&request, &recipient, &mut out) {
        Ok(_) => {
            assert!(is_json(&out), "{}", String::from_utf8_lossy(&out));
            let length_max = 16 * body.len() + EVENT_BYTES * (1 + objects(body.as_bytes()));
            assert!(out.len() <= length_max, "{} bytes of {}", out.len(), body.len());
        }
        Err(error) => assert!((400..500).contains(&error.status), "{error:?}"),
    }
}

/// A provider's answer behind a byte that picks who reads it and one that says where it is cut.
pub fn answer(dialect: &'static dyn ProviderDialect, input: &[u8]) {
    let [pick, cut, rest @ ..] = input else { return };
    let (is_provider_streamed, is_client_streamed) = (pick & 1 == 0, pick & 2 == 0);
    let client = CLIENTS[usize::from(pick >> 2) % CLIENTS.len()];
    let framed;
    let answer = if is_provider_streamed && dialect.stream_framing() == StreamFraming::EventStream {
        framed = frames(rest);
        &framed[..]
    } else {
        rest
    };
    let cut = answer.len() * usize::from(*cut) / 256;
    let (front, back) = answer.split_at(cut);
    let translated = |pieces: &[&[u8]]| {
        let wishes =
            Wishes { model: "m".to_owned(), id: "i".to_owned(), includes_usage: true, ..Wishes::default() };
        let encoded = Encoded::default();
        let mut translator =
            Translator::new(dialect, is_provider_streamed, client, is_client_streamed, encoded, wishes);
        translate(&mut translator, pieces)
    };
    let (out, error) = translated(&[answer]);
    assert_eq!(translated(&[front, back]), (out.clone(), error.clone()), "cut at {cut}");
    // Each event repeats the names of the answer.
    let length_max = 16 * answer.len() + (EVENT_BYTES + answer.len()) * (1 + objects(answer));
    assert!(out.len() <= length_max, "{} bytes of {}", out.len(), answer.len());
    if is_client_streamed {
        check_events(&out);
    } else {
        assert!(is_json(&out), "{}", String::from_utf8_lossy(&out));
    }
}

fn translate(translator: &mut Translator, pieces: &[&[u8]]) -> (Vec<u8>, Option<ApiError>) {
    let mut out = Vec::new();
    let pushed = pieces.iter().try_for_each(|piece| translator.push(piece, &mut out));
    let error = pushed.and_then(|()| translator.finish(&mut out)).err();
    if let Some(error) = &error {
        translator.fail(error, &mut out);
    }
    (out, error)
}

/// Whole events, each of names and of one line of JSON.
fn check_events(stream: &[u8]) {
    assert_eq!(event_ends(stream).last().copied().unwrap_or(0), stream.len(), "an event is not whole");
    for line in String::from_utf8(stream.to_vec()).expect("text").lines() {
        let is_known = line.is_empty()
            || line.starts_with("event: ")
            || line.strip_prefix("data: ").is_some_and(|data| data == "[DONE]" || is_json(data.as_bytes()));
        assert!(is_known, "{line}");
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// No fewer than the objects in a text, wherever they are written.
fn objects(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'{').count()
}

/// Frames of AWS for lines of a name and a payload; a line without a space stands as it is.
fn frames(lines: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(space) = line.iter().position(|byte| *byte == b' ').filter(|at| *at < 128) else {
            out.extend_from_slice(line);
            continue;
        };
        let (name, payload) = (&line[..space], &line[space + 1..]);
        let key: &[u8] = if name.ends_with(b"Exception") { b":exception-type" } else { b":event-type" };
        let headers = [&[key.len() as u8], key, &[7, 0, name.len() as u8], name].concat();
        let total = (16 + headers.len() + payload.len()) as u32;
        let mut frame = [total.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        frame.extend_from_slice(&headers);
        frame.extend_from_slice(payload);
        frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
        out.extend_from_slice(&frame);
    }
    out
}
