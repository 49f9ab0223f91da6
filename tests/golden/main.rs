//! Nothing is lost between dialects: what each provider is asked for each client, and what each client reads of
//! each provider's answers and refusals. Inputs are written by hand (`*.in`), what comes of them is stored
//! (`*.out`) and compared; `GOLDEN=write cargo test --test golden` stores it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

mod by_hand;
mod pairs;
mod parameters;
mod sections;

use std::fs;

use bifrost::{
    dialect::{CLIENTS, PROVIDERS, Wishes},
    http::ResponseHead,
};
use pairs::Answer;
use sections::{check, grouped, read, scenarios};

/// What stands below the headline of a client that cannot say it.
const UNSAYABLE: &str = "cannot say it";

/// As the inputs name their answers, so that those that tell no name read like those that do; in `text` it is told
/// apart.
fn wishes(scenario: &str) -> Wishes {
    let (model, id, created) = if scenario == "text" { ("asked", "given", 7) } else { ("served", "a1", 5) };
    let (model, id) = (model.to_owned(), id.to_owned());
    Wishes { model, id, created, includes_usage: true, ..Wishes::default() }
}

#[test]
fn the_lists_hold_every_dialect() {
    let (mut clients, mut providers) = (0, 0);
    for folder in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/dialect")).unwrap() {
        let source = fs::read_to_string(folder.unwrap().path().join("mod.rs")).unwrap_or_default();
        clients += source.matches("impl ClientDialect for").count();
        providers += source.matches("impl ProviderDialect for").count();
    }
    assert_eq!((CLIENTS.len(), PROVIDERS.len()), (clients, providers));
}

#[test]
fn each_provider_is_asked_what_the_client_means() {
    for scenario in scenarios("requests") {
        let path = format!("requests/{scenario}");
        let inputs = read(&format!("{path}.in"));
        let mut cases: Vec<&str> = Vec::new();
        for (headline, _) in &inputs {
            let (case, _) = headline.split_once(": ").unwrap_or_else(|| panic!("{path}: {headline}"));
            if cases.last() != Some(&case) {
                cases.push(case);
            }
        }
        let mut sections = Vec::new();
        for case in cases {
            let of = |client: &str| {
                let headline = format!("{case}: {client}");
                let input = inputs.iter().find(|(name, _)| *name == headline);
                &input.unwrap_or_else(|| panic!("{path}.in has nothing for {headline}")).1
            };
            let able: Vec<_> = CLIENTS
                .into_iter()
                .map(|client| (client, of(client.name())))
                .filter(|(_, body)| *body != UNSAYABLE)
                .collect();
            for provider in PROVIDERS {
                let asked = able.iter().map(|(client, body)| {
                    (client.name().to_owned(), pairs::request(*client, provider, body))
                });
                for (clients, asked) in grouped(asked) {
                    sections.push((format!("{case}: {} for {}", provider.name(), clients.join(", ")), asked));
                }
            }
        }
        check(&format!("{path}.out"), &sections);
    }
}

#[test]
fn each_client_reads_what_the_provider_says() {
    for scenario in scenarios("answers") {
        let path = format!("answers/{scenario}");
        let inputs = read(&format!("{path}.in"));
        let mut answers = Vec::new();
        for provider in PROVIDERS {
            for form in ["whole", "stream"] {
                let headline = format!("{} {form}", provider.name());
                let input = inputs.iter().find(|(name, _)| *name == headline);
                let (_, text) = input.unwrap_or_else(|| panic!("{path}.in has nothing for {headline}"));
                if text != UNSAYABLE {
                    answers.push((headline, Answer::new(provider, form == "stream", text)));
                }
            }
        }
        let mut sections = Vec::new();
        for client in CLIENTS {
            for (form, is_streamed) in [("whole", false), ("stream", true)] {
                let read = answers.iter().map(|(name, answer)| {
                    (name.clone(), answer.for_client(client, &wishes(&scenario), is_streamed))
                });
                for (names, read) in grouped(read) {
                    sections.push((format!("{} {form} from {}", client.name(), names.join(", ")), read));
                }
            }
        }
        check(&format!("{path}.out"), &sections);
    }
}

/// What clients of OpenAI's chats send although they should not, or nobody expects.
#[test]
fn odd_requests_are_mended_or_refused() {
    let mut sections = Vec::new();
    for (case, body) in read("edges.in") {
        let asked = PROVIDERS.into_iter().map(|provider| {
            (provider.name().to_owned(), pairs::request(pairs::client("openai_chat"), provider, &body))
        });
        for (providers, asked) in grouped(asked) {
            sections.push((format!("{case}: {}", providers.join(", ")), asked));
        }
    }
    check("edges.out", &sections);
}

/// A stream for a Google client that does not ask for events is one list.
#[test]
fn a_list_of_a_stream_is_json() {
    let wishes = Wishes { is_json_array: true, ..wishes("") };
    for scenario in scenarios("answers") {
        for (headline, text) in read(&format!("answers/{scenario}.in")) {
            let Some(provider) = headline.strip_suffix(" stream") else { continue };
            if text == UNSAYABLE {
                continue;
            }
            let answer = Answer::new(pairs::provider(provider), true, &text);
            let list = answer.for_client(pairs::client("gemini"), &wishes, true);
            let list = list.split("\nfailed:").next().unwrap();
            let list: serde_json::Value =
                serde_json::from_str(list).unwrap_or_else(|_| panic!("{headline} {list}"));
            assert!(list.is_array(), "{scenario} {headline}");
        }
    }
}

#[test]
fn each_client_reads_why_the_provider_refuses() {
    for provider in PROVIDERS {
        let path = format!("errors/{}", provider.name());
        let mut sections = Vec::new();
        for (headline, answer) in read(&format!("{path}.in")) {
            let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
            let mut bytes = format!("HTTP/1.1 {}\r\n\r\n", head.replace('\n', "\r\n")).into_bytes();
            let mut head = ResponseHead::default();
            assert!(head.take(&mut bytes, false).is_ok_and(|is_whole| is_whole), "{path}: {headline}");
            let error = provider.decode_error(head.status, &head.fields, body);
            sections.push((headline.clone(), pairs::summary(&error)));
            let told = CLIENTS.into_iter().map(|client| {
                let (mut whole, mut stream) = (Vec::new(), Vec::new());
                client.encode_error(&error, &mut whole);
                client.encode_stream_error(&error, &mut stream);
                let texts =
                    [whole, stream].map(|bytes| String::from_utf8(bytes).unwrap().trim_end().to_owned());
                (client.name().to_owned(), texts.join("\n"))
            });
            for (names, told) in grouped(told) {
                sections.push((format!("{headline} for {}", names.join(", ")), told));
            }
        }
        check(&format!("{path}.out"), &sections);
    }
}
