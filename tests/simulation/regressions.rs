//! Worlds that once showed a mistake, each as small as it can be: what new worlds are made of does not change them.

use std::time::Duration;

use crate::{
    hold,
    world::{
        ask::{Ask, Speech},
        client::{Leaving, Manner},
        climate::Climate,
        run_in,
        script::{Failing, Reading, Script},
        setting::{Guest, Setting},
    },
};

/// Orders of events that each world is tried in.
const ORDERS: u64 = 16;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_connection_that_was_promised_to_stay_stays_after_a_streams_error() {
    let chat = Ask::chat(1, "");
    let broken = Script { failing: Failing::Cut(usize::MAX), ..Script::saying(&chat, EVENTS, &[EVENT]) };
    holds(Setting { climate: Climate::fair(), guests: vec![guest(vec![(chat, broken), health(2)])] });
}

#[test]
fn no_request_is_written_into_the_unsent_end_of_the_one_before() {
    let calls = [1, 2].map(|id| {
        let chat = Ask::chat(id, &"x".repeat(5000));
        let script = Script { reading: Reading::Last, ..Script::saying(&chat, JSON, &["{}"]) };
        (chat, script)
    });
    let mut climate = Climate::fair();
    climate.weather.capacity = 64;
    holds(Setting { climate, guests: vec![guest(calls.into())] });
}

#[test]
fn no_task_outlives_its_shard() {
    let chat = Ask::chat(1, "");
    let script = Script { pause: SECOND, ..Script::saying(&chat, EVENTS, &[EVENT; 60]) };
    let climate = Climate { stop_after: Some(SECOND), ..Climate::fair() };
    holds(Setting { climate, guests: vec![guest(vec![(chat, script)])] });
}

#[test]
fn a_head_that_began_early_has_no_more_time_than_others() {
    let stalling = Manner { pipelines: true, leaving: Leaving::Stalling, ..Manner::default() };
    let guests = vec![Guest { manner: stalling, ..guest(vec![health(1), health(2)]) }];
    holds(Setting { climate: Climate::fair(), guests });
}

#[test]
fn a_head_that_is_too_large_is_refused_even_if_it_comes_whole() {
    let ask = Ask::with_long_head(1);
    let script = Script::saying(&ask, JSON, &["{}"]);
    holds(Setting { climate: Climate::fair(), guests: vec![guest(vec![(ask, script)])] });
}

#[test]
fn a_client_that_takes_a_long_answer_slowly_gets_it_whole() {
    let chat = Ask::chat(1, "");
    let body = format!("{{\"said\":\"{}\"}}", "x".repeat(30_000));
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let script = Script::saying(&chat, JSON_CHUNKED, &[&chunk]);
    let mut climate = Climate::fair();
    climate.weather.capacity = 64;
    let slow = Manner { reading_pause: SECOND, ..Manner::default() };
    holds(Setting { climate, guests: vec![Guest { manner: slow, ..guest(vec![(chat, script)]) }] });
}

#[test]
fn a_client_that_goes_is_missed_although_its_upload_is_stuck() {
    let upload = Ask::file(1, &[7; 100_000]);
    let script =
        Script { reading: Reading::Last, pause: 10 * SECOND, ..Script::saying(&upload, JSON, &["{}"]) };
    let mut climate = Climate::fair();
    climate.weather.capacity = 64;
    let hasty = Manner { leaving: Leaving::Hanging(SECOND), ..Manner::default() };
    holds(Setting { climate, guests: vec![Guest { manner: hasty, ..guest(vec![(upload, script)]) }] });
}

#[test]
fn a_client_that_only_knows_the_end_of_the_connection_takes_no_part_for_the_whole() {
    for (failing, stop_after) in
        [(Failing::Cut(usize::MAX), None), (Failing::Stall(usize::MAX), Some(SECOND))]
    {
        let upload = Ask::file(1, b"x").spoken(Speech::Old);
        let script = Script { failing, ..Script::saying(&upload, BYTES_CHUNKED, &["5\r\npart \r\n"]) };
        let climate = Climate { stop_after, ..Climate::fair() };
        holds(Setting { climate, guests: vec![guest(vec![(upload, script)])] });
    }
}

const JSON: &str = "Content-Type: application/json\r\nContent-Length: 2";
const JSON_CHUNKED: &str = "Content-Type: application/json\r\nTransfer-Encoding: chunked";
const BYTES_CHUNKED: &str = "Content-Type: audio/mpeg\r\nTransfer-Encoding: chunked";
const EVENTS: &str = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked";

/// A chunk.
const EVENT: &str = "16\r\ndata: {\"choices\":[]}\n\n\r\n";

/// A client that asks this one after the other, and goes.
fn guest(asks: Vec<(Ask, Script)>) -> Guest {
    Guest { after: Duration::ZERO, port: 0, manner: Manner::default(), asks }
}

/// A question that the gateway answers itself.
fn health(id: u64) -> (Ask, Script) {
    let ask = Ask::own(id, "GET", "/health");
    let script = Script::saying(&ask, JSON, &["{}"]);
    (ask, script)
}

/// Nothing is wrong in this world, in whatever order things happen.
fn holds(setting: Setting) {
    hold(&Vec::from_iter(0..ORDERS), |seed| run_in(setting.clone(), seed, false));
}
