//! Whose time passes when: the client's own slowness is never held against an upstream.

use std::{thread, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    CHAT, Client, Gateway, Upstream, chat, json_reply, on_both_engines, openai_at, post, request,
};

/// What an upstream has in these tests.
const TIME_MAX: Duration = Duration::from_secs(2);
/// Shorter than that; two of them are longer.
const PAUSE: Duration = Duration::from_millis(1400);

fn impatient(upstream: &Upstream) -> Value {
    let mut config = openai_at(upstream);
    let network = &mut config["providers"]["openai"]["network_config"];
    network["default_request_timeout_in_seconds"] = json!(TIME_MAX.as_secs());
    config
}

#[test]
fn an_upstream_has_its_time_from_the_last_byte_of_an_upload() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|request, peer| {
            let answer = json_reply("\"whole\"");
            let head_end = if request.head.target().ends_with("files") { 0 } else { answer.len() - 7 };
            // The head may come at once, while the body does not.
            peer.send(&answer[..head_end]);
            thread::sleep(PAUSE);
            peer.send(&answer[head_end..]);
        });
        let gateway = Gateway::start(engine, &impatient(&upstream));
        let file = vec![b'x'; 300_000];
        let form = [
            b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
              --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n",
            file.as_slice(),
            b"\r\n--b--\r\n",
        ]
        .concat();
        for path in ["/v1/files", "/v1/audio/transcriptions"] {
            let fields = [("Content-Type", "multipart/form-data; boundary=b")];
            let upload = request("POST", path, &fields, &form);
            let mut client = gateway.client();
            for piece in upload.chunks(upload.len() / 2 + 1) {
                client.send(piece);
                thread::sleep(PAUSE / 2);
            }
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "\"whole\""), "{path}");
            assert_eq!(upstream.only_request().body.len(), form.len());
        }
    });
}

#[test]
fn an_upstream_that_does_not_answer_an_upload_times_out() {
    on_both_engines(|engine| {
        let upstream = Upstream::answering(|_, peer| peer.wait_until_closed());
        let gateway = Gateway::start(engine, &impatient(&upstream));
        let upload = request("POST", "/v1/files", &[], &vec![b'x'; 300_000]);
        gateway.call(upload).error(504);
    });
}

#[test]
fn a_large_document_may_be_read_slower_than_the_upstream_must_answer() {
    on_both_engines(|engine| {
        const WHOLE: usize = 48 * 1024 * 1024;
        let document = format!("{{\"x\":\"{}\"}}", "x".repeat(WHOLE - 8));
        let upstream = Upstream::bytes(json_reply(&document));
        let gateway = Gateway::start(engine, &impatient(&upstream));
        let mut client = Client::connect_with_small_buffer(gateway.address());
        client.send(post(CHAT, &chat("gpt-4o")));
        assert_eq!(client.head().status(), 200);
        thread::sleep(TIME_MAX + PAUSE / 2);
        let (rest, is_whole) = client.rest();
        assert!(is_whole && rest.len() == WHOLE, "{is_whole} {}", rest.len());
    });
}
