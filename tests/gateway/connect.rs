//! Finding the address of a provider that answers.

use std::net::{Ipv6Addr, TcpListener};

use serde_json::{Value, json};

use crate::harness::{
    CHAT, Gateway, Upstream, chat, json_reply, on_both_engines, post, provider_at, refusing_address,
    silent_address,
};

/// A provider at localhost, whose name has the addresses 127.0.0.1 and ::1, tried in this order.
fn openai_at_localhost(port: u16) -> Value {
    let mut provider = provider_at(&format!("http://localhost:{port}"));
    // Less than one address alone has, so that waiting for it would be too long.
    provider["network_config"]["default_request_timeout_in_seconds"] = json!(5);
    json!({ "providers": { "openai": provider } })
}

/// An upstream on ::1 only; none where the machine has no IPv6.
fn upstream_on_ipv6(port: u16) -> Option<Upstream> {
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(listener) => Some(Upstream::answering_on(listener, |_, peer| {
            peer.send(json_reply("\"from the second address\""));
        })),
        Err(error) => {
            eprintln!("not tried on this machine, for want of ::1: {error}");
            None
        }
    }
}

#[test]
fn an_address_that_refuses_or_says_nothing_does_not_hide_the_other_one() {
    on_both_engines(|engine| {
        let (refusing, _refusing) = refusing_address();
        let (silent, _silent) = silent_address();
        for address in [refusing, silent] {
            let Some(upstream) = upstream_on_ipv6(address.port()) else { return };
            let gateway = Gateway::start(engine, &openai_at_localhost(address.port()));
            let answer = gateway.call(post(CHAT, &chat("gpt-4o")));
            assert_eq!(answer.text(), "\"from the second address\"");
            assert_eq!(upstream.connections(), 1);
        }
    });
}

#[test]
fn where_no_address_answers_the_error_says_what_to_check() {
    on_both_engines(|engine| {
        let (refusing, _refusing) = refusing_address();
        let gateway = Gateway::start(engine, &openai_at_localhost(refusing.port()));
        let error = gateway.call(post(CHAT, &chat("gpt-4o"))).error(502);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("localhost") && message.contains("base_url"), "{message}");
    });
}
