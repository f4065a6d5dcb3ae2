//! What the proxies of all tests say through `tracing`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, Once};

static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static LISTENS: Once = Once::new();

struct Said;

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is said from now on; every test that starts a proxy calls it.
pub(crate) fn keep() {
    LISTENS.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Said).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The lines about an instance so far.
pub(crate) fn of(instance: SocketAddr) -> Vec<String> {
    naming(&instance.to_string())
}

/// The first line that holds both texts, once it is there.
pub(crate) fn wait_for(instance: &str, text: &str) -> String {
    let mut found = None;
    crate::support::eventually(text, || {
        found = naming(instance).into_iter().find(|line| line.contains(text));
        found.is_some()
    });
    found.unwrap()
}

/// The lines that hold a text so far.
pub(crate) fn naming(text: &str) -> Vec<String> {
    let said = String::from_utf8(SAID.lock().unwrap().clone()).unwrap();
    said.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}
