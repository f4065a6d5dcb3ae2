//! HTTP/1 to the letter: raw bytes in, and what may come of them (RFC 9110, RFC 9112).
//!
//! Each table holds the neighbours of one rule. [`testkit::Letter`] delivers every case whole, byte
//! by byte, in two pieces at every place, and between two good requests, to a proxy in front of an
//! upstream that forgives nothing.

mod chunks;
mod codings;
mod connections;
mod fields;
mod lengths;
mod lines;
mod responses;
mod sizes;

use testkit::{Case, Letter};

use crate::support::Running;

/// Tries all cases.
fn try_all(cases: &[Case]) {
    let mut proxy = None;
    let mut letter = Letter::new(|upstream| {
        let address = format!("127.0.0.1:{}", upstream.port()).parse().unwrap();
        let running = proxy.insert(Running::before(&[address], "worker_threads = 1", ""));
        running.address.into()
    });
    for case in cases {
        if case.bytes.len() < 2000 { letter.try_case(case) } else { letter.try_long_case(case) }
    }
    drop(proxy);
    letter.finish();
}

/// A request with these field lines, which end like this string ends.
fn request(method: &str, fields: &str, body: &str) -> String {
    format!("{method} %T HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n{body}")
}

fn get(fields: &str) -> String {
    request("GET", fields, "")
}

fn post(fields: &str, body: &str) -> String {
    request("POST", fields, body)
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}
