//! Any bytes as a target: one normal form, which is its own, and which a careless server reads
//! under the same route.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use warpdrive_core::{RequestView, Router};
use warpdrive_fuzz::{case_config, lenient_segments, router, with_scratch};

/// Two guarded areas, a stripped and a rewritten one, and the rest.
const ROUTES: &str = r#"
[[routes]]
path_prefix = "/a"
upstream = "u"
[[routes]]
path_prefix = "/b"
upstream = "u"
[[routes]]
path_prefix = "/s"
strip_prefix = true
upstream = "u"
[[routes]]
path_prefix = "/w"
rewrite = "/z/"
upstream = "u"
[[routes]]
upstream = "u"
"#;

static MERGING: LazyLock<Router> = LazyLock::new(|| router(&case_config(true, false, ROUTES)));
static KEEPING: LazyLock<Router> = LazyLock::new(|| router(&case_config(false, false, ROUTES)));

struct Seen {
    number: u32,
    path: String,
    sent: String,
}

fn ask(router: &Router, target: &str) -> Option<Seen> {
    with_scratch(|scratch| {
        let found = router.route(&RequestView::new("GET", target), scratch).ok()?;
        let found = found.unwrap_or_else(|| panic!("{target:?} reaches no route, though one takes everything"));
        Some(Seen {
            number: found.route().number,
            path: found.path().to_owned(),
            sent: found.upstream_target().to_owned(),
        })
    })
}

fuzz_target!(|data: &[u8]| {
    // hyper refuses a target that is not UTF-8 before the library sees it.
    let target = String::from_utf8_lossy(data);
    for router in [&*MERGING, &*KEEPING] {
        if let Some(seen) = ask(router, &target) {
            check(router, &target, &seen);
        }
    }
});

fn check(router: &Router, target: &str, seen: &Seen) {
    let Seen { number, path, sent } = seen;
    assert!(path.starts_with('/') && path.is_ascii(), "{target:?} is read as {path:?}");
    let merging = router.model().settings().server.merge_slashes;
    let inner = path.trim_start_matches('/').trim_end_matches('/');
    for segment in inner.split('/') {
        assert!(!matches!(segment, "." | ".."), "{target:?} is read as {path:?}");
        assert!(!(merging && segment.is_empty() && !inner.is_empty()), "{target:?} is read as {path:?}");
    }
    let again = ask(router, path).unwrap_or_else(|| panic!("{target:?}: its normal form {path:?} is refused"));
    assert_eq!((&again.path, again.number), (path, *number), "{target:?}: the normal form is not its own");
    let sent_path = sent.split('?').next().unwrap_or_default();
    assert!(sent_path.starts_with('/') && !sent.contains('#'), "{target:?} sends {sent:?}");
    match number {
        3 => assert_eq!(sent_path, rest_or_root(path, "/s"), "{target:?}"),
        4 => assert_eq!(sent_path, format!("/z/{}", path.get(3..).unwrap_or_default()), "{target:?}"),
        _ => {
            let there = ask(router, sent).unwrap_or_else(|| panic!("{target:?}: what goes out, {sent:?}, is refused"));
            assert_eq!((&there.path, there.number), (path, *number), "{target:?}: {sent:?} means something else");
        }
    }
    // A careless server's reading must lie under the same route, and never above the root.
    let read = lenient_segments(sent_path).unwrap_or_else(|| panic!("{target:?}: {sent:?} climbs above the root"));
    let area = match (number, read.first().map(Vec::as_slice)) {
        (3 | 4, _) => return,
        (_, Some(b"a")) => 1,
        (_, Some(b"b")) => 2,
        (_, Some(b"s")) => 3,
        (_, Some(b"w")) => 4,
        _ => 5,
    };
    assert_eq!(area, *number, "{target:?}: a careless server reads {sent:?} under another route");
}

fn rest_or_root<'p>(path: &'p str, prefix: &str) -> &'p str {
    path.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or("/")
}
