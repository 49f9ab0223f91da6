use super::super::Gemini;
use crate::{
    dialect::{
        ClientDialect, Encoded, ProviderDialect, Quirks, Recipient, json::scan, openai_chat::OpenAiChat,
    },
    ir::{ApiError, Content, Profile, Text},
};

/// Of the third generation, at AI Studio.
fn third() -> Profile {
    Profile { wants_signatures: true, ..Profile::default() }
}

/// Of the generation before.
fn second() -> Profile {
    Profile {
        takes_call_ids: false,
        takes_schema_with_tools: false,
        takes_images_in_results: false,
        takes_search_with_tools: false,
        takes_image_detail: false,
        ..Profile::default()
    }
}

fn encoded_by(
    client: &dyn ClientDialect,
    body: &str,
    profile: &Profile,
    quirks: &Quirks,
) -> Result<(String, Encoded), ApiError> {
    let request = client.decode_request(body).unwrap();
    let recipient = Recipient { model: "gemini-x", profile, quirks, is_strict: false };
    let mut out = Vec::new();
    let encoded = Gemini.encode_request(&request, &recipient, &mut out)?;
    let text = String::from_utf8(out).unwrap();
    assert!(scan(text.as_bytes()).is_ok());
    Ok((text, encoded))
}

fn encoded(body: &str) -> String {
    encoded_by(&OpenAiChat, body, &third(), &Quirks::OWNER).unwrap().0
}

/// A conversation with these members beside its one message.
fn asked(members: &str) -> String {
    encoded(&format!(r#"{{"messages":[{{"role":"user","content":"q"}}],{members}}}"#))
}

/// What stands behind the one message.
fn beside(members: &str) -> String {
    let front = r#"{"contents":[{"role":"user","parts":[{"text":"q"}]}],"#;
    asked(members).strip_prefix(front).unwrap().to_owned()
}

const GOLDEN: &str = r#"{"model":"gemini-3","stream":true,"stream_options":{"include_usage":true},"parallel_tool_calls":false,
 "messages":[{"role":"system","content":"S"},{"role":"user","content":"q"},
  {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"now","arguments":""}}]},
  {"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"user","content":"and?"}],
 "tools":[{"type":"function","function":{"name":"now"}}]}"#;
const GOLDEN_GEMINI: &str = r#"{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"id":"call_1","name":"now","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"now","response":{"output":"12:00"}}},{"text":"and?"}]}],"tools":[{"functionDeclarations":[{"name":"now"}]}]}"#;

#[test]
fn a_conversation_with_a_tool_is_asked_as_google_wants_it() {
    let (text, told) = encoded_by(&OpenAiChat, GOLDEN, &third(), &Quirks::OWNER).unwrap();
    assert_eq!(text, GOLDEN_GEMINI);
    assert_eq!(told.dropped, ["parallel_tool_calls"]);
    let vertex = Quirks { takes_call_ids: false, ..Quirks::OWNER };
    let (text, _) = encoded_by(&OpenAiChat, GOLDEN, &third(), &vertex).unwrap();
    assert_eq!(text, GOLDEN_GEMINI.replace(r#""id":"call_1","#, ""));
}

#[test]
fn the_same_conversation_comes_from_a_client_of_googles() {
    let request = Gemini.decode_request(GOLDEN_GEMINI).unwrap();
    let recipient =
        Recipient { model: "m", profile: &Profile::default(), quirks: &Quirks::OWNER, is_strict: false };
    let mut out = Vec::new();
    OpenAiChat.encode_request(&request, &recipient, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for said in [
        r#"{"role":"system","content":"S"}"#,
        r#""tool_calls":[{"id":"call_1","type":"function","function":{"name":"now","arguments":"{}"}"#,
        r#"{"role":"tool","tool_call_id":"call_1","content":"12:00"},{"role":"user","content":"and?"}]"#,
        r#""tools":[{"type":"function","function":{"name":"now"}}]"#,
    ] {
        assert!(text.contains(said), "{said} is not in {text}");
    }
}

#[test]
fn results_stand_in_the_order_of_their_calls_and_are_objects() {
    let body = r#"{"messages":[{"role":"user","content":"q"},
        {"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"b\": 1e400}"}},{"id":"b","function":{"name":"9 g","arguments":"[1]"}}]},
        {"role":"tool","tool_call_id":"b","content":"{\"x\": {\"$ref\":\"y\"}}"},
        {"role":"system","content":"between"},
        {"role":"tool","tool_call_id":"a","content":" {\"z\":1,\"a\":2}"}]}"#;
    let (text, _) = encoded_by(&OpenAiChat, body, &third(), &Quirks::OWNER).unwrap();
    assert!(text.contains(r#"{"functionCall":{"id":"a","name":"f","args":{"b": 1e400}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"b","name":"t_9_g_"#));
    assert!(text.contains(r#""args":{"input":[1]}}}]}"#));
    let results = text.split(r#"{"role":"user","parts":["#).nth(2).unwrap();
    assert!(results.starts_with(r#"{"functionResponse":{"id":"a","name":"f","response":{"z":1,"a":2}}},{"functionResponse":{"id":"b","name":"t_9_g_"#));
    assert!(
        results.ends_with(r#""response":{"output":"{\"x\": {\"$ref\":\"y\"}}"}}},{"text":"between"}]}]}"#),
        "{results}"
    );
}

#[test]
fn a_seal_comes_back_on_just_the_part_that_it_was_on() {
    let body = r#"{"messages":[{"role":"user","content":"q"},
        {"role":"assistant","content":"t","extra_content":{"google":{"thought_signature":"on-text"}},
         "reasoning_details":[{"type":"reasoning.text","text":"r","signature":"foreign","format":"anthropic-claude-v1"}],
         "tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"name":"g"},"extra_content":{"google":{"thought_signature":"on-g"}}}]}]}"#;
    let text = encoded(body);
    assert!(text.contains(r#"{"role":"model","parts":[{"text":"t","thoughtSignature":"on-text"},{"functionCall":{"id":"a","name":"f","args":{}}},{"functionCall":{"id":"b","name":"g","args":{}},"thoughtSignature":"on-g"}]}"#));
    let unsealed = encoded_by(&OpenAiChat, GOLDEN, &second(), &Quirks::OWNER).unwrap().0;
    assert!(!unsealed.contains("thoughtSignature") && !unsealed.contains("call_1"));
}

#[test]
fn tools_and_choices_are_told_in_googles_words() {
    let tools = |members: &str| {
        beside(&format!(
            r#""tools":[{{"type":"function","function":{{"name":"f","description":"d","parameters":{{"$schema":"x","z":1.0,"a":2}}}}}},{{"type":"function","function":{{"name":"g","parameters":{{}}}}}}]{members}"#
        ))
    };
    let declared = r#""tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"z":1.0,"a":2}},{"name":"g"}]}]"#;
    assert_eq!(tools(""), format!("{declared}}}"));
    for (choice, expected) in [
        (r#""auto""#, r#"{"mode":"AUTO"}"#),
        (r#""none""#, r#"{"mode":"NONE"}"#),
        (r#""required""#, r#"{"mode":"ANY"}"#),
        (r#"{"type":"function","function":{"name":"g"}}"#, r#"{"mode":"ANY","allowedFunctionNames":["g"]}"#),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
            r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#,
        ),
    ] {
        let expected = format!(r#"{declared},"toolConfig":{{"functionCallingConfig":{expected}}}}}"#);
        assert_eq!(tools(&format!(r#","tool_choice":{choice}"#)), expected);
    }
    let allowed = tools(
        r#","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}"#,
    );
    assert_eq!(
        allowed,
        r#""tools":[{"functionDeclarations":[{"name":"g"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}"#
    );
    let strict = beside(r#""tools":[{"type":"function","function":{"name":"f","strict":true}}]"#);
    assert!(strict.ends_with(r#""toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}}"#));
    let search = tools(r#","web_search_options":{}"#);
    assert!(
        search.ends_with(r#",{"googleSearch":{}}],"toolConfig":{"includeServerSideToolInvocations":true}}"#)
    );
    let nothing = r#"{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}}"#;
    let refused = encoded_by(&OpenAiChat, nothing, &third(), &Quirks::OWNER).unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("tool_choice"));
    let without = asked(r#""tools":[],"tool_choice":"auto","parallel_tool_calls":false"#);
    assert!(without.ends_with(r#"[{"text":"q"}]}]}"#));
}

#[test]
fn a_name_that_google_does_not_take_is_another_everywhere_and_comes_back() {
    let body = r#"{"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"9/x"}}]}],
        "tools":[{"type":"function","function":{"name":"9/x"}}],"tool_choice":{"type":"function","function":{"name":"9/x"}}}"#;
    let (text, told) = encoded_by(&OpenAiChat, body, &third(), &Quirks::OWNER).unwrap();
    let given =
        text.split(r#""functionDeclarations":[{"name":""#).nth(1).and_then(|rest| rest.split('"').next());
    let given = given.unwrap().to_owned();
    assert!(given.starts_with("t_9_x_") && text.matches(&given).count() == 4 && !text.contains("9/x"));
    assert!(told.emulation.names.original(Text::plain(given)).is("9/x"));
}

#[test]
fn a_tool_that_takes_a_text_is_emulated() {
    let body = r#"{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"custom","custom":{"name":"sql","format":{"type":"grammar"}}},{"type":"web_search"}]}"#;
    let (text, told) = encoded_by(&OpenAiChat, body, &third(), &Quirks::OWNER).unwrap();
    assert!(text.ends_with(r#"[{"name":"sql","description":"Format of the input: {\"type\":\"grammar\"}","parametersJsonSchema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}}]}]}"#));
    assert_eq!((told.emulation.custom_tools, told.dropped), (vec!["sql".to_owned()], vec!["tools"]));
}

#[test]
fn parameters_have_googles_names_and_what_has_none_is_told() {
    let text = beside(
        r#""max_tokens":100,"temperature":1.0,"top_p":0.5,"top_k":3,"frequency_penalty":1,"presence_penalty":2,"seed":9,"n":2,
        "logprobs":true,"top_logprobs":4,"stop":["X",""],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","b":1}}},
        "reasoning_effort":"low","modalities":["text","audio"],"audio":{"voice":"Kore","format":"pcm16"},"service_tier":"default",
        "safety_settings":[{"category":"c"}],"cached_content":"cachedContents/a","generationConfig":{"seed":1,"enableX":true}"#,
    );
    assert_eq!(
        text,
        r#""safetySettings":[{"category":"c"}],"cachedContent":"cachedContents/a","generationConfig":{"maxOutputTokens":100,"temperature":1.0,"topP":0.5,"topK":3,"frequencyPenalty":1,"presencePenalty":2,"logprobs":4,"responseLogprobs":true,"candidateCount":2,"stopSequences":["X"],"responseMimeType":"application/json","responseJsonSchema":{"type":"object","b":1},"thinkingConfig":{"thinkingLevel":"low","includeThoughts":true},"responseModalities":["TEXT","AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}},"seed":1,"enableX":true},"serviceTier":"standard"}"#
    );
    let body = r#"{"messages":[{"role":"user","name":"n","content":"q"}],"logit_bias":{"1":1},"user":"u","verbosity":"low","prediction":{},"store":true,
        "temperature":1,"presence_penalty":1,"metadata":{"Team A":"Größe"},"odd":1,"stop":["1","2","3","4","5","6"]}"#;
    let profile = Profile { takes_sampling: false, takes_penalties: false, ..third() };
    let (_, told) = encoded_by(&OpenAiChat, body, &profile, &Quirks::OWNER).unwrap();
    let expected = [
        "temperature",
        "presence_penalty",
        "stop",
        "logit_bias",
        "user",
        "verbosity",
        "prediction",
        "store",
        "name",
        "metadata",
    ];
    assert_eq!((told.dropped, told.dropped_extra), (expected.to_vec(), vec!["odd".to_owned()]));
    let vertex = Quirks { takes_labels: true, takes_service_tier: false, ..Quirks::OWNER };
    let (text, _) = encoded_by(&OpenAiChat, body, &profile, &vertex).unwrap();
    assert!(text.ends_with(r#","labels":{"team_a":"gr__e"}}"#), "{text}");
}

#[test]
fn a_shape_that_the_model_cannot_keep_beside_tools_is_asked_for_in_words() {
    let body = r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f"}}],
        "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"b":1,"a":"\""}}},"web_search_options":{}}"#;
    let (text, told) = encoded_by(&OpenAiChat, body, &second(), &Quirks::OWNER).unwrap();
    assert!(text.starts_with(r#"{"systemInstruction":{"parts":[{"text":"S"},{"text":"Answer with JSON"#));
    assert!(text.contains(r#"{\"b\":1,\"a\":\"\\\"\"}"}]}"#) && !text.contains("generationConfig"));
    assert_eq!(told.dropped, ["web_search_options", "response_format"]);
}

#[test]
fn media_are_told_where_they_are_or_refused() {
    let quirks = Quirks { fetches_urls: false, ..Quirks::OWNER };
    let with = |part: &str, profile: &Profile| {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
        encoded_by(&OpenAiChat, &body, profile, &quirks).map(|(text, _)| text)
    };
    let image = |url: &str| format!(r#"{{"type":"image_url","image_url":{{"url":"{url}","detail":"low"}}}}"#);
    let data = image("data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==");
    let text = with(&data, &third()).unwrap();
    assert!(text.contains(r#"{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUg=="},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}"#));
    assert!(
        with(&data, &second())
            .unwrap()
            .ends_with(r#""generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW"}}"#)
    );
    for (url, expected) in [
        ("gs://b/a.webp", r#"{"mimeType":"image/webp","fileUri":"gs://b/a.webp"}"#),
        ("https://youtu.be/x", r#"{"fileUri":"https://youtu.be/x"}"#),
    ] {
        assert!(with(&image(url), &third()).unwrap().contains(&format!(r#"{{"fileData":{expected}"#)));
    }
    let refused = with(&image("https://h/a.png"), &third()).unwrap_err();
    assert_eq!((refused.status, refused.code), (400, Some("unsupported_image_url")));
    let file = |id: &str| format!(r#"{{"type":"file","file":{{"file_id":"{id}"}}}}"#);
    assert_eq!(with(&file("file-abc"), &third()).unwrap_err().code, Some("unsupported_file"));
    assert!(with(&file("files/abc"), &third()).unwrap().contains("v1beta/files/abc"));
    let sound =
        with(r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}"#, &third()).unwrap();
    assert!(sound.contains(r#"{"inlineData":{"mimeType":"audio/mp3","data":"AAAA"}}"#));
}

#[test]
fn an_image_in_a_result_stands_where_the_model_sees_it() {
    let body = r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"error":"e"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}]}"#;
    let third = encoded_by(&Gemini, body, &third(), &Quirks::OWNER).unwrap().0;
    assert!(third.contains(r#""name":"f","response":{"error":"e"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}"#));
    let second = encoded_by(&Gemini, body, &second(), &Quirks::OWNER).unwrap().0;
    assert!(second.contains(r#"{"functionResponse":{"name":"f","response":{"error":"e"}}},{"text":"f also gave this:"},{"inlineData":{"#));
    assert!(second.starts_with(r#"{"contents":[{"role":"user","parts":[{"text":"."}]},{"role":"model""#));
}

#[test]
fn what_says_nothing_is_left_out_and_somebody_always_speaks() {
    let empty = encoded(r#"{"messages":[{"role":"system","content":"S"}]}"#);
    assert_eq!(
        empty,
        r#"{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"."}]}]}"#
    );
    let merged = encoded(
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"a"}]},{"role":"assistant","content":""},{"role":"user","content":"b"}]}"#,
    );
    assert_eq!(merged, r#"{"contents":[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]}"#);
}

const REQUESTS: [&str; 4] = [
    GOLDEN_GEMINI,
    r#"{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"q\n"},{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}},{"fileData":{"mimeType":"application/pdf","fileUri":"gs://b/a.pdf"}},{"fileData":{"mimeType":"video/mp4","fileUri":"gs://b/v"},"videoMetadata":{"fps":2}}]},
       {"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"s0"},{"executableCode":{"code":"1"},"thoughtSignature":"s1"},{"text":"","thoughtSignature":"s2"}]},
       {"role":"user","parts":[{"text":"r"}]}],
       "tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"b":1}},{"name":"g"}]},{"googleSearch":{}},{"codeExecution":{}}],
       "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f","g"]},"includeServerSideToolInvocations":true,"retrievalConfig":{"a":1}},
       "safetySettings":[{"category":"c","threshold":"OFF"}],"cachedContent":"cachedContents/a","serviceTier":"flex"}"#,
    r#"{"contents":[{"role":"user","parts":[{"text":"q"}]}],"generationConfig":{"maxOutputTokens":7,"temperature":0.10,"topP":1,"topK":2,"frequencyPenalty":0,"presencePenalty":0,"seed":1,"logprobs":2,"responseLogprobs":true,"candidateCount":2,"stopSequences":["a"],
       "responseMimeType":"application/json","responseJsonSchema":{"z":1},"thinkingConfig":{"thinkingLevel":"high","includeThoughts":false},"responseModalities":["TEXT"],"speechConfig":{"multiSpeakerVoiceConfig":{}},"mediaResolution":"MEDIA_RESOLUTION_LOW"},"labels":{"a":"b"}}"#,
    r#"{"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"z":1,"a":2}}},{"functionCall":{"name":"f","args":{}}},{"functionCall":{"name":"g","args":{}}}]},
       {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"1"}}},{"functionResponse":{"name":"f","response":{"output":["x"]}}},{"functionResponse":{"name":"g","response":{"error":"e"}}}]}],
       "generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING"}}}"#,
];

#[test]
fn a_request_of_googles_means_the_same_when_it_is_written_again() {
    let quirks = Quirks { takes_labels: true, ..Quirks::OWNER };
    for body in REQUESTS {
        let before = Gemini.decode_request(body).unwrap();
        let (text, told) = encoded_by(&Gemini, body, &Profile::default(), &quirks).unwrap();
        assert_eq!(Gemini.decode_request(&text).unwrap(), before, "{text}");
        assert!(told.dropped.is_empty() && told.dropped_extra.is_empty(), "{told:?}");
    }
}

#[test]
fn members_may_be_spelled_with_underscores_and_contents_cut_short() {
    let camel = r#"{"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}],"generationConfig":{"maxOutputTokens":3,"thinkingConfig":{"thinkingBudget":5}},"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}"#;
    let snake = r#"{"system_instruction":"S","contents":{"parts":{"inline_data":{"mime_type":"image/png","data":"AAAA"}}},"generation_config":{"max_output_tokens":3,"thinking_config":{"thinking_budget":5}},"tool_config":{"function_calling_config":{"mode":"auto"}}}"#;
    assert_eq!(Gemini.decode_request(snake).unwrap(), Gemini.decode_request(camel).unwrap());
    let text = Gemini.decode_request(r#"{"contents":"q"}"#).unwrap();
    assert_eq!(text.messages[0].parts[0].content, Content::Text("q".into()));
}

#[test]
fn results_find_their_calls_by_name_or_by_order() {
    let body = r#"{"contents":[
        {"role":"model","parts":[{"functionCall":{"id":"one","name":"f"}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"g"}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"g","response":{"output":"first"}}},{"functionResponse":{"id":"one","name":"f","response":{}}},{"functionResponse":{"name":"g","response":{"output":"second"}}},{"functionResponse":{"name":"h"}}]},
        {"role":"model","parts":[{"functionCall":{"name":"g"}}]},
        {"role":"function","parts":[{"functionResponse":{"name":"g","response":{"output":"third"}}}]}]}"#;
    let request = Gemini.decode_request(body).unwrap();
    let ids = |message: usize| {
        request.messages[message]
            .parts
            .iter()
            .map(|part| match &part.content {
                Content::ToolCall(call) => call.id.to_plain().into_owned(),
                Content::ToolResult(result) => result.id.to_plain().into_owned(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let (calls, results) = (ids(0), ids(1));
    assert_eq!(calls[0], "one");
    assert_eq!(results[..3], [calls[1].clone(), calls[0].clone(), calls[2].clone()]);
    assert!(calls[1] != calls[2] && !calls.contains(&results[3]));
    assert_eq!(ids(2), ids(3));
    assert_eq!(request, Gemini.decode_request(body).unwrap());
}

#[test]
fn a_request_that_cannot_be_is_refused_by_its_name() {
    for (body, param) in [
        (r#"{}"#, "contents"),
        (r#"{"contents":1}"#, "contents"),
        (r#"{"contents":[{"role":"robot","parts":[]}]}"#, "contents[0].role"),
        (r#"{"contents":[{"parts":[{"text":1}]}]}"#, "contents[0].parts[0].text"),
        (
            r#"{"contents":[{"parts":[{"inlineData":{"data":"***"}}]}]}"#,
            "contents[0].parts[0].inlineData.data",
        ),
        (r#"{"contents":[{"parts":[{"functionCall":{}}]}]}"#, "contents[0].parts[0].functionCall.name"),
        (r#"{"contents":[],"generationConfig":{"topK":"x"}}"#, "generationConfig.topK"),
        (
            r#"{"contents":[],"generationConfig":{"thinkingConfig":{"thinkingLevel":"x"}}}"#,
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            r#"{"contents":[],"tools":[{"functionDeclarations":[{}]}]}"#,
            "tools[0].functionDeclarations[0].name",
        ),
        (
            r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"X"}}}"#,
            "toolConfig.functionCallingConfig.mode",
        ),
    ] {
        let error = Gemini.decode_request(body).map(|_| ()).unwrap_err().into_refusal();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{body}");
    }
    assert!(Gemini.decode_request(r#"{"contents":[]}x"#).is_err());
}

#[test]
fn what_google_finds_by_itself_is_known() {
    for (url, expected) in [
        ("https://www.youtube.com/watch?v=x", true),
        ("https://generativelanguage.googleapis.com/v1beta/files/x", true),
        ("https://h/a.png", false),
    ] {
        assert_eq!(Gemini.finds(url), expected);
        assert!(!OpenAiChat.finds(url));
    }
}
