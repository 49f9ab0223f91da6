//! Images that a request points at: fetched for vendors that take bytes only, never from where only the machine
//! may look.

use serde_json::{Value, json};

use crate::harness::{Engine, Gateway, Upstream, Vendor, on_both_engines, post, reply};

/// The smallest PNG that decoders accept, one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\xdac\xfc\xcf\xc0P\x0f\0\x04\x85\x01\x80\x84\xa9\x8c!\0\0\0\0IEND\xaeB`\x82";

fn gateway(engine: Engine, vendor: Vendor, upstream: &Upstream, is_private_allowed: bool) -> Gateway {
    let mut config = vendor.config_at(&upstream.base_url());
    config["client"] = json!({ "allow_private_media_urls": is_private_allowed });
    Gateway::start(engine, &config)
}

fn asking_about(vendor: Vendor, urls: &[String]) -> Vec<u8> {
    let mut parts = vec![json!({ "type": "text", "text": "What is this?" })];
    parts.extend(urls.iter().map(|url| json!({ "type": "image_url", "image_url": { "url": url } })));
    let body =
        json!({ "model": vendor.qualified_model(), "messages": [{ "role": "user", "content": parts }] });
    post("/v1/chat/completions", &body.to_string())
}

/// A server of images; `/moved` leads to one.
fn images() -> Upstream {
    Upstream::answering(|request, peer| {
        let answer = match request.head.target() {
            "/moved" => reply("302 Found", &[("Location", "/a.png")], b""),
            "/none" => reply("404 Not Found", &[], b"none"),
            _ => reply("200 OK", &[("Content-Type", "image/png")], PNG),
        };
        peer.send(answer);
    })
}

fn base64_of(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

#[test]
fn an_image_is_fetched_for_a_vendor_that_takes_bytes_only() {
    on_both_engines(|engine| {
        let images = images();
        for vendor in [Vendor::Gemini, Vendor::Bedrock] {
            let upstream = vendor.upstream();
            let gateway = gateway(engine, vendor, &upstream, true);
            let urls = ["/a.png", "/a.png", "/moved"].map(|path| format!("{}{path}", images.base_url()));
            let answer = gateway.call(asking_about(vendor, &urls));
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let body: Value = serde_json::from_slice(&upstream.only_request().body).unwrap();
            for at in 1..=3 {
                let (kind, bytes) = match vendor {
                    Vendor::Gemini => {
                        let data = &body["contents"][0]["parts"][at]["inlineData"];
                        (&data["mimeType"], &data["data"])
                    }
                    _ => {
                        let image = &body["messages"][0]["content"][at]["image"];
                        (&image["format"], &image["source"]["bytes"])
                    }
                };
                assert!(kind.as_str().unwrap().ends_with("png"), "{body}");
                assert_eq!(bytes, &json!(base64_of(PNG)), "{body}");
            }
            let asked: Vec<_> = images.requests().iter().map(|seen| seen.head.target().to_owned()).collect();
            assert_eq!(
                asked.iter().filter(|target| *target == "/a.png").count(),
                2,
                "{asked:?}: once, and once behind /moved"
            );
        }
    });
}

#[test]
fn an_image_on_a_private_address_is_refused_unless_the_operator_allows_it() {
    on_both_engines(|engine| {
        let images = images();
        let upstream = Vendor::Gemini.upstream();
        let gateway = gateway(engine, Vendor::Gemini, &upstream, false);
        let port = images.address().port();
        for url in [
            format!("http://127.0.0.1:{port}/a.png"),
            format!("http://localhost:{port}/a.png"),
            format!("http://[::1]:{port}/a.png"),
            format!("http://[::ffff:127.0.0.1]:{port}/a.png"),
            format!("http://2130706433:{port}/a.png"),
            format!("http://0.0.0.0:{port}/a.png"),
            "http://169.254.169.254/latest/meta-data".to_owned(),
        ] {
            let error = gateway.call(asking_about(Vendor::Gemini, std::slice::from_ref(&url))).error(400);
            assert_eq!(error["param"], "messages", "{url}: {error}");
            assert!(error["message"].as_str().unwrap().contains(&url), "{error}");
        }
        assert!(images.requests().is_empty() && upstream.requests().is_empty());
    });
}

#[test]
fn an_image_that_cannot_be_fetched_is_the_clients_mistake() {
    on_both_engines(|engine| {
        let images = images();
        let upstream = Vendor::Gemini.upstream();
        let gateway = gateway(engine, Vendor::Gemini, &upstream, true);
        let error =
            gateway.call(asking_about(Vendor::Gemini, &[format!("{}/none", images.base_url())])).error(400);
        assert!(error["message"].as_str().unwrap().contains("404"), "{error}");
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_vendor_that_fetches_images_itself_gets_the_address() {
    on_both_engines(|engine| {
        let upstream = Vendor::Anthropic.upstream();
        let gateway = gateway(engine, Vendor::Anthropic, &upstream, false);
        let url = "https://images.invalid/a.png".to_owned();
        assert_eq!(gateway.call(asking_about(Vendor::Anthropic, std::slice::from_ref(&url))).status(), 200);
        let body: Value = serde_json::from_slice(&upstream.only_request().body).unwrap();
        assert_eq!(
            body["messages"][0]["content"][1],
            json!({ "type": "image", "source": { "type": "url", "url": url } })
        );
    });
}
