//! A provider's answer in the client's dialect: bytes in, bytes out, streamed or whole on either side.

use super::{
    ClientDialect, Encoded, ProviderDialect, ResponseDecoder, StreamEncoder, StreamFraming, Wishes,
    emulation::Restoration,
    event_stream::FrameReader,
    json::{ReadError, lossy},
    seals::{Gatherer, Sealed},
    sse::EventReader,
};
use crate::ir::{ApiError, Event, Origin, Response, Usage};

/// Translates one answer.
pub struct Translator {
    source: Source,
    decoder: Box<dyn ResponseDecoder>,
    restoration: Restoration,
    gatherer: Option<Gatherer>,
    output: Output,
    said: Said,
}

/// What an answer has said so far.
#[derive(Debug, Default)]
pub struct Said {
    /// Whether anything of it is content: something said, thought, called, or an end.
    pub has_content: bool,
    /// What has been used up.
    pub usage: Option<Usage>,
    error: Option<ApiError>,
}

/// How the provider's answer comes.
enum Source {
    /// At once.
    Whole(Vec<u8>),
    Sse(EventReader),
    Frames(FrameReader),
}

/// How the client's answer goes.
enum Output {
    Stream { dialect: &'static dyn ClientDialect, encoder: Box<dyn StreamEncoder> },
    Whole(Box<Folded>),
}

/// What is put together for a client that wants an answer at once.
struct Folded {
    dialect: &'static dyn ClientDialect,
    response: Response,
    wishes: Wishes,
}

impl Translator {
    /// From a provider's dialect into a client's. A provider may answer at once although a stream was asked
    /// for.
    pub fn new(
        provider: &'static dyn ProviderDialect,
        is_provider_streamed: bool,
        client: &'static dyn ClientDialect,
        is_client_streamed: bool,
        encoded: Encoded,
        wishes: Wishes,
    ) -> Self {
        let source = match provider.stream_framing() {
            _ if !is_provider_streamed => Source::Whole(Vec::new()),
            StreamFraming::Sse => Source::Sse(EventReader::default()),
            StreamFraming::EventStream => Source::Frames(FrameReader::default()),
        };
        let output = if is_client_streamed {
            Output::Stream { dialect: client, encoder: client.stream_encoder(&wishes) }
        } else {
            Output::Whole(Box::new(Folded { dialect: client, response: Response::default(), wishes }))
        };
        let restoration = Restoration::new(encoded.emulation, provider.interleaves_calls());
        let decoder = provider.response_decoder();
        Self { source, decoder, restoration, gatherer: None, output, said: Said::default() }
    }

    /// Gathers the seals of a family that calls come with.
    pub fn gathering(mut self, origin: Option<Origin>) -> Self {
        self.gatherer = origin.map(Gatherer::new);
        self
    }

    /// What the calls so far came with, by their names.
    pub fn take_seals(&mut self) -> Vec<(String, Sealed)> {
        self.gatherer.as_mut().map(Gatherer::take).unwrap_or_default()
    }

    /// Reads what has come of the answer, and appends what the client gets of it now. An error is the
    /// provider's, told within the answer, or that it cannot be read; nothing more comes then.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
        let Self { source, decoder, restoration, gatherer, output, said } = self;
        let mut sink = |event: Event<'_>| {
            restoration.take(event, &mut |event| take(event, gatherer.as_mut(), said, output, out));
        };
        let read = match source {
            Source::Whole(text) => {
                text.extend_from_slice(bytes);
                Ok(())
            }
            Source::Sse(reader) => reader.push(bytes, |name, data| decoder.event(name, data, &mut sink)),
            Source::Frames(reader) => reader.push(bytes, |name, data| decoder.event(name, data, &mut sink)),
        };
        self.check(read)
    }

    /// The provider's answer has come to an end of its connection or framing: appends the end of the
    /// client's.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let Self { source, decoder, restoration, gatherer, output, said } = self;
        let mut sink = |event: Event<'_>| {
            restoration.take(event, &mut |event| take(event, gatherer.as_mut(), said, output, out));
        };
        let read = match source {
            Source::Whole(text) => decoder.document(&lossy(text), &mut sink),
            Source::Sse(reader) => reader.finish(|name, data| decoder.event(name, data, &mut sink)),
            Source::Frames(_) => Ok(()),
        };
        self.check(read)?;
        if !self.decoder.is_complete() {
            let message = "The provider ended its answer too early. What has come so far is incomplete.";
            return Err(ApiError::provider(502, "upstream_incomplete", message));
        }
        let Self { restoration, gatherer, output, said, .. } = self;
        restoration.finish(&mut |event| take(event, gatherer.as_mut(), said, output, out));
        match output {
            Output::Stream { encoder, .. } => encoder.finish(out),
            Output::Whole(folded) => folded.dialect.encode_document(&folded.response, &folded.wishes, out),
        }
        Ok(())
    }

    /// Appends what ends an answer of which something is out already, and which failed.
    pub fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        match &mut self.output {
            Output::Stream { dialect, encoder } => {
                if !encoder.fail(error, out) {
                    dialect.encode_stream_error(error, out);
                }
            }
            Output::Whole(folded) => folded.dialect.encode_error(error, out),
        }
    }

    /// What shows that a stream is alive, between whole events.
    pub fn heartbeat(&self) -> &'static [u8] {
        match &self.output {
            Output::Stream { dialect, encoder } => encoder.heartbeat().unwrap_or_else(|| dialect.heartbeat()),
            Output::Whole(_) => b"",
        }
    }

    /// What the answer has said so far.
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// Bytes that are held since what they belong to has not come to its end.
    pub fn held_bytes(&self) -> usize {
        match &self.source {
            Source::Whole(text) => text.len(),
            Source::Sse(reader) => reader.held_bytes(),
            Source::Frames(reader) => reader.held_bytes(),
        }
    }

    fn check(&mut self, read: Result<(), ReadError>) -> Result<(), ApiError> {
        if let Some(error) = self.said.error.take() {
            return Err(error);
        }
        read.map_err(|_| {
            let message = "The provider sent an answer that is not of its dialect.";
            ApiError::provider(502, "upstream_protocol_error", message)
        })
    }
}

/// Passes an event on; behind an error nothing is.
fn take(
    event: Event<'_>,
    gatherer: Option<&mut Gatherer>,
    said: &mut Said,
    output: &mut Output,
    out: &mut Vec<u8>,
) {
    if said.error.is_some() {
        return;
    }
    match &event {
        Event::Error(error) => {
            said.error = Some(error.clone());
            return;
        }
        Event::Usage(usage) => said.usage = Some(*usage),
        Event::Begin { .. } | Event::Ping => {}
        _ => said.has_content = true,
    }
    if let Some(gatherer) = gatherer {
        gatherer.see(&event);
    }
    match output {
        Output::Stream { encoder, .. } => encoder.push(&event, out),
        Output::Whole(folded) => folded.response.push(&event),
    }
}
