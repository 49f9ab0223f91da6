//! What goes wrong in a chat between dialects, told in the client's.

use serde_json::{Value, json};

use crate::harness::{
    Asker, Engine, Gateway, LAST_CHUNK, Signal, StreamEvent, Upstream, Vendor, chunk, json_reply,
    on_both_engines, reply, stream_events,
};

/// Every pair of a client and a vendor that do not speak the same dialect.
fn askers_of(vendor: Vendor) -> impl Iterator<Item = Asker> {
    Asker::ALL.into_iter().filter(move |asker| asker.family() != vendor.name())
}

/// Runs a check with each client of each vendor, whose upstream does what `script` says.
fn with_all(
    engine: Engine,
    upstream_of: impl Fn(Vendor) -> Upstream,
    check: impl Fn(Asker, Vendor, &Gateway, &Upstream),
) {
    for vendor in Vendor::ALL {
        let upstream = upstream_of(vendor);
        let gateway = vendor.gateway(engine, &upstream);
        for asker in askers_of(vendor) {
            check(asker, vendor, &gateway, &upstream);
        }
    }
}

/// A refusal as the vendor says it.
fn refusal(vendor: Vendor, status: u16, message: &str) -> Vec<u8> {
    let (kind, google, amazon) = match status {
        401 => ("authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException"),
        429 => ("rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException"),
        _ => ("invalid_request_error", "INVALID_ARGUMENT", "ValidationException"),
    };
    let body = match vendor {
        Vendor::OpenAi => {
            json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        }
        Vendor::Anthropic => json!({ "type": "error", "error": { "type": kind, "message": message } }),
        Vendor::Gemini => json!({ "error": { "code": status, "message": message, "status": google } }),
        Vendor::Bedrock | Vendor::Cohere => json!({ "message": message }),
    };
    let mut fields = vec![("Content-Type", "application/json"), ("Retry-After", "7")];
    if vendor == Vendor::Bedrock {
        fields.push(("x-amzn-ErrorType", amazon));
    }
    reply(&format!("{status} No"), &fields, body.to_string().as_bytes())
}

/// Checks that a stream's last event tells the client of an error, and that nothing says it ended well.
fn ends_in_an_error(asker: Asker, events: &[StreamEvent]) {
    let last = events.last().expect("there is an event");
    let document: Value = serde_json::from_str(&last.data).unwrap_or_else(|_| panic!("{last:?}"));
    if asker == Asker::Responses {
        let error = if last.name == "response.failed" { &document["response"]["error"] } else { &document };
        assert!(matches!(last.name.as_str(), "response.failed" | "error"), "{last:?}");
        assert!(error["message"].is_string(), "{last:?}");
    } else {
        let (_, message) = asker.refusal_in(&document);
        assert!(!message.is_empty());
    }
    for event in events {
        assert_ne!(event.data, "[DONE]", "{asker:?}");
        assert!(!matches!(event.name.as_str(), "message_stop" | "response.completed"), "{asker:?}");
        assert!(!event.data.contains("\"finishReason\""), "{asker:?}: {event:?}");
        assert!(!event.data.contains("\"finish_reason\":\"stop\""), "{asker:?}: {event:?}");
    }
}

#[test]
fn a_refusal_of_the_vendor_is_told_in_the_clients_dialect() {
    on_both_engines(|engine| {
        for status in [400, 429] {
            let upstream_of = |vendor| Upstream::bytes(refusal(vendor, status, "the \\ \"words\" of it"));
            with_all(engine, upstream_of, |asker, vendor, gateway, _| {
                for is_streamed in [false, true] {
                    let answer = gateway.call(asker.request(&vendor.qualified_model(), is_streamed));
                    let case = format!("{asker:?} of {vendor:?}: {:?} {}", answer.head, answer.text());
                    assert_eq!(answer.status(), status, "{case}");
                    assert_eq!(answer.head.value("retry-after"), Some("7"), "{case}");
                    assert_eq!(answer.head.value("x-bifrost-provider"), Some(vendor.name()), "{case}");
                    assert_eq!(answer.head.value("x-bifrost-error-source"), None, "{case}");
                    let (kind, message) = asker.refusal(&answer);
                    assert!(message.contains("the \\ \"words\" of it"), "{case}");
                    let expected = match (asker, status) {
                        (Asker::Generate, 429) => "RESOURCE_EXHAUSTED",
                        (Asker::Generate, _) => "INVALID_ARGUMENT",
                        (_, 429) => "rate_limit_error",
                        _ => "invalid_request_error",
                    };
                    assert_eq!(kind, expected, "{case}");
                }
            });
        }
    });
}

#[test]
fn a_key_that_the_vendor_refuses_is_never_shown_and_said_to_be_the_gateways() {
    on_both_engines(|engine| {
        let said = "Incorrect API key provided: the-gateways-own-key. Not sk-proj-abcdefghijklmnop0123456789 either.";
        for vendor in Vendor::ALL {
            let upstream = Upstream::bytes(refusal(vendor, 401, said));
            let mut config = vendor.config_at(&upstream.base_url());
            config["providers"][vendor.name()]["keys"][0]["value"] = json!("the-gateways-own-key");
            let gateway = Gateway::start(engine, &config);
            for asker in askers_of(vendor) {
                let answer = gateway.call(asker.request(&vendor.qualified_model(), false));
                let case = format!("{asker:?} of {vendor:?}: {}", answer.text());
                // Amazon says so with a 403, whatever its status was.
                let status = if vendor == Vendor::Bedrock { 403 } else { 401 };
                assert_eq!(answer.status(), status, "{case}");
                let source = answer.head.value("x-bifrost-error-source");
                assert_eq!(source, Some("upstream-credentials"), "{case}");
                let (_, message) = asker.refusal(&answer);
                assert!(message.starts_with("Incorrect API key provided: "), "{case}");
                assert!(!message.contains("own-key") && !message.contains("abcdefghijklmnop"), "{case}");
            }
        }
    });
}

#[test]
fn an_error_before_the_first_content_of_a_stream_has_a_status_of_its_own() {
    on_both_engines(|engine| {
        let upstream_of = |vendor: Vendor| {
            Upstream::answering(move |_, peer| {
                peer.send(vendor.stream_head());
                if vendor == Vendor::Anthropic {
                    peer.send(chunk(&vendor.events()[0]));
                }
                peer.send(chunk(&vendor.error_event()));
                peer.send(LAST_CHUNK);
            })
        };
        with_all(engine, upstream_of, |asker, vendor, gateway, _| {
            let answer = gateway.call(asker.request(&vendor.qualified_model(), true));
            let case = format!("{asker:?} of {vendor:?}: {:?} {}", answer.head, answer.text());
            assert!((500..600).contains(&answer.status()), "{case}");
            let (_, message) = asker.refusal(&answer);
            assert!(message.contains("too many"), "{case}");
        });
    });
}

#[test]
fn an_error_behind_content_ends_the_stream_with_an_error() {
    on_both_engines(|engine| {
        let upstream_of = |vendor: Vendor| {
            Upstream::answering(move |_, peer| {
                peer.send(vendor.stream_head());
                for event in &vendor.events()[..vendor.events_to_first_text()] {
                    peer.send(chunk(event));
                }
                peer.send(chunk(&vendor.error_event()));
                peer.send(LAST_CHUNK);
            })
        };
        with_all(engine, upstream_of, |asker, vendor, gateway, _| {
            let mut client = gateway.client();
            client.send(asker.request(&vendor.qualified_model(), true));
            let head = client.head();
            let (rest, is_whole) = client.rest();
            let case = format!("{asker:?} of {vendor:?}: {}", String::from_utf8_lossy(&rest));
            // Both may have come at once, and then nothing was committed.
            if head.status() != 200 {
                assert!((500..600).contains(&head.status()) && is_whole, "{case}");
                return;
            }
            assert!(is_whole, "{case}");
            ends_in_an_error(asker, &stream_events(&rest));
        });
    });
}

#[test]
fn an_upstream_that_breaks_off_never_looks_like_one_that_has_ended() {
    on_both_engines(|engine| {
        for is_clean in [false, true] {
            let go = Signal::<()>::new();
            let upstream_of = |vendor: Vendor| {
                let gate = go.clone();
                Upstream::answering(move |_, peer| {
                    peer.send(vendor.stream_head());
                    for event in &vendor.events()[..vendor.events_to_first_text()] {
                        peer.send(chunk(event));
                    }
                    gate.wait();
                    if is_clean {
                        peer.send(LAST_CHUNK);
                    } else {
                        peer.close();
                    }
                })
            };
            with_all(engine, upstream_of, |asker, vendor, gateway, _| {
                let mut client = gateway.client();
                client.send(asker.request(&vendor.qualified_model(), true));
                assert_eq!(client.head().status(), 200);
                go.give(());
                let (rest, is_whole) = client.rest();
                let case = format!("{asker:?} of {vendor:?}: {}", String::from_utf8_lossy(&rest));
                assert!(is_whole, "{case}");
                assert!(case.contains("Hello"), "{case}");
                ends_in_an_error(asker, &stream_events(&rest));
            });
        }
    });
}

#[test]
fn an_upstream_that_breaks_off_before_any_content_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let upstream_of = |vendor: Vendor| {
            Upstream::answering(move |_, peer| {
                peer.send(vendor.stream_head());
                peer.close();
            })
        };
        with_all(engine, upstream_of, |asker, vendor, gateway, _| {
            let answer = gateway.call(asker.request(&vendor.qualified_model(), true));
            assert_eq!(answer.status(), 502, "{asker:?} of {vendor:?}: {}", answer.text());
            let (_, message) = asker.refusal(&answer);
            assert!(message.contains(vendor.name()), "{message}");
        });
    });
}

#[test]
fn an_answer_that_cannot_be_read_is_a_bad_gateway() {
    on_both_engines(|engine| {
        let html = reply("200 OK", &[("Content-Type", "text/html")], b"<html>Login</html>");
        for garbage in [html, json_reply("{\"cut\":"), json_reply("{}"), json_reply("[]"), json_reply("")] {
            with_all(
                engine,
                |_| Upstream::bytes(garbage.clone()),
                |asker, vendor, gateway, _| {
                    for is_streamed in [false, true] {
                        let answer = gateway.call(asker.request(&vendor.qualified_model(), is_streamed));
                        let case = format!(
                            "{asker:?} of {vendor:?}, {}: {}",
                            String::from_utf8_lossy(&garbage),
                            answer.text()
                        );
                        assert_eq!(answer.status(), 502, "{case}");
                        let (_, message) = asker.refusal(&answer);
                        assert!(message.contains(vendor.name()), "{case}");
                    }
                },
            );
        }
    });
}

#[test]
fn a_redirect_of_the_vendor_is_not_followed() {
    on_both_engines(|engine| {
        let moved = reply("307 Temporary Redirect", &[("Location", "http://127.0.0.1:1/")], b"");
        with_all(
            engine,
            |_| Upstream::bytes(moved.clone()),
            |asker, vendor, gateway, _| {
                let answer = gateway.call(asker.request(&vendor.qualified_model(), false));
                assert_eq!(answer.status(), 502, "{asker:?} of {vendor:?}: {}", answer.text());
                assert!(asker.refusal(&answer).1.contains("307"));
            },
        );
    });
}

#[test]
fn a_client_that_hangs_up_cancels_the_call_of_the_vendor() {
    on_both_engines(|engine| {
        for has_begun in [false, true] {
            let gone = Signal::new();
            let upstream_of = |vendor: Vendor| {
                let told = gone.clone();
                Upstream::answering(move |_, peer| {
                    if has_begun {
                        peer.send(vendor.stream_head());
                        for event in &vendor.events()[..vendor.events_to_first_text()] {
                            peer.send(chunk(event));
                        }
                    }
                    peer.wait_until_closed();
                    told.give(());
                })
            };
            with_all(engine, upstream_of, |asker, vendor, gateway, upstream| {
                let mut client = gateway.client();
                client.send(asker.request(&vendor.qualified_model(), true));
                upstream.next_request();
                if has_begun {
                    assert_eq!(client.head().status(), 200);
                }
                drop(client);
                gone.wait();
            });
        }
    });
}
