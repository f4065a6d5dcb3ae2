//! Ports for programs that cannot say which one the kernel gave them.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below Linux's ephemeral range, so that no outgoing connection and no listener on port 0 takes
/// one of these between the look and the use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A TCP port on which nothing listens, handed out once in this process.
///
/// Where a program can be told to listen on port 0 and say what it got, prefer that.
///
/// # Panics
/// If all ports of the range are taken.
pub fn free_port() -> u16 {
    // Test binaries that run beside each other begin at different places.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    // The look opens the port, and it must be closed again when this returns.
    let _held = crate::process::hold_spawns();
    for _ in 0..COUNT {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start + turn) % COUNT;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {} is free", FIRST + COUNT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_free_and_handed_out_once() {
        let first = free_port();
        let second = free_port();
        assert_ne!(first, second);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, first)).is_ok());
    }
}
