//! `bifrost health`, which orchestrators ask.

use std::net::{Ipv6Addr, TcpListener};

use serde_json::Value;

use crate::harness::{Ended, Engine, Gateway, Setup, Upstream, on_both_engines, refusing_address, reply};

#[test]
fn a_gateway_that_serves_is_well_and_says_what_it_serves() {
    on_both_engines(|engine| {
        let gateway = Setup::new(engine).variable("OPENAI_API_KEY", "sk-1").start();
        let port = port_of(&gateway);
        let ended = Setup::command().arguments(["health", "--host", "127.0.0.1", "--port", &port]).run();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&said["status"], &said["providers"][0]), (&"ok".into(), &"openai".into()));

        let asked = Setup::command().arguments(["health"]).variable("APP_HOST", "127.0.0.1");
        assert_eq!(asked.variable("APP_PORT", &port).run().code, Some(0));
    });
}

#[test]
fn a_gateway_on_every_address_is_asked_over_loopback() {
    let has_ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    for host in ["0.0.0.0"].into_iter().chain(has_ipv6.then_some("::")) {
        let gateway = Setup::bare(Engine::Epoll).arguments(["--host", host, "--port", "0"]).start();
        let asked = Setup::command().arguments(["health", "--port", &port_of(&gateway)]);
        let ended = asked.variable("APP_HOST", host).run();
        assert_eq!(ended.code, Some(0), "{host}: {ended:?}");
    }
}

#[test]
fn a_gateway_that_is_gone_is_not_well() {
    let (address, _held) = refusing_address();
    let ended = ask(&address.port().to_string());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.contains(&address.to_string()) && ended.stderr.contains("--port"), "{ended:?}");
}

#[test]
fn a_gateway_that_calls_itself_unavailable_is_not_well_and_says_why() {
    let body = br#"{"status":"unavailable","reason":"draining"}"#;
    let draining = Upstream::answering(move |_, peer| {
        peer.send(reply("503 Service Unavailable", &[], body));
        peer.close();
    });
    let ended = ask(&draining.address().port().to_string());
    assert_eq!((ended.code, ended.stdout.as_bytes()), (Some(1), body.as_slice()));
    assert!(ended.stderr.contains("503"), "{ended:?}");
}

#[test]
fn what_is_no_gateway_is_not_well() {
    let stranger = Upstream::per_connection(|peer| {
        peer.send("SSH-2.0-stranger\r\n\r\n");
        peer.close();
    });
    let ended = ask(&stranger.address().port().to_string());
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("HTTP"), "{ended:?}");
}

#[test]
fn a_port_that_cannot_be_asked_is_refused() {
    for port in ["0", "many"] {
        let ended = Setup::command().arguments(["health"]).variable("APP_PORT", port).run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("APP_PORT"), "{ended:?}");
    }
}

fn ask(port: &str) -> Ended {
    Setup::command().arguments(["health", "--host", "127.0.0.1", "--port", port]).run()
}

fn port_of(gateway: &Gateway) -> String {
    gateway.url.rsplit(':').next().unwrap().to_owned()
}
