//! A whole answer for a client of the Responses API.

use super::{encode_item::Item, encode_stream::Encoder, error::write_error, usage::write_usage};
use crate::{
    dialect::{StreamEncoder, Wishes, json::Writer},
    ir::{ApiError, Finish, Raw, Response, Text, Usage},
};

/// Writes a whole answer: what its stream would come to.
pub(super) fn encode_document(response: &Response, wishes: &Wishes, out: &mut Vec<u8>) {
    let mut encoder = Encoder::silent(wishes.clone());
    response.replay(&mut |event| encoder.push(&event, &mut Vec::new()));
    encoder.write_whole(out);
}

/// An answer as it stands in a document and in the first and last events of a stream.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Its name, as it stands between quotes.
    pub(super) id: String,
    /// The model that serves it.
    pub(super) model: Text<'static>,
    /// Seconds since 1970.
    pub(super) created: u64,
    /// What it consists of.
    pub(super) items: Vec<Item>,
    /// Why it ended, where it did.
    pub(super) finish: Option<Finish>,
    /// What has been used up, where that was told.
    pub(super) usage: Option<Usage>,
    /// Why there is no more of it.
    pub(super) error: Option<ApiError>,
    /// What only other dialects know, by their names.
    pub(super) strange: Vec<(&'static str, Raw<'static>)>,
}

impl Answer {
    /// Why it is incomplete, if it is.
    pub(super) const fn incomplete(&self) -> Option<&'static str> {
        match self.finish {
            Some(Finish::Length) => Some("max_output_tokens"),
            Some(Finish::ContentFilter) => Some("content_filter"),
            _ => None,
        }
    }

    /// Writes it; `status` tells how far it is. What was asked for is not repeated but for the members that
    /// every client expects.
    pub(super) fn write(&self, status: &str, writer: &mut Writer<'_>) {
        writer.object(|writer| {
            writer.member("id").string(&self.id);
            writer.member("object").string("response");
            writer.member("created_at").count(self.created);
            writer.member("status").string(status);
            writer.member("background").boolean(false);
            match &self.error {
                Some(error) => write_error(error, writer.member("error")),
                None => writer.member("error").null(),
            }
            match self.incomplete().filter(|_| status == "incomplete") {
                Some(reason) => writer
                    .member("incomplete_details")
                    .object(|writer| writer.member("reason").string(reason)),
                None => writer.member("incomplete_details").null(),
            }
            writer.member("instructions").null();
            writer.member("max_output_tokens").null();
            writer.member("model").text(&self.model);
            writer.member("output").array(|writer| self.items.iter().for_each(|item| item.write(writer)));
            writer.member("parallel_tool_calls").boolean(true);
            writer.member("previous_response_id").null();
            writer.member("reasoning").object(|writer| {
                writer.member("effort").null();
                writer.member("summary").null();
            });
            writer.member("store").boolean(false);
            writer.member("temperature").null();
            writer.member("text").object(|writer| {
                writer.member("format").object(|writer| writer.member("type").string("text"));
            });
            writer.member("tool_choice").string("auto");
            writer.member("tools").array(|_| {});
            writer.member("top_p").null();
            writer.member("truncation").string("disabled");
            match &self.usage {
                Some(usage) => write_usage(usage, writer.member("usage")),
                None => writer.member("usage").null(),
            }
            writer.member("user").null();
            writer.member("metadata").object(|_| {});
            self.write_strange(writer);
        });
    }

    /// What only the provider's dialect knows, so that nothing is lost.
    fn write_strange(&self, writer: &mut Writer<'_>) {
        let Some((dialect, _)) = self.strange.first() else { return };
        writer.member("provider_specific_fields").object(|writer| {
            writer.member(dialect).array(|writer| self.strange.iter().for_each(|(_, raw)| writer.raw(raw)));
        });
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::{
        dialect::{
            Encoded, ResponseDecoder, Translator,
            json::Reader,
            openai_chat::OpenAiChat,
            openai_responses::{OpenAiResponses, decode_request::decode_request, decode_response::Decoder},
            sse::EventReader,
        },
        ir::{Citation, Content, Event, Input, Media, Origin, Part, Piece, Signed, ToolCall},
    };

    const ORIGINS: [Origin; 4] = [Origin::Anthropic, Origin::Google, Origin::OpenAi, Origin::Other];

    fn wishes() -> Wishes {
        Wishes { id: "chatcmpl-1".to_owned(), model: "m".to_owned(), created: 7, ..Wishes::default() }
    }

    /// An answer of anything that clients of this API can be told.
    fn any_events(rng: &mut Rng) -> Vec<Event<'static>> {
        let mut events =
            vec![Event::Begin { id: Some("x1".into()), model: Some("m2".into()), created: Some(9) }];
        let words = ["a", "\\n", "\\ud83d", "\\ude00 é", "{\\\"a\\\":", "}"];
        let mut tools = 0;
        let mut has_likelihoods = false;
        for _ in 0..rng.usize(..9) {
            let origin = ORIGINS[rng.usize(..ORIGINS.len())];
            let data = Text::escaped(["QQ==", r"a\/b+"][rng.usize(..2)]);
            let seal = |on| Event::Signature { choice: 0, on, origin, data: data.clone() };
            let said: Vec<_> =
                (0..rng.usize(1..4)).map(|_| Text::escaped(words[rng.usize(..words.len())])).collect();
            match rng.u8(..8) {
                0 | 1 => {
                    events.extend(said.into_iter().map(|text| Event::Text { choice: 0, text }));
                    if !std::mem::replace(&mut has_likelihoods, true) {
                        let content = Raw::new("[{\"token\":\"a\",\n\"logprob\":-1.5}]");
                        events.push(Event::LogProbs { choice: 0, content });
                    }
                    if rng.bool() {
                        let (url, title) = ("https://h/é".into(), Some("t".into()));
                        let citation = Citation { url, title, quote: None, start: Some(1), end: Some(2) };
                        events.push(Event::Citation { choice: 0, citation });
                    }
                    if rng.bool() {
                        events.push(seal(Signed::Text));
                    }
                }
                2 => events.extend(said.into_iter().map(|text| Event::Refusal { choice: 0, text })),
                3 => {
                    events.extend(said.into_iter().map(|text| Event::Reasoning { choice: 0, text }));
                    if rng.bool() {
                        events.push(seal(Signed::Reasoning));
                    }
                }
                4 => events.push(Event::RedactedReasoning { choice: 0, origin, data }),
                5 | 6 => {
                    let (tool, is_custom) = (tools, rng.bool());
                    tools += 1;
                    let id = Text::plain(format!("call:{tool}"));
                    events.push(Event::ToolBegin { choice: 0, tool, id, name: "f".into(), is_custom });
                    events.extend(said.into_iter().map(|text| Event::ToolInput { choice: 0, tool, text }));
                    if rng.bool() {
                        events.push(seal(Signed::Tool(tool)));
                    }
                }
                _ if rng.bool() => {
                    let (media_type, data) = ("image/webp".into(), "UklG".into());
                    events.push(Event::Media { choice: 0, media_type, data });
                }
                _ => {
                    let raw = Raw::new("{\"type\":\"web_search_call\",\n\"id\":\"ws_1\"}");
                    events.push(Event::Opaque { choice: 0, dialect: "openai_responses", raw });
                }
            }
        }
        if rng.bool() {
            events.push(Event::Usage(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() }));
        }
        let calls = if tools > 0 { Finish::ToolCalls } else { Finish::Stop };
        let reason = [calls, Finish::Length, Finish::ContentFilter][rng.usize(..3)];
        events.push(Event::Finish { choice: 0, reason, native: None, stop_sequence: None });
        events
    }

    fn folded(events: &[Event<'_>]) -> Response {
        let mut response = Response::default();
        events.iter().for_each(|event| response.push(event));
        response
    }

    fn stream_of(events: &[Event<'_>]) -> String {
        let mut encoder = Encoder::new(wishes());
        let mut out = Vec::new();
        events.iter().for_each(|event| encoder.push(event, &mut out));
        encoder.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn document_of(response: &Response) -> String {
        let mut out = Vec::new();
        encode_document(response, &wishes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    /// All events of a stream, with their names.
    fn read_events(stream: &str) -> Vec<serde_json::Value> {
        let mut events = Vec::new();
        let mut reader = EventReader::default();
        let read = reader.push(stream.as_bytes(), |name, data| {
            // It does not read halves of surrogate pairs.
            let data = data.replace("\\ud83d", "").replace("\\ude00", "");
            let event: serde_json::Value = serde_json::from_str(&data).unwrap();
            assert_eq!(event["type"], name);
            events.push(event);
            Ok::<_, ()>(())
        });
        read.unwrap();
        assert_eq!(reader.held_bytes(), 0);
        events
    }

    fn decoded(stream: &str) -> Response {
        let mut response = Response::default();
        let mut decoder = Decoder::default();
        let read = EventReader::default().push(stream.as_bytes(), |name, data| {
            decoder.event(name, data, &mut |event| response.push(&event))
        });
        read.unwrap();
        assert!(decoder.is_complete());
        response
    }

    /// Without what is said otherwise here than it was told: names, and single lists of likelihoods.
    fn comparable(mut response: Response) -> Response {
        response.id = None;
        for choice in &mut response.choices {
            choice.native_finish = None;
            choice.logprobs = choice.logprobs.iter().map(|list| list.in_one_line().into_owned()).collect();
            for piece in &mut choice.pieces {
                if let Piece::Opaque { raw, .. } = piece {
                    let value: serde_json::Value = serde_json::from_str(raw.as_str()).unwrap();
                    *raw = Raw::owned(value.to_string());
                }
            }
        }
        response
    }

    #[test]
    fn a_stream_and_a_document_come_to_what_was_told() {
        for seed in 0..500 {
            let events = any_events(&mut Rng::with_seed(seed));
            let told = folded(&events);
            let (stream, document) = (stream_of(&events), document_of(&told));
            assert_eq!(comparable(decoded(&stream)), comparable(told.clone()), "{seed}\n{stream}");
            let mut read = Response::default();
            let mut decoder = Decoder::default();
            decoder.document(&document, &mut |event| read.push(&event)).unwrap();
            assert_eq!(comparable(read), comparable(told), "{seed}\n{document}");
            let end = format!("\"response\":{document}}}\n\n");
            assert!(stream.ends_with(&end), "{seed}\n{stream}\n{document}");
        }
    }

    /// What a client has to give back of a piece.
    fn part_of(piece: &Piece) -> Part<'_> {
        let (content, signature) = match piece {
            Piece::Text { text, signature, .. } => (Content::Text(Text::escaped(text)), signature),
            Piece::Refusal(text) => (Content::Refusal(Text::escaped(text)), &None),
            Piece::Reasoning { text, signature } => (Content::Reasoning(Text::escaped(text)), signature),
            Piece::RedactedReasoning { origin, data } => {
                (Content::RedactedReasoning { origin: *origin, data: data.reborrow() }, &None)
            }
            Piece::ToolCall { id, name, input, is_custom, signature, .. } => {
                let (id, name, is_custom) = (id.reborrow(), name.reborrow(), *is_custom);
                let input = Input::Text(Text::escaped(input));
                (Content::ToolCall(ToolCall { id, name, input, is_custom }), signature)
            }
            Piece::Media { media_type, data } => {
                let media = Media::Data { media_type: media_type.reborrow(), data: data.reborrow() };
                (Content::Image { media, detail: None }, &None)
            }
            Piece::Opaque { dialect, raw } => (Content::Opaque { dialect, raw: raw.in_one_line() }, &None),
        };
        Part { signature: signature.clone(), ..Part::new(content) }
    }

    #[test]
    fn a_client_that_gives_the_items_back_gives_back_what_was_told() {
        for seed in 0..500 {
            let told = folded(&any_events(&mut Rng::with_seed(seed)));
            let document = document_of(&told);
            let mut output = None;
            let read = Reader::new(&document).object(|name, reader| {
                if name == "output" {
                    output = Some(reader.raw()?);
                }
                Ok(())
            });
            read.unwrap();
            let body = format!(r#"{{"input":{}}}"#, output.unwrap().as_str());
            let request = decode_request(&body).unwrap();
            let parts: Vec<_> = request.messages.iter().flat_map(|message| message.parts.clone()).collect();
            let pieces: Vec<_> = told.choices[0].pieces.iter().map(part_of).collect();
            assert_eq!(parts, pieces, "{seed}\n{document}");
        }
    }

    #[test]
    fn events_are_numbered_and_each_item_and_part_begins_and_ends() {
        for seed in 0..500 {
            let stream = stream_of(&any_events(&mut Rng::with_seed(seed)));
            let events = read_events(&stream);
            let mut open = std::collections::BTreeSet::new();
            for (number, event) in events.iter().enumerate() {
                assert_eq!(event["sequence_number"], number);
                let kind = event["type"].as_str().unwrap();
                let place =
                    |what: &str| format!("{what} {} {}", event["output_index"], event["content_index"]);
                match kind {
                    "response.output_item.added" => assert!(open.insert(place("item")), "{stream}"),
                    "response.output_item.done" => assert!(open.remove(&place("item")), "{stream}"),
                    "response.content_part.added" => assert!(open.insert(place("part")), "{stream}"),
                    "response.content_part.done" => assert!(open.remove(&place("part")), "{stream}"),
                    "response.output_text.delta" => assert!(open.contains(&place("part")), "{stream}"),
                    _ => {}
                }
            }
            assert!(open.is_empty(), "{stream}");
            assert_eq!(
                (&events[0]["type"], &events[1]["type"]),
                (&"response.created".into(), &"response.in_progress".into())
            );
        }
    }

    #[test]
    fn a_stream_is_read_alike_however_it_is_cut() {
        let translated = |stream: &[u8], size: usize| {
            let mut out = Vec::new();
            let mut translator =
                Translator::new(&OpenAiResponses, true, &OpenAiChat, true, Encoded::default(), wishes());
            stream.chunks(size).for_each(|bytes| translator.push(bytes, &mut out).unwrap());
            translator.finish(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        for seed in 0..20 {
            let stream = stream_of(&any_events(&mut Rng::with_seed(seed)));
            let whole = translated(stream.as_bytes(), usize::MAX);
            assert!(whole.ends_with("data: [DONE]\n\n"));
            for size in [1, 2, 7, 100] {
                assert_eq!(translated(stream.as_bytes(), size), whole, "{seed} {size}");
            }
        }
    }

    #[test]
    fn texts_of_custom_tools_that_come_last_reach_their_calls() {
        let begin = |tool, is_custom| Event::ToolBegin {
            choice: 0,
            tool,
            id: Text::plain(format!("c{tool}")),
            name: "f".into(),
            is_custom,
        };
        let input = |tool, text| Event::ToolInput { choice: 0, tool, text: Text::escaped(text) };
        let end = Event::Finish { choice: 0, reason: Finish::ToolCalls, native: None, stop_sequence: None };
        let events = [begin(0, true), begin(1, false), input(1, "{}"), input(0, "late"), end];
        let last = read_events(&stream_of(&events)).pop().unwrap();
        assert_eq!(last["response"]["output"][0]["input"], "late");
        assert_eq!(last["response"]["output"][1]["arguments"], "{}");
    }

    #[test]
    fn an_answer_that_was_cut_off_says_so() {
        let said = Event::Text { choice: 0, text: "a".into() };
        let end = Event::Finish { choice: 0, reason: Finish::Length, native: None, stop_sequence: None };
        let last = read_events(&stream_of(&[said, end])).pop().unwrap();
        assert_eq!(last["type"], "response.incomplete");
        assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
        assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    }

    #[test]
    fn a_stream_that_fails_tells_why_and_what_there_was() {
        let mut encoder = Encoder::new(wishes());
        let mut out = Vec::new();
        encoder.push(&Event::Text { choice: 0, text: "a".into() }, &mut out);
        assert!(encoder.fail(&ApiError::provider(502, "upstream_error", "broke"), &mut out));
        let events = read_events(&String::from_utf8(out).unwrap());
        let [.., error, failed] = &events[..] else { panic!() };
        assert_eq!((&error["type"], &error["error"]["message"]), (&"error".into(), &"broke".into()));
        assert_eq!(failed["response"]["status"], "failed");
        assert_eq!(failed["response"]["error"]["code"], "server_error");
        assert_eq!(failed["response"]["output"][0]["content"][0]["text"], "a");
    }

    #[test]
    fn an_answer_without_a_word_is_one() {
        let document: serde_json::Value = serde_json::from_str(&document_of(&Response::default())).unwrap();
        assert_eq!((&document["id"], &document["model"]), (&"resp_1".into(), &"m".into()));
        assert_eq!((&document["status"], &document["created_at"]), (&"completed".into(), &7.into()));
        assert_eq!(document["output"], serde_json::json!([]));
    }
}
