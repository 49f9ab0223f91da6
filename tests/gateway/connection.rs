//! Connections: kept, replaced, pipelined and closed.

use std::{net::TcpListener, thread};

use serde_json::json;

use crate::harness::{
    CHAT, Engine, Gateway, LAST_CHUNK, STREAM_HEAD, Setup, Signal, Upstream, chat, chunk, get, json_reply,
    on_both_engines, openai_at, post, reply, streamed_chat,
};

#[test]
fn sequential_requests_share_one_upstream_connection() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            if request.head.target() == "/v1/chat/completions" {
                peer.send(STREAM_HEAD);
                peer.send(chunk(b"data: [DONE]\n\n"));
                peer.send(LAST_CHUNK);
            } else {
                peer.send(json_reply("{}"));
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let (mut client, mut other) = (gateway.client(), gateway.client());
        for _ in 0..3 {
            client.send(post(CHAT, &streamed_chat("gpt-4o")));
            assert_eq!(client.response().text(), "data: [DONE]\n\n");
            client.send(post("/v1/embeddings", &chat("m")));
            assert_eq!(client.response().text(), "{}");
            client.send(get("/health"));
            assert_eq!(client.response().status(), 200, "what came before is over");
            other.send([get("/v1/files"), get("/health")].concat());
            assert_eq!(other.response().text(), "{}", "from another client");
            assert_eq!(other.response().status(), 200);
        }
        assert_eq!(upstream.requests().len(), 9);
        assert_eq!(upstream.connections(), 1);
    });
}

#[test]
fn an_upstream_that_says_close_is_not_asked_on_that_connection_again() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(reply("200 OK", &[("Connection", "close")], b"{}"));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for round in 0..3 {
            client.send(post(CHAT, &chat("gpt-4o")));
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "{}"));
            assert_eq!(upstream.only_request().connection, round);
        }
    });
}

#[test]
fn a_pooled_connection_that_is_found_dead_is_replaced_without_the_client_noticing() {
    on_both_engines(|engine| {
        for is_reset in [false, true] {
            let upstream = Upstream::answering(move |request, peer| {
                let is_second = request.body.ends_with(b"second") || request.text().contains("second");
                if request.connection == 0 && is_second {
                    if is_reset {
                        peer.reset();
                    } else {
                        peer.close();
                    }
                } else {
                    peer.send(json_reply("{}"));
                }
            });
            let gateway = Gateway::start(engine, &openai_at(&upstream));
            let mut client = gateway.client();
            for model in ["first", "second"] {
                client.send(post(CHAT, &chat(model)));
                assert_eq!(client.response().text(), "{}");
            }
            let seen: Vec<_> =
                upstream.requests().iter().map(|seen| (seen.connection, seen.text())).collect();
            assert_eq!(seen, [(0, chat("first")), (0, chat("second")), (1, chat("second"))]);
        }
    });
}

#[test]
fn a_small_body_that_nobody_reads_is_sent_again_on_a_fresh_connection() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            if request.connection == 0 && request.text().contains("second") {
                peer.close();
            } else {
                peer.send(json_reply("{}"));
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for name in ["first", "second"] {
            client.send(post("/v1/vector_stores", name));
            assert_eq!(client.response().text(), "{}", "{name}");
        }
        let seen: Vec<_> = upstream.requests().iter().map(|seen| (seen.connection, seen.text())).collect();
        let expected = [(0, "first"), (0, "second"), (1, "second")];
        assert_eq!(seen, expected.map(|(connection, text)| (connection, text.to_owned())));
    });
}

#[test]
fn a_pooled_connection_that_closed_while_idle_is_not_used() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(json_reply("{}"));
            peer.close();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for _ in 0..5 {
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).text(), "{}");
        }
        assert_eq!(upstream.requests().len(), 5);
    });
}

#[test]
fn a_dead_connection_is_replaced_only_once() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            if request.text().contains("first") {
                peer.send(json_reply("{}"));
            } else {
                peer.close();
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(post(CHAT, &chat("first")));
        assert_eq!(client.response().status(), 200);
        client.send(post(CHAT, &chat("second")));
        client.response().error(502);
        assert_eq!(upstream.requests().len(), 3);
        client.send(post(CHAT, &chat("third")));
        client.response().error(502);
        assert_eq!(upstream.requests().len(), 1, "a fresh connection is not replaced");
    });
}

#[test]
fn a_pooled_connection_that_closes_after_a_first_byte_is_not_replaced() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            if request.text().contains("first") {
                peer.send(json_reply("{}"));
            } else {
                peer.send("HTTP/1.1 2");
                peer.close();
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send(post(CHAT, &chat("first")));
        assert_eq!(client.response().status(), 200);
        client.send(post(CHAT, &chat("second")));
        client.response().error(502);
        assert_eq!(upstream.requests().len(), 2);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            peer.send(reply("200 OK", &[], &request.body));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        let mut pipelined = Vec::new();
        for number in 0..20 {
            pipelined.extend(post(CHAT, &chat(&format!("m{number}"))));
            pipelined.extend(get("/health"));
        }
        client.send(pipelined);
        for number in 0..20 {
            assert_eq!(client.response().text(), chat(&format!("m{number}")));
            assert_eq!(client.response().json()["status"], "ok");
        }
    });
}

#[test]
fn http_1_0_gets_a_body_without_chunks_and_then_the_end() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send(STREAM_HEAD);
            peer.send(chunk(b"data: {}\n\n"));
            peer.send(chunk(b"data: [DONE]\n\n"));
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let body = streamed_chat("gpt-4o");
        let mut client = gateway.client();
        client.send(format!("POST {CHAT} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let answer = client.response();
        assert_eq!(answer.text(), "data: {}\n\ndata: [DONE]\n\n");
        assert!(answer.head.values("transfer-encoding").is_empty(), "{:?}", answer.head);
        assert!(client.is_closed());
    });
}

#[test]
fn http_1_0_sees_that_an_answer_broke_off() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            peer.send(chunk(b"a part"));
            peer.close();
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send("GET /v1/files/f/content HTTP/1.0\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        let (_, is_whole) = client.rest();
        assert!(!is_whole, "a part was taken for the whole");
    });
}

#[test]
fn a_client_that_says_close_is_closed_after_its_answer() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let body = chat("gpt-4o");
        for path in [CHAT, "/health", "/nowhere"] {
            let mut client = gateway.client();
            let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
            client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
            let answer = client.response();
            assert!(answer.head.value("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")));
            assert!(client.is_closed(), "{path}");
        }
    });
}

#[test]
fn a_refused_request_leaves_the_connection_in_step() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for _ in 0..3 {
            client.send(post(CHAT, "not json"));
            client.response().error(400);
            client.send(post("/nowhere", &chat("gpt-4o")));
            client.response().error(404);
            client.send(post(CHAT, &chat("gpt-4o")));
            assert_eq!(client.response().text(), "{}");
        }
    });
}

#[test]
fn many_clients_are_served_at_the_same_time() {
    on_both_engines(|engine| {
        const CLIENTS: usize = 50;
        let (arrived, go) = (Signal::new(), Signal::new());
        let (told, gate) = (arrived.clone(), go.clone());
        let upstream = Upstream::answering(move |request, peer| {
            told.give(());
            gate.wait();
            peer.send(reply("200 OK", &[], &request.body));
        });
        let gateway = Setup::new(engine).shards(2).config(&openai_at(&upstream)).start();
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| gateway.client()).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(post(CHAT, &chat(&format!("m{number}"))));
        }
        (0..CLIENTS).for_each(|_| arrived.wait());
        (0..CLIENTS).for_each(|_| go.give(()));
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.response().text(), chat(&format!("m{number}")));
        }
    });
}

#[test]
fn a_gateway_without_descriptors_serves_whom_it_has_and_then_the_others() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Setup::with_open_files(engine, 80).config(&openai_at(&upstream)).start();
        assert_eq!(gateway.call(get("/metrics")).status(), 200, "all of it runs");
        let mut clients: Vec<_> = (0..120).map(|_| gateway.client()).collect();
        let mut last = clients.pop().unwrap();
        last.send(get("/health"));
        clients[0].send(get("/health"));
        assert_eq!(clients[0].response().status(), 200);
        drop(clients);
        assert_eq!(last.response().status(), 200);
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
    });
}

#[test]
fn no_shard_is_idle_while_others_have_several_connections() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Setup::new(engine).shards(4).config(&openai_at(&upstream)).start();
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = gateway.client();
            client.send(get("/health"));
            assert_eq!(client.response().status(), 200);
            clients.push(client);
        }
        for client in &mut clients {
            client.send(post(CHAT, &chat("gpt-4o")));
            assert_eq!(client.response().status(), 200);
        }
        assert_eq!(upstream.connections(), 4, "one for each shard, since none was asked twice at a time");
    });
}

#[test]
fn every_client_hears_of_the_end_however_busy_its_connection_is() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500000\r\n\r\n");
            peer.send(vec![b' '; 300_000]);
            peer.reset();
        });
        let gateway = Setup::new(engine).shards(4).config(&openai_at(&upstream)).start();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut client = gateway.client();
                        client.send(post(CHAT, &chat("gpt-4o")));
                        // It is refused, or cut; `rest` fails the test where it neither ends nor goes on.
                        if client.head().status() == 200 {
                            assert!(!client.rest().1);
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn a_connection_too_many_is_told_to_come_back_later() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let mut config = openai_at(&upstream);
        config["server"] = json!({ "max_connections": 2 });
        let gateway = Gateway::start(engine, &config);
        let mut served = [gateway.client(), gateway.client()];
        for client in &mut served {
            client.send(post(CHAT, &chat("gpt-4o")));
            assert_eq!(client.response().status(), 200);
        }
        let mut surplus = gateway.client();
        surplus.send(post(CHAT, &chat("gpt-4o")));
        let answer = surplus.response();
        assert_eq!(answer.error(503)["type"], "server_error");
        assert_eq!(answer.head.value("retry-after"), Some("1"));
        assert!(surplus.is_closed());
        drop(surplus);
        served[0].send(get("/health"));
        assert_eq!(served[0].response().status(), 200, "those who are served stay");
        drop(served);
        while gateway.call(get("/health")).status() != 200 {}
    });
}

#[test]
fn a_second_instance_on_a_taken_port_is_refused_and_says_which_port() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let first = Gateway::start(engine, &openai_at(&upstream));
        let second_on = |port: u16, engine: Engine| {
            let setup = Setup::bare(engine).config(&openai_at(&upstream));
            let ended = setup.arguments(["--host", "127.0.0.1", "--port", &port.to_string()]).run();
            assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
            assert!(ended.stderr.contains(&port.to_string()), "{ended:?}");
        };
        let port = first.address().port();
        second_on(port, engine);
        second_on(port, Engine::Epoll);
        second_on(port, Engine::IoUring);
        assert_eq!(first.call(get("/health")).status(), 200);

        let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
        second_on(foreign.local_addr().unwrap().port(), engine);
    });
}
