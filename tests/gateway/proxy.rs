//! Providers behind proxies.

use rustls::version::TLS13;
use serde_json::{Value, json};

use crate::harness::{
    Asked, Authority, CHAT, Gateway, Proxy, Setup, Upstream, chat, custom_provider_at, json_reply,
    on_both_engines, openai_at, post, provider_at, refusing_address,
};

/// A provider at a name that only a proxy can resolve.
const BASE_URL: &str = "http://upstream.test:8000";

fn openai_behind(base_url: &str, proxy: Value) -> Value {
    let mut provider = provider_at(base_url);
    provider["proxy_config"] = proxy;
    json!({ "providers": { "openai": provider } })
}

fn asked(to: &str, credentials: Option<&str>) -> (String, Option<String>) {
    (to.to_owned(), credentials.map(str::to_owned))
}

fn told(asked: Asked) -> (String, Option<String>) {
    (asked.to, asked.credentials)
}

#[test]
fn an_http_proxy_is_asked_for_a_tunnel_which_is_then_kept() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        for wanted in [None, Some("me:open sesame")] {
            let proxy = Proxy::http(upstream.address(), wanted);
            let mut settings = json!({ "type": "http", "url": format!("http://{}", proxy.authority()) });
            if wanted.is_some() {
                settings["username"] = json!("me");
                settings["password"] = json!("env.PROXY_PASSWORD");
            }
            let setup = Setup::new(engine).variable("PROXY_PASSWORD", "open sesame");
            let gateway = setup.config(&openai_behind(BASE_URL, settings)).start();
            for _ in 0..3 {
                assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
                let request = upstream.next_request();
                assert_eq!(request.head.value("host"), Some("upstream.test:8000"));
                assert_eq!(request.key(), "sk-test");
                assert_eq!(request.head.value("proxy-authorization"), None);
            }
            let only = proxy.only_asked();
            let expected: &[&str] =
                if wanted.is_some() { &["Host", "Proxy-Authorization"] } else { &["Host"] };
            assert_eq!(only.fields, expected);
            assert_eq!(told(only), asked("upstream.test:8000", wanted));
        }
    });
}

#[test]
fn tls_goes_from_end_to_end_through_a_proxy_that_may_speak_tls_itself() {
    on_both_engines(|engine| {
        let (own, of_proxy) = (Authority::new(), Authority::new());
        let upstream = Upstream::answering_tls(own.server("upstream.test", &[&TLS13]), |request, peer| {
            peer.send(json_reply(&request.text()));
        });
        let behind = |proxy: Value| {
            let mut config = openai_behind("https://upstream.test", proxy);
            config["providers"]["openai"]["network_config"]["ca_cert_pem"] = json!(own.pem());
            Gateway::start(engine, &config)
        };
        let body = format!(r#"{{"model":"gpt-4o","messages":[],"pad":"{}"}}"#, "long".repeat(50_000));
        let is_answered = |gateway: &Gateway, proxy: &Proxy| {
            for _ in 0..2 {
                assert!(gateway.call(post(CHAT, &body)).text() == body);
                assert_eq!(upstream.only_request().tls.unwrap().server_name.unwrap(), "upstream.test");
            }
            assert_eq!(told(proxy.only_asked()), asked("upstream.test:443", None));
        };

        let plain = Proxy::http(upstream.address(), None);
        is_answered(&behind(json!({ "type": "http", "url": plain.authority() })), &plain);

        let secret = Proxy::https(of_proxy.server("localhost", &[&TLS13]), upstream.address());
        let url = format!("https://localhost:{}", secret.port());
        let settings = json!({ "type": "http", "url": url, "ca_cert_pem": of_proxy.pem() });
        is_answered(&behind(settings), &secret);

        let error = behind(json!({ "type": "http", "url": url })).call(post(CHAT, &body)).error(502);
        assert!(error["message"].as_str().unwrap().contains(&url), "{error}");
        assert!(secret.asked().is_empty());
    });
}

#[test]
fn a_socks_proxy_resolves_the_name_and_learns_who_asks() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        for wanted in [None, Some("me:open sesame")] {
            let proxy = Proxy::socks5(upstream.address(), wanted);
            let user = if wanted.is_some() { "me:open%20sesame@" } else { "" };
            let url = format!("socks5://{user}{}", proxy.authority());
            let config = openai_behind(BASE_URL, json!({ "type": "socks5", "url": url }));
            let gateway = Gateway::start(engine, &config);
            for _ in 0..2 {
                assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
            }
            assert_eq!(told(proxy.only_asked()), asked("upstream.test:8000", wanted));
        }
        let proxy = Proxy::socks5(upstream.address(), None);
        let settings = json!({ "type": "socks5", "url": proxy.authority() });
        let gateway = Gateway::start(engine, &openai_behind(&upstream.base_url(), settings));
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
        assert_eq!(proxy.only_asked().to, upstream.address().to_string());
    });
}

#[test]
fn the_environment_names_proxies_and_what_is_reached_without_them() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let proxy = Proxy::http(upstream.address(), Some("me:secret"));
        let mut config = openai_behind(BASE_URL, json!({ "type": "environment" }));
        for (name, base_url) in [("near", upstream.base_url()), ("excepted", BASE_URL.replace('.', ".x."))] {
            config["providers"][name] = custom_provider_at(&base_url);
            config["providers"][name]["proxy_config"] = json!({ "type": "environment" });
        }
        let url = format!("http://me:secret@{}", proxy.authority());
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            let setup = Setup::new(engine).variable(name, &url).variable("NO_PROXY", "a.test,x.test:8000");
            let gateway = setup.config(&config).start();
            assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
            assert_eq!(told(proxy.only_asked()), asked("upstream.test:8000", Some("me:secret")));
            assert_eq!(gateway.call(post(CHAT, &chat("near/gpt-4o"))).status(), 200);
            let error = gateway.call(post(CHAT, &chat("excepted/gpt-4o"))).error(502);
            assert!(error["message"].as_str().unwrap().contains("does not resolve"), "{error}");
            assert!(proxy.asked().is_empty());
        }
    });
}

#[test]
fn connections_are_not_shared_between_users_of_a_proxy() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let proxy = Proxy::http(upstream.address(), None);
        let mut config = openai_at(&upstream);
        for user in ["one", "two"] {
            let url = format!("http://{user}:secret@{}", proxy.authority());
            config["providers"][user] = custom_provider_at(&upstream.base_url());
            config["providers"][user]["proxy_config"] = json!({ "type": "http", "url": url });
        }
        let gateway = Gateway::start(engine, &config);
        for model in ["openai/m", "one/m", "two/m", "two/m", "one/m", "openai/m"] {
            assert_eq!(gateway.call(post(CHAT, &chat(model))).status(), 200);
        }
        let users: Vec<_> = proxy.asked().into_iter().filter_map(|asked| asked.credentials).collect();
        assert_eq!(users, ["one:secret", "two:secret"]);
        assert_eq!(upstream.connections(), 3);
    });
}

#[test]
fn a_proxy_that_leads_nowhere_is_named_and_its_secrets_are_not() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let [http, socks] = [Proxy::http, Proxy::socks5]
            .map(|start: fn(_, _) -> Proxy| start(upstream.address(), Some("me:right")));
        let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(256 * 1024));
        let said = [
            ("http", long.as_bytes(), "too long"),
            ("http", &b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"[..], "403"),
            ("http", b"SSH-2.0-none\r\n\r\n", "HTTP"),
            ("http", b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "nobody asked"),
            ("http", b"", "closed"),
            ("http", b"HTTP/1.1 200 O", "closed"),
            ("socks5", b"\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", "refused"),
            ("socks5", b"HTTP/1.1 400 Bad\r\n\r\n", "SOCKS"),
            ("socks5", b"\x05\xff", "credentials"),
        ];
        let said = said.map(|(kind, bytes, expected)| (kind, Proxy::saying(bytes), "", expected));
        let (refusing, _refusing) = refusing_address();
        let mut cases = vec![
            ("http", http.authority(), "me:very-secret@", "password"),
            ("http", http.authority(), "", "407"),
            ("socks5", socks.authority(), "me:very-secret@", "password"),
            ("socks5", socks.authority(), "", "credentials"),
            ("http", refusing.to_string(), "me:very-secret@", "refused"),
        ];
        let fixed = said.iter().map(|(kind, proxy, user, what)| (*kind, proxy.authority(), *user, *what));
        cases.extend(fixed);
        let mut config = json!({ "providers": {} });
        for (position, (kind, authority, user, _)) in cases.iter().enumerate() {
            let name = format!("p{position}");
            let scheme = if *kind == "http" { "http" } else { "socks5" };
            config["providers"][&name] = custom_provider_at(BASE_URL);
            config["providers"][&name]["proxy_config"] =
                json!({ "type": kind, "url": format!("{scheme}://{user}{authority}") });
        }
        let gateway = Gateway::start(engine, &config);
        for (position, (_, authority, _, expected)) in cases.iter().enumerate() {
            let error = gateway.call(post(CHAT, &chat(&format!("p{position}/m")))).error(502);
            let message = error["message"].as_str().unwrap();
            let check = format!("providers.p{position}.proxy_config");
            for part in [authority.as_str(), expected, &check] {
                assert!(message.contains(part), "{part} is not in: {message}");
            }
            assert!(!message.contains("very-secret"), "{message}");
        }
        assert!(upstream.requests().is_empty());
        let ended = gateway.stop();
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("very-secret"), "{ended:?}");
    });
}
