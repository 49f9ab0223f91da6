//! What the gateway does most often, each as one call.

use std::{hint::black_box, time::Duration};

use bifrost::{
    dialect::{
        Splice,
        json::{Outline, scan},
    },
    http::{EventBoundary, RequestHead},
    metrics::{
        Call, Counters, KeyLabels, ModelRoster, Outcome, RequestLabels, Requested, Scrape, ShardScrape,
        render,
    },
    provider::Account,
    route::{Choice, HeaderPolicy, Operation, add_request_fields, pick},
};

use crate::world::{World, snapshot};

/// One of them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Calls that are counted together, so that what surrounds them does not count.
    pub(crate) rounds: u32,
    pub(crate) run: Box<dyn FnMut()>,
}

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let account = || -> &'static Account { &Box::leak(Box::new(snapshot())).routes.accounts()[0] };
    let exchange = |request: Vec<u8>, answer: Vec<Vec<u8>>| {
        let mut world = World::with_gateway(request, answer);
        move || world.exchange()
    };
    vec![
        case("head, the first of a connection", 1000, first_head()),
        case("head, like the one before", 1000, similar_head()),
        case("fields of a request, filtered", 1000, filtered_fields(account())),
        case("scan and splice, 0.9 KB", 1000, scan_and_splice(body(900))),
        case("scan and splice, 90 KB", 20, scan_and_splice(body(90_000))),
        case("key, picked among three", 1000, picked_key(account())),
        case("call and request, counted", 1000, counted(account())),
        case("metrics, rendered", 10, rendered(account())),
        case("event, its end found", 1000, event_boundary()),
        case("exchange, 0.9 KB for 0.4 KB", 200, exchange(request(900), vec![answer()])),
        case("exchange, 90 KB for 0.4 KB", 20, exchange(request(90_000), vec![answer()])),
        case("exchange, 0.9 KB for 100 events", 20, exchange(request(900), stream())),
    ]
}

fn case(name: &'static str, rounds: u32, run: impl FnMut() + 'static) -> Case {
    Case { name, rounds, run: Box::new(run) }
}

/// The head of an SDK's request.
pub(crate) fn head(content_length: usize) -> String {
    let mut head = "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
        Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nAccept: application/json\r\n\
        Content-Type: application/json\r\nUser-Agent: OpenAI/Python 2.8.1\r\nX-Stainless-Lang: python\r\n\
        X-Stainless-Package-Version: 2.8.1\r\nX-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\n\
        X-Stainless-Runtime: CPython\r\nX-Stainless-Runtime-Version: 3.12.3\r\n\
        Authorization: Bearer sk-0123456789abcdef0123456789abcdef\r\nX-Stainless-Async: false\r\n\
        x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n"
        .to_owned();
    head.push_str(&format!("Content-Length: {content_length}\r\n\r\n"));
    head
}

/// A chat of about so many bytes.
pub(crate) fn body(length: usize) -> Vec<u8> {
    let start = r#"{"model": "openai/gpt-4o", "temperature": 0.7, "max_tokens": 256, "messages": [{"role": "system", "content": "You are brief."}"#;
    let turn = r#", {"role": "user", "content": "What does \"shard per core\" mean?\nPlease say it in one sentence, with an example that everybody knows."}"#;
    let mut body = start.to_owned();
    while body.len() + turn.len() / 2 < length {
        body.push_str(turn);
    }
    body.push_str("]}");
    body.into_bytes()
}

/// A request with such a body.
pub(crate) fn request(length: usize) -> Vec<u8> {
    let body = body(length);
    [head(body.len()).as_bytes(), &body].concat()
}

/// A provider's answer of 0.4 KB.
pub(crate) fn answer() -> Vec<u8> {
    let body = r#"{"id": "chatcmpl-0123456789", "object": "chat.completion", "created": 1760000000, "model": "gpt-4o-2024-08-06", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Each core owns its sockets and its data, like tills that each have a queue of their own.", "refusal": null}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 120, "completion_tokens": 20, "total_tokens": 140}}"#;
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nOpenAI-Processing-Ms: 310\r\n\
         x-ratelimit-remaining-requests: 9999\r\nx-request-id: req_0123456789abcdef\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A provider's answer of 100 events, each on its own.
pub(crate) fn stream() -> Vec<Vec<u8>> {
    let chunk = |event: &str| format!("{:x}\r\n{event}\r\n", event.len()).into_bytes();
    let mut pieces = vec![
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
    ];
    pieces.extend((0..99).map(|_| chunk(&event())));
    pieces.push([chunk("data: [DONE]\n\n"), b"0\r\n\r\n".to_vec()].concat());
    pieces
}

fn event() -> String {
    r#"data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":{"content":" core"},"logprobs":null,"finish_reason":null}]}"#.to_owned() + "\n\n"
}

fn first_head() -> impl FnMut() {
    let text = head(912);
    move || take(&mut RequestHead::default(), &text)
}

fn similar_head() -> impl FnMut() {
    let texts = [head(912), head(913)];
    let mut head = RequestHead::default();
    let mut turn = 0;
    move || {
        turn ^= 1;
        take(&mut head, &texts[turn]);
    }
}

fn take(head: &mut RequestHead, text: &str) {
    let mut buffer = black_box(text).as_bytes().to_vec();
    assert_eq!(head.take(&mut buffer), Ok(true));
    black_box(head);
}

fn filtered_fields(account: &'static Account) -> impl FnMut() {
    let mut parsed = RequestHead::default();
    take(&mut parsed, &head(912));
    let policy = HeaderPolicy::default();
    move || {
        let mut out = Vec::with_capacity(1024);
        add_request_fields(&black_box(&parsed).fields, &policy, account, Operation::Chat, false, &mut out);
        black_box(out);
    }
}

fn scan_and_splice(body: Vec<u8>) -> impl FnMut() {
    move || {
        let outline: Outline<'_> = scan(black_box(&body)).unwrap();
        black_box(Splice::model(&outline, "gpt-4o").pieces(&body));
    }
}

fn picked_key(account: &'static Account) -> impl FnMut() {
    let mut rng = fastrand::Rng::with_seed(1);
    move || {
        black_box(pick(&account.keys, black_box(Some("gpt-4o")), Choice::Weighted, &mut rng));
    }
}

fn counters(account: &'static Account) -> (Counters, Call<'static>) {
    let labels = account.keys.iter().map(|key| KeyLabels {
        fingerprint: key.fingerprint,
        provider: &account.name,
        id: &key.id,
        name: &key.name,
    });
    let key = labels.clone().next().unwrap();
    let call = Call { key, is_direct: false, method: "chat_completion", model: "gpt-4o", alias: "" };
    (Counters::new(labels, ["gpt-4o"]), call)
}

fn counted(account: &'static Account) -> impl FnMut() {
    let (mut counters, call) = counters(account);
    move || count(&mut counters, black_box(&call), 200)
}

fn count(counters: &mut Counters, call: &Call<'_>, status: u16) {
    let id = counters.begin(call);
    let time = Duration::from_millis(300);
    let outcome = Outcome {
        latency: time,
        error: None,
        tokens: Some((120, 20)),
        overhead: Some(Duration::from_micros(5)),
        first_token: None,
    };
    counters.end(id, &outcome);
    let labels = RequestLabels { path: "/chat/completions", method: "POST", status };
    counters.count_request(labels, &Requested { duration: time, bytes_in: 900, bytes_out: 400 });
}

/// Of two shards with 48 series of calls each.
fn rendered(account: &'static Account) -> impl FnMut() {
    let models: Vec<_> = (0..48).map(|number| format!("model-{number}")).collect();
    let shard = || {
        let (mut counters, call) = counters(account);
        for model in &models {
            let id = counters.begin(&Call { model, ..call });
            let id = counters.accept(id, &Call { model, ..call });
            counters.end(id, &Outcome::default());
            count(&mut counters, &call, 200);
        }
        ShardScrape { counters: Some(counters), inbox_messages: 0 }
    };
    let scrape = Scrape { shards: vec![shard(), shard()], ..Scrape::default() };
    let mut roster = ModelRoster::default();
    roster.admit(scrape.shards.iter().filter_map(|shard| shard.counters.as_ref()));
    move || {
        black_box(render(black_box(&scrape), &roster));
    }
}

fn event_boundary() -> impl FnMut() {
    let event = event().into_bytes();
    let mut boundary = EventBoundary::default();
    move || assert_eq!(boundary.scan(black_box(&event)), event.len())
}
