//! Every byte of a body arrives as it was sent, but for the prefix of the model name.

use std::fmt::Write;

use crate::harness::{
    CHAT, Gateway, LAST_CHUNK, STREAM_HEAD, Upstream, chat, chunk, get, json_reply, on_both_engines,
    openai_at, post, reply, streamed_chat,
};

/// Legal JSON that no serialiser would write so.
const ODD_REQUESTS: &[&str] = &[
    r#"{"model":"openai/gpt-4o","messages":[]}"#,
    r#"{"messages":[],"model":"openai/gpt-4o"}"#,
    " \r\n\t{ \"model\" :\t\"openai/gpt-4o\" ,\n\n\"messages\" : [ ] } \n",
    r#"{"model":"openai/gpt-4o","messages":[],"unknown":{"deep":[{"deeper":null}]},"":0}"#,
    r#"{"model":"openai/gpt-4o","messages":[{"role":"user","content":"\u00e9\ud83d\ude00\/\\\"\b é😀"}]}"#,
    r#"{"model":"openai/gpt-4o","messages":[{"role":"user","content":"lone \ud800 surrogate"}]}"#,
    r#"{"seed":123456789012345678901234567890,"model":"openai/gpt-4o","top_p":1e400,"n":-0.0,"x":1E+2,"messages":[]}"#,
    r#"{"user":"a","user":"b","model":"openai/gpt-4o","temperature":1,"temperature":2.0,"messages":[]}"#,
    r#"{"z":1,"messages":[],"a":2,"model":"openai/gpt-4o","m":3}"#,
    r#"{"messages":[{"role":"user","content":"x","model":"openai/no"},{"model":"groq/no"}],"metadata":{"model":"openai/no"},"model":"openai/gpt-4o"}"#,
    r#"{"messages":[{"role":"user","content":"\"model\":\"openai/no\""}],"model":"openai/gpt-4o"}"#,
    r#"{"model":"openai/gpt-4o","tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"model":{"const":"openai/no"},"b":{},"a":{}}}}}],"messages":[]}"#,
];

#[test]
fn the_upstream_sees_the_bare_model_name_and_every_other_byte_as_sent() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for sent in ODD_REQUESTS {
            assert_eq!(gateway.call(post(CHAT, sent)).status(), 200, "{sent}");
            let seen = upstream.only_request();
            assert_eq!(seen.text(), sent.replace("\"openai/gpt-4o\"", "\"gpt-4o\""));
            assert_eq!(seen.head.target(), "/v1/chat/completions");
        }
    });
}

#[test]
fn a_body_without_a_prefix_is_not_touched() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for with_prefix in ODD_REQUESTS {
            let sent = with_prefix.replace("\"openai/gpt-4o\"", "\"gpt-4o\"");
            assert_eq!(gateway.call(post(CHAT, &sent)).status(), 200, "{sent}");
            assert_eq!(upstream.only_request().text(), sent);
        }
    });
}

#[test]
fn a_model_that_is_written_with_escapes_is_understood() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for model in [r#""openai\/gpt-4o""#, r#""open\u0061i/gpt-4o""#] {
            for key in [r#""model""#, r#""mod\u0065l""#] {
                let sent = |model: &str| format!(r#"{{"a" : 1, {key}: {model} ,"messages":[]}}"#);
                assert_eq!(gateway.call(post(CHAT, &sent(model))).status(), 200);
                assert_eq!(upstream.only_request().text(), sent("\"gpt-4o\""));
            }
        }
    });
}

#[test]
fn a_large_body_arrives_whole() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            peer.send(reply("200 OK", &[], &request.body));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut content = String::new();
        for number in 0..200_000 {
            write!(content, "{number} ").unwrap();
        }
        let sent = format!(r#"{{"messages":[{{"content":"{content}"}}],"model":"openai/gpt-4o"}}"#);
        let answer = gateway.call(post(CHAT, &sent));
        assert!(answer.text() == sent.replace("openai/gpt-4o", "gpt-4o"), "the body was changed");
    });
}

#[test]
fn a_body_that_comes_byte_by_byte_is_the_same_body() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for byte in post(CHAT, &chat("openai/gpt-4o")) {
            client.send([byte]);
        }
        assert_eq!(client.response().status(), 200);
        assert_eq!(upstream.only_request().text(), chat("gpt-4o"));
    });
}

#[test]
fn every_byte_of_an_answer_arrives_whatever_its_framing() {
    on_both_engines(|engine| {
        let body = b"\n{ \"id\" :\"x\",\t\"unknown\":1e400,\"content\":null, \"s\":\"\\u00e9\\/\" }\r\n ";
        let mut chunked =
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_vec();
        for byte in body {
            chunked.extend(chunk(&[*byte]));
        }
        chunked.extend(LAST_CHUNK);
        let until_close =
            [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", body.as_slice()].concat();
        let with_length = reply("200 OK", &[("Content-Type", "application/json")], body);
        let upstream = Upstream::answering(move |request, peer| {
            match request.head.value("x-framing") {
                Some("chunked") => peer.send(&chunked),
                Some("length") => peer.send(&with_length),
                _ => peer.send(&until_close),
            };
            if request.head.value("x-framing") == Some("close") {
                peer.close();
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for framing in ["chunked", "length", "close"] {
            for path in [CHAT, "/v1/moderations"] {
                let mut request = post(path, &chat("gpt-4o"));
                let end_of_line = request.iter().position(|&byte| byte == b'\n').unwrap() + 1;
                let field = format!("X-Framing: {framing}\r\n");
                request.splice(end_of_line..end_of_line, field.into_bytes());
                let answer = gateway.call(request);
                assert_eq!(answer.text().as_bytes(), body, "{framing} {path}");
                assert_eq!(answer.head.value("content-type"), Some("application/json"));
            }
        }
    });
}

#[test]
fn compressed_bytes_are_not_touched() {
    on_both_engines(|engine| {
        let compressed: Vec<u8> =
            [0x1f, 0x8b].into_iter().chain((0..=255).rev().cycle().take(5000)).collect();
        let answer = reply("200 OK", &[("Content-Encoding", "gzip")], &compressed);
        let upstream = Upstream::bytes(answer);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for request in [post(CHAT, &chat("gpt-4o")), get("/v1/files/f/content")] {
            let answer = gateway.call(request);
            assert_eq!(answer.body, compressed);
            assert_eq!(answer.head.value("content-encoding"), Some("gzip"));
        }
    });
}

#[test]
fn frames_of_a_stream_arrive_as_they_were_sent() {
    on_both_engines(|engine| {
        let frames = ": a comment\n\ndata: {\"choices\":[ ] }\n\ndata:{\"no\":\"space\"}\r\n\r\n: ping\r\n\r\n\
                      event: named\r\nid: 7\r\nretry: 10\r\ndata: {\"lines\":\ndata:  2}\n\n\
                      data: {\"e\":\"\\u00e9 é\"}\n\n\n\ndata: [DONE]\n\n";
        for size in [1, 7, frames.len()] {
            let upstream = Upstream::answering(move |_, peer| {
                peer.send(STREAM_HEAD);
                for piece in frames.as_bytes().chunks(size) {
                    peer.send(chunk(piece));
                }
                peer.send(LAST_CHUNK);
            });
            let gateway = Gateway::start(engine, &openai_at(&upstream));
            let answer = gateway.call(post(CHAT, &streamed_chat("openai/gpt-4o")));
            assert_eq!(answer.text(), frames, "in pieces of {size}");
            assert_eq!(answer.head.value("content-type"), Some("text/event-stream"));
            assert_eq!(upstream.only_request().text(), streamed_chat("gpt-4o"));
        }
    });
}

#[test]
fn a_request_is_answered_alike_on_all_mounts() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(json_reply(r#"{"id": "x"}"#));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for mount in ["/openai/v1", "/openai", "/v1"] {
            let answer = gateway.call(post(&format!("{mount}/chat/completions"), &chat("openai/gpt-4o")));
            assert_eq!(answer.text(), r#"{"id": "x"}"#);
            let seen = upstream.only_request();
            assert_eq!(seen.head.start_line, "POST /v1/chat/completions HTTP/1.1");
            assert_eq!(seen.text(), chat("gpt-4o"));
        }
    });
}
