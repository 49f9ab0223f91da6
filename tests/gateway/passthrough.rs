//! Bodies that nobody decodes: streamed both ways, byte for byte, without a limit.

use std::time::Instant;

use crate::harness::{
    Body, CHAT, Client, DEADLINE, Engine, Gateway, LAST_CHUNK, Peer, Signal, Upstream, chat, chunk, get,
    on_both_engines, openai_at, post, reply, request,
};

/// Bytes of every value, in no simple rhythm.
fn noise(count: usize) -> Vec<u8> {
    (0..count).map(|position| (position.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Reads a body to its end, and tells when its first byte has come.
fn read_telling(peer: &mut Peer, told: &Signal) -> Option<Vec<u8>> {
    let head = peer.head()?;
    let mut body = Body::of_request(&head);
    let mut seen = peer.piece(&mut body)?;
    told.give(());
    while let Some(piece) = peer.piece(&mut body) {
        seen.extend(piece);
    }
    Some(seen)
}

#[test]
fn an_upload_is_on_its_way_before_its_last_byte_was_sent() {
    on_both_engines(|engine| {
        let arrived = Signal::new();
        let told = arrived.clone();
        let upstream = Upstream::per_connection(move |peer| {
            while let Some(seen) = read_telling(peer, &told) {
                peer.send(reply("200 OK", &[], &seen));
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let content = noise(700_000);
        let (first, last) = content.split_at(100_000);
        let mut client = gateway.client();
        client.send("PUT /v1/uploads/u/parts HTTP/1.1\r\nHost: a\r\nContent-Length: 700000\r\n\r\n");
        client.send(first);
        arrived.wait();
        client.send(last);
        assert!(client.response().body == content, "the upload was changed");

        client.send("POST /v1/containers/c/files HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
        client.send("Content-Type: application/octet-stream\r\n\r\n");
        client.send(chunk(first));
        arrived.wait();
        for piece in last.chunks(33_333) {
            client.send(chunk(piece));
        }
        client.send(LAST_CHUNK);
        assert!(client.response().body == content, "the chunked upload was changed");
    });
}

/// An upload that nobody reads.
struct Stalled {
    client: Client,
    /// What was taken of it, bytes.
    taken: usize,
    gateway: Gateway,
    /// Lets the upstream end.
    release: Signal,
    _upstream: Upstream,
}

impl Stalled {
    const WHOLE: usize = 96 * 1024 * 1024;

    fn new(engine: Engine) -> Self {
        let release = Signal::new();
        let gate = release.clone();
        let upstream = Upstream::per_connection(move |peer| {
            if peer.head().is_some() {
                gate.wait();
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        let length = Self::WHOLE;
        client
            .send(format!("PUT /v1/uploads/u/parts HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        let taken = client.send_until_blocked(&noise(256 * 1024), Self::WHOLE);
        Self { client, taken, gateway, release, _upstream: upstream }
    }
}

#[test]
fn an_upload_that_the_upstream_does_not_read_slows_its_client() {
    on_both_engines(|engine| {
        let Stalled { taken, release, .. } = Stalled::new(engine);
        release.give(());
        assert!(taken < Stalled::WHOLE / 2, "{taken} bytes were taken that nobody reads");
    });
}

#[test]
fn a_client_that_leaves_an_upload_which_nobody_reads_is_noticed() {
    on_both_engines(|engine| {
        let Stalled { client, gateway, release, .. } = Stalled::new(engine);
        let mut watcher = gateway.client();
        let mut connections = || {
            watcher.send(get("/metrics"));
            let text = watcher.response().text();
            let line = text.lines().find(|line| line.starts_with("bifrost_client_connections"));
            line.and_then(|line| line.rsplit(' ').next()).unwrap().to_owned()
        };
        assert_eq!(connections(), "2");
        client.reset();
        drop(client);
        // Sooner than the upstream itself would give up.
        let deadline = Instant::now() + DEADLINE / 2;
        while connections() != "1" {
            assert!(Instant::now() < deadline, "the upload of a client that has gone goes on");
        }
        release.give(());
    });
}

#[test]
fn a_download_arrives_as_it_comes_and_byte_for_byte() {
    on_both_engines(|engine| {
        let content = noise(2_000_000);
        let sent = content.clone();
        let is_seen = Signal::<()>::new();
        let gate = is_seen.clone();
        let upstream = Upstream::answering(move |request, peer| {
            let (first, last) = sent.split_at(10_000);
            if request.head.target().ends_with("chunked") {
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                peer.send(chunk(first));
                gate.wait();
                last.chunks(77_777).for_each(|piece| _ = peer.send(chunk(piece)));
                peer.send(LAST_CHUNK);
            } else {
                peer.send("HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 2000000\r\n\r\n");
                peer.send(first);
                gate.wait();
                peer.send(last);
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for path in ["/v1/files/f/content?chunked", "/v1/files/f/content"] {
            let mut client = gateway.client();
            client.send(get(path));
            let head = client.head();
            let mut seen = client.piece().unwrap();
            is_seen.give(());
            let (rest, is_whole) = client.rest();
            seen.extend(rest);
            assert!(is_whole && seen == content, "the download was changed");
            if !path.ends_with("chunked") {
                assert_eq!(head.value("content-length"), Some("2000000"));
                assert_eq!(head.value("content-type"), Some("audio/mpeg"));
            }
        }
    });
}

#[test]
fn speech_comes_down_as_bytes() {
    on_both_engines(|engine| {
        let sound = noise(50_000);
        let upstream = Upstream::bytes(reply("200 OK", &[("Content-Type", "audio/mpeg")], &sound));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(post("/v1/audio/speech", r#"{"model":"openai/tts-1","input":"x"}"#));
        assert_eq!(answer.head.value("content-type"), Some("audio/mpeg"));
        assert!(answer.body == sound);
        assert_eq!(upstream.only_request().text(), r#"{"model":"tts-1","input":"x"}"#);
    });
}

#[test]
fn every_method_goes_through_with_its_body() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            peer.send(reply("200 OK", &[("X-Method", request.head.method())], &request.body));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for method in ["PUT", "PATCH", "DELETE", "POST"] {
            for body in [b"".as_slice(), b"{\"not\": \"json\xff"] {
                let answer = gateway.call(request(method, "/v1/something/1", &[], body));
                assert_eq!(answer.head.value("x-method"), Some(method));
                assert_eq!(answer.body, body, "{method}");
            }
        }
    });
}

#[test]
fn a_range_is_asked_for_and_answered() {
    on_both_engines(|engine| {
        let upstream = Upstream::bytes(reply(
            "206 Partial Content",
            &[("Content-Range", "bytes 2-4/10"), ("ETag", "\"e\"")],
            b"cde",
        ));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let fields = [("Range", "bytes=2-4"), ("If-Range", "\"e\"")];
        let answer = gateway.call(request("GET", "/v1/files/f/content", &fields, b""));
        assert_eq!((answer.status(), answer.body.as_slice()), (206, b"cde".as_slice()));
        assert_eq!(answer.head.value("content-range"), Some("bytes 2-4/10"));
        assert_eq!(answer.head.value("etag"), Some("\"e\""));
        let seen = upstream.only_request();
        assert_eq!(seen.head.value("range"), Some("bytes=2-4"));
        assert_eq!(seen.head.value("if-range"), Some("\"e\""));
    });
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            match request.head.target() {
                "/v1/files/204" => peer.send("HTTP/1.1 204 No Content\r\nX-Is: 204\r\n\r\n"),
                "/v1/files/304" => {
                    peer.send("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 7\r\n\r\n")
                }
                _ => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            };
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for status in [204, 304, 200, 204, 304] {
            client.send(get(&format!("/v1/files/{status}")));
            let answer = client.response();
            assert_eq!((answer.status(), answer.body.len()), (status, 0));
        }
        assert_eq!(upstream.connections(), 1);
    });
}

#[test]
fn redirects_are_the_clients_business() {
    on_both_engines(|engine| {
        let upstream =
            Upstream::bytes(reply("302 Found", &[("Location", "https://a.example/x?y#z")], b"there"));
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(get("/v1/files/f/content"));
        assert_eq!((answer.status(), answer.text().as_str()), (302, "there"));
        assert_eq!(answer.head.value("location"), Some("https://a.example/x?y#z"));
    });
}

#[test]
fn interim_answers_before_the_final_one_do_no_harm() {
    on_both_engines(|engine| {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let answer = [interim.as_bytes(), &reply("200 OK", &[], b"final")].concat();
        let upstream = Upstream::bytes(answer);
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        for _ in 0..2 {
            for call in [post(CHAT, &chat("gpt-4o")), get("/v1/files"), post("/v1/files", "bytes")] {
                client.send(call);
                assert_eq!(client.response().text(), "final");
            }
        }
    });
}

#[test]
fn interim_answers_without_end_are_a_bad_gateway() {
    on_both_engines(|engine| {
        let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
        let upstream = Upstream::bytes([flood, reply("200 OK", &[], b"final")].concat());
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let answer = gateway.call(post(CHAT, &chat("gpt-4o")));
        assert_eq!(answer.status(), 502);
        assert_eq!(gateway.call(get("/health")).status(), 200);
    });
}

#[test]
fn the_heads_of_an_answer_are_bounded_together_however_they_come() {
    const HEAD_BYTES_MAX: usize = 256 * 1024;
    on_both_engines(|engine| {
        let head = |status: &str, length: usize| {
            let (start, end) = (format!("HTTP/1.1 {status}\r\nX-Long: "), "\r\n\r\n");
            format!("{start}{}{end}", "x".repeat(length - start.len() - end.len())).into_bytes()
        };
        let last = head("204 No Content", 1000);
        for (answer, status) in [
            (head("204 No Content", HEAD_BYTES_MAX), 204),
            (head("204 No Content", HEAD_BYTES_MAX + 1), 502),
            ([head("103 Early Hints", HEAD_BYTES_MAX - 1000), last.clone()].concat(), 204),
            ([head("103 Early Hints", HEAD_BYTES_MAX - 999), last.clone()].concat(), 502),
            ([head("103 Early Hints", 30_000).repeat(16), last].concat(), 502),
        ] {
            let upstream = Upstream::bytes(answer);
            let gateway = Gateway::start(engine, &openai_at(&upstream));
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), status);
        }
    });
}

#[test]
fn a_chunked_request_is_one_body() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for path in [CHAT, "/v1/something"] {
            let mut client = gateway.client();
            client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"));
            for piece in chat("gpt-4o").as_bytes().chunks(9) {
                client.send(format!("{:X};extension=\"x\"\r\n", piece.len()));
                client.send(piece);
                client.send("\r\n");
            }
            client.send("0\r\nX-Trailer: 1\r\n\r\n");
            assert_eq!(client.response().status(), 200);
            assert_eq!(upstream.only_request().text(), chat("gpt-4o"));
            client.send(get("/health"));
            assert_eq!(client.response().status(), 200, "the connection goes on after the trailer");
        }
    });
}

#[test]
fn a_client_that_expects_to_be_asked_for_its_body_is_asked() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        for (path, body) in [(CHAT, chat("gpt-4o")), ("/v1/something", "bytes".to_owned())] {
            let mut client = gateway.client();
            let length = body.len();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
            ));
            assert_eq!(client.any_head().status(), 100, "{path}");
            client.send(&body);
            assert_eq!(client.any_head().status(), 200, "{path}");
            assert_eq!(upstream.only_request().text(), body);
        }
        let mut client = gateway.client();
        client.send("POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.any_head().status(), 404, "a refusal needs no body");
    });
}

#[test]
fn an_answer_that_comes_before_the_upload_has_ended_is_passed_on() {
    on_both_engines(|engine| {
        let upstream = Upstream::per_connection(|peer| {
            if peer.head().is_some() {
                peer.send(reply("413 Content Too Large", &[("Connection", "close")], b"too large"));
                peer.wait_until_closed();
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send("PUT /v1/uploads/u/parts HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\nsome");
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (413, "too large"));
        assert_eq!(answer.head.value("connection"), Some("close"));
        assert!(client.is_closed());
    });
}

#[test]
fn an_upload_that_its_client_gives_up_is_given_up() {
    on_both_engines(|engine| {
        let (arrived, ended) = (Signal::new(), Signal::new());
        let (told_arrived, told_ended) = (arrived.clone(), ended.clone());
        let upstream = Upstream::per_connection(move |peer| {
            let seen = read_telling(peer, &told_arrived);
            if seen.is_some() {
                told_ended.give(());
            }
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = Client::connect(gateway.address());
        client.send("PUT /v1/uploads/u/parts HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome");
        arrived.wait();
        drop(client);
        ended.wait();
    });
}
