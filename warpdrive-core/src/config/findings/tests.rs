//! What the search for routes in each other's way costs: counted, since times depend on the machine.

use super::*;
use crate::config::{Code, Source, load};
use crate::model::Model;

fn model(routes: impl Iterator<Item = String>) -> Model {
    let mut text = String::from("[upstreams.a]\nport = 1\n");
    for conditions in routes {
        text.push_str(&format!("[[routes]]\nupstream = \"a\"\n{conditions}\n"));
    }
    load(Source::file("f", &text)).unwrap_or_else(|errors| panic!("{errors}")).model
}

/// The comparisons that a model needs, and the codes of what was found.
fn search(model: &Model, allowed: u64) -> (u64, Vec<(Code, String)>) {
    let subject = Subject {
        server: &model.settings.server,
        upstreams: &model.upstreams,
        upstream_places: &[],
        routes: &model.routes,
        route_places: &[],
        programs: None,
    };
    let mut budget = Budget::new(allowed);
    let mut report = Report::default();
    order::look(&subject, &mut budget, &mut report);
    let found = match report.finish(None) {
        Ok((found, _)) => found,
        Err(errors) => panic!("{errors}"),
    };
    (allowed - budget.left(), found.into_iter().map(|warning| (warning.code, warning.message)).collect())
}

fn cost(routes: impl Iterator<Item = String>) -> u64 {
    search(&model(routes), MAX_FINDING_COMPARISONS).0
}

/// A table costs comparisons in proportion to its size, and few of them a route.
#[test]
fn large_tables_cost_little() {
    let literals = |count: usize| cost((0..count).map(|n| format!("path_prefix = \"/area{}/section{n}\"", n % 8)));
    let headers =
        |count: usize| cost((0..count).map(|n| format!("header = {{ name = \"X-Tenant\", value = \"t{n}\" }}")));
    // A tenth as many, since each takes time to compile.
    let expressions =
        |count: usize| 10 * cost((0..count / 10).map(|n| format!("path_regex = \"^/items/[0-9]+/kind{n}$\"")));
    let hosts = |count: usize| {
        let routes = ["/cable", "/sidekiq", "/"];
        cost((0..count).flat_map(|n| routes.map(|path| format!("host = \"h{n}.test\"\npath_prefix = \"{path}\""))))
    };
    let exact_after_literal_regexes = |count: usize| {
        let first = (0..count).map(|n| format!("path_regex = \"^/r{n}x\""));
        cost(first.chain((0..count).map(|n| format!("path_exact = \"/s{n}\""))))
    };
    for (name, table) in [
        ("literals", &literals as &dyn Fn(usize) -> u64),
        ("headers", &headers),
        ("expressions", &expressions),
        ("hosts", &hosts),
    ] {
        let (small, large) = (table(100), table(1_000));
        assert!(large <= small * 11, "{name}: {small} {large}");
        assert!(large <= 1_000 * 40, "{name}: {large}");
    }
    // Literals in one folder are compared one by one: this is what the budget is for.
    assert!(exact_after_literal_regexes(100) > 100 * 100);
}

/// A named host in front of a route for all others is what many tables look like.
#[test]
fn hosts_before_prefixes_without_a_host_cost_no_product() {
    let routes = (0..100)
        .map(|n| format!("host = \"h{n}.test\""))
        .chain((0..10).map(|n| format!("path_prefix = \"/section{n}\"")));
    let (cost, found) = search(&model(routes), MAX_FINDING_COMPARISONS);
    assert!(cost <= 110 * 20, "{cost}");
    assert_eq!(found, []);
}

#[test]
fn a_search_that_costs_too_much_is_given_up_and_says_so() {
    let model =
        model((0..200).map(|n| format!("path_regex = \"^/r{n}x\"")).chain(["path_prefix = \"/r7x\"".to_owned()]));
    let (cost, found) = search(&model, MAX_FINDING_COMPARISONS);
    assert_eq!(found.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Code::UnreachableRoute]);
    // Every smaller budget either is enough or is told.
    for allowed in [1, 2, 10, 100, 1_000, cost / 2, cost - 10, cost, cost + 1] {
        let (_, found) = search(&model, allowed);
        let codes: Vec<Code> = found.iter().map(|(code, _)| *code).collect();
        assert!(codes == [Code::FindingsIncomplete] || codes == [Code::UnreachableRoute], "{allowed}: {found:?}");
    }
    let (_, found) = search(&model, 1_000);
    let wanted = "the search for routes in each other's way was given up before route ";
    assert!(found.iter().all(|(_, message)| message.starts_with(wanted) && message.ends_with(" of 201")), "{found:?}");
}

#[test]
fn a_list_of_names_is_short() {
    let names = |count: usize| -> Vec<String> { (1..=count).map(|n| format!("r{n}")).collect() };
    assert_eq!(some_of(&names(1), "routes"), "r1");
    assert_eq!(some_of(&names(4), "routes"), "r1, r2, r3 and r4");
    assert_eq!(some_of(&names(6), "routes"), "r1, r2, r3 and 3 more routes");
}
