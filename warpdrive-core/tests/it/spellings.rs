//! Paths: the normal form is its own, nothing escapes, and two spellings of one path decide alike.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use warpdrive_core::model::PathAction;
use warpdrive_core::{Reason, RequestView, Router, Scratch};

use crate::oracle::cases;

const ROUTES: &str = r#"
[upstreams.u]
port = 1
[[routes]]
path_exact = "/a/b"
upstream = "u"
[[routes]]
path_prefix = "/a"
upstream = "u"
[[routes]]
path_prefix = "/strip"
strip_prefix = true
upstream = "u"
[[routes]]
path_regex = "^/[a-z]+/[0-9]+$"
upstream = "u"
[[routes]]
path_prefix = "/café/x y"
upstream = "u"
[[routes]]
path_prefix = "/Z%2F"
upstream = "u"
"#;

static TABLE: LazyLock<Router> = LazyLock::new(|| Router::from_toml(ROUTES).unwrap());
static KEEPING: LazyLock<Router> =
    LazyLock::new(|| Router::from_toml(&format!("[server]\nmerge_slashes = false\n{ROUTES}")).unwrap());

#[derive(Clone, Debug, PartialEq)]
struct Decision {
    number: u32,
    path: String,
    sent: String,
}

fn ask(router: &Router, target: &str) -> Result<Option<Decision>, Reason> {
    let mut scratch = Scratch::new();
    let found = router.route(&RequestView::new("GET", target), &mut scratch).map_err(|reject| reject.reason)?;
    Ok(found.map(|found| Decision {
        number: found.route().number,
        path: found.path().to_owned(),
        sent: found.upstream_target().to_owned(),
    }))
}

/// One character of a segment with a choice of its spellings.
fn letter() -> impl Strategy<Value = (String, String)> {
    let plain = select(&["a", "b", "9", "~", "-", "Z", "@", ".x", "$"][..]);
    let escaped = |text: &str, upper: bool| -> String {
        text.bytes().map(|byte| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") }).collect()
    };
    prop_oneof![
        6 => (plain, 0..4u8).prop_map(move |(text, how)| {
            let spelt = if how < 2 { text.to_owned() } else { escaped(text, how == 2) };
            (text.to_owned(), spelt)
        }),
        1 => (select(&["é", "{", "\"", "|"][..]), 0..3u8).prop_map(move |(text, how)| {
            let spelt = if how == 0 { text.to_owned() } else { escaped(text, how == 1) };
            (escaped(text, true), spelt)
        }),
        1 => (select(&["%2F", "%3B", "%20", "%FF", "%25"][..]), any::<bool>())
            .prop_map(|(text, lower)| (text.to_owned(), if lower { text.to_lowercase() } else { text.to_owned() })),
    ]
}

/// A path in normal form, and another spelling of it.
fn path_and_spelling() -> impl Strategy<Value = (String, String)> {
    let segment = prop::collection::vec(letter(), 1..4);
    let between = select(&["/", "/", "/", "//", "/./", "/x/../", "/%2E/", "/x/y/%2e%2E/../", "///"][..]);
    prop::collection::vec((between, segment), 1..5).prop_map(|parts| {
        let (mut normal, mut spelt) = (String::new(), String::new());
        for (between, letters) in parts {
            normal.push('/');
            spelt.push_str(between);
            for (letter, spelling) in letters {
                normal.push_str(&letter);
                spelt.push_str(&spelling);
            }
        }
        (normal, spelt)
    })
}

/// A target of pieces that mean something to a normaliser.
fn target() -> impl Strategy<Value = String> {
    let piece = select(
        &[
            "/", "/", "/", "a", "b", "strip", ".", "..", "%2e", "%2E%2e", "%2F", "%2f", "%5c", ";", ";x=1", "é", "%41",
            "%", "%00", " ", "?", "#", "\\", "café", "1",
        ][..],
    );
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_spellings_of_one_path_decide_alike((normal, spelt) in path_and_spelling(), query in "(\\?[a-z/.%]{0,6})?") {
        let (one, other) = (ask(&TABLE, &normal), ask(&TABLE, &format!("{spelt}{query}")));
        let part = |decision: &Result<Option<Decision>, Reason>| {
            decision.clone().map(|found| found.map(|found| (found.number, found.path)))
        };
        prop_assert_eq!(part(&one), part(&other), "{} and {}", normal, spelt);
        if let Ok(Some(decision)) = one {
            prop_assert_eq!(decision.path, normal);
        }
    }

    #[test]
    fn the_normal_form_is_its_own_and_never_escapes(target in target(), merge in any::<bool>()) {
        let router = if merge { &*TABLE } else { &*KEEPING };
        if let Ok(Some(Decision { number, path, sent })) = ask(router, &target) {
            prop_assert!(path.starts_with('/') && path.is_ascii(), "{:?}", path);
            prop_assert!(path.split('/').all(|segment| !matches!(segment, "." | "..")), "{:?}", path);
            let again = ask(router, &path).unwrap().map(|again| (again.number, again.path));
            prop_assert_eq!(again, Some((number, path.clone())));
            prop_assert!(sent.starts_with('/') && !sent.contains('#'), "{:?}", sent);
            // What goes out means the very path that was matched.
            match router.model().routes()[number as usize - 1].action {
                PathAction::Keep => {
                    let sent = ask(router, &sent).unwrap().map(|sent| (sent.number, sent.path));
                    prop_assert_eq!(sent, Some((number, path)));
                }
                _ => {
                    let rest = sent.split('?').next().unwrap();
                    let back = format!("/strip{}", if path == "/strip" { "" } else { rest });
                    prop_assert_eq!(back, path);
                }
            }
        }
    }
}
