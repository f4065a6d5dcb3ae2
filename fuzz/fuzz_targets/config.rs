//! Any text as a configuration: it is refused with places inside the text, or it compiles.
//!
//! A line `# env NAME=VALUE` is a variable, and `# no file` leaves the file out, as in
//! `testdata/config/bad`, so that those files are seeds.
#![no_main]

use std::ffi::OsString;

use libfuzzer_sys::fuzz_target;
use warpdrive_core::config::{Diagnostic, Place, Source, load};
use warpdrive_core::{RequestView, Router, oracle};
use warpdrive_fuzz::with_scratch;

const ASKED: &[&str] = &["/", "/api", "/api/users?x", "/cable/", "/a/..%2fb", "/%61;x", "*"];

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let env: Vec<(OsString, OsString)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# env ")?.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let file = (!text.contains("# no file")).then_some(("fuzz.toml", &*text));
    let source = file.map_or(Source::without_file(), |(name, text)| Source::file(name, text));
    let loaded = match load(source.with_env(&env)) {
        Ok(loaded) => loaded,
        Err(errors) => {
            assert!(errors.iter().count() > 0, "refused without a reason");
            assert_eq!(errors.masked_text().lines().count(), file.map_or(0, |(_, text)| text.lines().count()));
            assert!(!errors.to_string().is_empty());
            errors.iter().for_each(|error| check_place(error, &text));
            return;
        }
    };
    loaded.warnings.iter().for_each(|warning| check_place(warning, &text));
    let router = Router::compile(loaded.model).unwrap_or_else(|error| panic!("accepted, but: {error}"));
    for (target, host) in ASKED.iter().zip(["example.com", "a", "[::1]", "www.example.com"].iter().cycle()) {
        let view = RequestView::new("GET", target).with_host(host);
        let scanned = oracle::first_match(router.model(), &view);
        let found = with_scratch(|scratch| {
            router.route(&view, scratch).map(|found| found.map(|found| found.route().number)).ok()
        });
        // What the router alone refuses, the `route` target judges.
        if let (Some(found), Ok(scanned)) = (found, scanned) {
            assert_eq!(found, scanned, "{target} at {host}");
        }
    }
});

fn check_place(diagnostic: &Diagnostic, text: &str) {
    assert!(!diagnostic.message.is_empty() && !diagnostic.message.contains('\n'), "{diagnostic:?}");
    if let Some((span, _)) = &diagnostic.related {
        assert!(text.get(span.clone()).is_some(), "{diagnostic:?}: the related place is not in the text");
    }
    match (&diagnostic.place, diagnostic.position) {
        (Place::File(span), Some((line, column))) => {
            assert!(text.get(span.clone()).is_some(), "{diagnostic:?}: the place is not in the text");
            let written = text.split('\n').nth(line.wrapping_sub(1));
            let written = written.unwrap_or_else(|| panic!("{diagnostic:?}: there is no line {line}"));
            let most = written.chars().count() + 1;
            assert!((1..=most).contains(&column), "{diagnostic:?}: line {line} has {most} columns");
        }
        (Place::File(_), None) => panic!("{diagnostic:?}: a place in the file without line and column"),
        (_, position) => assert_eq!(position, None, "{diagnostic:?}"),
    }
}
