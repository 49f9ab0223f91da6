//! What `/metrics` tells: what was called, how it ended, and never more than a bound of it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::harness::{
    CHAT, Engine, Gateway, LAST_CHUNK, STREAM_HEAD, Setup, Signal, Upstream, chat, chunk, get, json_reply,
    on_both_engines, openai_at, post, provider_at, refusing_address, reply, request, streamed_chat,
};

const ANSWER: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

/// Lints that Bifrost's own names break; dashboards know them by these names.
const LINTS_OF_BIFROST: [&str; 1] =
    [r#"bifrost_overhead_latency_microseconds use base unit "seconds" instead of "microseconds""#];

/// The sum of a metric's samples that have all these labels.
fn sum(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: Vec<_> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let is_meant = |line: &&str| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
        rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
    };
    let values = text.lines().filter(is_meant).map(|line| line.rsplit_once(' ').unwrap().1);
    values.map(|value| value.parse::<f64>().unwrap()).sum()
}

fn metrics(gateway: &Gateway) -> String {
    gateway.call(get("/metrics")).text()
}

/// A gateway that has seen something of everything.
fn after_all_kinds_of_requests(engine: Engine) -> Gateway {
    let upstream = Upstream::answering(|request, peer| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains("unknown") {
            peer.send(reply("404 Not Found", &[("Content-Type", "application/json")], b"{}"));
        } else if body.contains("stream") {
            peer.send(STREAM_HEAD);
            peer.send(chunk(b"data: {\"choices\":[]}\n\n"));
            peer.send(chunk(format!("data: {ANSWER}\n\ndata: [DONE]\n\n").as_bytes()));
            peer.send(LAST_CHUNK);
        } else {
            peer.send(json_reply(ANSWER));
        }
    });
    let (refusing, _socket) = refusing_address();
    let mut config = openai_at(&upstream);
    config["providers"]["groq"] = provider_at(&format!("http://{refusing}"));
    let gateway = Setup::new(engine).shards(2).config(&config).start();
    for call in [
        post(CHAT, &chat("gpt-4o")),
        post(CHAT, &streamed_chat("gpt-4o")),
        post("/v1/embeddings", &chat("openai/gpt-4o")),
        post(CHAT, &chat("unknown\"")),
        post(CHAT, &chat("groq/llama")),
        post(CHAT, "no json"),
        get("/v1/files/f"),
        get("/v1/models"),
        get("/health"),
        get("/nowhere"),
    ] {
        gateway.call(call);
    }
    gateway
}

#[test]
fn promtool_finds_nothing_wrong() {
    on_both_engines(|engine| {
        let text = metrics(&after_all_kinds_of_requests(engine));
        let mut promtool = Command::new("promtool");
        promtool
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = promtool.spawn().expect("promtool is there: tools/check installs it");
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = child.wait_with_output().unwrap();
        let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
        let lints: Vec<&str> = said.lines().filter(|line| !LINTS_OF_BIFROST.contains(line)).collect();
        assert_eq!(lints, [""; 0], "{text}");
    });
}

#[test]
fn every_family_that_bifrost_has_and_we_can_fill_is_there() {
    on_both_engines(|engine| {
        let text = metrics(&after_all_kinds_of_requests(engine));
        for (name, labels) in [
            (
                "http_requests_total",
                &[("path", "/chat/completions"), ("method", "POST"), ("status", "200")][..],
            ),
            ("http_request_duration_seconds_bucket", &[("le", "0.005")]),
            ("http_request_size_bytes_sum", &[("method", "POST")]),
            ("http_response_size_bytes_bucket", &[("le", "1e+06")]),
            ("bifrost_upstream_requests_total", &[("method", "chat_completion"), ("fallback_index", "0")]),
            ("bifrost_success_requests_total", &[("method", "embedding"), ("selected_key_name", "only")]),
            (
                "bifrost_error_requests_total",
                &[("status_code", "404"), ("error_type", "caller_invalid_request")],
            ),
            ("bifrost_error_requests_total", &[("provider", "groq"), ("error_type", "provider_connection")]),
            ("bifrost_upstream_latency_seconds_bucket", &[("le", "90"), ("is_success", "true")]),
            ("bifrost_upstream_latency_seconds_count", &[("is_success", "false"), ("virtual_key_id", "")]),
            ("bifrost_input_tokens_total", &[("model", "gpt-4o"), ("alias", ""), ("team_name", "")]),
            ("bifrost_output_tokens_total", &[("routing_rule_name", ""), ("customer_id", "")]),
            ("bifrost_stream_first_token_latency_seconds_count", &[("method", "chat_completion_stream")]),
            ("bifrost_overhead_latency_microseconds_count", &[("selected_key_id", "openai/only")]),
            (
                "bifrost_provider_key_up",
                &[("provider", "groq"), ("key_id", "groq/only"), ("key_name", "only")],
            ),
            ("bifrost_build_info", &[("version", env!("CARGO_PKG_VERSION"))]),
            ("bifrost_shard_up", &[("shard", "1")]),
            ("process_resident_memory_bytes", &[]),
        ] {
            assert!(sum(&text, name, labels) > 0.0, "{name} {labels:?} is not in\n{text}");
        }
        let total = |name| sum(&text, name, &[]);
        assert_eq!(total("bifrost_shard_up"), 2.0);
        assert_eq!(total("http_requests_total"), 10.0, "{text}");
        // Six that came to a provider, and the two lists of models.
        assert_eq!(total("bifrost_upstream_requests_total"), 8.0, "{text}");
        let ended = total("bifrost_success_requests_total") + total("bifrost_error_requests_total");
        assert_eq!(ended, 8.0, "{text}");
        assert_eq!(total("bifrost_upstream_latency_seconds_count"), 8.0, "{text}");
        assert_eq!(total("bifrost_active_requests"), 0.0, "{text}");
        // This one, and those whose end has not been noticed yet.
        assert!(total("bifrost_client_connections") >= 1.0, "{text}");
    });
}

#[test]
fn tokens_are_counted_where_the_provider_tells_them_and_only_there() {
    on_both_engines(|engine| {
        let told = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":20}}\n\n";
        let response = "data: {\"type\":\"response.completed\",\"response\":{\"usage\":\
                        {\"input_tokens\":100,\"output_tokens\":200}}}\n\n";
        let upstream = Upstream::answering(move |request, peer| {
            let events = match request.head.value("x-case").unwrap_or_default() {
                "document" => {
                    peer.send(json_reply(ANSWER));
                    return;
                }
                "silent" => {
                    peer.send(json_reply(r#"{"choices":[],"usage":null}"#));
                    return;
                }
                "stream" => format!("{told}data: [DONE]\n\n"),
                "responses" => response.to_owned(),
                _ => "data: {\"usage\":null}\n\ndata: [DONE]\n\n".to_owned(),
            };
            peer.send(STREAM_HEAD);
            // However it is cut.
            for byte in events.as_bytes().chunks(7) {
                peer.send(chunk(byte));
            }
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut tokens = [0.0, 0.0];
        for (case, path, counted) in [
            ("document", CHAT, [3.0, 4.0]),
            ("silent", CHAT, [0.0, 0.0]),
            ("stream", CHAT, [10.0, 20.0]),
            ("responses", "/v1/responses", [100.0, 200.0]),
            ("silent stream", CHAT, [0.0, 0.0]),
        ] {
            let answer = gateway.call(request("POST", path, &[("X-Case", case)], chat("gpt-4o").as_bytes()));
            assert_eq!(answer.status(), 200);
            let text = metrics(&gateway);
            for (position, name) in
                ["bifrost_input_tokens_total", "bifrost_output_tokens_total"].into_iter().enumerate()
            {
                tokens[position] += counted[position];
                assert_eq!(sum(&text, name, &[]), tokens[position], "{case}: {text}");
            }
        }
    });
}

#[test]
fn a_key_is_down_while_the_provider_refuses_it() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let status = request.head.value("x-status").unwrap_or("200 OK");
            peer.send(reply(status, &[("Content-Type", "application/json")], b"{}"));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let is_up = || sum(&metrics(&gateway), "bifrost_provider_key_up", &[("key_name", "only")]);
        assert_eq!(is_up(), 1.0);
        for (status, expected) in
            [("401 No", 0.0), ("200 OK", 1.0), ("403 No", 0.0), ("429 Slow", 1.0), ("402 Pay", 0.0)]
        {
            gateway.call(request("POST", CHAT, &[("X-Status", status)], chat("gpt-4o").as_bytes()));
            assert_eq!(is_up(), expected, "{status}");
        }
    });
}

#[test]
fn a_call_is_active_until_its_stream_ends_and_counted_when_its_client_leaves() {
    on_both_engines(|engine| {
        let closed = Signal::new();
        let upstream = Upstream::streaming_until_closed(&closed);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(post(CHAT, &streamed_chat("gpt-4o")));
        client.head();
        client.event();
        let method = ("method", "chat_completion_stream");
        let text = metrics(&gateway);
        assert_eq!(sum(&text, "bifrost_active_requests", &[method]), 1.0, "{text}");
        assert_eq!(sum(&text, "bifrost_upstream_requests_total", &[]), 0.0, "{text}");
        drop(client);
        closed.wait();
        let text = metrics(&gateway);
        assert_eq!(sum(&text, "bifrost_active_requests", &[method]), 0.0, "{text}");
        let labels = [("status_code", "499"), ("error_type", "caller_cancelled")];
        assert_eq!(sum(&text, "bifrost_error_requests_total", &labels), 1.0, "{text}");
    });
}

#[test]
fn a_stream_that_breaks_is_an_error_although_its_status_was_200() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(b"data: {\"choices\":[]}\n\n"));
            peer.close();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        gateway.call(post(CHAT, &streamed_chat("gpt-4o")));
        let text = metrics(&gateway);
        let labels = [("status_code", "502"), ("error_type", "provider_connection")];
        assert_eq!(sum(&text, "bifrost_error_requests_total", &labels), 1.0, "{text}");
        assert_eq!(sum(&text, "bifrost_success_requests_total", &[]), 0.0, "{text}");
    });
}

#[test]
fn an_alias_is_told_beside_the_model_that_it_stands_for() {
    on_both_engines(|engine| {
        let upstream = Upstream::json(ANSWER);
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["keys"][0]["aliases"] = json!({ "small": "gpt-4o-mini" });
        let gateway = Gateway::start(engine, &config);
        gateway.call(post(CHAT, &chat("openai/Small")));
        let labels = [("model", "gpt-4o-mini"), ("alias", "small")];
        assert_eq!(sum(&metrics(&gateway), "bifrost_success_requests_total", &labels), 1.0);
    });
}

#[test]
fn names_of_models_that_nobody_knows_do_not_make_metrics_grow() {
    on_both_engines(|engine| {
        let refusal = reply("404 Not Found", &[("Content-Type", "application/json")], b"{}");
        let upstream = Upstream::bytes(refusal);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        let mut call = |model: &str| {
            client.send(post(CHAT, &chat(model)));
            assert_eq!(client.response().status(), 404);
        };
        call("first");
        // A scrape is a request too, which the next one shows.
        metrics(&gateway);
        let lines = metrics(&gateway).lines().count();
        for number in 0..2000 {
            call(&format!("bad-{number}"));
        }
        let text = metrics(&gateway);
        assert_eq!(text.lines().count(), lines, "{text}");
        assert!(!text.contains("bad-"), "{text}");
        let labels = [("model", "other"), ("status_code", "404")];
        assert_eq!(sum(&text, "bifrost_error_requests_total", &labels), 2001.0, "{text}");
    });
}
