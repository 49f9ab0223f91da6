//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::{
    Counters, Labels, ModelRoster, RequestLabels,
    histogram::{Bounds, DURATION, Histogram, Overhead, SIZE, UPSTREAM},
    merged::Merged,
    series::Series,
};

/// All that one look at `/metrics` shows.
#[derive(Debug, Default)]
pub struct Scrape {
    /// In the order of their numbers.
    pub shards: Vec<ShardScrape>,
    /// Messages that wait for control.
    pub control_messages: u64,
    /// The process, where it can be seen.
    pub process: Option<Process>,
}

/// One shard in a scrape.
#[derive(Debug)]
pub struct ShardScrape {
    /// None where the shard did not answer.
    pub counters: Option<Counters>,
    /// Messages that wait for it.
    pub inbox_messages: u64,
}

/// What the system says of the process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Processor time of all its threads.
    pub cpu_seconds: f64,
    /// Memory that is in use.
    pub resident_bytes: u64,
    /// Memory that is addressable.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// File descriptors that may be open.
    pub open_files_max: u64,
    /// Start, seconds since 1970.
    pub start_seconds: f64,
}

/// Renders what the shards have counted.
pub fn render(scrape: &Scrape, roster: &ModelRoster) -> String {
    let counters = scrape.shards.iter().filter_map(|shard| shard.counters.as_ref());
    let merged = Merged::of(counters, roster);
    let mut text = Text::default();
    text.gateway(scrape, merged.panics);
    text.requests(&merged);
    text.calls(&merged);
    if let Some(process) = &scrape.process {
        text.process(process);
    }
    text.0
}

/// The labels of a call as Bifrost writes them; what does not exist here is empty.
fn call_labels(labels: &Labels) -> String {
    let mut text = String::with_capacity(384);
    for (name, value) in [
        ("provider", &*labels.provider),
        ("model", &*labels.model),
        ("alias", &*labels.alias),
        ("method", labels.method),
        ("virtual_key_id", ""),
        ("virtual_key_name", ""),
        ("routing_engine_used", ""),
        ("routing_rule_id", ""),
        ("routing_rule_name", ""),
        ("selected_key_id", &*labels.key_id),
        ("selected_key_name", &*labels.key_name),
        ("fallback_index", "0"),
        ("team_id", ""),
        ("team_name", ""),
        ("customer_id", ""),
        ("customer_name", ""),
    ] {
        push_label(name, value, &mut text);
    }
    text
}

fn request_labels(labels: &RequestLabels) -> String {
    let RequestLabels { path, method, status } = labels;
    format!("path=\"{path}\",method=\"{method}\",status=\"{status}\"")
}

fn push_label(name: &str, value: &str, text: &mut String) {
    let comma = if text.is_empty() { "" } else { "," };
    // Writing to a string cannot fail.
    let _ = write!(text, "{comma}{name}=\"");
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn gateway(&mut self, scrape: &Scrape, panics: u64) {
        self.family("bifrost_build_info", "gauge", "Version of the gateway.");
        self.sample("bifrost_build_info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);

        self.by_shard("bifrost_shard_up", "gauge", "Whether a shard answers.", scrape, |shard| {
            Some(u64::from(shard.counters.is_some()))
        });
        let counted =
            |read: fn(&Counters) -> u64| move |shard: &ShardScrape| shard.counters.as_ref().map(read);
        self.by_shard(
            "bifrost_client_connections",
            "gauge",
            "Open connections of clients.",
            scrape,
            counted(|counters| counters.gauges.client_connections),
        );
        self.by_shard(
            "bifrost_pooled_connections",
            "gauge",
            "Idle connections to upstreams.",
            scrape,
            counted(|counters| counters.gauges.pooled_connections),
        );
        self.by_shard(
            "bifrost_held_body_bytes",
            "gauge",
            "Request bodies that are held.",
            scrape,
            counted(|counters| counters.gauges.held_body_bytes),
        );
        self.by_shard(
            "bifrost_inbox_messages",
            "gauge",
            "Messages that wait for a shard.",
            scrape,
            |shard| Some(shard.inbox_messages),
        );
        self.by_shard(
            "bifrost_log_lines_dropped_total",
            "counter",
            "Lines of the access log that found no room.",
            scrape,
            counted(|counters| counters.log_lines_dropped),
        );
        self.single(
            "bifrost_control_messages",
            "gauge",
            "Messages that wait for control.",
            scrape.control_messages,
        );
        self.single(
            "bifrost_panics_total",
            "counter",
            "Requests that broke an invariant of the gateway.",
            panics,
        );
    }

    fn requests(&mut self, merged: &Merged) {
        let requests: Vec<_> =
            merged.requests.iter().map(|(labels, requests)| (request_labels(labels), requests)).collect();
        self.family("http_requests_total", "counter", "Requests to the gateway.");
        for (labels, requests) in &requests {
            self.sample("http_requests_total", labels, requests.duration.count());
        }
        self.family(
            "http_request_duration_seconds",
            "histogram",
            "Time from a request's head to the end of its answer.",
        );
        for (labels, requests) in &requests {
            self.histogram("http_request_duration_seconds", labels, &requests.duration, &DURATION);
        }
        self.family("http_request_size_bytes", "histogram", "Length of a request's body.");
        for (labels, requests) in &requests {
            self.histogram("http_request_size_bytes", labels, &requests.bytes_in, &SIZE);
        }
        self.family("http_response_size_bytes", "histogram", "Length of an answer's body.");
        for (labels, requests) in &requests {
            self.histogram("http_response_size_bytes", labels, &requests.bytes_out, &SIZE);
        }
    }

    fn calls(&mut self, merged: &Merged) {
        let calls: Vec<_> =
            merged.series.iter().map(|(labels, series)| (call_labels(labels), series)).collect();
        let calls = &calls;
        self.by_call("bifrost_upstream_requests_total", "Calls to providers.", calls, Series::ended);
        self.by_call("bifrost_success_requests_total", "Calls that went well.", calls, |series| {
            series.succeeded
        });
        self.family("bifrost_error_requests_total", "counter", "Calls that failed.");
        for (labels, series) in calls {
            for ((status, kind), count) in &series.errors {
                let labels = format!("{labels},status_code=\"{status}\",error_type=\"{kind}\"");
                self.sample("bifrost_error_requests_total", &labels, count);
            }
        }
        self.by_call(
            "bifrost_input_tokens_total",
            "Tokens of requests, as providers tell them.",
            calls,
            |series| series.input_tokens,
        );
        self.by_call(
            "bifrost_output_tokens_total",
            "Tokens of answers, as providers tell them.",
            calls,
            |series| series.output_tokens,
        );

        self.family(
            "bifrost_upstream_latency_seconds",
            "histogram",
            "Time from the start of a call to the last byte of its answer.",
        );
        for (labels, series) in calls {
            for (is_success, latency) in ["false", "true"].into_iter().zip(&series.latency) {
                let labels = format!("{labels},is_success=\"{is_success}\"");
                self.histogram("bifrost_upstream_latency_seconds", &labels, latency, &UPSTREAM);
            }
        }
        self.family(
            "bifrost_stream_first_token_latency_seconds",
            "histogram",
            "Time from the start of a call to the first event of its stream.",
        );
        for (labels, series) in calls {
            let name = "bifrost_stream_first_token_latency_seconds";
            self.histogram(name, labels, &series.first_token, &DURATION);
        }
        self.family(
            "bifrost_stream_inter_token_latency_seconds",
            "histogram",
            "Time between two arrivals of events of a stream.",
        );
        for (labels, series) in calls {
            let name = "bifrost_stream_inter_token_latency_seconds";
            self.histogram(name, labels, &series.inter_token, &DURATION);
        }
        self.family(
            "bifrost_overhead_latency_microseconds",
            "histogram",
            "Time spent in the gateway: from the whole request to the start of the call, and from the first byte \
             of the answer to its sending.",
        );
        for (labels, series) in calls {
            self.overhead(labels, &series.overhead);
        }

        self.family("bifrost_active_requests", "gauge", "Calls that are under way.");
        for (method, count) in merged.active() {
            self.sample("bifrost_active_requests", &format!("method=\"{method}\""), count);
        }
        self.family(
            "bifrost_provider_key_up",
            "gauge",
            "0 where the provider refused the key when last asked.",
        );
        for ([provider, id, name], health) in &merged.keys {
            let mut labels = String::new();
            push_label("provider", provider, &mut labels);
            push_label("key_id", id, &mut labels);
            push_label("key_name", name, &mut labels);
            self.sample("bifrost_provider_key_up", &labels, u8::from(health.is_up));
        }
    }

    fn process(&mut self, process: &Process) {
        self.single(
            "process_cpu_seconds_total",
            "counter",
            "Processor time of all threads.",
            process.cpu_seconds,
        );
        self.single("process_resident_memory_bytes", "gauge", "Memory in use.", process.resident_bytes);
        self.single(
            "process_virtual_memory_bytes",
            "gauge",
            "Memory that is addressable.",
            process.virtual_bytes,
        );
        self.single("process_open_fds", "gauge", "Open file descriptors.", process.open_files);
        self.single("process_max_fds", "gauge", "File descriptors that may be open.", process.open_files_max);
        self.single("process_start_time_seconds", "gauge", "Start, since 1970.", process.start_seconds);
    }

    fn by_shard(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        scrape: &Scrape,
        read: impl Fn(&ShardScrape) -> Option<u64>,
    ) {
        self.family(name, kind, help);
        for (number, shard) in scrape.shards.iter().enumerate() {
            if let Some(value) = read(shard) {
                self.sample(name, &format!("shard=\"{number}\""), value);
            }
        }
    }

    fn by_call(&mut self, name: &str, help: &str, calls: &[(String, &Series)], read: fn(&Series) -> u64) {
        self.family(name, "counter", help);
        for (labels, series) in calls {
            self.sample(name, labels, read(series));
        }
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// Those without values are left out.
    fn histogram<const COUNT: usize>(
        &mut self,
        name: &str,
        labels: &str,
        histogram: &Histogram<COUNT>,
        bounds: &Bounds,
    ) {
        if histogram.count() > 0 {
            self.buckets(name, labels, histogram.cumulated(bounds), histogram.count(), histogram.sum(bounds));
        }
    }

    fn overhead(&mut self, labels: &str, overhead: &Overhead) {
        if overhead.count() > 0 {
            let name = "bifrost_overhead_latency_microseconds";
            self.buckets(name, labels, overhead.cumulated(), overhead.count(), overhead.micros());
        }
    }

    fn buckets(
        &mut self,
        name: &str,
        labels: &str,
        cumulated: impl Iterator<Item = (impl Display, u64)>,
        count: u64,
        sum: impl Display,
    ) {
        for (bound, count) in cumulated {
            let _ = writeln!(self.0, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(self.0, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let _ = writeln!(self.0, "{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} {count}");
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::metrics::{Call, KeyLabels, Outcome, Requested};

    const KEY: KeyLabels<'_> = KeyLabels { fingerprint: 1, provider: "a\"b\\c\n", id: "id", name: "name" };

    fn call(model: &str) -> Call<'_> {
        Call { key: KEY, is_direct: false, method: "chat_completion", model, alias: "" }
    }

    fn text(shards: Vec<Option<Counters>>) -> String {
        let mut roster = ModelRoster::default();
        roster.admit(shards.iter().flatten());
        let shards = shards.into_iter().map(|counters| ShardScrape { counters, inbox_messages: 7 }).collect();
        render(&Scrape { shards, ..Scrape::default() }, &roster)
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }

    #[test]
    fn counters_of_shards_add_up_and_a_silent_shard_shows() {
        let mut counters = Counters::new([], []);
        let labels = RequestLabels { path: "/v1/*", method: "POST", status: 200 };
        for duration in [20, 20_000].map(Duration::from_millis) {
            counters.count_request(labels, &Requested { duration, bytes_in: 5, bytes_out: 1_000_000 });
        }
        let text = text(vec![Some(counters.clone()), None, Some(counters)]);
        let labels = "path=\"/v1/*\",method=\"POST\",status=\"200\"";
        for line in [
            "bifrost_shard_up{shard=\"1\"} 0".to_owned(),
            "bifrost_shard_up{shard=\"2\"} 1".to_owned(),
            "bifrost_inbox_messages{shard=\"1\"} 7".to_owned(),
            format!("http_requests_total{{{labels}}} 4"),
            format!("http_request_duration_seconds_bucket{{{labels},le=\"0.025\"}} 2"),
            format!("http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 4"),
            format!("http_request_duration_seconds_sum{{{labels}}} 40.04"),
            format!("http_response_size_bytes_bucket{{{labels},le=\"100000\"}} 0"),
            format!("http_response_size_bytes_bucket{{{labels},le=\"1e+06\"}} 4"),
        ] {
            has(&text, &line);
        }
        assert!(!text.contains("client_connections{shard=\"1\"}"), "{text}");
    }

    #[test]
    fn calls_have_bifrosts_labels_escaped() {
        let mut counters = Counters::new([KEY], ["m"]);
        let id = counters.begin(&call("m"));
        let tokens = Some((3, 4));
        let overhead = Some(Duration::from_micros(7));
        counters.end(id, &Outcome { tokens, overhead, ..Outcome::default() });
        let id = counters.begin(&call("m"));
        counters.end(id, &Outcome { error: Some((429, "provider_rate_limit")), ..Outcome::default() });
        counters.begin(&call("m"));
        let text = text(vec![Some(counters)]);
        let labels = concat!(
            r#"provider="a\"b\\c\n",model="m",alias="",method="chat_completion",virtual_key_id="","#,
            r#"virtual_key_name="",routing_engine_used="",routing_rule_id="",routing_rule_name="","#,
            r#"selected_key_id="id",selected_key_name="name",fallback_index="0",team_id="",team_name="","#,
            r#"customer_id="",customer_name="""#,
        );
        for line in [
            format!("bifrost_upstream_requests_total{{{labels}}} 2"),
            format!("bifrost_success_requests_total{{{labels}}} 1"),
            format!(
                "bifrost_error_requests_total{{{labels},status_code=\"429\",error_type=\"provider_rate_limit\"}} 1"
            ),
            format!("bifrost_input_tokens_total{{{labels}}} 3"),
            format!("bifrost_output_tokens_total{{{labels}}} 4"),
            format!("bifrost_overhead_latency_microseconds_bucket{{{labels},le=\"5\"}} 0"),
            format!("bifrost_overhead_latency_microseconds_bucket{{{labels},le=\"10\"}} 1"),
            format!("bifrost_upstream_latency_seconds_count{{{labels},is_success=\"true\"}} 1"),
            "bifrost_active_requests{method=\"chat_completion\"} 1".to_owned(),
        ] {
            has(&text, &line);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes up its times from the clock")]
    fn what_a_provider_said_last_of_a_key_holds_whichever_shard_heard_it() {
        let (mut early, mut late) = (Counters::new([KEY], []), Counters::new([KEY], []));
        let now = Instant::now();
        let line = |is_up: u8| {
            format!(r#"bifrost_provider_key_up{{provider="a\"b\\c\n",key_id="id",key_name="name"}} {is_up}"#)
        };
        has(&text(vec![Some(early.clone())]), &line(1));
        let heard = |counters: &mut Counters, is_up, at| {
            let id = counters.begin(&call("m"));
            counters.count_key(id, is_up, at);
        };
        heard(&mut early, false, now);
        has(&text(vec![Some(late.clone()), Some(early.clone())]), &line(0));
        heard(&mut late, true, now + Duration::from_secs(1));
        has(&text(vec![Some(late), Some(early)]), &line(1));
    }

    #[test]
    fn all_shards_together_show_no_more_models_than_one_may_keep() {
        let shard = |offset: usize| {
            let mut counters = Counters::new([], ["configured"]);
            for number in 0..600 {
                let model = format!("model-{}", number + offset);
                let id = counters.begin(&call(&model));
                let id = counters.accept(id, &call(&model));
                counters.end(id, &Outcome::default());
            }
            counters
        };
        let text = text([0, 10_000, 20_000].map(|offset| Some(shard(offset))).into());
        let shown = text.lines().filter(|line| line.starts_with("bifrost_success_requests_total"));
        let counts: Vec<u64> = shown
            .clone()
            .map(|line| line.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap())
            .collect();
        assert!(shown.clone().any(|line| line.contains("model=\"other\"")), "{text}");
        // The configured one of the 500 has not been called.
        assert_eq!((counts.len(), counts.iter().sum()), (500, 3 * 600));
    }
}
