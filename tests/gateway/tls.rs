//! Upstreams over TLS, with an authority of the operator's own.

use rustls::{
    ProtocolVersion, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};

use crate::harness::{
    Authority, CHAT, Gateway, LAST_CHUNK, Peer, Request, STREAM_HEAD, Upstream, chat, chunk, json_reply,
    on_both_engines, openai_at, post, reply, streamed_chat,
};

fn trusting(upstream: &Upstream, authority: &Authority) -> Value {
    let mut config = openai_at(upstream);
    config["providers"]["openai"]["network_config"]["ca_cert_pem"] = json!(authority.pem());
    config
}

fn echo(request: &Request, peer: &mut Peer) {
    peer.send(reply("200 OK", &[], &request.body));
}

#[test]
fn both_versions_of_tls_are_spoken_and_the_name_is_sent() {
    on_both_engines(|engine| {
        let both: [(&'static SupportedProtocolVersion, ProtocolVersion); 2] =
            [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)];
        for (version, expected) in both {
            let authority = Authority::new();
            let upstream = Upstream::answering_tls(authority.server("localhost", &[version]), echo);
            let gateway = Gateway::start(engine, &trusting(&upstream, &authority));
            let body = chat(&"long".repeat(50_000));
            let mut client = gateway.client();
            for _ in 0..2 {
                client.send(post(CHAT, &body));
                let answer = client.response();
                assert!(answer.text() == body, "{}", answer.status());
                let tls = upstream.only_request().tls.unwrap();
                assert_eq!(tls.version, expected);
                assert_eq!(tls.server_name.as_deref(), Some("localhost"));
            }
            assert_eq!(upstream.connections(), 1, "a TLS connection is kept too");
        }
    });
}

#[test]
fn a_stream_comes_through_tls() {
    on_both_engines(|engine| {
        let authority = Authority::new();
        let upstream = Upstream::answering_tls(authority.server("localhost", &[&TLS13]), |_, peer| {
            peer.send(STREAM_HEAD);
            for piece in "data: {}\n\ndata: [DONE]\n\n".as_bytes().chunks(5) {
                peer.send(chunk(piece));
            }
            peer.send(LAST_CHUNK);
        });
        let gateway = Gateway::start(engine, &trusting(&upstream, &authority));
        let answer = gateway.call(post(CHAT, &streamed_chat("gpt-4o")));
        assert_eq!(answer.text(), "data: {}\n\ndata: [DONE]\n\n");
    });
}

#[test]
fn a_session_is_resumed_on_the_next_connection() {
    on_both_engines(|engine| {
        let authority = Authority::new();
        let settings = authority.server("localhost", &[&TLS13, &TLS12]);
        let upstream = Upstream::answering_tls(settings, |_, peer| {
            peer.send(reply("200 OK", &[("Connection", "close")], b"{}"));
            peer.close();
        });
        let gateway = Gateway::start(engine, &trusting(&upstream, &authority));
        for round in 0..3 {
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
            let seen = upstream.only_request();
            assert_eq!((seen.connection, seen.tls.unwrap().is_resumed), (round, round > 0));
        }
    });
}

#[test]
fn an_authority_that_is_not_trusted_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let (authority, other) = (Authority::new(), Authority::new());
        let upstream = Upstream::answering_tls(authority.server("localhost", &[&TLS13, &TLS12]), echo);
        for config in [trusting(&upstream, &other), openai_at(&upstream)] {
            let gateway = Gateway::start(engine, &config);
            gateway.call(post(CHAT, &chat("gpt-4o"))).error(502);
        }
        assert!(upstream.requests().is_empty(), "the key was sent to an impostor");
    });
}

#[test]
fn a_certificate_for_another_name_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let authority = Authority::new();
        let upstream = Upstream::answering_tls(authority.server("other.example", &[&TLS13]), echo);
        let gateway = Gateway::start(engine, &trusting(&upstream, &authority));
        gateway.call(post(CHAT, &chat("gpt-4o"))).error(502);
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_certificate_is_not_verified_if_the_operator_says_so() {
    on_both_engines(|engine| {
        let authority = Authority::new();
        let upstream = Upstream::answering_tls(authority.server("other.example", &[&TLS13]), |_, peer| {
            peer.send(json_reply("{}"));
        });
        let mut config = openai_at(&upstream);
        config["providers"]["openai"]["network_config"]["insecure_skip_verify"] = json!(true);
        let gateway = Gateway::start(engine, &config);
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
    });
}
