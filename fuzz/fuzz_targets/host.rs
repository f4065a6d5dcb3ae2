//! Any bytes as a host: one canonical form, and one decision for every spelling of it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use warpdrive_core::limits::MAX_HOST_BYTES;
use warpdrive_core::model::HostPattern;
use warpdrive_core::{Reason, RequestView, Router, oracle};
use warpdrive_fuzz::{HOSTS_ASKED, case_config, router, with_scratch};

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let hosts = ["a.test", "*.a.test", "x.b.test", "*.test", "::1", "192.0.2.1", "*.x.a.test", "*"];
    let routes = hosts.map(|host| format!("[[routes]]\nhost = {host:?}\nupstream = \"u\"\n"));
    router(&case_config(true, false, &routes.concat()))
});

/// The canonical host and the number of its route.
fn ask(host: &[u8]) -> Result<(String, u32), Reason> {
    let view = RequestView { host: Some(host), ..RequestView::new("GET", "/") };
    let scanned = oracle::first_match(ROUTER.model(), &view).map_err(|reject| reject.reason);
    let found = with_scratch(|scratch| {
        let found = ROUTER.route(&view, scratch).map_err(|reject| reject.reason)?;
        let found = found.unwrap_or_else(|| panic!("{host:?} reaches no route, though one takes every host"));
        let canonical = found.host().unwrap_or_else(|| panic!("{host:?} has no canonical form"));
        Ok((canonical.to_owned(), found.route().number))
    });
    let number = found.as_ref().map(|(_, number)| Some(*number)).map_err(|reason| *reason);
    assert_eq!(number, scanned, "{:?}", String::from_utf8_lossy(host));
    found
}

fuzz_target!(|data: &[u8]| {
    check(data);
    // Bytes seldom make a host, so they also grow one that is.
    if let Some((first, rest)) = data.split_first()
        && let Some(start) = HOSTS_ASKED.get(usize::from(*first) % HOSTS_ASKED.len())
    {
        check(&[start.as_bytes(), rest].concat());
        check(&[rest, start.as_bytes()].concat());
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(HostPattern::Exact(name)) = HostPattern::parse(text)
    {
        let (canonical, _) = ask(name.as_bytes()).unwrap_or_else(|_| panic!("{name:?} can never be asked for"));
        assert_eq!(canonical, name, "a pattern in another form than a request");
    }
});

fn check(host: &[u8]) {
    let shown = String::from_utf8_lossy(host);
    let Ok(decision) = ask(host) else { return };
    let (canonical, _) = &decision;
    assert!(canonical.is_ascii() && canonical.len() <= MAX_HOST_BYTES, "{shown:?} is read as {canonical:?}");
    assert!(!canonical.bytes().any(|byte| byte.is_ascii_uppercase()), "{shown:?} is read as {canonical:?}");
    assert!(canonical.starts_with('[') || !canonical.contains(':'), "{shown:?} is read as {canonical:?}");
    assert!(!canonical.ends_with('.'), "{shown:?} is read as {canonical:?}");
    for other in [
        canonical.clone(),
        canonical.to_ascii_uppercase(),
        format!("{canonical}:8443"),
        format!("{canonical}:"),
        shown.to_ascii_uppercase(),
        shown.to_ascii_lowercase(),
    ] {
        assert_eq!(ask(other.as_bytes()).as_ref(), Ok(&decision), "{shown:?} and {other:?}");
    }
    if !canonical.starts_with('[') {
        for other in [format!("{canonical}."), format!("{}.:1", canonical.to_ascii_uppercase())] {
            assert_eq!(ask(other.as_bytes()).as_ref(), Ok(&decision), "{shown:?} and {other:?}");
        }
    }
    assert_eq!(HostPattern::parse(canonical), Ok(HostPattern::Exact(canonical.clone())), "{shown:?}");
}
