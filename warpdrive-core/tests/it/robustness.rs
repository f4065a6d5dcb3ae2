//! Whatever comes, nothing panics: configuration text, targets, hosts and field values.

use std::ffi::OsString;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use warpdrive_core::config::{Diagnostic, Place, Source, load};
use warpdrive_core::{Fields, RequestView, Router, Scratch, oracle};

use crate::fixtures::files;
use crate::oracle::cases;

/// Every configuration of the data, right and wrong.
static CONFIGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let paths = [files("config/mission", "toml"), files("config/bad", "toml"), files("../examples", "toml")].concat();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
});

const PIECES: &[&str] = &[
    "",
    "\n",
    "\"",
    "'",
    "'''",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\\",
    "\u{0}",
    "é",
    "🦀",
    "-1",
    "1e400",
    "nan",
    "true",
    "host",
    "[[routes]]\n",
    "[server]\n",
    "upstream = \"a\"\n",
    "path_regex = \"(\"\n",
    "\"\\u00e9\"",
    "  ",
    "99999999999999999999",
    "1979-05-27",
    "rewrite = \"/x/../y\"\n",
    "%",
    "*.",
    "::1",
];

fn mutated() -> impl Strategy<Value = String> {
    let change = (any::<Index>(), 0usize..24, select(PIECES));
    (any::<Index>(), prop::collection::vec(change, 1..4)).prop_map(|(which, changes)| {
        let mut text = which.get(&CONFIGS).clone();
        for (place, length, piece) in changes {
            let characters: Vec<char> = text.chars().collect();
            let (before, rest) = characters.split_at(place.index(characters.len() + 1));
            let after = &rest[length.min(rest.len())..];
            text = before.iter().collect::<String>() + piece + &after.iter().collect::<String>();
        }
        text
    })
}

fn place_is_inside(diagnostic: &Diagnostic, text: &str) -> Result<(), TestCaseError> {
    if let Some((span, _)) = &diagnostic.related {
        prop_assert!(text.get(span.clone()).is_some(), "{:?}", diagnostic);
    }
    if let Place::File(span) = &diagnostic.place {
        prop_assert!(text.get(span.clone()).is_some(), "{:?}", diagnostic);
        let (line, column) = diagnostic.position.unwrap();
        let written = text.split('\n').nth(line - 1);
        prop_assert!(written.is_some_and(|line| (1..=line.chars().count() + 1).contains(&column)), "{:?}", diagnostic);
    }
    Ok(())
}

fn loads_or_says_why(text: &str) -> Result<(), TestCaseError> {
    let env = [(OsString::from("WARPDRIVE_ADMIN_TOKEN"), OsString::from("s3cret"))];
    match load(Source::file("random.toml", text).with_env(&env)) {
        Ok(loaded) => {
            loaded.warnings.iter().try_for_each(|warning| place_is_inside(warning, text))?;
            let router = Router::compile(loaded.model);
            prop_assert!(router.is_ok(), "accepted, but {:?}", router.err());
        }
        Err(errors) => {
            prop_assert!(errors.iter().count() > 0 && !errors.to_string().is_empty());
            errors.iter().try_for_each(|error| place_is_inside(error, text))?;
        }
    }
    Ok(())
}

static TABLE: LazyLock<Router> = LazyLock::new(|| {
    let text = r#"
        [upstreams.u]
        port = 1
        [[routes]]
        host = "*.test"
        path_regex = "[0-9]+"
        upstream = "u"
        [[routes]]
        path_prefix = "/a"
        header = { name = "X", regex = "." }
        strip_prefix = true
        upstream = "u"
        [[routes]]
        host = "*"
        upstream = "u"
    "#;
    Router::from_toml(text).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(400), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_no_configuration_that_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        loads_or_says_why(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn a_changed_configuration_never_panics(text in mutated()) {
        loads_or_says_why(&text)?;
    }

    #[test]
    fn no_request_panics(
        method in "\\PC{0,5}|GET|OPTIONS",
        target in prop_oneof![any::<String>(), "/[/.%;#?a-f0-9]{0,20}", "https?://[\\[\\]:a.@%0-9]{0,12}/?\\PC{0,6}"],
        host in prop::option::of(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            "[\\[\\]:.a-z0-9]{0,20}".prop_map(String::into_bytes),
        ]),
        value in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let pairs: [(&[u8], &[u8]); 2] = [(b"x", &value), (&value, b"x")];
        let view =
            RequestView { method: &method, target: &target, host: host.as_deref(), fields: Fields::Pairs(&pairs) };
        let mut scratch = Scratch::new();
        let found = TABLE.route(&view, &mut scratch).map(|found| found.map(|found| found.route().number));
        let scanned = oracle::first_match(TABLE.model(), &view);
        // Only the router looks at what would go out, and may refuse that too.
        if let Ok(found) = found {
            prop_assert_eq!(scanned.map_err(|reject| reject.reason), Ok(found));
        }
        let explained = TABLE.explain(&view);
        prop_assert_eq!(explained.outcome.map_err(|reject| reject.reason), found.map_err(|reject| reject.reason));
    }
}
