//! Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::{Counters, counters::DURATION_BUCKETS};

/// Renders what the shards have counted; `None` stands for a shard that did not answer.
pub fn render(shards: &[Option<Counters>]) -> String {
    let mut sum = Counters::default();
    shards.iter().flatten().for_each(|counters| sum.merge(counters));
    let mut text = Text::default();

    text.family("bifrost_build_info", "gauge", "Version of the gateway.");
    text.sample("bifrost_build_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);

    text.family("bifrost_shard_up", "gauge", "Whether a shard answers.");
    for (number, shard) in shards.iter().enumerate() {
        text.sample("bifrost_shard_up", &[("shard", &number)], u8::from(shard.is_some()));
    }

    text.family("bifrost_client_connections", "gauge", "Open connections of clients.");
    text.sample("bifrost_client_connections", &[], sum.client_connections);
    text.family("bifrost_pooled_connections", "gauge", "Idle connections to upstreams.");
    text.sample("bifrost_pooled_connections", &[], sum.pooled_connections);
    text.family("bifrost_panics_total", "counter", "Requests that broke an invariant of the gateway.");
    text.sample("bifrost_panics_total", &[], sum.panics);

    text.family("http_requests_total", "counter", "Requests by route, method and status.");
    for (labels, requests) in &sum.requests {
        let labels =
            [("path", &labels.path as &dyn Display), ("method", &labels.method), ("status", &labels.status)];
        text.sample("http_requests_total", &labels, requests.count);
    }

    text.family(
        "http_request_duration_seconds",
        "histogram",
        "Time from the request's head to the answer's end.",
    );
    for (labels, requests) in &sum.requests {
        let name = "http_request_duration_seconds";
        let labels =
            [("path", &labels.path as &dyn Display), ("method", &labels.method), ("status", &labels.status)];
        for (bound, count) in DURATION_BUCKETS.iter().zip(requests.buckets) {
            let labels = [labels[0], labels[1], labels[2], ("le", bound)];
            text.sample(&format!("{name}_bucket"), &labels, count);
        }
        let labels_all = [labels[0], labels[1], labels[2], ("le", &"+Inf")];
        text.sample(&format!("{name}_bucket"), &labels_all, requests.count);
        text.sample(&format!("{name}_sum"), &labels, requests.seconds);
        text.sample(&format!("{name}_count"), &labels, requests.count);
    }

    text.family(
        "bifrost_upstream_requests_total",
        "counter",
        "Calls to providers; status_code 0 is no answer.",
    );
    for (labels, count) in &sum.upstream_requests {
        let labels = [
            ("provider", &labels.provider as &dyn Display),
            ("method", &labels.method),
            ("selected_key_name", &labels.key),
            ("status_code", &labels.status),
        ];
        text.sample("bifrost_upstream_requests_total", &labels, count);
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.0.push_str(name);
        for (position, (label, content)) in labels.iter().enumerate() {
            let content = content.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let opening = if position == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{opening}{label}=\"{content}\"");
        }
        let closing = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{closing} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{RequestLabels, UpstreamLabels};

    #[test]
    fn counters_of_shards_add_up_and_a_silent_shard_shows() {
        let mut counters = Counters::default();
        let labels = RequestLabels { path: "/v1/*", method: "POST", status: 200 };
        counters.count_request(labels.clone(), 0.02);
        counters.count_request(labels, 20.0);
        let text = render(&[Some(counters.clone()), None, Some(counters)]);
        for line in [
            "bifrost_shard_up{shard=\"1\"} 0",
            "bifrost_shard_up{shard=\"2\"} 1",
            "http_requests_total{path=\"/v1/*\",method=\"POST\",status=\"200\"} 4",
            "http_request_duration_seconds_bucket{path=\"/v1/*\",method=\"POST\",status=\"200\",le=\"0.025\"} 2",
            "http_request_duration_seconds_bucket{path=\"/v1/*\",method=\"POST\",status=\"200\",le=\"+Inf\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut counters = Counters::default();
        let labels =
            UpstreamLabels { provider: "a\"b\\c\n".into(), method: "m", key: String::new(), status: 0 };
        counters.count_upstream(labels);
        assert!(render(&[Some(counters)]).contains(r#"provider="a\"b\\c\n""#));
    }
}
