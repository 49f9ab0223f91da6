use super::super::{Gemini, decode_response::Decoder};
use crate::{
    dialect::{
        ClientDialect, Encoded, ProviderDialect, StreamFraming, Translator, Wishes, fixtures, json::document,
        openai_chat::OpenAiChat,
    },
    ir::{ApiError, Event, Finish, Piece, Response, Text},
};

fn translated(
    provider: &'static dyn ProviderDialect,
    client: &'static dyn ClientDialect,
    is_streamed: (bool, bool),
    pieces: &[&[u8]],
    wishes: &Wishes,
) -> Result<String, ApiError> {
    let encoded = Encoded::default();
    let mut translator =
        Translator::new(provider, is_streamed.0, client, is_streamed.1, encoded, wishes.clone());
    let mut out = Vec::new();
    for piece in pieces {
        translator.push(piece, &mut out)?;
    }
    translator.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// The events of a stream of one chunk, as they are printed.
fn events(chunk: &str) -> Vec<String> {
    let stream = format!("data: {chunk}\r\n\r\n");
    fixtures::streamed(Decoder::default(), StreamFraming::Sse, [stream.as_bytes()]).events
}

const STREAM: &str = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Hm\",\"thought\":true}]},\"index\":0}],\"modelVersion\":\"gemini-3\",\"responseId\":\"r1\",\"usageMetadata\":{\"promptTokenCount\":5,\"totalTokenCount\":5}}\r\n\r\n\
data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Grüße \\ud83d\\ude00\"}]}}]}\r\n\r\n\
data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"z\":12345678901234567890,\"a\":1.0}},\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"x\",\"name\":\"g\"}}]}}]}\r\n\r\n\
data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"dGV4dA==\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":3,\"cachedContentTokenCount\":1,\"totalTokenCount\":10}}\r\n\r\n";
const DOCUMENT: &str = r#"{
  "candidates": [
    {
      "content": {
        "role": "model",
        "parts": [
          {"text": "Hm", "thought": true},
          {"text": "Grüße \ud83d\ude00"},
          {"functionCall": {"name": "f", "args": { "z": 12345678901234567890, "a": 1.0 }}, "thoughtSignature": "c2ln"},
          {"functionCall": {"id": "x", "name": "g"}},
          {"text": "", "thoughtSignature": "dGV4dA=="}
        ]
      },
      "finishReason": "STOP",
      "index": 0
    }
  ],
  "modelVersion": "gemini-3", "responseId": "r1",
  "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "cachedContentTokenCount": 1, "totalTokenCount": 10}
}"#;

fn wishes() -> Wishes {
    Wishes { model: "m".into(), id: "i".into(), created: 7, includes_usage: true, ..Wishes::default() }
}

/// What the events of an answer come to.
fn folded(is_streamed: bool, text: &str) -> Response {
    let read = if is_streamed {
        fixtures::streamed(Decoder::default(), StreamFraming::Sse, [text.as_bytes()])
    } else {
        fixtures::whole(Decoder::default(), text)
    };
    assert!(read.is_complete);
    read.response
}

#[test]
fn an_answer_is_the_same_streamed_and_at_once() {
    let stream = STREAM.as_bytes();
    let read = fixtures::streamed_however_cut(Decoder::default, StreamFraming::Sse, stream, 16);
    assert_eq!(read.response, folded(false, DOCUMENT));
    fixtures::harmed(Decoder::default, &[""], DOCUMENT);
    let response = read.response;
    let usage = response.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.reasoning_tokens), (5, 5, 3));
}

#[test]
fn an_openai_client_reads_what_google_says_however_it_comes() {
    let document =
        translated(&Gemini, &OpenAiChat, (false, false), &[DOCUMENT.as_bytes()], &wishes()).unwrap();
    let from_stream =
        translated(&Gemini, &OpenAiChat, (true, false), &[STREAM.as_bytes()], &wishes()).unwrap();
    assert_eq!(document, from_stream);
    for said in [
        r#""content":"Grüße \ud83d\ude00""#,
        r#""reasoning_content":"Hm""#,
        r#""arguments":"{\"z\":12345678901234567890,\"a\":1.0}"},"extra_content":{"google":{"thought_signature":"c2ln"}}"#,
        r#"{"id":"x","type":"function","function":{"name":"g","arguments":"{}"}}"#,
        r#""finish_reason":"tool_calls""#,
        r#""total_tokens":10"#,
    ] {
        assert!(document.contains(said), "{said} is not in {document}");
    }
    let whole = translated(&Gemini, &OpenAiChat, (true, true), &[STREAM.as_bytes()], &wishes()).unwrap();
    assert!(
        whole.ends_with("data: [DONE]\n\n") && whole.matches("\"finish_reason\":\"tool_calls\"").count() == 1
    );
    for cut in 0..=STREAM.len() {
        let (front, back) = STREAM.as_bytes().split_at(cut);
        let split = translated(&Gemini, &OpenAiChat, (true, true), &[front, back], &wishes()).unwrap();
        assert_eq!(split, whole, "{cut}");
    }
    let bytes: Vec<_> = STREAM.as_bytes().chunks(1).collect();
    assert_eq!(translated(&Gemini, &OpenAiChat, (true, true), &bytes, &wishes()).unwrap(), whole);
}

#[test]
fn what_a_client_of_googles_gets_means_what_was_said() {
    for (is_streamed, text) in [(true, STREAM), (false, DOCUMENT)] {
        let expected = folded(is_streamed, text);
        let stream =
            translated(&Gemini, &Gemini, (is_streamed, true), &[text.as_bytes()], &wishes()).unwrap();
        let document =
            translated(&Gemini, &Gemini, (is_streamed, false), &[text.as_bytes()], &wishes()).unwrap();
        let document = folded(false, &document);
        assert_eq!(document.usage, expected.usage);
        let calls = |response: &Response| {
            let pieces = &response.choices[0].pieces;
            pieces.iter().filter(|piece| matches!(piece, Piece::ToolCall { .. })).cloned().collect::<Vec<_>>()
        };
        let mut silent = calls(&expected);
        if let Some(Piece::ToolCall { input, .. }) = silent.last_mut() {
            input.push_str("{}");
        }
        assert_eq!(calls(&document), silent);
        let streamed = folded(true, &stream);
        assert_eq!(calls(&streamed), silent);
        assert_eq!(streamed.choices[0].text(), expected.choices[0].text());
        assert_eq!(streamed.choices[0].reasoning(), expected.choices[0].reasoning());
        assert_eq!((streamed.id, streamed.usage), (expected.id, expected.usage));
    }
}

#[test]
fn a_stream_that_nobody_wants_as_events_is_one_list() {
    let wishes = Wishes { is_json_array: true, ..wishes() };
    let list = translated(&Gemini, &Gemini, (true, true), &[STREAM.as_bytes()], &wishes).unwrap();
    let chunks = document::decode(list.as_bytes()).unwrap();
    let chunks = chunks.as_array().unwrap();
    assert!(list.starts_with("[{") && list.ends_with("}\n]") && list.contains("}\n,\n{"));
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["totalTokenCount"], 10);
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["candidates"][0]["finishReason"].is_null()));
    let error = ApiError::provider(503, "server_is_overloaded", "busy");
    for begun in [false, true] {
        let mut encoder = Gemini.stream_encoder(&wishes);
        let mut out = Vec::new();
        if begun {
            encoder.push(&Event::Text { choice: 0, text: "a".into() }, &mut out);
        }
        out.extend_from_slice(encoder.heartbeat().unwrap());
        assert!(encoder.fail(&error, &mut out));
        let list = document::decode(&out).unwrap();
        assert_eq!(list.as_array().unwrap().last().unwrap()["error"]["status"], "UNAVAILABLE");
    }
    assert!(!Gemini.stream_encoder(&Wishes::default()).fail(&error, &mut Vec::new()));
}

#[test]
fn calls_of_another_dialect_are_told_whole_and_in_their_order() {
    let chunk = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
    let call = |index: u8, more: &str| chunk(&format!(r#"{{"tool_calls":[{{"index":{index},{more}}}]}}"#));
    let stream = [
        call(0, r#""id":"a","function":{"name":"f","arguments":"{\"x\""}"#),
        call(1, r#""id":"b","function":{"name":"g","arguments":""}"#),
        call(0, r#""function":{"arguments":":1}"}"#),
        call(0, r#""extra_content":{"google":{"thought_signature":"s"}}"#),
        chunk(r#"{"content":"then"}"#),
        call(2, r#""id":"c","function":{"name":"h","arguments":"{\"cut"}"#),
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n"
            .to_owned(),
    ]
    .concat();
    let told = translated(&OpenAiChat, &Gemini, (true, true), &[stream.as_bytes()], &wishes()).unwrap();
    let parts: Vec<_> = told
        .split("\r\n\r\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .map(|data| {
            document::decode(data.as_bytes()).unwrap()["candidates"][0]["content"]["parts"][0].to_string()
        })
        .collect();
    assert_eq!(
        parts,
        [
            r#"{"functionCall":{"id":"a","name":"f","args":{"x":1}},"thoughtSignature":"s"}"#,
            r#"{"text":"then"}"#,
            r#"{"functionCall":{"id":"b","name":"g","args":{}}}"#,
            r#"{"functionCall":{"id":"c","name":"h","args":{"_raw":"{\"cut"}}}"#,
            r#"{"text":""}"#,
        ]
    );
    assert!(told.contains("\"finishReason\":\"MAX_TOKENS\""));
}

#[test]
fn calls_without_names_get_the_same_ones_each_time() {
    let chunk = r#"{"responseId":"r","candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}]}"#;
    let ids = |response: Response| {
        response.choices[0]
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::ToolCall { id, .. } => Some(id.to_plain().into_owned()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let first = ids(folded(false, chunk));
    assert!(
        first.iter().all(|id| id.len() == 29 && id[5..].bytes().all(|byte| byte.is_ascii_alphanumeric()))
    );
    assert!(first.len() == 2 && first[0] != first[1]);
    assert_eq!(first, ids(folded(false, chunk)));
    assert_ne!(first, ids(folded(false, &chunk.replace("\"r\"", "\"s\""))));
}

#[test]
fn every_end_means_something() {
    let end = |reason: &str, parts: &str| {
        let text =
            format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"finishReason":"{reason}"}}]}}"#);
        folded(false, &text)
    };
    for (reason, expected) in [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("OTHER", Finish::ContentFilter),
        ("SOMETHING_NEW", Finish::Other),
    ] {
        let response = end(reason, r#"{"text":"a"}"#);
        assert_eq!(response.choices[0].finish, Some(expected));
        assert_eq!(response.choices[0].native_finish.as_ref().map(Text::as_escaped), Some(reason));
    }
    let broken = end("MALFORMED_FUNCTION_CALL", "").error.unwrap();
    assert_eq!((broken.status, broken.code), (502, Some("upstream_malformed_answer")));
    assert!(end("MALFORMED_FUNCTION_CALL", r#"{"text":"a"}"#).error.is_none());
    let blocked = folded(
        false,
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#,
    );
    assert_eq!(blocked.choices[0].finish, Some(Finish::ContentFilter));
    assert_eq!(blocked.choices[0].refusal().as_deref(), Some("SAFETY"));
    assert_eq!(folded(false, "{}").error.unwrap().status, 502);
}

#[test]
fn a_stream_is_at_its_end_when_google_says_so() {
    let mut decoder = Gemini.response_decoder();
    let mut errors = 0;
    let mut sink = |event: Event<'_>| errors += usize::from(matches!(event, Event::Error(_)));
    decoder.event("", r#"{"usageMetadata":{"promptTokenCount":4}}"#, &mut sink).unwrap();
    decoder.event("", r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#, &mut sink).unwrap();
    assert!(!decoder.is_complete());
    decoder.event("", r#"{"candidates":[{"finishReason":"STOP"}],"unknown":[{}]}"#, &mut sink).unwrap();
    assert!(decoder.is_complete());
    decoder.event("", r#"{"error":{"code":429,"message":"slow"}}"#, &mut sink).unwrap();
    assert_eq!(errors, 1);
    let cut = translated(&Gemini, &OpenAiChat, (true, true), &[&STREAM.as_bytes()[..300]], &wishes());
    assert_eq!(cut.unwrap_err().code, Some("upstream_incomplete"));
}

#[test]
fn answers_of_any_shape_are_passed_over() {
    for odd in [
        r#"{"candidates":{},"usageMetadata":[],"promptFeedback":1,"responseId":7}"#,
        r#"{"candidates":[null,{"content":null},{"content":{"parts":null}},{"content":{"parts":[null,1,{},{"text":3},{"functionCall":{}},{"inlineData":{}}]}}]}"#,
        r#"{"candidates":[{"index":-1,"finishReason":3,"groundingMetadata":{"groundingChunks":[1],"groundingSupports":[{"segment":1}]},"logprobsResult":[]}]}"#,
        r#"{"error":null}"#,
    ] {
        let seen = events(odd);
        assert!(
            seen.iter().all(|event| event.starts_with("Begin") || event.starts_with("Usage")),
            "{seen:?}"
        );
    }
    let opaque = events(
        r#"{"candidates":[{"content":{"parts":[{"executableCode":{"code":"1"}},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}]}"#,
    );
    assert!(opaque[1].starts_with("Opaque") && opaque[2].starts_with("Media"));
}

#[test]
fn sources_are_told_once_and_by_characters() {
    let chunk = |more: &str| format!("data: {{\"candidates\":[{{{more}}}]}}\n\n");
    let grounding = r#""groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}],"groundingSupports":[{"segment":{"startIndex":5,"endIndex":9,"text":"sun."},"groundingChunkIndices":[0]}]}"#;
    let stream = [
        chunk(r#""content":{"parts":[{"text":"é "}]}"#),
        chunk(&format!(r#""content":{{"parts":[{{"text":"a sun."}}]}},{grounding}"#)),
        chunk(&format!(r#"{grounding},"finishReason":"STOP""#)),
    ]
    .concat();
    let document = translated(&Gemini, &OpenAiChat, (true, false), &[stream.as_bytes()], &wishes()).unwrap();
    let citation = r#""annotations":[{"type":"url_citation","url_citation":{"start_index":4,"end_index":8,"url":"https://a","title":"A"}}]"#;
    assert!(document.contains(citation), "{document}");
    for is_streamed in [true, false] {
        let own = translated(&Gemini, &Gemini, (true, is_streamed), &[stream.as_bytes()], &wishes()).unwrap();
        let again =
            translated(&Gemini, &OpenAiChat, (is_streamed, false), &[own.as_bytes()], &wishes()).unwrap();
        assert!(again.contains(citation), "{again}");
    }
}

#[test]
fn a_call_without_input_is_told_to_an_openai_client_as_it_expects_it() {
    let stream = "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":\"call_9\",\"name\":\"now\"}}]},\"index\":0}],\"modelVersion\":\"gemini-3\",\"responseId\":\"r\"}\r\n\r\n\
        data: {\"candidates\":[{\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":25,\"cachedContentTokenCount\":5,\"candidatesTokenCount\":8,\"totalTokenCount\":33}}\r\n\r\n";
    let told = translated(&Gemini, &OpenAiChat, (true, true), &[stream.as_bytes()], &wishes()).unwrap();
    let front =
        r#"data: {"id":"r","object":"chat.completion.chunk","created":7,"model":"gemini-3","choices":["#;
    let chunk = |inside: &str| format!("{front}{{\"index\":0,{inside}}}],\"usage\":null}}\n\n");
    let call = |more: &str| {
        chunk(&format!(r#""delta":{{"tool_calls":[{{"index":0,{more}}}]}},"finish_reason":null"#))
    };
    let expected = [
        chunk(r#""delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null"#),
        call(r#""id":"call_9","type":"function","function":{"name":"now","arguments":""}"#),
        call(r#""function":{"arguments":"{}"}"#),
        chunk(r#""delta":{},"finish_reason":"tool_calls""#),
        format!(
            r#"{front}],"usage":{{"prompt_tokens":25,"completion_tokens":8,"total_tokens":33,"prompt_tokens_details":{{"cached_tokens":5,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0}}}}}}"#
        ) + "\n\n",
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(told, expected.concat());
    let back = translated(&OpenAiChat, &Gemini, (true, true), &[told.as_bytes()], &wishes()).unwrap();
    let end = r#""modelVersion":"gemini-3","responseId":"r"}"#;
    let expected = [
        r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"call_9","name":"now","args":{}}}],"role":"model"},"index":0}],"#,
        end,
        "\r\n\r\n",
        r#"data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":25,"candidatesTokenCount":8,"cachedContentTokenCount":5,"totalTokenCount":33},"#,
        end,
        "\r\n\r\n",
    ];
    assert_eq!(back, expected.concat());
}
