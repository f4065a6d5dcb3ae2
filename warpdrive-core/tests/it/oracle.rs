//! The property that everything stands on: the index answers as the plain scan does.
//!
//! Alphabets are tiny, so that hosts, prefixes, exact paths, expressions, methods and fields
//! overlap in every way.

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::sample::select;
use warpdrive_core::{Fields, RequestView, Router, Scratch, oracle};

const HOSTS: &[&str] = &["*", "a.test", "b.test", "*.test", "*.a.test", "[::1]", "x.a.test"];
const ASKED_HOSTS: &[&str] = &["a.test", "B.test:80", "x.a.test", "y.x.a.test.", "test", "[::1]", "zzz", "a..b", ""];
const PATHS: &[&str] = &["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/b", "/a/b/", "/%61/b", "/a%2Fb", "/a;b"];
const REGEXES: &[&str] = &[
    "^/a",
    "^/a/",
    "^/a/b$",
    "^/a/[a-z]+",
    "^/a/(b|c)/",
    "b$",
    "/b",
    "^/$",
    "(?i)^/A/",
    "^/[ab]+$",
    "^",
    "",
    "^/a/b/[a-z]",
    "c",
];
const ASKED: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/a/b/c",
    "/a/b/c/d",
    "/ab",
    "/b",
    "/a/c/b",
    "//a//b",
    "/a/./b",
    "/a/../b",
    "/a%2Fb",
    "/a/%2e%2e/b",
    "/a;x/b",
    "/a/..;/b",
    "/a/..%2fb",
    "/%61",
    "/A/b",
    "/a?b=/c",
    "/a/b%5c",
    "*",
    "http://a.test/a/b",
    "/..",
    "/%",
    "http://b.test?x",
    "a",
    "/a/b#c",
    "/a%00",
];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PURGE", "get", "OPTIONS", "CONNECT"];
const NAMES: &[&str] = &["x-a", "X-B", "x-c"];
const VALUES: &[&str] = &["1", "2", "", "12"];

pub(crate) fn route() -> impl Strategy<Value = String> {
    let hosts = prop::option::weighted(0.5, prop::collection::vec(select(HOSTS), 1..3));
    let path = prop_oneof![
        2 => Just(String::new()),
        5 => select(PATHS).prop_map(|path| format!("path_prefix = {path:?}\n")),
        3 => select(PATHS).prop_map(|path| format!("path_exact = {path:?}\n")),
        3 => select(REGEXES).prop_map(|regex| format!("path_regex = {regex:?}\n")),
    ];
    let methods = prop::option::weighted(0.4, prop::collection::vec(select(&METHODS[..7]), 1..3));
    let condition = (select(NAMES), 0..3, select(VALUES)).prop_map(|(name, kind, value)| match kind {
        0 => format!("{{ name = {name:?}, value = {value:?} }}"),
        1 => format!("{{ name = {name:?}, present = true }}"),
        _ => format!("{{ name = {name:?}, regex = \"^{value}\" }}"),
    });
    let headers = prop::option::weighted(0.4, prop::collection::vec(condition, 1..3));
    (hosts, path, methods, headers).prop_map(|(hosts, path, methods, headers)| {
        let mut text = format!("[[routes]]\nupstream = \"u\"\n{path}");
        if let Some(hosts) = hosts {
            text.push_str(&format!("hosts = {hosts:?}\n"));
        }
        if let Some(methods) = methods {
            text.push_str(&format!("methods = {methods:?}\n"));
        }
        if let Some(headers) = headers {
            text.push_str(&format!("headers = [{}]\n", headers.join(", ")));
        }
        text
    })
}

#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) target: Cow<'static, str>,
    pub(crate) host: Option<Cow<'static, str>>,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let fields = prop::collection::vec((select(&["x-a", "X-A", "x-b", "X-c", "other"][..]), select(VALUES)), 0..4);
    (select(METHODS), select(ASKED), prop::option::weighted(0.8, select(ASKED_HOSTS)), fields).prop_map(
        |(method, target, host, fields)| Asked { method, target: target.into(), host: host.map(Cow::from), fields },
    )
}

/// Router, plain scan and explanation say the same of one request.
pub(crate) fn agree(router: &Router, asked: &Asked, scratch: &mut Scratch) -> Result<(), TestCaseError> {
    let pairs: Vec<(&[u8], &[u8])> =
        asked.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let view = RequestView {
        method: asked.method,
        target: &asked.target,
        host: asked.host.as_deref().map(str::as_bytes),
        fields: Fields::Pairs(&pairs),
    };
    let scanned = oracle::first_match(router.model(), &view).map_err(|reject| reject.reason);
    let explained = router.explain(&view);
    let found = router.route(&view, scratch).map_err(|reject| reject.reason);
    if let Ok(Some(found)) = &found {
        prop_assert_eq!(explained.path.as_deref(), Some(found.path()), "{:?}", asked);
        prop_assert_eq!(explained.host.as_deref(), found.host(), "{:?}", asked);
    }
    let found = found.map(|found| found.map(|found| found.route().number));
    prop_assert_eq!(found, scanned, "{:?}", asked);
    prop_assert_eq!(explained.outcome.map_err(|reject| reject.reason), scanned);
    let earlier = match scanned {
        Ok(Some(number)) => number as usize - 1,
        Ok(None) => router.model().routes().len(),
        Err(_) => return Ok(()),
    };
    // Each earlier route has a condition that failed, and the one that is named has none.
    let numbers: Vec<u32> = explained.considered.iter().map(|considered| considered.number).collect();
    prop_assert_eq!(numbers, (1..=earlier as u32).collect::<Vec<u32>>(), "{:?}", asked);
    Ok(())
}

fn check(routes: Vec<String>, merge: bool, requests: &[Asked]) -> Result<(), TestCaseError> {
    let config = format!("[server]\nmerge_slashes = {merge}\n[upstreams.u]\nport = 1\n{}", routes.concat());
    let router = Router::from_toml(&config).unwrap_or_else(|errors| panic!("{errors}\n{config}"));
    let mut scratch = Scratch::new();
    requests.iter().try_for_each(|asked| agree(&router, asked, &mut scratch))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_tables(
        routes in prop::collection::vec(route(), 1..10),
        merge in any::<bool>(),
        requests in prop::collection::vec(asked(), 40),
    ) {
        check(routes, merge, &requests)?;
    }

    #[test]
    fn tables_around_the_size_where_lists_get_an_index(
        routes in prop::collection::vec(route(), 8..70),
        requests in prop::collection::vec(asked(), 60),
    ) {
        check(routes, true, &requests)?;
    }
}

/// `WARPDRIVE_RANDOM_CASES` beats the number here. (proptest's own `PROPTEST_CASES` beats every
/// number, also the small ones of the largest tables.)
pub(crate) fn cases(usual: u32) -> u32 {
    std::env::var("WARPDRIVE_RANDOM_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
