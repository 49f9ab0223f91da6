//! The dialect as a whole: what goes through it comes out as it was meant.

use super::{Anthropic, decode_response::Decoder};
use crate::{
    dialect::{
        ClientDialect, Encoded, ProviderDialect, Quirks, Recipient, StreamFraming, Translator, Wishes,
        fixtures::{harmed, streamed, whole},
        openai_chat::OpenAiChat,
    },
    ir::{ApiError, Effort, Event, Origin, Profile, Request, Response, Signed, Text, Thinking, Usage},
};

/// A stream with all that Claude says: thoughts, texts with their sources, two calls, and tools of its own.
const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm\\u2026\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"redacted_thinking\",\"data\":\"cmVk\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"query\\\":\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"é\\\"}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"srvtoolu_1\",\"content\":[{\"n\":12345678901234567890}]}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":3}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":4,\"content_block\":{\"type\":\"text\",\"text\":\"\",\"citations\":[]}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"text_delta\",\"text\":\"Noon 😀\\ud83d\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\ude00\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"citations_delta\",\"citation\":{\"type\":\"web_search_result_location\",\"url\":\"https://h/a\",\"title\":\"A\",\"cited_text\":\"q\",\"encrypted_index\":\"e\"}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"future_delta\",\"x\":1}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":4}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":5,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":5,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":5,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"b\\\":1e400,\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":5,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"a\\\":\\\"}\\\"}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":5}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":6,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"g\",\"input\":{}}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":6}\n\n",
    "event: future\ndata: {\"type\":\"future\",\"x\":[]}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":8}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

/// Bytes between two places where it is broken.
const BROKEN_STEP: usize = 23;

/// The same answer at once.
const DOCUMENT: &str = concat!(
    "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[",
    "{\"type\":\"thinking\",\"thinking\":\"Hm\\u2026\",\"signature\":\"c2ln\"},{\"type\":\"redacted_thinking\",\"data\":\"cmVk\"},",
    "{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{\"query\":\"é\"}},",
    "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"srvtoolu_1\",\"content\":[{\"n\":12345678901234567890}]},",
    "{\"type\":\"text\",\"text\":\"Noon 😀\\ud83d\\ude00\",\"citations\":[{\"type\":\"web_search_result_location\",\"url\":\"https://h/a\",\"title\":\"A\",\"cited_text\":\"q\",\"encrypted_index\":\"e\"}]},",
    "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"b\":1e400,\"a\":\"}\"}},",
    "{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"g\",\"input\":{}}],",
    "\"stop_reason\":\"tool_use\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":5,\"output_tokens\":8}}",
);

fn of_stream<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Response {
    let read = streamed(Decoder::default(), StreamFraming::Sse, pieces);
    assert!(read.is_complete);
    read.response
}

fn of_document(text: &str) -> Response {
    let read = whole(Decoder::default(), text);
    assert!(read.is_complete);
    read.response
}

fn encoded_for(request: &Request<'_>, profile: &Profile) -> (String, Encoded) {
    asked_of(request, profile, &Quirks::OWNER).unwrap()
}

fn asked_of(
    request: &Request<'_>,
    profile: &Profile,
    quirks: &Quirks,
) -> Result<(String, Encoded), ApiError> {
    let recipient = Recipient { model: "claude-x", profile, quirks, is_strict: false };
    let mut out = Vec::new();
    let encoded = Anthropic.encode_request(request, &recipient, &mut out)?;
    Ok((String::from_utf8(out).unwrap(), encoded))
}

/// What Claude is asked for an OpenAI client: the members behind `max_tokens`, and what became of the rest.
pub(super) fn asked(members: &str, profile: &Profile) -> Result<(String, Encoded), ApiError> {
    let body = format!("{{\"max_tokens\":99,{members}}}");
    let request = OpenAiChat.decode_request(&body).unwrap();
    let (asked, encoded) = asked_of(&request, profile, &Quirks::OWNER)?;
    let front = r#"{"model":"claude-x","max_tokens":99,"#;
    let members = asked.strip_prefix(front).and_then(|asked| asked.strip_suffix('}')).unwrap();
    Ok((members.to_owned(), encoded))
}

/// The same of messages alone.
pub(super) fn asked_messages(messages: &str, profile: &Profile) -> String {
    asked(&format!("\"messages\":[{messages}]"), profile).unwrap().0
}

fn translated(answer: &str, encoded: Encoded) -> Result<String, ApiError> {
    let wishes = Wishes {
        model: "m".to_owned(),
        id: "chatcmpl-1".to_owned(),
        created: 7,
        includes_usage: true,
        ..Wishes::default()
    };
    let mut translator = Translator::new(&Anthropic, true, &OpenAiChat, true, encoded, wishes);
    let mut out = Vec::new();
    for byte in answer.as_bytes().chunks(1) {
        translator.push(byte, &mut out)?;
    }
    translator.finish(&mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn an_openai_client_and_claude_understand_each_other() {
    let body = r#"{"model":"claude-x","stream":true,"stream_options":{"include_usage":true},"parallel_tool_calls":false,
        "messages":[{"role":"system","content":"S"},{"role":"user","content":"q"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"now","arguments":""}}]},
        {"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"user","content":"and?"}],
        "tools":[{"type":"function","function":{"name":"now"}}]}"#;
    let profile = Profile { output_tokens_max: Some(64_000), ..Profile::default() };
    let (asked, encoded) = encoded_for(&OpenAiChat.decode_request(body).unwrap(), &profile);
    let expected = concat!(
        r#"{"model":"claude-x","max_tokens":64000,"stream":true,"system":[{"type":"text","text":"S"}],"#,
        r#""messages":[{"role":"user","content":[{"type":"text","text":"q"}]},"#,
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"now","input":{}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"12:00"},{"type":"text","text":"and?"}]}],"#,
        r#""tools":[{"name":"now","input_schema":{"type":"object","properties":{}}}],"#,
        r#""tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
    );
    assert_eq!(asked, expected);
    assert!(encoded.dropped.is_empty() && encoded.dropped_extra.is_empty());

    let answer = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-x\",\"content\":[],\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_9\",\"name\":\"now\",\"input\":{}}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":8}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let told = translated(answer, encoded).unwrap();
    let chunks: Vec<_> = told.split("\n\n").filter(|chunk| !chunk.is_empty()).collect();
    let holds = [
        r#""delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null"#,
        r#""tool_calls":[{"index":0,"id":"toolu_9","type":"function","function":{"name":"now","arguments":""}}]"#,
        r#""tool_calls":[{"index":0,"function":{"arguments":"{}"}}]"#,
        r#""delta":{},"finish_reason":"tool_calls""#,
        r#""choices":[],"usage":{"prompt_tokens":25,"completion_tokens":8,"total_tokens":33,"prompt_tokens_details":{"cached_tokens":5"#,
        "data: [DONE]",
    ];
    assert_eq!(chunks.len(), holds.len(), "{told}");
    for (chunk, part) in chunks.iter().zip(holds) {
        assert!(chunk.contains(part), "{chunk}");
    }
}

#[test]
fn a_stream_and_a_document_of_the_same_answer_are_the_same() {
    let response = of_stream([STREAM.as_bytes()]);
    assert_eq!(response, of_document(DOCUMENT));
    let choice = &response.choices[0];
    assert_eq!((choice.pieces.len(), choice.calls_tools()), (7, true));
    let usage = response.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.output_tokens), (25, 5, 8));
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let whole = of_stream([STREAM.as_bytes()]);
    for size in 1..100 {
        assert_eq!(of_stream(STREAM.as_bytes().chunks(size)), whole, "{size}");
    }
}

#[test]
fn an_answer_may_be_broken_anywhere() {
    harmed(Decoder::default, &["message_start", "content_block_delta"], DOCUMENT);
    for at in (0..STREAM.len()).step_by(BROKEN_STEP) {
        let stream: Vec<u8> = [&STREAM.as_bytes()[..at], &STREAM.as_bytes()[at + 1..]].concat();
        let mut translator =
            Translator::new(&Anthropic, true, &Anthropic, true, Encoded::default(), Wishes::default());
        let mut out = Vec::new();
        let told = translator.push(&stream, &mut out).and_then(|()| translator.finish(&mut out));
        assert!(
            told.is_err() || out.ends_with(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
            "{at}"
        );
    }
}

#[test]
fn what_is_told_to_a_client_of_the_same_dialect_is_what_claude_said() {
    // The marks by which only Claude finds its sources are not kept.
    let response = of_document(DOCUMENT);
    let wishes = Wishes { model: "m".to_owned(), id: "i".to_owned(), ..Wishes::default() };
    let mut document = Vec::new();
    Anthropic.encode_document(&response, &wishes, &mut document);
    assert_eq!(of_document(std::str::from_utf8(&document).unwrap()), response);

    let mut stream = Vec::new();
    let mut encoder = Anthropic.stream_encoder(&wishes);
    let mut decoder = Anthropic.response_decoder();
    decoder.document(DOCUMENT, &mut |event| encoder.push(&event, &mut stream)).unwrap();
    encoder.finish(&mut stream);
    assert_eq!(of_stream([&stream[..]]), response);
}

#[test]
fn a_stream_that_breaks_or_fails_is_an_error() {
    let cut = &STREAM[..STREAM.find("event: message_stop").unwrap()];
    assert_eq!(translated(cut, Encoded::default()).unwrap_err().code, Some("upstream_incomplete"));
    let failed = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
    for answer in [failed.to_owned(), format!("{cut}{failed}")] {
        let error = translated(&answer, Encoded::default()).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (503, "busy"));
    }
}

#[test]
fn a_request_means_the_same_when_it_has_been_through() {
    let body = r#"{"model":"m","max_tokens":900,"stream":true,"temperature":0.5,"top_k":3,"stop_sequences":["x"],
        "system":[{"type":"text","text":"R\u00e9","cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "messages":[{"role":"user","content":[{"type":"text","text":"q"},
            {"type":"image","source":{"type":"url","url":"https://h/i.png"}},
            {"type":"document","source":{"type":"text","media_type":"text/plain","data":"D"},"title":"t","context":"c","citations":{"enabled":true}}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":" h ","signature":"s=="},{"type":"redacted_thinking","data":"r"},
            {"type":"server_tool_use","id":"x","name":"web_search","input":{}},
            {"type":"text","text":"t","citations":[{"type":"web_search_result_location","url":"https://h","encrypted_index":"e"}]},
            {"type":"tool_use","id":"t1","name":"f","input":{"b": 1e400, "a":12345678901234567890}},{"type":"tool_use","id":"t2","name":"g","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"bad"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}}]},
            {"type":"tool_result","tool_use_id":"t2"},{"type":"text","text":"u","cache_control":{"type":"ephemeral"}}]},
        {"role":"system","content":[{"type":"text","text":"S"}]}],
        "tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"b":{}}},"cache_control":{"type":"ephemeral"}},
            {"name":"g","input_schema":{"type":"object"},"defer_loading":true},{"type":"web_search_20250305","name":"web_search"}],
        "tool_choice":{"type":"auto","disable_parallel_tool_use":true},"service_tier":"standard_only","metadata":{"user_id":"u-1"},
        "output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}},"task_budget":{"x":1}},
        "container":"c"}"#;
    let request = Anthropic.decode_request(body).unwrap();
    let (again, encoded) = encoded_for(&request, &Profile::default());
    assert_eq!((encoded.dropped, encoded.dropped_extra), (Vec::new(), Vec::new()));
    let returned = Anthropic.decode_request(&again).unwrap();
    assert_eq!(returned, request);
    assert_eq!(encoded_for(&returned, &Profile::default()).0, again);
}

#[test]
fn thinking_means_the_same_when_it_has_been_through() {
    let profile = Profile { thinking: Thinking::AdaptiveOrBudget, ..Profile::default() };
    for said in [
        r#""thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"xhigh"}"#,
        r#""thinking":{"type":"adaptive","display":"omitted"}"#,
        r#""thinking":{"type":"enabled","budget_tokens":2000}"#,
        r#""thinking":{"type":"disabled"}"#,
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"q"}}],"max_tokens":9000,{said}}}"#);
        let (again, _) = encoded_for(&Anthropic.decode_request(&body).unwrap(), &profile);
        assert!(again.ends_with(&format!("{said}}}")), "{again}");
    }
}

#[test]
fn signatures_of_others_come_back_to_their_makers_only() {
    let signed = |origin, data| Event::Signature {
        choice: 0,
        on: Signed::Reasoning,
        origin,
        data: Text::escaped(data),
    };
    let mut response = Response::default();
    for (origin, data) in [(Origin::OpenAi, "b2Fp"), (Origin::Anthropic, "Y2xk")] {
        response.push(&Event::Reasoning { choice: 0, text: Text::escaped("h") });
        response.push(&signed(origin, data));
    }
    response.push(&Event::RedactedReasoning {
        choice: 0,
        origin: Origin::Google,
        data: Text::escaped("Z29v"),
    });
    response.push(&Event::Text { choice: 0, text: Text::escaped("t") });
    let mut document = Vec::new();
    Anthropic.encode_document(&response, &Wishes::default(), &mut document);
    let document = String::from_utf8(document).unwrap();
    let start = document.find("\"content\":").unwrap();
    let content = &document[start..document.find(",\"stop_reason\"").unwrap()];
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":"q"}},{{"role":"assistant",{content}}},{{"role":"user","content":"r"}}]}}"#
    );
    let request = Anthropic.decode_request(&body).unwrap();
    let seals: Vec<_> = request.messages[1].parts.iter().filter_map(|part| part.signature.as_ref()).collect();
    assert_eq!(seals.iter().map(|seal| seal.origin).collect::<Vec<_>>(), [Origin::OpenAi, Origin::Anthropic]);
    assert!(seals[0].data.is("b2Fp") && seals[1].data.is("Y2xk"));
    let (asked, encoded) = encoded_for(&request, &Profile::default());
    assert!(asked.contains("Y2xk") && !asked.contains("b2Fp") && !asked.contains("Z29v"), "{asked}");
    assert!(encoded.dropped.is_empty());
}

#[test]
fn an_anthropic_client_is_told_what_another_model_says() {
    let wishes = Wishes { model: "gpt".to_owned(), id: "i".to_owned(), ..Wishes::default() };
    let answer = concat!(
        "data: {\"id\":\"c1\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"index\":1,\"id\":\"t2\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"y\\\":\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\":1}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"2}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":10}}}\n\n",
        "data: [DONE]\n\n",
    );
    let mut translator = Translator::new(&OpenAiChat, true, &Anthropic, true, Encoded::default(), wishes);
    let mut out = Vec::new();
    translator.push(answer.as_bytes(), &mut out).unwrap();
    translator.finish(&mut out).unwrap();
    let told = String::from_utf8(out).unwrap();
    let expected = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"c1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"gpt-x\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":0}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"x\\\":1}\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"y\\\":\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"2}\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":20,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":10,\"output_tokens\":4}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    assert_eq!(told, expected);
}

#[test]
fn efforts_and_usage_are_what_they_are_in_any_dialect() {
    let body = r#"{"messages":[{"role":"user","content":"q"}],"reasoning_effort":"high"}"#;
    let profile = Profile {
        thinking: Thinking::Adaptive,
        efforts: vec![Effort::Low, Effort::High],
        ..Profile::default()
    };
    let (asked, _) = encoded_for(&OpenAiChat.decode_request(body).unwrap(), &profile);
    assert!(asked.contains(
        r#""thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}"#
    ));
    let usage = Usage {
        input_tokens: 9,
        cache_read_tokens: 2,
        cache_write_tokens: 3,
        output_tokens: 1,
        ..Usage::default()
    };
    let response = Response { usage: Some(usage), ..Response::default() };
    let mut document = Vec::new();
    Anthropic.encode_document(&response, &Wishes::default(), &mut document);
    assert_eq!(of_document(std::str::from_utf8(&document).unwrap()).usage, Some(usage));
}
