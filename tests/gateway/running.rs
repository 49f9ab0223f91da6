//! Starting, stopping and the demonstration.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv6Addr, TcpListener, TcpStream},
};

use serde_json::json;

use crate::harness::{
    CHAT, Client, DEADLINE, Gateway, LAST_CHUNK, STREAM_HEAD, Setup, Signal, Upstream, chat, chunk, get,
    json_reply, on_both_engines, openai_at, post, streamed_chat,
};

#[test]
fn without_configuration_and_key_it_starts_and_says_what_to_do() {
    on_both_engines(|engine| {
        let gateway = Setup::new(engine).start();
        let health = gateway.call(get("/health"));
        assert_eq!(health.status(), 200);
        assert!(health.json().is_object());
        assert!(health.text().contains("OPENAI_API_KEY"), "{}", health.text());
        for call in [
            post(CHAT, &chat("gpt-4o")),
            post("/v1/chat/completions", &streamed_chat("openai/gpt-4o")),
            post("/v1/embeddings", &chat("anything")),
        ] {
            let answer = gateway.call(call);
            let error = answer.error(answer.status());
            let message = error["message"].as_str().unwrap();
            assert!(answer.status() >= 400, "{error}");
            assert!(message.contains("OPENAI_API_KEY") && message.contains("bifrost demo"), "{message}");
        }
    });
}

#[test]
fn well_known_variables_make_providers() {
    on_both_engines(|engine| {
        let setup = Setup::new(engine).variable("OPENAI_API_KEY", "sk-1").variable("GROQ_API_KEY", "gsk-2");
        let gateway = setup.start();
        assert!(!gateway.call(get("/health")).text().contains("bifrost demo"));
        let error = gateway.call(post(CHAT, &chat("mistral/small"))).error(404);
        assert_eq!(error["code"], "model_not_found");
        assert!(error["message"].as_str().unwrap().contains("mistral"), "{error}");
        let log = gateway.stop().stderr;
        assert!(log.contains("openai") && log.contains("groq"), "the log names no providers: {log}");
        assert!(!log.contains("sk-1") && !log.contains("gsk-2"), "{log}");
    });
}

#[test]
fn a_configuration_is_looked_for_here_and_then_in_the_application_directory() {
    on_both_engines(|engine| {
        let [given, here, app] = ["given", "here", "app"].map(Upstream::json);
        let text = |upstream: &Upstream| openai_at(upstream).to_string();
        let answer_of = |gateway: Gateway| gateway.call(post(CHAT, &chat("gpt-4o"))).text();
        let app_file = |setup: Setup| setup.file("app/config.json", &text(&app));
        let here_file = |setup: Setup| setup.file("config.json", &text(&here));

        let setup = app_file(Setup::new(engine)).arguments(["--app-dir", "app"]);
        assert_eq!(answer_of(setup.start()), "app");
        let setup = app_file(Setup::new(engine)).variable("APP_DIR", "app");
        assert_eq!(answer_of(setup.start()), "app");
        let setup = here_file(app_file(Setup::new(engine))).arguments(["--app-dir", "app"]);
        assert_eq!(answer_of(setup.start()), "here");
        let setup = here_file(app_file(Setup::new(engine))).arguments(["--app-dir", "app"]);
        assert_eq!(answer_of(setup.config_text(&text(&given)).start()), "given");
    });
}

#[test]
fn a_configuration_that_is_named_and_missing_is_an_error() {
    on_both_engines(|engine| {
        let ended = Setup::new(engine).arguments(["--config", "no/such.json"]).run();
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert!(ended.stderr.contains("no/such.json"), "{ended:?}");
    });
}

#[test]
fn variables_say_where_to_listen_and_flags_win() {
    on_both_engines(|engine| {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken_port = taken.local_addr().unwrap().port().to_string();
        for name in ["BIFROST_HOST", "APP_HOST"] {
            let setup = Setup::bare(engine).variable(name, "127.0.0.2").variable("APP_PORT", "0");
            let gateway = setup.start();
            assert_eq!(gateway.address().ip().to_string(), "127.0.0.2", "{name}");
            assert_eq!(gateway.call(get("/health")).status(), 200);
            assert!(TcpStream::connect(("127.0.0.1", gateway.address().port())).is_err());

            let setup = Setup::new(engine).variable(name, "127.0.0.2").variable("APP_PORT", &taken_port);
            let gateway = setup.start();
            assert_eq!(gateway.address().ip().to_string(), "127.0.0.1", "{name}");
            assert_ne!(gateway.address().port().to_string(), taken_port);
        }
        let setup =
            Setup::bare(engine).variable("BIFROST_HOST", "127.0.0.1").variable("APP_PORT", &taken_port);
        let ended = setup.run();
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert!(ended.stderr.contains(&taken_port), "{ended:?}");
    });
}

#[test]
fn without_a_host_it_listens_on_both_loopback_addresses_only() {
    on_both_engines(|engine| {
        let gateway = Setup::bare(engine).arguments(["--port", "0"]).start();
        assert_eq!(gateway.call(get("/health")).status(), 200);
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            let mut client = Client::connect((Ipv6Addr::LOCALHOST, gateway.address().port()).into());
            client.send(get("/health"));
            assert_eq!(client.response().status(), 200);
        }
        assert!(TcpStream::connect(("127.0.0.2", gateway.address().port())).is_err());
    });
}

#[test]
fn where_io_uring_is_denied_epoll_serves_and_one_line_says_what_to_do() {
    let gateway = Setup::without_locked_memory().start();
    assert_eq!(gateway.call(get("/health")).status(), 200);
    let log = gateway.stop().stderr;
    assert_eq!(log.lines().filter(|line| line.contains("io_uring")).count(), 1, "{log}");
    assert!(log.contains("ulimit -l") && log.contains("engine=\"epoll\""), "{log}");

    let ended = Setup::without_locked_memory().arguments(["--io", "io-uring"]).run();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--io epoll"), "{ended:?}");
}

#[test]
fn no_memory_is_locked_which_all_processes_of_a_user_would_share() {
    on_both_engines(|engine| {
        let gateway = Setup::new(engine).shards(4).start();
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
        for line in ["VmLck:\t       0 kB", "VmPin:\t       0 kB"] {
            assert!(status.contains(line), "{status}");
        }
        let log = gateway.stop().stderr;
        assert!(!log.contains("registering"), "{log}");
    });
}

#[test]
fn more_connections_are_served_than_the_soft_limit_of_descriptors_allows() {
    const SOFT_LIMIT: u32 = 64;
    on_both_engines(|engine| {
        let gateway = Setup::with_few_descriptors(engine, SOFT_LIMIT).start();
        let mut clients: Vec<_> = (0..2 * SOFT_LIMIT).map(|_| gateway.client()).collect();
        for client in &mut clients {
            client.send(get("/health"));
            assert_eq!(client.response().status(), 200);
        }
    });
}

#[test]
fn the_log_names_the_engine_and_has_the_level_that_was_asked_for() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let with_levels = |flag: Option<&str>, variables: &[(&str, &str)]| {
            let mut setup = Setup::new(engine).config(&openai_at(&upstream));
            for (name, value) in variables {
                setup = setup.variable(name, value);
            }
            let gateway = setup.arguments(flag.into_iter().flat_map(|level| ["--log-level", level])).start();
            let log = gateway.stop().stderr;
            log.contains(engine.name()) || log.contains(&engine.name().replace('-', "_"))
        };
        assert!(with_levels(None, &[]));
        assert!(with_levels(Some("info"), &[("BIFROST_LOG_LEVEL", "error"), ("LOG_LEVEL", "error")]));
        assert!(!with_levels(Some("error"), &[("BIFROST_LOG_LEVEL", "info")]));
        assert!(!with_levels(None, &[("BIFROST_LOG_LEVEL", "error")]));
        assert!(!with_levels(None, &[("LOG_LEVEL", "error")]));
    });
}

#[test]
fn a_log_level_that_is_none_is_refused_with_those_that_are() {
    on_both_engines(|engine| {
        for setup in [
            Setup::new(engine).arguments(["--log-level", "loud"]),
            Setup::new(engine).variable("LOG_LEVEL", "warning"),
        ] {
            let ended = setup.run();
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.stderr.contains("off, error, warn, info, debug, trace"), "{ended:?}");
        }
        for level in ["INFO", "bifrost=info,warn"] {
            assert!(!Setup::new(engine).arguments(["--log-level", level]).start().stop().stderr.is_empty());
        }
    });
}

#[test]
fn the_log_is_json_if_that_was_asked_for() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let setup = Setup::new(engine).config(&openai_at(&upstream)).arguments(["--log-style", "json"]);
        let gateway = setup.start();
        gateway.call(post(CHAT, &chat("gpt-4o")));
        let log = gateway.stop().stderr;
        assert!(!log.is_empty());
        for line in log.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert!(line.is_object(), "{line}");
        }
    });
}

#[test]
fn a_request_under_way_ends_before_the_process_does() {
    on_both_engines(|engine| {
        let go = Signal::<()>::new();
        let gate = go.clone();
        let upstream = Upstream::answering(move |_, peer| {
            gate.wait();
            peer.send(json_reply("\"whole\""));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(post(CHAT, &chat("gpt-4o")));
        upstream.next_request();
        gateway.terminate();
        while is_open_to_new_requests(&gateway) {}
        go.give(());
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "\"whole\""));
        assert_eq!(gateway.end().code, Some(0));
    });
}

#[test]
fn half_a_head_does_not_hold_up_the_end() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send([get("/health"), b"GET /health HTTP/1.1\r\nHo".to_vec()].concat());
        assert_eq!(client.response().status(), 200);
        assert_eq!(gateway.stop().code, Some(0));
        assert!(client.is_closed());
    });
}

#[test]
fn a_kept_connection_is_told_that_the_gateway_is_draining() {
    on_both_engines(|engine| {
        let go = Signal::<()>::new();
        let gate = go.clone();
        let upstream = Upstream::answering(move |_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(b"data: 1\n\n"));
            gate.wait();
            peer.send(chunk(b"data: [DONE]\n\n"));
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send([post(CHAT, &streamed_chat("gpt-4o")), get("/health")].concat());
        client.head();
        assert_eq!(client.event(), "data: 1\n\n");
        gateway.terminate();
        while is_open_to_new_requests(&gateway) {}
        go.give(());
        assert_eq!(client.rest().0, b"data: [DONE]\n\n");
        let health = client.response();
        assert_eq!((health.status(), health.json()["reason"].as_str()), (503, Some("draining")));
        assert!(client.is_closed());
        assert_eq!(gateway.end().code, Some(0));
    });
}

#[test]
fn a_second_signal_ends_what_is_under_way() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| peer.wait_until_closed());
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(post(CHAT, &chat("gpt-4o")));
        upstream.next_request();
        gateway.terminate();
        while is_open_to_new_requests(&gateway) {}
        gateway.terminate();
        assert_eq!(gateway.end().code, Some(130));
        assert!(client.is_closed());
    });
}

#[test]
fn an_idle_gateway_stops_at_once_and_cleanly() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Setup::new(engine).shards(2).config(&openai_at(&upstream)).start();
        let mut idle = gateway.client();
        idle.send(post(CHAT, &chat("gpt-4o")));
        assert_eq!(idle.response().status(), 200);
        assert_eq!(gateway.stop().code, Some(0));
        assert!(idle.is_closed());
    });
}

#[test]
fn the_demonstration_answers_without_any_key() {
    on_both_engines(|engine| {
        let mut gateway = Setup::demo(engine).start();
        let printed = gateway.lines_until(|line| line.contains("curl"));
        assert!(printed.contains(&gateway.url), "{printed}");
        for model in ["demo/echo", "anything"] {
            for path in [CHAT, "/v1/chat/completions"] {
                let answer = gateway.call(post(path, &chat(model))).json();
                assert_eq!(answer["object"], "chat.completion", "{answer}");
                let choice = &answer["choices"][0];
                assert_eq!(choice["finish_reason"], "stop", "{answer}");
                assert!(choice["message"]["content"].as_str().unwrap().contains("Hello!"), "{answer}");
                assert!(answer["usage"]["total_tokens"].is_u64(), "{answer}");
            }
        }
        let models = gateway.call(get("/v1/models")).json();
        let ids = models["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap());
        assert!(ids.collect::<Vec<_>>().contains(&"demo/echo"), "{models}");
        let embeddings = json!({ "model": "demo/echo", "input": ["a", "b"] }).to_string();
        let embeddings = gateway.call(post("/v1/embeddings", &embeddings)).json();
        assert_eq!(embeddings["data"].as_array().unwrap().len(), 2, "{embeddings}");
        assert!(embeddings["data"][1]["embedding"][0].is_number(), "{embeddings}");
    });
}

#[test]
fn the_demonstration_streams_word_by_word() {
    on_both_engines(|engine| {
        let gateway = Setup::demo(engine).start();
        let body = json!({
            "model": "demo/echo",
            "stream": true,
            "messages": [{ "role": "user", "content": "one two three four" }],
        });
        let mut client = gateway.client();
        client.send(post(CHAT, &body.to_string()));
        assert_eq!(client.head().status(), 200);
        let mut words = Vec::new();
        loop {
            let event = client.event();
            let data = event.strip_prefix("data: ").unwrap().trim_end();
            if data == "[DONE]" {
                break;
            }
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["object"], "chat.completion.chunk");
            let word = data["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
            words.extend((!word.is_empty()).then(|| word.to_owned()));
        }
        assert!(words.len() >= 4, "{words:?}");
        assert!(words.concat().contains("one two three four"), "{words:?}");
    });
}

#[test]
fn the_demonstration_calls_tools_that_it_is_given() {
    on_both_engines(|engine| {
        let gateway = Setup::demo(engine).start();
        let body = json!({
            "model": "demo/echo",
            "messages": [{ "role": "user", "content": "What is the weather?" }],
            "tools": [{ "type": "function", "function": {
                "name": "get_weather",
                "parameters": { "type": "object", "properties": { "city": { "type": "string" } } },
            } }],
        });
        let answer = gateway.call(post(CHAT, &body.to_string())).json();
        let choice = &answer["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"], "get_weather", "{answer}");
        let arguments = call["function"]["arguments"].as_str().unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(arguments).unwrap().is_object());
    });
}

/// Whether a health check on a new connection is answered with 200.
fn is_open_to_new_requests(gateway: &Gateway) -> bool {
    let Ok(mut stream) = TcpStream::connect(gateway.address()) else { return false };
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut status_line = [0; 12];
    let is_answered = stream.write_all(&get("/health")).and_then(|()| stream.read_exact(&mut status_line));
    is_answered.is_ok() && status_line.ends_with(b"200")
}
