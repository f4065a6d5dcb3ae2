//! Bodies that are large enough to be spliced arrive as any others do.

use std::io;
use std::net::SocketAddr;

use testkit::{Client, Connection, End, Gate, Server, WorkFolder, answer_bodies, part_of_body};

use crate::support::{Running, config, value};

fn body(number: usize, length: usize) -> Vec<u8> {
    part_of_body(number, 0..length)
}

/// With one worker, so that all connections share its pipes.
fn before(server: &Server, settings: &str) -> Running {
    let instance = SocketAddr::from(([127, 0, 0, 1], server.port()));
    Running::before(&[instance], &format!("worker_threads = 1\n{settings}"), "")
}

/// A client that has the head of the answer to its request.
fn ask(proxy: &Running, target: &str) -> Client {
    let mut client = Client::connect(proxy.address).unwrap();
    client.get("a", target).unwrap();
    client.response_head().unwrap();
    client
}

/// Begins a body of a million bytes with 300,000 of body 1.
fn send_a_part(connection: &mut Connection) -> io::Result<()> {
    connection.read_request()?;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
    connection.send(body(1, 300_000))
}

/// A client gets that part, and the end of its connection.
fn expect_the_part(proxy: &Running) {
    let (got, _) = ask(proxy, "/").read_to_end().unwrap();
    assert!(got == body(1, 300_000), "{}", got.len());
}

const LENGTHS: [usize; 12] =
    [1, 8_000, 16_384, 24_500, 24_700, 40_000, 65_536, 100_000, 131_072, 131_073, 1 << 20, (3 << 20) + 5];

fn ask_for_all(client: &mut Client) {
    for (number, length) in LENGTHS.into_iter().enumerate() {
        client.get("a", &format!("/{number}/{length}")).unwrap();
        assert!(client.response().unwrap().body == body(number, length), "{length}");
    }
    // All of them at once, and the other way round.
    let asked: Vec<_> = LENGTHS.into_iter().enumerate().rev().collect();
    for (number, length) in &asked {
        client.get("a", &format!("/{number}/{length}")).unwrap();
    }
    for (number, length) in asked {
        assert!(client.response().unwrap().body == body(number, length), "{length}, pipelined");
    }
}

#[test]
fn bodies_of_every_length_arrive_whole_over_tcp() {
    let server = Server::tcp(answer_bodies);
    let proxy = before(&server, "");
    ask_for_all(&mut Client::connect(proxy.address).unwrap());
}

#[test]
fn bodies_of_every_length_arrive_whole_over_a_unix_socket() {
    let folder = WorkFolder::new();
    let path = folder.join("app.sock");
    let _server = Server::unix(&path, answer_bodies);
    let proxy = Running::start(&config("worker_threads = 1", &format!("[upstreams.app]\nsocket = {path:?}\n")));
    ask_for_all(&mut Client::connect(proxy.address).unwrap());
}

#[test]
fn what_a_client_leaves_behind_reaches_nobody_else() {
    const LENGTH: usize = 16 << 20;
    let server = Server::tcp(answer_bodies);
    let mut proxy = before(&server, "");
    for round in 0..6 {
        let leaving: Vec<Client> = (0..4)
            .map(|number| {
                let mut client = ask(&proxy, &format!("/{number}/{LENGTH}"));
                // Its socket fills up, with a piece on the way, before it goes.
                client.read(1 + 200_000 * round).unwrap();
                client
            })
            .collect();
        for client in leaving {
            client.reset().unwrap();
        }
        let mut staying = Client::connect(proxy.address).unwrap();
        for number in 100..104 {
            staying.get("a", &format!("/{number}/300000")).unwrap();
            assert!(staying.response().unwrap().body == body(number, 300_000));
        }
        let lines: Vec<String> = (0..8).map(|_| proxy.line()).collect();
        let ends = |reason: &str| lines.iter().filter(|line| value(line, "reason") == reason).count();
        assert_eq!((ends("client_closed"), ends("-")), (4, 4), "{lines:#?}");
    }
}

#[test]
fn slow_readers_side_by_side_each_get_their_own() {
    const LENGTH: usize = 4 << 20;
    const PIECE: usize = 50_000;
    let server = Server::tcp(answer_bodies);
    let proxy = before(&server, "");
    let mut clients: Vec<(Client, Vec<u8>)> =
        (0..12).map(|number| (ask(&proxy, &format!("/{number}/{LENGTH}")), Vec::new())).collect();
    while clients.iter().any(|(_, got)| got.len() < LENGTH) {
        for (client, got) in &mut clients {
            got.extend(client.read(PIECE.min(LENGTH - got.len())).unwrap());
        }
    }
    for (number, (_, got)) in clients.into_iter().enumerate() {
        assert!(got == body(number, LENGTH), "{number}");
    }
}

#[test]
fn pieces_of_a_large_body_are_passed_on_as_they_come() {
    let gate = [(); 3].map(|()| Gate::new());
    let gates = gate.clone();
    let server = Server::tcp(move |connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        for gate in &gates {
            connection.wait(gate)?;
            connection.send("x")?;
        }
        connection.send(vec![b'y'; 1_000_000 - 3])
    });
    let proxy = before(&server, "");
    let mut client = ask(&proxy, "/");
    for gate in &gate {
        gate.open();
        assert_eq!(client.read(1).unwrap(), b"x");
    }
    assert!(client.read(1_000_000 - 3).unwrap().iter().all(|byte| *byte == b'y'));
}

#[test]
fn a_large_body_that_ends_too_early_is_cut_there() {
    let server = Server::tcp(send_a_part);
    let mut proxy = before(&server, "");
    expect_the_part(&proxy);
    let line = proxy.line();
    assert_eq!((value(&line, "reason"), value(&line, "sent")), ("upstream_body_cut", "300000"));
}

#[test]
fn an_instance_that_falls_silent_in_a_large_body_is_cut_off() {
    let gate = Gate::new();
    let held = gate.clone();
    let server = Server::tcp(move |connection| {
        send_a_part(connection)?;
        connection.wait(&held)
    });
    let mut proxy = before(&server, "read_timeout_secs = 0.3");
    expect_the_part(&proxy);
    assert_eq!(value(&proxy.line(), "reason"), "upstream_body_timeout");
    gate.open();
}

#[test]
fn a_client_that_takes_nothing_of_a_large_body_is_cut_off() {
    let server = Server::tcp(answer_bodies);
    let mut proxy = before(&server, "client_write_timeout_secs = 0.3");
    let mut client = Client::connect(proxy.address).unwrap();
    client.get("a", &format!("/1/{}", 64 << 20)).unwrap();
    assert_eq!(value(&proxy.line(), "reason"), "client_write_timeout");
    assert_eq!(client.read_to_end().unwrap().1, End::Reset);
}
