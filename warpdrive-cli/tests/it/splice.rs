//! Large bodies under limits of descriptors, from which the number of pipes follows.

use testkit::{Client, Program, Server, WorkFolder, answer_bodies, part_of_body};

use crate::warpdrive::Proxy;

const LENGTH: usize = 8 << 20;

/// The ends of pipes that a process has.
fn pipe_ends(process: u32) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let places = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.unwrap().path()).ok());
    places.filter(|place| place.to_string_lossy().starts_with("pipe:")).count()
}

/// Twenty clients that take little at a time, or as many as such a descriptor limit allows. Gives the ends of pipes that
/// the proxy has more of after it than before.
fn visit(descriptors: u32, clients: usize) -> usize {
    let folder = WorkFolder::new();
    let app = Server::tcp(answer_bodies);
    let path =
        folder.write("warpdrive.toml", format!("[upstreams.app]\nhost = \"127.0.0.1\"\nport = {}\n", app.port()));
    let proxy = Proxy::start(
        Program::new("prlimit")
            .arg(format!("--nofile={descriptors}:{descriptors}"))
            .arg(env!("CARGO_BIN_EXE_warpdrive"))
            .args(["serve", "--config"])
            .arg(path),
    );
    let before = pipe_ends(proxy.process.pid());
    let mut clients: Vec<Client> = (0..clients)
        .map(|number| {
            let mut client = Client::connect(proxy.port).unwrap();
            client.get(&proxy.host(), &format!("/{number}/{LENGTH}")).unwrap();
            client.response_head().unwrap();
            client
        })
        .collect();
    let mut got = 0;
    while got < LENGTH {
        let piece = (LENGTH - got).min(100_000);
        for (number, client) in clients.iter_mut().enumerate() {
            assert!(client.read(piece).unwrap() == part_of_body(number, got..got + piece), "client {number} at {got}");
        }
        got += piece;
    }
    pipe_ends(proxy.process.pid()) - before
}

#[test]
fn large_bodies_go_through_a_few_pipes_that_all_clients_share() {
    let ends = visit(256, 20);
    // Four pipes are what such a limit allows.
    assert!((2..=8).contains(&ends), "{ends}");
}

#[test]
fn where_descriptors_are_too_few_for_pipes_large_bodies_are_copied() {
    assert_eq!(visit(63, 1), 0);
}
