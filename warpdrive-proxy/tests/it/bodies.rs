//! Bodies stream, in bounded memory and byte by byte.

use std::sync::mpsc::channel;

use crate::support::{Instance, Running};

const PIECE: usize = 64 * 1024;

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn fifty_megabytes_down_to_a_slow_reader_take_bounded_memory() {
    const LENGTH: usize = 50 << 20;
    let instance = Instance::start(|peer, notes| {
        notes.request(peer).unwrap();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
        let piece = vec![7; PIECE];
        for _ in 0..LENGTH / PIECE {
            peer.send(&piece);
        }
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    let before = resident();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    let mut most = 0;
    for _ in 0..LENGTH / PIECE {
        assert!(client.exactly(PIECE).iter().all(|byte| *byte == 7));
        most = most.max(resident());
    }
    // Other tests run in this process; the whole body would still stand out.
    assert!(most.saturating_sub(before) < 40 << 20, "{most} after {before}");
}

#[test]
fn fifty_megabytes_up_arrive_whole() {
    const LENGTH: usize = 50 << 20;
    let instance = Instance::start(|peer, notes| {
        notes.head(peer).unwrap();
        let mut sum = 0u64;
        for _ in 0..LENGTH / PIECE {
            sum += peer.exactly(PIECE).iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
        let text = sum.to_string();
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
    });
    let mut proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    let piece = vec![3; PIECE];
    for _ in 0..LENGTH / PIECE {
        client.send(&piece);
    }
    assert_eq!(client.answer().text(), (3 * LENGTH).to_string());
    assert_eq!(crate::support::value(&proxy.line(), "received"), LENGTH.to_string());
}

#[test]
fn every_chunk_is_passed_on_as_it_comes() {
    let (seen, go_on) = channel::<()>();
    let go_on = std::sync::Mutex::new(go_on);
    let instance = Instance::start(move |peer, notes| {
        notes.request(peer).unwrap();
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for number in 0..3 {
            peer.send(format!("1\r\n{number}\r\n"));
            // The next chunk is sent only when the client has this one.
            go_on.lock().unwrap().recv().unwrap();
        }
        peer.send("0\r\n\r\n");
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    for number in 0..3 {
        let chunk = client.chunk(&mut Vec::new()).unwrap();
        assert_eq!(chunk, number.to_string().as_bytes());
        seen.send(()).unwrap();
    }
    assert!(client.chunk(&mut Vec::new()).unwrap().is_empty());
}

#[test]
fn every_piece_of_an_upload_is_passed_on_as_it_comes() {
    let (seen, go_on) = channel::<Vec<u8>>();
    let seen = std::sync::Mutex::new(seen);
    let instance = Instance::start(move |peer, notes| {
        notes.head(peer).unwrap();
        for _ in 0..3 {
            let piece = peer.exactly(1);
            seen.lock().unwrap().send(piece).unwrap();
        }
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    for piece in [b"a", b"b", b"c"] {
        client.send(piece);
        assert_eq!(go_on.recv_timeout(crate::support::PATIENCE).unwrap(), piece);
    }
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on() {
    // This instance does not know the field and says nothing.
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.head().status(), 100);
    client.send("ab");
    assert_eq!(client.answer().text(), "POST / HTTP/1.1\nab");
    assert_eq!(instance.heads()[0].field("expect"), Some("100-continue"));
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let instance = Instance::start(|peer, notes| {
        notes.head(peer).unwrap();
        peer.exactly(1000);
        peer.send("HTTP/1.1 413 Too Big\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    });
    let proxy = Running::before(&[instance.address], "", "");
    for _ in 0..20 {
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
        let piece = vec![0; 100_000];
        for _ in 0..100 {
            if client.try_send(&piece).is_err() {
                break;
            }
        }
        let answer = client.answer();
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.text(), "big");
    }
}
