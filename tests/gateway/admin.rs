//! A port of its own for metrics.

use std::net::TcpListener;

use crate::harness::{CHAT, Client, Response, Setup, Upstream, chat, get, on_both_engines, openai_at, post};

fn ask(address: std::net::SocketAddr, path: &str) -> Response {
    let mut client = Client::connect(address);
    client.send(get(path));
    client.response()
}

#[test]
fn metrics_are_told_on_their_own_port_only_and_health_on_both() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let setup = Setup::new(engine).config(&openai_at(&upstream)).arguments(["--admin-port", "0"]);
        let mut gateway = setup.start();
        let admin = gateway.admin_address();
        assert_eq!(gateway.call(post(CHAT, &chat("gpt-4o"))).status(), 200);
        upstream.only_request();

        let metrics = ask(admin, "/metrics");
        assert_eq!(metrics.status(), 200);
        assert!(metrics.text().contains("bifrost_upstream_requests_total"), "{}", metrics.text());
        assert_eq!(gateway.call(get("/metrics")).error(404)["code"], "unknown_url");
        assert_eq!((ask(admin, "/health").status(), gateway.call(get("/health")).status()), (200, 200));

        let mut client = Client::connect(admin);
        for call in [post(CHAT, &chat("gpt-4o")), get("/v1/models"), get("/v1/files")] {
            client.send(call);
            let error = client.response().error(404);
            assert!(error["message"].as_str().unwrap().contains("/metrics"), "{error}");
        }
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_connection_that_goes_to_another_shard_sees_no_more_than_before() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let setup = Setup::new(engine).shards(3).config(&openai_at(&upstream));
        let mut gateway = setup.arguments(["--admin-port", "0"]).start();
        let admin = gateway.admin_address();
        let mut clients: Vec<_> = (0..8).flat_map(|_| [Client::connect(admin), gateway.client()]).collect();
        for (position, client) in clients.iter_mut().enumerate() {
            let is_admin = position % 2 == 0;
            for (path, is_there) in [("/metrics", is_admin), ("/v1/files", !is_admin)] {
                client.send(get(path));
                assert_eq!(client.response().status(), if is_there { 200 } else { 404 }, "{path}");
            }
        }
    });
}

#[test]
fn variables_say_where_the_admin_port_is_and_flags_win() {
    on_both_engines(|engine| {
        let setup = || Setup::new(engine).variable("APP_ADMIN_PORT", "0");
        let mut gateway = setup().start();
        let admin = gateway.admin_address();
        assert_eq!(admin.ip(), gateway.address().ip(), "the host is that of the main port");
        assert_ne!(admin.port(), gateway.address().port());

        let mut gateway = setup().variable("APP_ADMIN_HOST", "127.0.0.2").start();
        let admin = gateway.admin_address();
        assert_eq!(admin.ip().to_string(), "127.0.0.2");
        assert_eq!(ask(admin, "/metrics").status(), 200);

        let setup = Setup::new(engine).variable("APP_ADMIN_PORT", "none");
        let mut gateway = setup.arguments(["--admin-host", "127.0.0.3", "--admin-port", "0"]).start();
        assert_eq!(gateway.admin_address().ip().to_string(), "127.0.0.3");

        let ended = Setup::new(engine).variable("APP_ADMIN_PORT", "none").run();
        assert!(ended.code == Some(1) && ended.stderr.contains("APP_ADMIN_PORT"), "{ended:?}");
        let ended = Setup::new(engine).arguments(["--admin-host", "127.0.0.3"]).run();
        assert!(ended.code == Some(1) && ended.stderr.contains("--admin-port"), "{ended:?}");
    });
}

#[test]
fn an_admin_port_that_is_taken_is_told_with_its_flag() {
    on_both_engines(|engine| {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let ended = Setup::new(engine).arguments(["--admin-port", &port]).run();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&port) && ended.stderr.contains("--admin-port"), "{ended:?}");
    });
}
