//! What must hold, whatever the world does.

use std::collections::BTreeMap;

use bifrost::{bus::Access, config::limits::WINDOW_BYTES_MAX, metrics::Gauges};

use crate::{
    message::{Head, find},
    world::{
        World,
        ask::{Answerer, Ask, Speech},
        script::{Failing, Script},
    },
};

/// An answer as a client got it.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) content: Vec<u8>,
    /// Whether it came to its end.
    pub(crate) is_whole: bool,
    /// Whether the connection is to be closed after it.
    pub(crate) is_last: bool,
    /// Whether the client, or the end of the gateway, is a reason to cut it.
    pub(crate) is_excused: bool,
}

/// What a provider has said in all, read from what it wrote.
struct Said {
    status: u16,
    content: Vec<u8>,
    end: End,
    is_stream: bool,
    /// It has the attempt's time in all, however slowly the client takes it.
    is_document: bool,
}

/// How an answer of a provider ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Whole,
    /// Nobody can tell: a reset may have come after an orderly end, or instead of it.
    Unclear,
    Broken,
}

/// What the shards have counted against what the clients have seen; all clients have gone.
pub(crate) fn check_counts(world: &World, gauges: &[Gauges], shown: &str, logged: &[Access]) {
    let fail = |what: String| world.network.fail(format!("the counters are wrong: {what}"));
    let sum = |gauge: fn(&Gauges) -> u64| gauges.iter().map(gauge).sum::<u64>();
    let upstreams = world.network.open(true) as u64;
    if sum(|shard| shard.client_connections) > 0 || sum(|shard| shard.held_body_bytes) > 0 {
        fail(format!("nobody is there, and they say {gauges:?}"));
    }
    if sum(|shard| shard.pooled_connections) != upstreams {
        fail(format!("{upstreams} upstream connections are open, and they say {gauges:?}"));
    }
    let mut counted = BTreeMap::<u16, u64>::new();
    for (name, labels, value) in shown.lines().filter_map(sample) {
        match name {
            "bifrost_panics_total" | "bifrost_active_requests" if value > 0 => {
                fail(format!("{name} is {value}"));
            }
            "http_requests_total" => {
                let status = labels.split("status=\"").nth(1).and_then(|rest| rest.get(..3)?.parse().ok());
                *counted.entry(status.unwrap_or_default()).or_default() += value;
            }
            _ => {}
        }
    }
    for (status, answers) in world.answers() {
        let counted = counted.get(&status).copied().unwrap_or_default();
        if counted < answers {
            fail(format!("{counted} requests with status {status}, {answers} were answered so"));
        }
    }
    let requests: u64 = counted.values().sum();
    if requests > world.book.len() as u64 || requests != logged.len() as u64 {
        fail(format!("{requests} requests of {}, {} in the log", world.book.len(), logged.len()));
    }
}

/// A line of the metrics: name, labels and value.
fn sample(line: &str) -> Option<(&str, &str, u64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some((name, labels, value.parse().ok()?))
}

/// Whether an answer is what it has to be.
pub(crate) fn check_answer(world: &World, ask: &Ask, script: &Script, answer: &Answer) -> Result<(), String> {
    let status = answer.head.status()?;
    answer.head.field("x-bifrost-request-id")?.ok_or("it has no x-bifrost-request-id")?;
    world.answered(status);
    if status == 101 {
        return check_switch(ask, script, answer);
    }
    check_speech(ask, answer)?;
    match answer.head.field("x-sim-answer")? {
        Some(id) if id != ask.id.to_string() => Err(format!("it is the answer to {id}")),
        Some(_) => check_passed_on(world, ask, script, status, answer),
        None => check_own(world, ask, script, status, answer),
    }
}

/// A switch to WebSocket: both sides want it, and the head says it.
fn check_switch(ask: &Ask, script: &Script, answer: &Answer) -> Result<(), String> {
    let said = (answer.head.field("connection")?, answer.head.field("upgrade")?);
    let is_said = said == (Some("Upgrade"), Some("websocket"));
    let is_wanted = ask.speaker.is_some() && script.speaker.is_some();
    if is_said && is_wanted && answer.head.field("x-sim-answer")? == Some(&ask.id.to_string()) {
        Ok(())
    } else {
        Err(format!("it switches, and that was not agreed on: {:?}", answer.head))
    }
}

/// Whether an answer can be understood in the HTTP that the client speaks.
fn check_speech(ask: &Ask, answer: &Answer) -> Result<(), String> {
    let (says_close, coding) = (answer.head.says_close()?, answer.head.field("transfer-encoding")?);
    match ask.speech {
        speech if speech.is_old() && coding.is_some() => Err("HTTP/1.0 has no chunks".to_owned()),
        speech if speech.closes() && says_close != Some(true) => {
            Err("it does not say that it is the last".to_owned())
        }
        Speech::OldStaying if says_close.is_none() => {
            Err("it does not say whether the connection stays".to_owned())
        }
        Speech::Modern | Speech::Closing if says_close == Some(false) => {
            Err("it says what is understood by itself".to_owned())
        }
        _ => Ok(()),
    }
}

/// A provider's answer: the same bytes, and never a clean end where there was none.
fn check_passed_on(
    world: &World,
    ask: &Ask,
    script: &Script,
    status: u16,
    answer: &Answer,
) -> Result<(), String> {
    if !(ask.answerer == Answerer::Provider || ask.is_upload) {
        return Err("a request that is wrong was answered by a provider".to_owned());
    }
    let said = said(world, ask, script)?;
    if said.status != status {
        return Err(format!("the status is {status}, the provider said {}", said.status));
    }
    let is_same = answer.content == said.content;
    let is_prefix = said.content.starts_with(&answer.content);
    if !answer.is_whole {
        // What broke off here must have broken off there, unless the gateway stops.
        let is_long = said.is_document && said.content.len() > WINDOW_BYTES_MAX;
        let is_excused = said.end != End::Whole || answer.is_excused || is_long;
        return if !is_prefix {
            Err(differing(answer, &said))
        } else if is_excused {
            Ok(())
        } else {
            Err("it was cut, and the provider's was not".to_owned())
        };
    }
    let ended = if ask.is_chat && said.is_stream { signalled(&said.content) } else { None };
    match said.end {
        End::Whole | End::Unclear if is_same => Ok(()),
        // All was said, only the connection did not end.
        _ if ended.is_some_and(|ended| is_prefix && answer.content.len() >= ended) => Ok(()),
        End::Whole => Err(differing(answer, &said)),
        _ if said.is_stream && has_error_event(&answer.content, &said.content) => Ok(()),
        _ => Err(format!("it ended cleanly, and the provider's broke off: {}", differing(answer, &said))),
    }
}

/// An answer of the gateway's own.
fn check_own(world: &World, ask: &Ask, script: &Script, status: u16, answer: &Answer) -> Result<(), String> {
    if !answer.is_whole && !answer.is_excused {
        return Err(format!("the gateway's own answer ({status}) was cut"));
    }
    if status >= 400 && ask.method != "HEAD" && answer.is_whole {
        for member in ["\"error\"", "\"message\"", "\"type\"", "\"param\"", "\"code\""] {
            if ask.path != "/health" {
                find(&answer.content, member.as_bytes())
                    .ok_or_else(|| format!("the refusal has no {member}"))?;
            }
        }
    }
    match ask.answerer {
        // The client did not send all of it.
        _ if status == 408 && answer.is_excused => Ok(()),
        Answerer::Refusal(statuses) if statuses.contains(&status) => Ok(()),
        Answerer::Gateway if status < 300 => Ok(()),
        Answerer::Gateway if status == 503 && (world.is_draining() || world.climate.is_control_silent) => {
            Ok(())
        }
        Answerer::Provider if [502, 504, 401, 408].contains(&status) => {
            let is_certain =
                world.climate.is_calm && !world.climate.is_slow() && script.failing == Failing::Never;
            if is_certain && !is_broken(world, ask) && !ask.is_upload && status != 401 && !answer.is_excused {
                return Err(format!("the provider did well, and the gateway says {status}"));
            }
            Ok(())
        }
        other => Err(format!("the gateway says {status}, wanted was {other:?}")),
    }
}

/// Whether a provider has broken off its answer.
pub(crate) fn is_broken(world: &World, ask: &Ask) -> bool {
    let script = world.book.case(ask.id).map(|(_, script)| script);
    script.is_some_and(|script| said(world, ask, &script).is_ok_and(|said| said.end != End::Whole))
}

fn said(world: &World, ask: &Ask, script: &Script) -> Result<Said, String> {
    let (mut wire, is_ended) = world.book.said(ask.id).ok_or("nobody was asked")?;
    let head = loop {
        let head = Head::take(&mut wire)?.ok_or("the provider has not said so much")?;
        if head.status()? >= 200 {
            break head;
        }
    };
    let mut body = head.response_body(ask.method == "HEAD")?;
    let _ = body.take(&mut wire);
    let is_delimited = body.is_done();
    let is_whole = is_delimited || is_ended && body.close();
    let content_type = head.field("content-type")?.unwrap_or_default();
    let (is_stream, is_document) = (content_type == "text/event-stream", content_type == "application/json");
    let status = head.status()?;
    let lacks_signal = ask.is_chat && is_stream && status == 200 && !may_end(&body.content);
    let end = match (is_whole, lacks_signal) {
        (true, false) if script.is_early() && !is_delimited => End::Unclear,
        (true, false) => End::Whole,
        _ => End::Broken,
    };
    Ok(Said { status, content: body.content, end, is_stream, is_document })
}

/// Whether a stream of chat or of responses may end where it does.
fn may_end(content: &[u8]) -> bool {
    ["finish_reason", "[DONE]", "\"response.completed\""]
        .iter()
        .any(|end| find(content, end.as_bytes()).is_some())
}

/// Where a stream has said in a whole event that it is at its end.
fn signalled(content: &[u8]) -> Option<usize> {
    ["[DONE]", "\"response.completed\"}"].iter().find_map(|signal| {
        let at = find(content, signal.as_bytes())? + signal.len();
        let rest = &content[at..];
        ["\n\n", "\r\n\r", "\r\r"].iter().find(|end| rest.starts_with(end.as_bytes())).map(|_| at)
    })
}

/// Whether whole events of a provider were followed by the gateway's error.
fn has_error_event(content: &[u8], said: &[u8]) -> bool {
    let Some(at) = memchr::memmem::rfind(content, b"data: {\"error\":") else { return false };
    let (events, error) = content.split_at(at);
    // A blank line may lack its line feed, where the provider broke off there.
    let is_at_boundary =
        ["\n\n", "\r\n\r\n", "\r\n\r", "\r\r"].iter().any(|end| events.ends_with(end.as_bytes()));
    said.starts_with(events) && (events.is_empty() || is_at_boundary) && error.ends_with(b"\n\n")
}

fn differing(answer: &Answer, said: &Said) -> String {
    let same = answer.content.iter().zip(&said.content).take_while(|(one, other)| one == other).count();
    let rest = String::from_utf8_lossy(&answer.content[same..]);
    format!(
        "{} bytes of {} that the provider said ({:?}), the same up to {same}, then {:?}",
        answer.content.len(),
        said.content.len(),
        said.end,
        rest.chars().take(200).collect::<String>()
    )
}
