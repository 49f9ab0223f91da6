//! Answers for tests: what a decoder makes of them, however they come.

use super::{ResponseDecoder, StreamFraming, event_stream::FrameReader, sse::EventReader};
use crate::ir::Response;

/// What a decoder has read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    /// Its events, as they are printed.
    pub(super) events: Vec<String>,
    /// What they come to.
    pub(super) response: Response,
    pub(super) is_complete: bool,
}

/// Reads a stream that comes in pieces.
pub(super) fn streamed<'p>(
    mut decoder: impl ResponseDecoder,
    framing: StreamFraming,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Read {
    let mut read = Read::default();
    let (mut sse, mut frames) = (EventReader::default(), FrameReader::default());
    let mut take = |name: &str, data: &str| {
        decoder.event(name, data, &mut |event| {
            read.events.push(format!("{event:?}"));
            read.response.push(&event);
        })
    };
    for piece in pieces {
        let taken = match framing {
            StreamFraming::Sse => sse.push(piece, &mut take),
            StreamFraming::EventStream => frames.push(piece, &mut take),
        };
        taken.unwrap();
    }
    sse.finish(&mut take).unwrap();
    read.is_complete = decoder.is_complete();
    read
}

/// Reads a stream cut at each place, and into pieces of each length up to `length_max`: it must always be the
/// same.
pub(super) fn streamed_however_cut<D: ResponseDecoder>(
    decoder: impl Fn() -> D,
    framing: StreamFraming,
    stream: &[u8],
    length_max: usize,
) -> Read {
    let whole = streamed(decoder(), framing, [stream]);
    for cut in 0..stream.len() {
        let (front, back) = stream.split_at(cut);
        assert_eq!(streamed(decoder(), framing, [front, back]), whole, "cut at {cut}");
    }
    for length in 1..=length_max {
        assert_eq!(streamed(decoder(), framing, stream.chunks(length)), whole, "pieces of {length}");
    }
    whole
}

/// Reads a whole answer.
pub(super) fn whole(mut decoder: impl ResponseDecoder, text: &str) -> Read {
    let mut read = Read::default();
    let sink = &mut |event: crate::ir::Event<'_>| {
        read.events.push(format!("{event:?}"));
        read.response.push(&event);
    };
    decoder.document(text, sink).unwrap();
    read.is_complete = decoder.is_complete();
    read
}

/// Reads a whole answer that is cut or changed at each place: no harm may come of it.
pub(super) fn harmed<D: ResponseDecoder>(decoder: impl Fn() -> D, names: &[&str], text: &str) {
    for (at, _) in text.char_indices() {
        let (front, back) = text.split_at(at);
        let _ = decoder().document(front, &mut |_| {});
        for piece in ["null", "7", "[]", "{}", "\"\""] {
            let changed =
                format!("{front}{piece}{}", back.split_once([',', '}']).map_or("", |(_, rest)| rest));
            let inserted = format!("{front}{piece},{back}");
            for text in [changed, inserted] {
                let _ = decoder().document(&text, &mut |_| {});
                for name in names {
                    let _ = decoder().event(name, &text, &mut |_| {});
                }
            }
        }
    }
}
