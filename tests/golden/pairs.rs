//! Requests and answers between a client and a provider of any two dialects.

use bifrost::{
    dialect::{
        CLIENTS, ClientDialect, Encoded, PROVIDERS, ProviderDialect, Recipient, StreamFraming, Translator,
        Wishes,
    },
    ir::{ApiError, Profile},
    provider::{self, Catalog},
};

/// A model for each dialect of providers, with the provider that serves it.
const RECIPIENTS: [(&str, &str, &str); 6] = [
    ("openai_chat", "openai", "gpt-4.1"),
    ("openai_responses", "openai", "gpt-4.1"),
    ("anthropic", "anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini", "gemini-3-pro"),
    ("converse", "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("cohere", "cohere", "command-a-03-2025"),
];

/// The client's dialect of that name.
pub fn client(name: &str) -> &'static dyn ClientDialect {
    let found = CLIENTS.into_iter().find(|dialect| dialect.name() == name);
    found.unwrap_or_else(|| panic!("no client speaks {name}"))
}

/// The provider's dialect of that name.
pub fn provider(name: &str) -> &'static dyn ProviderDialect {
    let found = PROVIDERS.into_iter().find(|dialect| dialect.name() == name);
    found.unwrap_or_else(|| panic!("no provider speaks {name}"))
}

/// What the model that stands for a dialect gets of a client's request.
pub fn request(client: &dyn ClientDialect, provider: &dyn ProviderDialect, body: &str) -> String {
    match asked(client, provider, None, body) {
        Ok((body, encoded)) => {
            let dropped = |title: &str, names: &[&str]| {
                if names.is_empty() { String::new() } else { format!("\n{title}: {}", names.join(", ")) }
            };
            let extra: Vec<_> = encoded.dropped_extra.iter().map(String::as_str).collect();
            format!("{body}{}{}", dropped("dropped", &encoded.dropped), dropped("dropped beside", &extra))
        }
        Err(error) => format!("refused: {}", summary(&error)),
    }
}

/// The same, before it is printed; `profile` replaces what is known of the model.
pub fn asked(
    client: &dyn ClientDialect,
    provider: &dyn ProviderDialect,
    profile: Option<&Profile>,
    body: &str,
) -> Result<(String, Encoded), ApiError> {
    let (_, vendor, model) = RECIPIENTS.into_iter().find(|(name, ..)| *name == provider.name()).unwrap();
    let known = Catalog::built_in().profile(vendor, model);
    let quirks = provider::find(vendor).unwrap().chat(model).quirks;
    let recipient = Recipient { model, profile: profile.unwrap_or(&known), quirks, is_strict: false };
    let request = client.decode_request(body).map_err(|error| error.into_refusal())?;
    let mut out = Vec::new();
    let encoded = provider.encode_request(&request, &recipient, &mut out)?;
    let body = String::from_utf8(out).unwrap();
    assert!(serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok(), "{body}");
    Ok((body, encoded))
}

/// What an error says beside what it says to the client.
pub fn summary(error: &ApiError) -> String {
    let retry = error.retry_after.map(|after| format!(", again in {after:?}")).unwrap_or_default();
    let param = error.param.as_deref().unwrap_or("none");
    format!(
        "{} {} {}, param {param}, blames {:?}{retry}: {}",
        error.status,
        error.kind,
        error.code.unwrap_or("none"),
        error.blame,
        error.message
    )
}

/// A provider's answer.
pub struct Answer {
    pub dialect: &'static dyn ProviderDialect,
    pub is_streamed: bool,
    /// In pieces that a network may deliver: lines, or frames.
    pieces: Vec<Vec<u8>>,
}

impl Answer {
    /// Of what a file says: JSON, events, or a line for each frame, its name and its payload.
    pub fn new(dialect: &'static dyn ProviderDialect, is_streamed: bool, text: &str) -> Self {
        let pieces = match dialect.stream_framing() {
            StreamFraming::EventStream if is_streamed => text
                .lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(name, payload)| frame(name, payload))
                .collect(),
            _ => format!("{text}\n\n").split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect(),
        };
        Self { dialect, is_streamed, pieces }
    }

    /// What the client gets, however the network cuts it.
    pub fn for_client(
        &self,
        client: &'static dyn ClientDialect,
        wishes: &Wishes,
        is_streamed: bool,
    ) -> String {
        let whole = self.pieces.concat();
        let translated = self.translated(client, wishes, is_streamed, [&whole[..]]);
        let lines = self.pieces.iter().map(Vec::as_slice);
        let bytes = whole.chunks(1);
        let name = self.dialect.name();
        assert_eq!(self.translated(client, wishes, is_streamed, lines), translated, "{name} by lines");
        assert_eq!(self.translated(client, wishes, is_streamed, bytes), translated, "{name} by bytes");
        translated
    }

    fn translated<'p>(
        &self,
        client: &'static dyn ClientDialect,
        wishes: &Wishes,
        is_streamed: bool,
        pieces: impl IntoIterator<Item = &'p [u8]>,
    ) -> String {
        let wishes = wishes.clone();
        let mut translator =
            Translator::new(self.dialect, self.is_streamed, client, is_streamed, Encoded::default(), wishes);
        let mut out = Vec::new();
        let pushed = pieces.into_iter().try_for_each(|piece| translator.push(piece, &mut out));
        let failed = pushed.and_then(|()| translator.finish(&mut out)).err();
        if let Some(error) = &failed {
            translator.fail(error, &mut out);
        }
        let out = String::from_utf8(out).unwrap();
        match failed {
            Some(error) => format!("{}\nfailed: {}", out.trim_end(), summary(&error)),
            None => out.trim_end().to_owned(),
        }
    }
}

/// A frame of AWS that tells an event, or an exception.
pub fn frame(name: &str, payload: &str) -> Vec<u8> {
    let kind = if name.ends_with("Exception") { "exception" } else { "event" };
    let mut headers = Vec::new();
    for (key, value) in [(":message-type", kind), (&format!(":{kind}-type"), name)] {
        headers.push(key.len() as u8);
        headers.extend_from_slice(key.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = (16 + headers.len() + payload.len()) as u32;
    let mut frame = [total.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}
