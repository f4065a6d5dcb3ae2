//! Raw requests, each delivered in every way that a network can, and what must come of them.

mod case;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Client, End, Endpoint, Server, Understood};

pub use case::{Case, Outcome, Spill, TARGET};

/// How the bytes of a case reach the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Whole,
    ByteByByte,
    /// In two writes, the second from this place on.
    SplitAt(usize),
    /// Between two good requests, all in one write.
    Pipelined,
}

/// A strict upstream, and a proxy in front of it that is being put to the test.
pub struct Letter {
    proxy: Endpoint,
    upstream: Server,
    ledger: Arc<Ledger>,
    failures: Vec<String>,
    /// The case that failed last: it is not tried further.
    failed_case: String,
    deliveries: usize,
    /// Targets of refused requests whose beginning the upstream may have seen.
    spilled: Vec<String>,
}

#[derive(Default)]
struct Ledger {
    understood: Mutex<Vec<Understood>>,
    /// What came in part or not in order, with why.
    broken: Mutex<Vec<(String, String)>>,
}

impl Letter {
    /// Starts the upstream; `start` puts a proxy in front of it that forwards everything to it.
    pub fn new(start: impl FnOnce(&Endpoint) -> Endpoint) -> Letter {
        let ledger = Arc::new(Ledger::default());
        let upstream = Server::tcp({
            let ledger = Arc::clone(&ledger);
            move |connection| {
                loop {
                    let before = connection.taken();
                    match connection.next_understood() {
                        Ok(None) => return Ok(()),
                        Ok(Some(request)) => {
                            let text = format!("{} {}", request.method, request.target);
                            let body = if request.method == "HEAD" { "" } else { &text };
                            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", text.len());
                            ledger.understood.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                            connection.send(answer)?;
                        }
                        Err(error) => {
                            let bytes = connection.since(before);
                            let entry = (bytes, error.to_string());
                            ledger.broken.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
                            // Closing at once could be taken for an answer of its own.
                            drop(connection.read_to_end());
                            return Ok(());
                        }
                    }
                }
            }
        });
        let proxy = start(upstream.endpoint());
        Letter {
            proxy,
            upstream,
            ledger,
            failures: Vec::new(),
            failed_case: String::new(),
            deliveries: 0,
            spilled: Vec::new(),
        }
    }

    /// Delivers a case whole, byte by byte, split in two, and between good requests. It is split at every
    /// place where `WARPDRIVE_RANDOM_CASES` is set, as by `./test long`, else at every fourth, and at
    /// others in the next case: byte by byte covers them all.
    pub fn try_case(&mut self, case: &Case) {
        self.deliver(case, Delivery::Whole);
        self.deliver(case, Delivery::Pipelined);
        self.deliver(case, Delivery::ByteByByte);
        let step = if std::env::var_os("WARPDRIVE_RANDOM_CASES").is_some() { 1 } else { 4 };
        let first = 1 + self.deliveries % step;
        for at in (first..case.bytes.len().min(SPLITS)).step_by(step) {
            self.deliver(case, Delivery::SplitAt(at));
        }
    }

    /// Delivers a case whole and between good requests: for one that is long.
    pub fn try_long_case(&mut self, case: &Case) {
        self.deliver(case, Delivery::Whole);
        self.deliver(case, Delivery::Pipelined);
    }

    /// Ends the test, once the proxy is gone.
    ///
    /// # Panics
    /// When any delivery had another outcome, with all of them.
    pub fn finish(mut self) {
        for number in 0..self.upstream.accepted() {
            let _ = self.upstream.outcome(number);
        }
        let broken = std::mem::take(&mut *self.ledger.broken.lock().unwrap_or_else(PoisonError::into_inner));
        for (bytes, why) in broken {
            let target = bytes.split(' ').nth(1).unwrap_or_default();
            let cut = why.contains("the peer closed") || why.contains("the peer reset");
            if !cut || !self.spilled.iter().any(|spilled| spilled == target) {
                self.failures.push(format!("the upstream saw {bytes:?}: {why}"));
            }
        }
        let shown = self.failures.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(
            self.failures.is_empty(),
            "{} failures in {} deliveries:\n{shown}",
            self.failures.len(),
            self.deliveries
        );
        assert!(self.deliveries > 0, "nothing was tried");
    }

    fn deliver(&mut self, case: &Case, delivery: Delivery) {
        if self.failed_case == case.name {
            return;
        }
        self.deliveries += 1;
        let target = format!("/c/{}", self.deliveries);
        let bytes = replace(&case.bytes, TARGET.as_bytes(), target.as_bytes());
        let may_spill = match &case.outcome {
            Outcome::Refused { spill: Spill::Beginning, .. } => true,
            Outcome::Refused { spill: Spill::OnlyInPieces, .. } => {
                matches!(delivery, Delivery::ByteByByte | Delivery::SplitAt(_))
            }
            _ => false,
        };
        if may_spill {
            self.spilled.push(target.clone());
        }
        self.ledger.understood.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Err(why) = self.run(case, delivery, &target, &bytes) {
            self.failed_case.clone_from(&case.name);
            let text = String::from_utf8_lossy(&bytes);
            let shown: String = text.chars().take(200).collect();
            self.failures.push(format!("{} ({delivery:?}): {why}; {shown:?}", case.name));
        }
    }

    fn run(&self, case: &Case, delivery: Delivery, target: &str, bytes: &[u8]) -> Result<(), String> {
        let told = |error: io::Error| error.to_string();
        let mut client = Client::connect(&self.proxy).map_err(told)?;
        send(&mut client, delivery, bytes);
        let pipelined = delivery == Delivery::Pipelined;
        if pipelined {
            expect_answer(&mut client, "GET", 200, Some("GET /before"))?;
        }
        let method = Case::method(bytes);
        let (status, closes) = match &case.outcome {
            Outcome::Passed { closes, .. } => (200, *closes),
            Outcome::Refused { status, closes, .. } => (*status, *closes),
        };
        expect_answer(&mut client, &method, status, None)?;
        if closes {
            match client.wait_end() {
                Ok(End::Closed | End::Reset) => {}
                Err(error) => return Err(format!("the connection went on: {error}")),
            }
        } else if pipelined {
            expect_answer(&mut client, "GET", 200, Some("GET /after"))?;
        }
        if !closes {
            client.get("a.example", "/fence").map_err(told)?;
            expect_answer(&mut client, "GET", 200, Some("GET /fence"))?;
        }
        self.compare(case, &method, pipelined, closes)?;
        if let Outcome::Passed { address: Some((meant, host)), .. } = &case.outcome {
            let meant = meant.replace(TARGET, target);
            let understood = self.ledger.understood.lock().unwrap_or_else(PoisonError::into_inner);
            if !understood.iter().any(|request| request.target == meant && request.host == *host) {
                return Err(format!("not {meant} of {host}: {understood:?}"));
            }
        }
        Ok(())
    }

    /// Whether the upstream understood what it should, and nothing else.
    fn compare(&self, case: &Case, method: &str, pipelined: bool, closes: bool) -> Result<(), String> {
        let understood = self.ledger.understood.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut expected: Vec<(&str, &[u8])> = Vec::new();
        if pipelined {
            expected.push(("GET", b""));
        }
        if let Outcome::Passed { body, .. } = &case.outcome {
            expected.push((method, body));
        }
        if pipelined && !closes {
            expected.push(("GET", b""));
        }
        if !closes {
            expected.push(("GET", b""));
        }
        for request in &understood {
            if let Some((name, _)) = request.fields.iter().find(|(name, _)| HOP_BY_HOP.contains(&name.as_str())) {
                return Err(format!("{name} went on"));
            }
        }
        let found: Vec<(&str, &[u8])> = understood.iter().map(|it| (it.method.as_str(), it.body.as_slice())).collect();
        if found == expected { Ok(()) } else { Err(format!("the upstream understood {understood:?}")) }
    }
}

/// Fields that end with the client's connection (RFC 9110 section 7.6.1). This proxy sends none of its
/// own either.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "transfer_encoding"];

/// How many places of a request are split at: what is longer is long for the sake of its length.
const SPLITS: usize = 400;

fn send(client: &mut Client, delivery: Delivery, bytes: &[u8]) {
    // A proxy that has refused a request need not take the rest of it: what matters is its answer.
    let mut pieces: Vec<&[u8]> = Vec::new();
    let whole;
    match delivery {
        Delivery::Whole => pieces.push(bytes),
        Delivery::ByteByByte => pieces.extend(bytes.chunks(1)),
        Delivery::SplitAt(at) => pieces.extend(bytes.split_at_checked(at).map_or([bytes, &[]], |(a, b)| [a, b])),
        Delivery::Pipelined => {
            let (before, after) = ("GET /before HTTP/1.1\r\nHost: a\r\n\r\n", "GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
            whole = [before.as_bytes(), bytes, after.as_bytes()].concat();
            pieces.push(&whole);
        }
    }
    for piece in pieces {
        if client.send(piece).is_err() {
            return;
        }
        std::thread::yield_now();
    }
}

/// Reads answers up to a final one.
fn expect_answer(client: &mut Client, method: &str, status: u16, body: Option<&str>) -> Result<(), String> {
    loop {
        let answer = client.response_to(method).map_err(|error| format!("no answer {status}: {error}"))?;
        if (100..200).contains(&answer.status) {
            continue;
        }
        if answer.status != status {
            return Err(format!("{} instead of {status}", answer.status));
        }
        if body.is_some_and(|body| body != answer.text()) {
            return Err(format!("{:?} instead of {body:?}", answer.text()));
        }
        return Ok(());
    }
}

fn replace(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    match bytes.windows(what.len()).position(|window| window == what) {
        Some(at) => {
            let (before, rest) = bytes.split_at(at);
            [before, by, rest.get(what.len()..).unwrap_or_default()].concat()
        }
        None => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests;
