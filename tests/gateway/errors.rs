//! What is told when something goes wrong, and what is never told.

use serde_json::json;

use crate::harness::{
    CHAT, Gateway, LAST_CHUNK, Setup, Signal, Upstream, chat, chunk, get, on_both_engines, openai_at, post,
    provider_at, refusing_address, reply, request, streamed_chat,
};

#[test]
fn a_body_that_is_not_json_is_a_bad_request() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for body in [
            "",
            "not json",
            "{",
            "[]",
            "\"model\"",
            r#"{"model":"gpt-4o",}"#,
            r#"{"model":"gpt-4o"}{}"#,
            r#"{"model":"gpt-4o" "messages":[]}"#,
            r#"{"model":"gpt-4o","n":01}"#,
            r#"{'model':'gpt-4o'}"#,
            "{\"model\":\"gpt-4o\",\"x\":\"raw\nnewline\"}",
            r#"{"model":"gpt-4o","x":"\x"}"#,
            r#"{"model":"gpt-4o","x":NaN}"#,
        ] {
            let error = gateway.call(post(CHAT, body)).error(400);
            assert_eq!(error["type"], "invalid_request_error", "{body}");
        }
        let invalid_text = request("POST", CHAT, &[], b"{\"model\":\"gpt-4o\",\"x\":\"\xff\"}");
        gateway.call(invalid_text).error(400);
        let deep = format!(r#"{{"model":"gpt-4o","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        gateway.call(post(CHAT, &deep)).error(400);
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_request_without_a_model_is_a_bad_request() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for body in [
            "{}",
            r#"{"messages":[]}"#,
            r#"{"model":"","messages":[]}"#,
            r#"{"model":null,"messages":[]}"#,
            r#"{"model":7,"messages":[]}"#,
            r#"{"model":["gpt-4o"],"messages":[]}"#,
            r#"{"model":"openai/","messages":[]}"#,
            r#"{"messages":[{"model":"gpt-4o"}]}"#,
        ] {
            let error = gateway.call(post(CHAT, body)).error(400);
            assert_eq!(error["param"], "model", "{body}: {error}");
            assert_eq!(error["type"], "invalid_request_error");
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn an_upstream_that_refuses_connections_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let (address, _held) = refusing_address();
        let config = json!({ "providers": { "openai": provider_at(&format!("http://{address}")) } });
        let gateway = Gateway::start(engine, &config);
        for call in [post(CHAT, &chat("gpt-4o")), post(CHAT, &streamed_chat("gpt-4o")), get("/v1/files")] {
            let error = gateway.call(call).error(502);
            assert!(error["message"].as_str().unwrap().contains("openai"), "{error}");
        }
    });
}

#[test]
fn an_upstream_whose_name_does_not_resolve_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let config = json!({ "providers": { "openai": provider_at("http://no-such-host.invalid") } });
        let gateway = Gateway::start(engine, &config);
        let error = gateway.call(post(CHAT, &chat("gpt-4o"))).error(502);
        assert!(error["message"].as_str().unwrap().contains("no-such-host.invalid"), "{error}");
    });
}

#[test]
fn a_plain_server_behind_https_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let upstream = Upstream::per_connection(|peer| {
            peer.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            peer.close();
        });
        let url = format!("https://localhost:{}", upstream.address().port());
        let gateway = Gateway::start(engine, &json!({ "providers": { "openai": provider_at(&url) } }));
        gateway.call(post(CHAT, &chat("gpt-4o"))).error(502);
    });
}

#[test]
fn an_upstream_that_takes_too_long_is_a_gateway_timeout() {
    on_both_engines(|engine| {
        let gone = Signal::new();
        let told = gone.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.wait_until_closed();
            told.give(());
        });
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["network_config"]["default_request_timeout_in_seconds"] = json!(1);
        let gateway = Gateway::start(engine, &config);
        let mut client = gateway.client();
        client.send(post(CHAT, &chat("gpt-4o")));
        client.response().error(504);
        gone.wait();
        client.send(get("/health"));
        assert_eq!(client.response().status(), 200, "the connection goes on");
        assert_eq!(upstream.requests().len(), 1);
    });
}

#[test]
fn an_answer_that_is_cut_short_is_never_taken_for_a_whole_one() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            match request.head.value("x-case").unwrap_or_default() {
                "length" => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half"),
                _ => peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"half\r\n"),
            };
            peer.close();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for case in ["length", "chunked"] {
            for (method, path) in [("POST", CHAT), ("GET", "/v1/files/f/content")] {
                let body = if method == "POST" { chat("gpt-4o") } else { String::new() };
                let mut client = gateway.client();
                client.send(request(method, path, &[("X-Case", case)], body.as_bytes()));
                let head = client.head();
                let (_, is_whole) = client.rest();
                assert!(head.status() == 502 || !is_whole, "{case} {path}: {head:?}");
            }
        }
    });
}

#[test]
fn errors_of_the_upstream_arrive_as_they_are() {
    on_both_engines(|engine| {
        let body = b"{ \"error\" :{\"message\":\"from \\u0041bove\",\"type\":\"t\",\n\"param\":null,\"code\":\"c\",\"more\":1}}";
        let upstream = Upstream::answering(move |request, peer| {
            let status = request.head.value("x-status").unwrap_or_default();
            let fields = [
                ("Content-Type", "application/json"),
                ("Retry-After", "7"),
                ("retry-after-ms", "7000"),
                ("x-should-retry", "false"),
                ("x-request-id", "req_1"),
            ];
            peer.send(reply(&format!("{status} Whatever"), &fields, body));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for status in
            ["400", "404", "405", "408", "409", "413", "422", "429", "500", "501", "503", "504", "529"]
        {
            let answer =
                gateway.call(request("POST", CHAT, &[("X-Status", status)], chat("gpt-4o").as_bytes()));
            assert_eq!(answer.status().to_string(), status);
            assert_eq!(answer.body, body, "{status}");
            for (name, value) in [
                ("retry-after", "7"),
                ("retry-after-ms", "7000"),
                ("x-should-retry", "false"),
                ("x-request-id", "req_1"),
                ("x-bifrost-provider", "openai"),
            ] {
                assert_eq!(answer.head.value(name), Some(value), "{status}");
            }
            upstream.only_request();
        }
    });
}

#[test]
fn a_refusal_of_our_key_keeps_its_status_and_shows_no_key() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let key = request.key();
            let body = format!(
                r#"{{ "error": {{"message":"Incorrect API key provided: {key} (or sk-proj-abcdefghijklmnop1234).","type":"invalid_request_error","param":null,"code":"invalid_api_key"}} }}"#
            );
            let status = request.head.value("x-status").unwrap_or("401");
            let fields = [("Content-Type", "application/json"), ("x-request-id", "req_1")];
            if request.head.value("x-framing").is_some() {
                let head = format!(
                    "HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nx-request-id: req_1\r\n\r\n"
                );
                peer.send(head);
                body.as_bytes().chunks(10).for_each(|piece| _ = peer.send(chunk(piece)));
                peer.send(LAST_CHUNK);
            } else {
                peer.send(reply(&format!("{status} No"), &fields, body.as_bytes()));
            }
        });
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["keys"][0]["value"] = json!("the-very-secret-key-0123456789");
        let gateway = Gateway::start(engine, &config);
        for status in ["401", "402", "403"] {
            for fields in [vec![("X-Status", status)], vec![("X-Status", status), ("X-Framing", "chunked")]] {
                let answer = gateway.call(request("POST", CHAT, &fields, chat("gpt-4o").as_bytes()));
                assert_eq!(answer.status().to_string(), status);
                assert_eq!(answer.head.value("x-bifrost-error-source"), Some("upstream-credentials"));
                assert_eq!(answer.head.value("x-request-id"), Some("req_1"));
                let text = answer.text();
                assert!(!text.contains("very-secret") && !text.contains("abcdefghijklmnop"), "{text}");
                assert!(text.contains("Incorrect API key provided"), "{text}");
                assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
            }
        }
    });
}

#[test]
fn an_error_shows_no_key_whatever_its_length_and_its_framing() {
    on_both_engines(|engine| {
        let key = "the-very-secret-key-0123456789";
        let masked = "*".repeat(key.len());
        let page = |key: &str| format!("bad {key}! {} {key} the-very-s{key} the-very", "x".repeat(600_000));
        let upstream = Upstream::answering(move |request, peer| {
            let body = page(request.key());
            let is_chunked = request.head.value("x-framing").is_some();
            let end = if is_chunked {
                "Transfer-Encoding: chunked".into()
            } else {
                format!("Content-Length: {}", body.len())
            };
            peer.send(format!("HTTP/1.1 400 No\r\nContent-Type: text/html\r\n{end}\r\n\r\n"));
            // The last key comes in pieces.
            let (first, last) = body.as_bytes().split_at(600_000);
            for piece in std::iter::once(first).chain(last.chunks(7)) {
                peer.send(if is_chunked { chunk(piece) } else { piece.to_vec() });
            }
            peer.send(if is_chunked { LAST_CHUNK } else { b"" });
        });
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["keys"][0]["value"] = json!(key);
        let gateway = Gateway::start(engine, &config);
        for (method, path) in [("GET", "/v1/files/f/content"), ("POST", CHAT)] {
            for fields in [vec![], vec![("X-Framing", "chunked")]] {
                let body = if method == "POST" { chat("m") } else { String::new() };
                let answer = gateway.call(request(method, path, &fields, body.as_bytes()));
                assert_eq!(answer.status(), 400);
                assert!(answer.text() == page(&masked), "{path}: the key is shown, or more is changed");
            }
        }
    });
}

#[test]
fn secrets_appear_in_no_answer_and_no_log() {
    on_both_engines(|engine| {
        let secret = "sk-abc-this-is-a-secret-value";
        let client_secret = "sk-xyz-of-the-client-secret";
        let upstream =
            Upstream::answering(|request, peer| match request.head.value("x-case").unwrap_or_default() {
                "die" => peer.close(),
                "nonsense" => _ = peer.send("nonsense\r\n\r\n"),
                "refuse" => _ = peer.send(reply("401 No", &[], request.key().as_bytes())),
                _ => _ = peer.send(reply("200 OK", &[], b"{}")),
            });
        let mut config = openai_at(&upstream);
        let keys = &mut config["providers"]["openai"]["keys"];
        keys[0]["value"] = json!(secret);
        let from_env = json!({ "name": "from-env", "value": "env.SECRET_OF_THE_TEST", "weight": 1 });
        keys.as_array_mut().unwrap().push(from_env);
        let setup = Setup::new(engine).config(&config).arguments(["--log-level", "debug"]);
        let gateway = setup.variable("SECRET_OF_THE_TEST", "sk-env-is-a-secret-value").start();
        let mut answers = Vec::new();
        for case in ["", "die", "nonsense", "refuse"] {
            for _ in 0..4 {
                let bearer = format!("Bearer {client_secret}");
                let fields = [("X-Case", case), ("Authorization", &bearer), ("x-api-key", client_secret)];
                answers.push(gateway.call(request("POST", CHAT, &fields, chat("gpt-4o").as_bytes())));
                answers.push(gateway.call(request("POST", CHAT, &fields, b"not json")));
                let path = format!("/v1/files?key={client_secret}");
                answers.push(gateway.call(request("GET", &path, &fields, b"")));
            }
        }
        answers.push(gateway.call(get("/health")));
        answers.push(gateway.call(get("/metrics")));
        for answer in answers {
            let text = format!("{:?} {}", answer.head, answer.text());
            assert!(!text.contains("secret"), "{text}");
        }
        let ended = gateway.stop();
        for part in ["is-a-secret-value", "of-the-client-secret"] {
            assert!(!ended.stderr.contains(part) && !ended.stdout.contains(part), "{ended:?}");
        }
    });
}
