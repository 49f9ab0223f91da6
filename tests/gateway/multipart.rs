//! Forms: the model's part is found wherever it stands, and nothing else is changed.

use serde_json::json;

use crate::harness::{
    Body, Engine, Gateway, LAST_CHUNK, Signal, Upstream, chunk, custom_provider_at, on_both_engines,
    openai_at, provider_at, reply, request,
};

const MODEL: &[u8] = b"Content-Disposition: form-data; name=\"model\"\r\n\r\nopenai/whisper-1";
const LANGUAGE: &[u8] = b"Content-Disposition: form-data; name=\"language\"\r\n\r\nde";

/// A part whose content looks like the form's own syntax.
fn file() -> Vec<u8> {
    let head = b"Content-Disposition: form-data; name=\"file\"; filename=\"a; name=\\\"model\\\".wav\"\r\n\
                 Content-Type: audio/wav\r\n\r\n";
    let every_byte: Vec<u8> = (0..=255).collect();
    let misleading =
        b"\r\n\r\n--edge\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nopenai/no\r\n--the-edg";
    [head.as_slice(), &every_byte, misleading, &every_byte].concat()
}

fn form(parts: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(b"--the-edge\r\n");
        body.extend_from_slice(part);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--the-edge--\r\n");
    body
}

fn upload(path: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, &[("Content-Type", "multipart/form-data; boundary=the-edge")], body)
}

#[test]
fn the_prefix_is_taken_off_the_models_part_wherever_it_stands() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let (file, bare) = (file(), MODEL.strip_suffix(b"openai/whisper-1").unwrap());
        let bare = [bare, b"whisper-1"].concat();
        let with_model = |model: &[u8]| {
            let preamble =
                [b"preamble\r\n", form(&[LANGUAGE, model, &file]).as_slice(), b"epilogue"].concat();
            [
                form(&[model, &file, LANGUAGE]),
                form(&[&file, model, LANGUAGE]),
                form(&[&file, LANGUAGE, model]),
                preamble,
            ]
        };
        for (number, (sent, expected)) in with_model(MODEL).iter().zip(with_model(&bare)).enumerate() {
            for path in ["/openai/v1/audio/transcriptions", "/v1/images/edits"] {
                let answer = gateway.call(upload(path, sent));
                assert_eq!(answer.status(), 200, "order {number}: {}", answer.text());
                let seen = upstream.only_request();
                assert!(seen.body == expected, "order {number}: {}", seen.text());
                let kind = seen.head.value("content-type");
                assert_eq!(kind, Some("multipart/form-data; boundary=the-edge"));
            }
        }
    });
}

#[test]
fn a_form_without_a_prefix_is_not_touched() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let bare = b"content-disposition:form-data;name=model\r\nContent-Type: text/plain\r\n\r\nwhisper-1";
        let body = form(&[&file(), bare, LANGUAGE]);
        assert_eq!(gateway.call(upload("/v1/audio/transcriptions", &body)).status(), 200);
        assert!(upstream.only_request().body == body, "the form was changed");
    });
}

#[test]
fn a_form_is_routed_by_its_model() {
    on_both_engines(|engine| {
        let [openai, own] = ["openai", "own"].map(Upstream::json);
        let config = json!({ "providers": {
            "openai": provider_at(&openai.base_url()),
            "own": custom_provider_at(&own.base_url()),
        } });
        let gateway = Gateway::start(engine, &config);
        let model = b"Content-Disposition: form-data; name=\"model\"\r\n\r\nown/whisper";
        let answer = gateway.call(upload("/v1/audio/translations", &form(&[&file(), model])));
        assert_eq!((answer.status(), answer.text().as_str()), (200, "own"));
        assert!(openai.requests().is_empty());

        let without_model = form(&[&file(), LANGUAGE]);
        assert_eq!(gateway.call(upload("/v1/files", &without_model)).text(), "openai");
        assert!(openai.only_request().body == without_model);
    });
}

#[test]
fn a_chunked_form_is_understood() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let mut client = gateway.client();
        client.send("POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n");
        client.send("Content-Type: multipart/form-data; boundary=\"the-edge\"\r\n\r\n");
        for byte in form(&[MODEL, LANGUAGE]) {
            client.send(chunk(&[byte]));
        }
        client.send(LAST_CHUNK);
        assert_eq!(client.response().status(), 200);
        let bare = b"Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1";
        assert_eq!(upstream.only_request().text(), String::from_utf8_lossy(&form(&[bare, LANGUAGE])));
    });
}

#[test]
fn a_form_streams_once_its_model_is_known() {
    on_both_engines(|engine| {
        let arrived = Signal::new();
        let told = arrived.clone();
        let upstream = Upstream::per_connection(move |peer| {
            let head = peer.head().unwrap();
            let mut body = Body::of_request(&head);
            let mut seen = Vec::new();
            let mut is_told = false;
            while let Some(piece) = peer.piece(&mut body) {
                seen.extend(piece);
                if !is_told && seen.windows(9).any(|window| window == b"first-end") {
                    is_told = true;
                    told.give(());
                }
            }
            peer.send(reply("200 OK", &[], &seen));
        });
        let gateway = Gateway::start(engine, &openai_at(&upstream));
        let head = b"Content-Disposition: form-data; name=\"file\"\r\n\r\n".as_slice();
        let file = [head, &[b'x'; 300_000], b"first-end", &[b'y'; 300_000]].concat();
        let bytes = upload("/v1/audio/transcriptions", &form(&[MODEL, &file]));
        let middle = bytes.windows(9).position(|window| window == b"first-end").unwrap() + 9;
        let mut client = gateway.client();
        client.send(&bytes[..middle]);
        arrived.wait();
        client.send(&bytes[middle..]);
        let bare = b"Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1";
        assert!(client.response().body == form(&[bare, &file]), "the form was changed");
    });
}

/// A gateway whose one key allows whisper-1, and not everything.
fn restricted(engine: Engine, upstream: &Upstream) -> Gateway {
    let mut config = openai_at(upstream);
    let key = &mut config["providers"]["openai"]["keys"][0];
    key["models"] = json!(["whisper-1", "m"]);
    key["blacklisted_models"] = json!(["forbidden"]);
    Gateway::start(engine, &config)
}

const FORBIDDEN: &[u8] = b"Content-Disposition: form-data; name=\"model\"\r\n\r\nforbidden";
const PATH: &str = "/v1/audio/transcriptions";

#[test]
fn a_second_model_is_found_wherever_it_stands_and_never_reaches_an_upstream_whole() {
    on_both_engines(|engine| {
        let (arrived, is_whole) = (Signal::new(), Signal::new());
        let (told, told_whole) = (arrived.clone(), is_whole.clone());
        let upstream = Upstream::per_connection(move |peer| {
            let Some(head) = peer.head() else { return };
            let mut body = Body::of_request(&head);
            let mut seen = Vec::new();
            while let Some(piece) = peer.piece(&mut body) {
                seen.extend(piece);
                told.give(());
            }
            told_whole.give(seen.ends_with(b"--the-edge--\r\n"));
        });
        let gateway = restricted(engine, &upstream);
        let at_once = form(&[MODEL, &file(), FORBIDDEN]);
        assert_eq!(gateway.call(upload(PATH, &at_once)).error(400)["param"], "model");

        let large = [file(), vec![b'x'; 500_000]].concat();
        let later = upload(PATH, &form(&[MODEL, &large, FORBIDDEN]));
        let mut client = gateway.client();
        let (first, last) = later.split_at(300_000);
        client.send(first);
        arrived.wait();
        client.send(last);
        assert_eq!(client.response().error(400)["param"], "model");
        assert!(!is_whole.wait(), "the upstream got the whole form");
    });
}

#[test]
fn a_form_that_could_be_read_in_two_ways_is_refused() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let gateway = restricted(engine, &upstream);
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        let escaped = text(FORBIDDEN).replace("model", "mo\\del");
        let json = r#"{"model":"forbidden","input":"x"}"#;
        for (path, body) in [
            (PATH, text(&form(&[FORBIDDEN])).replace("\r\n", "\n")),
            (PATH, text(&form(&[MODEL, escaped.as_bytes()]))),
            (PATH, json.to_owned()),
            ("/v1/responses", text(&form(&[FORBIDDEN]))),
        ] {
            gateway.call(upload(path, body.as_bytes())).error(400);
        }
        assert_eq!(gateway.call(upload("/v1/responses", json.as_bytes())).error(404)["param"], "model");
        let quoted = [("Content-Type", "multipart/form-data; boundary=\"the;edge\"")];
        gateway.call(request("POST", PATH, &quoted, &form(&[FORBIDDEN]))).error(400);
        let twice =
            [("Content-Type", "multipart/form-data; boundary=the-edge"), ("Content-Type", "text/plain")];
        gateway.call(request("POST", PATH, &twice, &form(&[MODEL]))).error(400);
        assert!(upstream.requests().is_empty());
    });
}

#[test]
fn a_form_that_does_not_name_its_model_in_time_needs_a_key_that_allows_every_model() {
    on_both_engines(|engine| {
        let upstream = Upstream::json("{}");
        let large = [file(), vec![b'x'; 33 * 1024 * 1024]].concat();
        let sent = upload(PATH, &form(&[&large, MODEL]));
        let error = restricted(engine, &upstream).call(&sent).error(400);
        assert!(error["message"].as_str().unwrap().contains("before the files"), "{error}");
        assert!(upstream.requests().is_empty());

        let gateway = Gateway::start(engine, &openai_at(&upstream));
        assert_eq!(gateway.call(&sent).status(), 200);
        assert!(upstream.only_request().body == form(&[&large, MODEL]), "the form was changed");
    });
}
