//! The same numbers for Prometheus, in its text format 0.0.4.
//!
//! Written by hand: the counts live with the workers and not in a registry of metrics, and all that a
//! crate would add here is the escaping of label values.

use std::fmt::Write as _;

use super::{InstanceStatus, Stage, Status, UpstreamStatus};
use crate::counters::{Histogram, InstanceCounters, Times, upper_bound};
use crate::worker::Shared;

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper ends of the buckets that Prometheus gets, as powers of two in microseconds: from about
/// half a millisecond to a little over a minute. Each is the end of one of our own buckets, so every
/// count is exact.
const LE_POWERS: std::ops::RangeInclusive<u32> = 9..=26;

/// Writes every metric.
pub(crate) fn write_metrics(status: &Status, shared: &Shared) -> String {
    let mut text = Text(String::with_capacity(16 * 1024));
    of_the_proxy(&mut text, status);
    of_upstreams(&mut text, status);
    of_instances(&mut text, status);
    histogram(
        &mut text,
        shared,
        "warpdrive_instance_first_byte_seconds",
        "From the request to the head of its response.",
        |counters| &counters.first_byte,
    );
    histogram(
        &mut text,
        shared,
        "warpdrive_instance_duration_seconds",
        "From the head of the client's request to the last byte of the response body.",
        |counters| &counters.total,
    );
    text.0
}

fn of_the_proxy(text: &mut Text, status: &Status) {
    text.family("warpdrive_info", "gauge", "The version of the proxy.");
    text.sample("warpdrive_info", &[("version", &status.version)], 1);
    text.single("warpdrive_uptime_seconds", "gauge", "Seconds since the proxy began to listen.", status.uptime_secs);
    let draining = u8::from(status.stage == Stage::Draining);
    text.single("warpdrive_draining", "gauge", "1 while the proxy is stopping.", draining);
    text.single("warpdrive_connections", "gauge", "Open client connections.", status.connections);
    let limit = status.connections_limit;
    text.single("warpdrive_connections_limit", "gauge", "The most client connections that may be open.", limit);
    text.single("warpdrive_requests_total", "counter", "Requests of clients.", status.requests);
    let name = "warpdrive_own_answers_total";
    text.family(name, "counter", "Answers of the proxy itself, by class of status.");
    for (class, count) in &status.own_answers {
        text.sample(name, &[("class", class)], count);
    }
}

fn of_upstreams(text: &mut Text, status: &Status) {
    let name = "warpdrive_upstream_waiting";
    text.family(name, "gauge", "Requests that wait for room at an instance.");
    for upstream in &status.upstreams {
        text.sample(name, &[("upstream", &upstream.name)], upstream.waiting);
    }
    let name = "warpdrive_upstream_refused_total";
    text.family(name, "counter", "Requests that no instance got, by reason.");
    for upstream in &status.upstreams {
        for (reason, count) in &upstream.refused {
            text.sample(name, &[("upstream", &upstream.name), ("reason", reason)], count);
        }
    }
}

/// One number of an instance: its name, type, meaning, and where it stands.
type Number = (&'static str, &'static str, &'static str, fn(&InstanceStatus) -> u64);

const NUMBERS: [Number; 11] = [
    ("warpdrive_instance_up", "gauge", "0 where a health check keeps requests away, else 1.", |instance| {
        u64::from(instance.health.is_well())
    }),
    ("warpdrive_instance_in_flight", "gauge", "Requests and tunnels under way.", |instance| instance.in_flight as u64),
    ("warpdrive_instance_connections", "gauge", "Open connections to the instance.", |instance| instance.connections),
    ("warpdrive_instance_idle_connections", "gauge", "Connections that wait for a request.", |instance| {
        instance.idle_connections
    }),
    ("warpdrive_instance_connections_opened_total", "counter", "Connections opened.", |instance| {
        instance.connections_opened
    }),
    ("warpdrive_instance_requests_total", "counter", "Times that a request was given to the instance.", |instance| {
        instance.requests
    }),
    ("warpdrive_instance_cancelled_total", "counter", "Requests that their clients ended.", |instance| {
        instance.cancelled
    }),
    ("warpdrive_instance_stale_total", "counter", "Kept connections that were closed already.", |instance| {
        instance.stale
    }),
    ("warpdrive_instance_retries_total", "counter", "Requests that went out once more.", |instance| instance.retries),
    ("warpdrive_instance_sent_bytes_total", "counter", "Body bytes to the instance.", |instance| instance.bytes_sent),
    ("warpdrive_instance_received_bytes_total", "counter", "Body bytes from the instance.", |instance| {
        instance.bytes_received
    }),
];

fn of_instances(text: &mut Text, status: &Status) {
    for (name, kind, help, number) in NUMBERS {
        text.family(name, kind, help);
        for (upstream, instance) in instances(status) {
            text.sample(name, &[("upstream", &upstream.name), ("instance", &instance.address)], number(instance));
        }
    }
    let name = "warpdrive_instance_responses_total";
    text.family(name, "counter", "Responses of the instance, by class of status.");
    for (upstream, instance) in instances(status) {
        for (class, count) in &instance.responses {
            let labels = [("upstream", &*upstream.name), ("instance", &instance.address), ("class", class)];
            text.sample(name, &labels, count);
        }
    }
    let name = "warpdrive_instance_failures_total";
    text.family(name, "counter", "Requests that the instance failed, by reason.");
    for (upstream, instance) in instances(status) {
        for (reason, count) in &instance.failures {
            let labels = [("upstream", &*upstream.name), ("instance", &instance.address), ("reason", reason)];
            text.sample(name, &labels, count);
        }
    }
}

fn instances(status: &Status) -> impl Iterator<Item = (&UpstreamStatus, &InstanceStatus)> {
    status.upstreams.iter().flat_map(|upstream| upstream.instances.iter().map(move |instance| (upstream, instance)))
}

fn histogram(text: &mut Text, shared: &Shared, name: &str, help: &str, histogram: fn(&InstanceCounters) -> &Histogram) {
    text.family(name, "histogram", help);
    let snapshot = shared.live.load();
    for instance in snapshot.upstreams.iter().flat_map(|upstream| &upstream.instances) {
        let mut times = Times::default();
        instance.counted().for_each(|counters| times.add(histogram(counters)));
        let address = instance.address.to_string();
        let labels = [("upstream", &*instance.upstream), ("instance", &*address)];
        let bucket = format!("{name}_bucket");
        let (mut below, mut places) = (0, times.buckets.iter().enumerate().peekable());
        for power in LE_POWERS {
            let end = 1u64 << power;
            while let Some((_, count)) = places.next_if(|(place, _)| upper_bound(*place) <= end) {
                below += count;
            }
            let le = (end as f64 / 1e6).to_string();
            let [upstream, instance] = labels;
            text.sample(&bucket, &[upstream, instance, ("le", &*le)], below);
        }
        let [upstream, instance] = labels;
        text.sample(&bucket, &[upstream, instance, ("le", "+Inf")], times.count());
        text.sample(&format!("{name}_sum"), &labels, times.sum as f64 / 1e6);
        text.sample(&format!("{name}_count"), &labels, times.count());
    }
}

/// The text as far as it is written.
struct Text(String);

impl Text {
    /// Begins the metrics of one name.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if place == 0 { '{' } else { ',' });
            escape(value, &mut self.0);
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric without labels.
    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// A label value may be any text; three characters stand as escapes.
fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            plain => out.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text(String::new());
        text.family("a_total", "counter", "Things.");
        text.sample("a_total", &[("x", "a\"b\\c\nd"), ("y", "é")], 3);
        text.single("b", "gauge", "One thing.", 0.5);
        assert_eq!(
            text.0,
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"a\\\"b\\\\c\\nd\",y=\"é\"} 3\n\
             # HELP b One thing.\n# TYPE b gauge\nb 0.5\n"
        );
    }

    #[test]
    fn every_bucket_end_of_prometheus_is_one_of_ours() {
        for power in LE_POWERS {
            assert!((0..crate::counters::BUCKETS).any(|place| upper_bound(place) == 1 << power), "{power}");
        }
    }
}
