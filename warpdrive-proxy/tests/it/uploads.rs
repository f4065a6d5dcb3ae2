//! Uploads that end before their end.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::support::{Instance, PATIENCE, Running, eventually, nobody};

const LENGTH: usize = 100 << 20;
const PIECE: usize = 64 * 1024;

/// An instance that takes 64 KiB of a body and refuses the rest; the receiver gets the number of
/// bytes that came after that.
fn refusing() -> (Instance, std::sync::mpsc::Receiver<usize>) {
    let (counted, told) = channel();
    let counted = Mutex::new(counted);
    let instance = Instance::start(move |peer, notes| {
        if notes.head(peer).is_none() {
            return;
        }
        peer.exactly(PIECE);
        // It neither closes nor reads on before the proxy ends the connection.
        peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
        counted.lock().unwrap().send(peer.rest_and_end().0.len()).unwrap();
    });
    (instance, told)
}

#[test]
fn an_upload_of_100_mb_that_is_refused_after_64_kb_is_cancelled() {
    for chunked in [false, true] {
        let (instance, told) = refusing();
        let proxy = Running::before(&[instance.address], "", "");
        let mut client = proxy.connect();
        let mut sender = client.try_clone();
        let sending = std::thread::spawn(move || {
            let framing =
                if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {LENGTH}") };
            sender.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
            let mut piece = vec![b'x'; PIECE];
            if chunked {
                piece = [format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat();
            }
            (0..LENGTH / PIECE).take_while(|_| sender.try_send(&piece).is_ok()).count() * PIECE
        });
        let answer = client.answer();
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.text(), "big");
        let after = told.recv_timeout(PATIENCE).unwrap();
        assert!(after < 20 << 20, "{after} bytes went on to the instance");
        let sent = sending.join().unwrap();
        assert!(sent < 40 << 20, "{sent} bytes were taken from the client");
        eventually("the lease ends", || proxy.in_flight() == 0);
    }
}

/// The client stops sending and waits for the answer, as one that saw `Expect` refused would.
#[test]
fn what_is_left_of_a_refused_upload_is_not_waited_for() {
    let (instance, told) = refusing();
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"));
    client.send(vec![b'x'; PIECE]);
    assert_eq!(client.answer().status(), 413);
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), 0);
    assert_eq!(client.rest_and_end().0, b"");
}

/// What a client pipelines after an upload that was cut is data of that upload, never a request.
#[test]
fn nothing_after_a_refused_upload_is_read_as_a_request() {
    let (instance, _told) = refusing();
    let proxy = Running::before(&[instance.address], "worker_threads = 1", "");
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", PIECE + 1000));
    client.send(vec![b'x'; PIECE]);
    assert_eq!(client.answer().status(), 413);
    let _ = client.try_send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100));
    assert_eq!(client.rest_and_end().0, b"");
    assert_eq!(instance.heads().len(), 1);
}

/// Nobody is there to take a connection: the client's fault is seen first.
#[test]
fn a_body_that_is_wrong_from_its_start_costs_no_connection() {
    let proxy = Running::before(&[nobody()], "", "max_body_bytes = 4");
    for (chunks, status) in [
        ("x\r\n", 400),
        ("ffffffffffffffff\r\nhello", 400),
        ("0\r\nno colon\r\n\r\n", 400),
        ("5\r\nhello\r\n0\r\n\r\n", 413),
        ("4\r\nhell\r\n0\r\n\r\n", 502),
    ] {
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        assert_eq!(client.answer().status(), status, "{chunks:?}");
    }
}

/// An answer that begins with the first byte of a request, to a client that reads nothing before it has sent all: more
/// than all buffers on the way hold.
#[test]
fn an_upload_goes_on_while_its_answer_waits_for_the_client() {
    const LENGTH: usize = 24 << 20;
    let instance = Instance::start(|peer, notes| {
        while let Some(head) = notes.head(peer) {
            let mut sender = peer.try_clone();
            let sending = std::thread::spawn(move || {
                sender.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
                (1..LENGTH / PIECE).for_each(|_| sender.send(vec![b'y'; PIECE]));
            });
            assert!(peer.body(&head).iter().all(|byte| *byte == b'x'));
            sending.join().unwrap();
            peer.send(vec![b'y'; PIECE]);
        }
    });
    let proxy = Running::before(&[instance.address], "", "");
    let mut client = proxy.connect();
    for framing in [format!("Content-Length: {LENGTH}"), "Transfer-Encoding: chunked".to_owned()] {
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        let piece = vec![b'x'; PIECE];
        for _ in 0..LENGTH / PIECE {
            if framing.starts_with('C') {
                client.send(&piece);
            } else {
                client.send([format!("{PIECE:x}\r\n").as_bytes(), &piece, b"\r\n"].concat());
            }
        }
        if !framing.starts_with('C') {
            client.send("0\r\n\r\n");
        }
        let answer = client.answer();
        assert_eq!((answer.status(), answer.body.len()), (200, LENGTH));
        assert!(answer.body.iter().all(|byte| *byte == b'y'));
    }
    // Both went over one connection: it was as good as new after the first.
    assert_eq!(instance.connections(), 1);
    eventually("the lease ends", || proxy.in_flight() == 0);
}
