//! The access log: a line for each request that the level lets through, and nothing of what was said.

use serde_json::Value;

use crate::harness::{
    CHAT, Engine, Gateway, Setup, Signal, Upstream, chat, get, json_reply, on_both_engines, openai_at, post,
    reply, streamed_chat,
};

/// The access log's lines, as objects of their fields with the level among them.
fn lines(log: &str) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
    let of_access = lines.filter(|line: &Value| line["target"] == "access");
    of_access
        .map(|mut line| {
            assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
            let level = line["level"].take();
            let mut fields = line["fields"].take();
            fields["level"] = level;
            fields
        })
        .collect()
}

fn start(engine: Engine, upstream: &Upstream, level: &str) -> Gateway {
    let setup = Setup::new(engine).config(&openai_at(upstream));
    setup.arguments(["--log-style", "json", "--log-level", level]).start()
}

#[test]
fn a_request_is_one_line_with_the_id_that_its_client_was_told() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{\"content\":\"It is a secret.\"}");
        let gateway = start(engine, &upstream, "info");
        let body = chat("openai/gpt-4o");
        let answer = gateway.call(post(CHAT, &body));
        let id = answer.head.value("x-bifrost-request-id").unwrap().to_owned();
        let refused = gateway.call(post(CHAT, &chat("mistral/ \"model\"")));
        assert_eq!(refused.status(), 404);
        let log = gateway.stop().stderr;
        let lines = lines(&log);
        assert_eq!(lines.len(), 2, "{log}");
        for (name, expected) in [
            ("level", "INFO".into()),
            ("request_id", Value::from(id)),
            ("method", "POST".into()),
            ("path", "/chat/completions".into()),
            ("status", 200.into()),
            ("provider", "openai".into()),
            ("model", "gpt-4o".into()),
            ("key", "only".into()),
            ("bytes_in", body.len().into()),
            ("bytes_out", answer.body.len().into()),
            ("streamed", false.into()),
            ("client_gone", false.into()),
            ("error_code", Value::Null),
        ] {
            assert_eq!(lines[0][name], expected, "{name}: {log}");
        }
        assert!(lines[0]["duration_ms"].as_f64() >= lines[0]["upstream_ms"].as_f64(), "{log}");
        assert_eq!(lines[1]["error_code"], "model_not_found", "{log}");
        assert_eq!(lines[1]["error_source"], "client", "{log}");
        assert_eq!(lines[1]["provider"], Value::Null, "{log}");
        for content in ["Hello!", "secret", "messages"] {
            assert!(!log.contains(content), "{log}");
        }
    });
}

#[test]
fn no_level_makes_content_appear() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{\"content\":\"It is a secret.\"}");
        for style in ["json", "pretty"] {
            let setup = Setup::new(engine).config(&openai_at(&upstream));
            let gateway = setup.arguments(["--log-style", style, "--log-level", "trace"]).start();
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
            gateway.call(post(CHAT, "{\"model\": \"gpt-4o\", \"Hello!\""));
            let log = gateway.stop().stderr;
            assert!(log.contains("request_id"), "{log}");
            for content in ["Hello!", "secret", "messages", "_body"] {
                assert!(!log.contains(content), "{log}");
            }
        }
    });
}

#[test]
fn content_that_the_operator_asks_for_is_there_with_keys_masked_and_long_bodies_cut() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let is_streamed = String::from_utf8_lossy(&request.body).contains("\"stream\"");
            let events = b"data: {\"a\":\"caf\xc3\xa9\"}\n\ndata: [DONE]\n\n";
            peer.send(match is_streamed {
                true => reply("200 OK", &[("Content-Type", "text/event-stream")], events),
                false => json_reply("{\"content\":\"It is sk-answer-0123456789.\"}"),
            });
        });
        let mut config = openai_at(&upstream);
        config["client"]["log_content"] = true.into();
        let setup = Setup::new(engine).config(&config);
        let gateway = setup.arguments(["--log-style", "json", "--log-level", "info"]).start();
        let asked = "{\"model\":\"gpt-4o\",\"messages\":[{\"content\":\"I am sk-caller-0123456789\\n\"}]}";
        gateway.call(post(CHAT, asked));
        gateway.call(post(CHAT, &streamed_chat("gpt-4o")));
        let long = format!("{{\"model\":\"gpt-4o\",\"user\":\"{}\"}}", "x".repeat(70_000));
        gateway.call(post(CHAT, &long));
        gateway.call(post(CHAT, "{\"model\":\"\"}"));
        gateway.call(get("/health"));
        let log = gateway.stop().stderr;
        let lines = lines(&log);
        let said = |line: usize| {
            let text = |name: &str| lines[line][name].as_str().unwrap_or_default().to_owned();
            (text("request_body"), text("response_body"))
        };
        let masked = asked.replace("caller-0123456789", "*****************");
        assert_eq!(said(0), (masked, "{\"content\":\"It is sk-*****************.\"}".to_owned()), "{log}");
        let events = "data: {\"a\":\"café\"}\n\ndata: [DONE]\n\n";
        assert_eq!(said(1), (streamed_chat("gpt-4o"), events.to_owned()), "{log}");
        assert_eq!(said(2).0, long[..64 * 1024]);
        let cut = |line: usize| [&lines[line]["request_body_cut"], &lines[line]["response_body_cut"]];
        assert_eq!((cut(0), cut(2)), ([&false.into(); 2], [&true.into(), &false.into()]));
        assert!(said(3).1.contains("model_name") || said(3).1.contains("model name"), "{log}");
        assert_eq!(lines[4]["request_body"], Value::Null, "{log}");
    });
}

#[test]
fn a_model_that_the_metrics_do_not_keep_is_in_the_log() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(reply("404 Not Found", &[], b"{}"));
        let gateway = start(engine, &upstream, "info");
        let model = format!("a \"model\" of {}", "é".repeat(80));
        gateway.call(post(CHAT, &chat(&model)));
        let log = gateway.stop().stderr;
        let line = &lines(&log)[0];
        // What is too long is cut, between two characters.
        let logged = line["model"].as_str().unwrap();
        assert!(logged.len() > 100 && model.starts_with(logged), "{log}");
        assert_eq!((&line["key"], &line["error_source"]), (&"only".into(), &"provider".into()), "{log}");
    });
}

#[test]
fn the_level_decides_which_requests_get_a_line() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            if String::from_utf8_lossy(&request.body).contains("bad") {
                peer.close();
            } else {
                peer.send(json_reply("{}"));
            }
        });
        for (level, statuses) in [
            ("info", &[(200, "INFO"), (404, "INFO"), (502, "WARN")][..]),
            ("warn", &[(502, "WARN")]),
            ("error", &[]),
            ("info,access=warn", &[(502, "WARN")]),
            ("info,access=off", &[]),
        ] {
            let gateway = start(engine, &upstream, level);
            gateway.call(post(CHAT, &chat("gpt-4o")));
            gateway.call(get("/nowhere"));
            gateway.call(post(CHAT, &chat("bad")));
            let log = gateway.stop().stderr;
            let found: Vec<_> = lines(&log)
                .iter()
                .map(|line| (line["status"].as_u64().unwrap(), line["level"].as_str().unwrap().to_owned()))
                .collect();
            let expected: Vec<_> =
                statuses.iter().map(|(status, level)| (*status, (*level).to_owned())).collect();
            assert_eq!(found, expected, "{level}: {log}");
        }
    });
}

#[test]
fn a_client_that_leaves_is_told_of() {
    on_both_engines(|engine| {
        let closed = Signal::new();
        let upstream = Upstream::streaming_until_closed(&closed);
        let gateway = start(engine, &upstream, "info");
        let mut client = gateway.client();
        client.send(post(CHAT, &streamed_chat("gpt-4o")));
        client.head();
        client.event();
        drop(client);
        closed.wait();
        let log = gateway.stop().stderr;
        let line = &lines(&log)[0];
        assert_eq!((&line["client_gone"], &line["streamed"]), (&true.into(), &true.into()), "{log}");
    });
}

#[test]
fn lines_for_people_are_one_a_request_too() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        gateway.call(post(CHAT, &chat("gpt-4o")));
        gateway.call(get("/health"));
        let log = gateway.stop().stderr;
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(" INFO access: request ")).collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].contains(r#" status=200 provider="openai" model="gpt-4o" key="only" "#), "{log}");
        assert!(lines[1].contains(r#" path="/health" "#), "{log}");
    });
}

#[test]
fn all_lines_come_however_many_there_are_at_once() {
    on_both_engines(|engine| {
        let gateway = start(engine, &Upstream::json("{}"), "info");
        let mut client = gateway.client();
        for _ in 0..20 {
            client.send(get("/health").repeat(100));
            for _ in 0..100 {
                assert_eq!(client.response().status(), 200);
            }
        }
        let dropped = gateway.call(get("/metrics")).text();
        let dropped =
            dropped.lines().find(|line| line.starts_with("bifrost_log_lines_dropped_total{")).unwrap();
        let dropped: usize = dropped.rsplit_once(' ').unwrap().1.parse().unwrap();
        let log = gateway.stop().stderr;
        assert_eq!(lines(&log).len() + dropped, 2001, "{log}");
    });
}
