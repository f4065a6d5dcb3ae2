//! The index answers as the plain scan does at the sizes where it changes its shape: none, one,
//! around the list that gets an index, around a word of bits, a hundred, and past sixteen bits.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use warpdrive_core::{Router, Scratch};

use crate::oracle::{Asked, agree, asked, cases, route};

const UPSTREAMS: &str = "[upstreams.u]\nport = 1\n[upstreams.v]\nport = 2\n";
/// The number of cases that [`cases`] is scaled from: `WARPDRIVE_RANDOM_CASES` of twice as many doubles
/// every property here.
const USUAL: u32 = 256;

/// Large tables take a share, so that `WARPDRIVE_RANDOM_CASES` scales them and still ends. A failure is
/// shrunk in as many steps as the tables' size allows.
fn share(usual: u32, max_shrink_iters: u32) -> ProptestConfig {
    let cases = (usual * cases(USUAL) / USUAL).max(1);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters, ..ProptestConfig::default() }
}

fn literal_path() -> impl Strategy<Value = String> {
    prop::collection::vec(select(&["a", "b", "c", "ab", "abc", "d%20", "é"][..]), 1..5).prop_map(|segments| {
        let mut path = String::new();
        segments.iter().for_each(|segment| path.extend(["/", segment]));
        path
    })
}

fn literal_route() -> impl Strategy<Value = String> {
    (literal_path(), any::<bool>(), any::<bool>()).prop_map(|(path, exact, slash)| {
        let key = if exact { "path_exact" } else { "path_prefix" };
        format!("[[routes]]\nupstream = \"u\"\n{key} = \"{path}{}\"\n", if slash { "/" } else { "" })
    })
}

fn literal_asked() -> impl Strategy<Value = Asked> {
    (literal_path(), select(&["", "/", "//", "/x", "x", "?x", "%2Fa", ";a"][..])).prop_map(|(path, tail)| Asked {
        method: "GET",
        target: format!("{path}{tail}").into(),
        host: Some("h.test".into()),
        fields: Vec::new(),
    })
}

fn check(routes: &str, wanted: usize, requests: &[Asked]) -> Result<(), TestCaseError> {
    let config = format!("{UPSTREAMS}{routes}");
    let router = Router::from_toml(&config).unwrap_or_else(|errors| panic!("{errors}"));
    prop_assert_eq!(router.model().routes().len(), wanted);
    let mut scratch = Scratch::new();
    requests.iter().try_for_each(|asked| agree(&router, asked, &mut scratch))
}

fn sized() -> impl Strategy<Value = usize> {
    select(&[0usize, 1, 8, 9, 64, 65, 100, 101][..])
}

proptest! {
    #![proptest_config(share(64, 1000))]

    #[test]
    fn mixed_tables_of_these_sizes(
        routes in sized().prop_flat_map(|count| prop::collection::vec(route(), count)),
        requests in prop::collection::vec(asked(), 30),
    ) {
        check(&routes.concat(), routes.len(), &requests)?;
    }

    #[test]
    fn literal_tables_of_these_sizes(
        routes in sized().prop_flat_map(|count| prop::collection::vec(literal_route(), count)),
        requests in prop::collection::vec(literal_asked(), 30),
    ) {
        check(&routes.concat(), routes.len(), &requests)?;
    }
}

/// Each of the sizes, whatever chance chose above.
#[test]
fn every_size_is_met() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let requests = prop::collection::vec(asked(), 30).new_tree(&mut runner).unwrap().current();
    for count in [0, 1, 8, 9, 64, 65, 100, 101] {
        for strategy in [route().boxed(), literal_route().boxed()] {
            let routes = prop::collection::vec(strategy, count).new_tree(&mut runner).unwrap().current();
            check(&routes.concat(), count, &requests).unwrap();
        }
    }
}

/// What a large table is drawn from: a handful of numbers, so that a failure can be shrunk.
#[derive(Clone, Copy, Debug)]
struct Large {
    count: usize,
    seed: u64,
    mixed: bool,
}

/// The steps of SplitMix64, which make a long table of one number.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl Large {
    /// The routes, and the path of each, of which some are drawn twice.
    fn routes(self) -> (String, Vec<String>) {
        let mut draw = Draw(self.seed);
        let mut text = String::with_capacity(self.count * 80);
        let mut paths = Vec::with_capacity(self.count);
        for position in 0..self.count {
            // The first and the last of all are met only by paths of their own.
            if position < 2 || position + 2 >= self.count {
                let path = format!("/edge{position}");
                let _ = writeln!(text, "[[routes]]\nupstream = \"u\"\npath_prefix = \"{path}\"");
                paths.push(path);
                continue;
            }
            let (first, second) = (draw.below(self.count as u64 / 4 + 1), draw.below(5));
            let path = if draw.below(3) == 0 { format!("/s{first}") } else { format!("/s{first}/t{second}") };
            text.push_str("[[routes]]\nupstream = \"u\"\n");
            // Few expressions: a debug build compiles each in a millisecond.
            let kind = if self.mixed { draw.below(300) } else { draw.below(290) };
            let _ = match kind {
                0..170 => writeln!(text, "path_prefix = \"{path}\""),
                170..290 => writeln!(text, "path_exact = \"{path}\""),
                290..297 => {
                    writeln!(text, "headers = [{{ name = \"x-a\", value = \"{second}\" }}]\nmethods = [\"PUT\"]")
                }
                297 | 298 if first.is_multiple_of(8) => writeln!(text, "path_regex = \"^{path}[0-9]?/x\""),
                _ => writeln!(text, "path_prefix = \"{path}/\"\nmethods = [\"POST\"]"),
            };
            if self.mixed && draw.below(4) == 0 {
                let _ =
                    writeln!(text, "host = \"{}\"", ["a.test", "*.test", "b.test", "[::1]"][draw.below(4) as usize]);
            }
            if self.mixed && draw.below(6) == 0 && kind < 290 {
                let _ = writeln!(text, "methods = [\"GET\"]\nheader = {{ name = \"x-b\", value = \"{second}\" }}");
            }
            paths.push(path);
        }
        (text, paths)
    }

    fn check(self, requests: &[(Index, &'static str, Asked)]) -> Result<(), TestCaseError> {
        let (text, paths) = self.routes();
        let mut requests: Vec<Asked> = requests
            .iter()
            .map(|(place, tail, asked)| Asked {
                target: format!("{}{tail}", place.get(&paths)).into(),
                ..asked.clone()
            })
            .collect();
        let edges = [0, 1, self.count - 2, self.count - 1].map(|position| Asked {
            method: "GET",
            target: format!("{}/x", paths[position]).into(),
            host: Some("h.test".into()),
            fields: Vec::new(),
        });
        requests.extend(edges);
        check(&text, self.count, &requests)
    }
}

fn large(count: usize, mixed: bool) -> impl Strategy<Value = Large> {
    any::<u64>().prop_map(move |seed| Large { count, seed, mixed })
}

fn near() -> impl Strategy<Value = (Index, &'static str, Asked)> {
    let tail = select(&["", "/", "/t1", "/t1/x", "x", "/x", "?y", "%2Ft1", "/../s1", ";p", "5/x"][..]);
    (any::<Index>(), tail, asked())
}

proptest! {
    #![proptest_config(share(4, 100))]

    #[test]
    fn a_thousand_literal_routes(table in large(1_000, false), requests in prop::collection::vec(near(), 20)) {
        table.check(&requests)?;
    }

    #[test]
    fn a_thousand_mixed_routes(table in large(1_000, true), requests in prop::collection::vec(near(), 20)) {
        table.check(&requests)?;
    }
}

/// A table of this size takes a second or two; more than a few of them find nothing new.
const MOST_LARGEST: u32 = 8;

proptest! {
    #![proptest_config(ProptestConfig { cases: share(1, 0).cases.min(MOST_LARGEST), ..share(1, 0) })]

    #[test]
    fn more_literal_routes_than_sixteen_bits_count(
        table in large(65_537, false),
        requests in prop::collection::vec(near(), 12),
    ) {
        table.check(&requests)?;
    }

    #[test]
    fn more_mixed_routes_than_sixteen_bits_count(
        table in large(65_537, true),
        requests in prop::collection::vec(near(), 12),
    ) {
        table.check(&requests)?;
    }
}
