//! The state of a proxy for people: one line an instance, and what went wrong below.

use std::fmt::Write as _;

use warpdrive_proxy::status::{InstanceStatus, Stage, Status, UpstreamStatus};

const HEADINGS: [&str; 10] = [
    "UPSTREAM",
    "INSTANCE",
    "HEALTH",
    "IN FLIGHT",
    "REQUESTS",
    "5XX",
    "FAILED",
    "FIRST BYTE (MEDIAN, 99%)",
    "WHOLE (MEDIAN, 99%)",
    "CONNECTIONS (IDLE)",
];

/// Columns from here on are numbers, which stand to the right.
const FIRST_NUMBER: usize = 3;

const HEALTH: usize = 2;

/// The whole text, coloured for a terminal or not.
pub(super) fn text(status: &Status, colour: bool) -> String {
    let mut text = String::new();
    let stage = if status.stage == Stage::Draining { "stopping, after" } else { "running for" };
    let _ = writeln!(
        text,
        "warpdrive {}, process {}, {stage} {}, at {}",
        printable(&status.version),
        status.pid,
        span(status.uptime_secs),
        status.addresses.join(", ")
    );
    let _ = writeln!(
        text,
        "{} of at most {} connections, {} so far{}",
        status.connections,
        status.connections_limit,
        counted(status.requests, "request"),
        own_answers(status)
    );
    let rows: Vec<([String; 10], bool)> = status
        .upstreams
        .iter()
        .flat_map(|upstream| upstream.instances.iter().map(move |instance| (row(upstream, instance), instance)))
        .map(|(row, instance)| (row, instance.health.is_well()))
        .collect();
    if !rows.is_empty() {
        text.push('\n');
        write_rows(&mut text, &rows, colour);
    }
    write_troubles(&mut text, status);
    text
}

fn own_answers(status: &Status) -> String {
    let counts: Vec<String> = status
        .own_answers
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    if counts.is_empty() { String::new() } else { format!("; answered by the proxy itself: {}", counts.join(", ")) }
}

fn row(upstream: &UpstreamStatus, instance: &InstanceStatus) -> [String; 10] {
    let class = |name: &str| instance.responses.get(name).copied().unwrap_or_default();
    let latency = |half: Option<f64>, most: Option<f64>| match (half, most) {
        (Some(half), Some(most)) => format!("{}, {}", short(half), short(most)),
        _ => "-".to_owned(),
    };
    let backup = if instance.backup { " (backup)" } else { "" };
    [
        printable(&upstream.name),
        format!("{}{backup}", printable(&instance.address)),
        printable(&instance.health.state),
        instance.in_flight.to_string(),
        instance.requests.to_string(),
        class("5xx").to_string(),
        instance.failed().to_string(),
        latency(instance.first_byte.p50_secs, instance.first_byte.p99_secs),
        latency(instance.total.p50_secs, instance.total.p99_secs),
        format!("{} ({})", instance.connections, instance.idle_connections),
    ]
}

fn write_rows(text: &mut String, rows: &[([String; 10], bool)], colour: bool) {
    let headings = HEADINGS.map(str::to_owned);
    let mut widths = HEADINGS.map(|heading| heading.chars().count());
    for (row, _) in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (row, is_well) in [(&headings, true)].into_iter().chain(rows.iter().map(|(row, is_well)| (row, *is_well))) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if column > 0 {
                line.push_str("  ");
            }
            let padded = if column < FIRST_NUMBER { format!("{cell:width$}") } else { format!("{cell:>width$}") };
            if colour && column == HEALTH && !is_well {
                let _ = write!(line, "\x1b[31m{padded}\x1b[0m");
            } else {
                line.push_str(&padded);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// A line for each thing that a person may want to look into.
fn write_troubles(text: &mut String, status: &Status) {
    let mut lines = Vec::new();
    for upstream in &status.upstreams {
        let name = printable(&upstream.name);
        if upstream.waiting > 0 {
            lines.push(format!("{name}: {} for an instance", waits(upstream.waiting)));
        }
        for (reason, count) in upstream.refused.iter().filter(|(_, count)| **count > 0) {
            lines.push(format!("{name}: {} got no instance ({})", counted(*count, "request"), printable(reason)));
        }
        for instance in &upstream.instances {
            let address = printable(&instance.address);
            let health = &instance.health;
            if !health.is_well() {
                let since = health.since_secs.map_or(String::new(), |secs| format!(" for {}", span(secs)));
                let error =
                    health.last_error.as_deref().map_or(String::new(), |error| format!(": {}", printable(error)));
                lines.push(format!("{name} {address}: {}{since}{error}", printable(&health.state)));
            }
            if let Some(last) = &instance.last_failure {
                let ago = span(last.ago_secs);
                lines.push(format!("{name} {address}: last failure {ago} ago ({})", printable(&last.reason)));
            }
        }
    }
    if !lines.is_empty() {
        let _ = writeln!(text, "\n{}", lines.join("\n"));
    }
}

fn waits(count: usize) -> String {
    if count == 1 { "1 request waits".to_owned() } else { format!("{count} requests wait") }
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A time as people say it: its two largest units.
fn span(secs: f64) -> String {
    let whole = secs.max(0.0) as u64;
    let parts =
        [(whole / 86_400, "day"), (whole / 3_600 % 24, "hour"), (whole / 60 % 60, "minute"), (whole % 60, "second")];
    let said: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| counted(*count, unit))
        .collect();
    if said.is_empty() { "0 seconds".to_owned() } else { said.join(" ") }
}

/// A short time, to two or three digits.
fn short(secs: f64) -> String {
    let millis = secs * 1e3;
    match millis {
        ..1.0 => format!("{:.0} µs", secs * 1e6),
        ..10.0 => format!("{millis:.1} ms"),
        ..1_000.0 => format!("{millis:.0} ms"),
        _ => format!("{secs:.1} s"),
    }
}

/// A path may hold anything, and a terminal obeys control characters.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_two_units() {
        let said = [0.4, 1.0, 61.0, 3_600.0, 90_061.0].map(span);
        assert_eq!(said, ["0 seconds", "1 second", "1 minute 1 second", "1 hour", "1 day 1 hour"]);
        let said = [0.000_45, 0.004_25, 0.130, 2.5].map(short);
        assert_eq!(said, ["450 µs", "4.2 ms", "130 ms", "2.5 s"]);
    }

    fn status() -> Status {
        let latency = r#"{"count":4,"sum_secs":0.4,"p50_secs":0.1,"p90_secs":0.2,"p99_secs":0.3}"#;
        let instance = |address: &str, health: &str| {
            format!(
                r#"{{"address":"{address}","weight":1,"backup":false,"health":{health},"in_flight":1,
                "connections":2,"idle_connections":1,"connections_opened":3,"requests":4711,
                "responses":{{"2xx":4700,"5xx":7}},"failures":{{"upstream_connect":4}},"cancelled":0,"stale":0,
                "retries":0,"bytes_sent":0,"bytes_received":0,
                "last_failure":{{"reason":"upstream_connect","ago_secs":75.0}},
                "first_byte":{latency},"total":{latency}}}"#
            )
        };
        let up = instance("127.0.0.1:3000", r#"{"state":"up","since_secs":5.0,"last_error":null}"#);
        let down = instance("unix:/tmp/\\u001b[2J.sock", r#"{"state":"down","since_secs":5.0,"last_error":"refused"}"#);
        let text = format!(
            r#"{{"version":"1","pid":7,"stage":"running","uptime_secs":61.0,"addresses":["127.0.0.1:8080"],
            "workers":2,"connections":3,"connections_limit":100,"requests":4720,"own_answers":{{"4xx":9,"5xx":0}},
            "upstreams":[{{"name":"app","waiting":2,"refused":{{"queue_full":1}},"instances":[{up},{down}]}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_troubles_are_told() {
        let plain = text(&status(), false);
        assert!(!plain.contains('\x1b'), "{plain}");
        let lines: Vec<&str> = plain.lines().collect();
        assert_eq!(lines[0], "warpdrive 1, process 7, running for 1 minute 1 second, at 127.0.0.1:8080");
        assert_eq!(lines[1], "3 of at most 100 connections, 4720 requests so far; answered by the proxy itself: 9 4xx");
        let ends = |line: &str, cell: &str| line.find(cell).map(|at| line[..at].chars().count() + cell.len());
        assert_eq!(ends(lines[3], "REQUESTS"), ends(lines[4], "4711"));
        assert_eq!(ends(lines[3], "REQUESTS"), ends(lines[5], "4711"));
        assert!(lines[4].contains("100 ms, 300 ms"), "{plain}");
        assert!(plain.contains("app: 2 requests wait for an instance\napp: 1 request got no instance (queue_full)\n"));
        assert!(plain.contains("down for 5 seconds: refused\n"), "{plain}");
        assert!(plain.contains("127.0.0.1:3000: last failure 1 minute 15 seconds ago (upstream_connect)\n"));
        // Only what is not well is coloured.
        assert_eq!(text(&status(), true).matches("\x1b[31mdown").count(), 1);
    }
}
