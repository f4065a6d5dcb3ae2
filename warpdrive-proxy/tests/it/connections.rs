//! Many connections, and too many.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::support::{Instance, Running, eventually};

#[test]
fn beyond_max_connections_accepting_pauses_until_one_ends() {
    let instance = Instance::echo();
    let server = "max_connections = 4\nworker_threads = 1";
    let proxy = Running::before(&[instance.address], server, "");
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut clients: Vec<_> = (0..4).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.send(get);
        assert_eq!(client.answer().status(), 200);
    }
    // The kernel takes the fifth; the proxy does not, until there is room.
    let mut fifth = proxy.connect();
    fifth.send(get);
    assert!(!fifth.has_bytes_within(Duration::from_millis(300)));
    assert_eq!(instance.heads().len(), 4);
    clients.pop();
    assert_eq!(fifth.answer().status(), 200);
}

/// The first accepted connection of each worker was counted after all of them had looked, once.
#[test]
fn many_workers_together_never_exceed_max_connections() {
    const MOST: usize = 5;
    let instance = Instance::echo();
    let server = format!("max_connections = {MOST}\nworker_threads = 4");
    let proxy = Running::before(&[instance.address], &server, "");
    let mut waiting: Vec<_> = (0..60).map(|_| proxy.connect()).collect();
    for client in &mut waiting {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let mut answered = Vec::new();
    for number in 0..4 {
        // Whoever has an answer keeps the connection, so this many are answered and no more.
        eventually("the free places are taken", || {
            answered.extend(waiting.extract_if(.., |client| client.has_bytes_within(Duration::from_millis(1))));
            answered.len() >= MOST
        });
        assert!(!waiting.iter_mut().any(|client| client.has_bytes_within(Duration::from_millis(5))));
        assert_eq!(answered.len(), MOST);
        assert_eq!(instance.heads().len(), MOST + number * 3);
        answered.truncate(MOST - 3);
    }
}

#[test]
fn two_hundred_clients_at_once_are_all_served() {
    let instance = Instance::echo();
    let proxy = Running::before(&[instance.address], "", "");
    let mut clients: Vec<_> = (0..200).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().status(), 200);
    }
    eventually("all leases end", || proxy.in_flight() == 0);
}

/// Tells a copy of this test that it is the proxy.
const PROXY_FOR: &str = "WARPDRIVE_IT_PROXY_FOR";

#[test]
fn without_descriptors_accepting_pauses_and_does_not_spin() {
    if let Ok(instance) = std::env::var(PROXY_FOR) {
        be_the_proxy(instance.parse().unwrap());
        return;
    }
    let instance = Instance::echo();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads", "1"])
        .arg("connections::without_descriptors_accepting_pauses_and_does_not_spin")
        .env(PROXY_FOR, instance.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| line.unwrap().split("address=").nth(1).map(str::to_owned)).unwrap();
    let connect = || crate::support::Peer::new(std::net::TcpStream::connect(&address).unwrap());
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    // Far more than the descriptors allow; all of them are in the kernel's queue at least.
    let idle: Vec<_> = (0..100).map(|_| connect()).collect();
    let mut late = connect();
    late.send(get);
    let before = cpu_ticks(&child);
    assert!(!late.has_bytes_within(Duration::from_millis(700)));
    let spent = cpu_ticks(&child) - before;
    assert!(spent < 20, "{spent} ticks of 70");
    drop(idle);
    assert_eq!(late.answer().status(), 200);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Serves with hardly any descriptors until standard input ends.
fn be_the_proxy(instance: std::net::SocketAddr) {
    let few = Rlimit { current: Some(64), maximum: Some(64) };
    setrlimit(Resource::Nofile, few).unwrap();
    let proxy = Running::before(&[instance], "max_connections = 1000", "");
    // After what the test harness has written on the same line.
    println!("\naddress={}", proxy.address);
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Hundredths of a second that a process has computed.
fn cpu_ticks(child: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
