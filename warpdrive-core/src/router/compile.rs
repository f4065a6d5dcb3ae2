//! From a model to the decision structure.

use std::collections::BTreeMap;

use thiserror::Error;

use super::hosts::Hosts;
use super::lists::Lists;
use super::regexes::{self, Place, RegexTest, Regexes};
use super::rule::Rule;
use super::tree::{Branch, CopyBudget, Site, Tree};
use super::{Identity, Router};
use crate::limits::{MAX_ROUTES, MAX_UNANCHORED_REGEXES};
use crate::method::MethodSet;
use crate::model::{Model, Route};
use crate::pattern::{HeaderTest, PathRule};

/// Fewer anchored expressions than this at one path are cheaper one by one than as a set.
const SMALLEST_SET: usize = 4;

/// Why a model cannot be compiled: it is larger than the limits allow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// More routes than [`MAX_ROUTES`].
    #[error("{count} routes are more than {MAX_ROUTES}")]
    TooManyRoutes {
        /// How many there are.
        count: usize,
    },
    /// More expressions without a leading `^` on one host than [`MAX_UNANCHORED_REGEXES`].
    #[error("{count} expressions without a leading `^` on one host are more than {MAX_UNANCHORED_REGEXES}")]
    TooManyUnanchored {
        /// How many there are.
        count: usize,
    },
    /// A pattern that the path tree refuses.
    #[error("the pattern {pattern:?} cannot be indexed: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What the tree says.
        problem: String,
    },
}

pub(super) fn compile(model: Model) -> Result<Router, CompileError> {
    let routes = &model.routes;
    if routes.len() > MAX_ROUTES {
        return Err(CompileError::TooManyRoutes { count: routes.len() });
    }
    let mut regexes = Regexes::default();
    let places: Vec<Option<Place>> = routes.iter().map(place_of).collect();
    let (tests, sets) = path_tests(routes, &places, &mut regexes);
    let rules: Vec<Rule> = routes.iter().zip(tests).map(|(route, test)| rule(route, test, &mut regexes)).collect();
    let branches: Vec<Branch> =
        routes.iter().zip(&places).map(|(route, place)| branch(route, place.as_ref())).collect();
    let (hosts, groups) = Hosts::group(routes);
    let mut lists = Lists::with_sets(&sets);
    let mut budget = CopyBudget::new(routes.len());
    let index_methods = !model.settings.server.method_not_allowed;
    let mut trees = Vec::with_capacity(groups.len());
    for positions in &groups {
        let floating =
            positions.iter().filter(|&&p| matches!(places.get(p as usize), Some(Some(Place::Floating)))).count();
        if floating > MAX_UNANCHORED_REGEXES {
            return Err(CompileError::TooManyUnanchored { count: floating });
        }
        let mut site =
            Site { routes, rules: &rules, branches: &branches, lists: &mut lists, budget: &mut budget, index_methods };
        trees.push(Tree::build(positions, &mut site)?);
    }
    Ok(Router { rules: rules.into(), hosts, trees: trees.into(), lists, regexes, identity: Identity::default(), model })
}

fn place_of(route: &Route) -> Option<Place> {
    match &route.path {
        PathRule::Regex(regex) => Some(regexes::place(regex)),
        _ => None,
    }
}

fn branch(route: &Route, place: Option<&Place>) -> Branch {
    match (&route.path, place) {
        (PathRule::Prefix(prefix), _) if prefix != "/" => Branch::Prefix(prefix.clone()),
        (PathRule::Exact(path), _) | (_, Some(Place::Exact(path))) => Branch::Exact(path.clone()),
        (_, Some(Place::Under(prefix))) if !prefix.is_empty() => Branch::Prefix(prefix.clone()),
        _ => Branch::Wide,
    }
}

fn rule(route: &Route, path: RegexTest, regexes: &mut Regexes) -> Rule {
    let mut first_header_program = None;
    for condition in &route.headers {
        if let HeaderTest::Regex(regex) = &condition.test {
            let id = regexes.add(regex);
            first_header_program.get_or_insert(id);
        }
    }
    let methods = MethodSet::new(&route.methods);
    Rule {
        has_headers: !route.headers.is_empty(),
        unconditional: methods.is_any() && route.headers.is_empty() && path == RegexTest::None,
        methods,
        path,
        first_header_program: first_header_program.unwrap_or(0),
    }
}

/// Decides how each route's expression is tested: not at all, alone, or as a member of the set
/// of those that begin alike and serve the same hosts. Also returns the members of each set.
fn path_tests(routes: &[Route], places: &[Option<Place>], regexes: &mut Regexes) -> (Vec<RegexTest>, Vec<Vec<u32>>) {
    let mut sets: Vec<Vec<u32>> = Vec::new();
    let mut tests = vec![RegexTest::None; routes.len()];
    let mut groups: BTreeMap<(Vec<String>, &str), Vec<usize>> = BTreeMap::new();
    let mut alone = Vec::new();
    for (position, (route, place)) in routes.iter().zip(places).enumerate() {
        let key = match place {
            None | Some(Place::Exact(_)) => continue,
            Some(Place::Floating) => {
                alone.push(position);
                continue;
            }
            Some(Place::Under(prefix)) => prefix.as_str(),
            Some(Place::Anchored) => "",
        };
        let mut hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
        hosts.sort_unstable();
        groups.entry((hosts, key)).or_default().push(position);
    }
    for members in groups.into_values() {
        let sources: Vec<&str> = members.iter().filter_map(|&p| source(routes, p)).collect();
        let set = if members.len() < SMALLEST_SET { None } else { regexes.add_set(&sources) };
        let Some(set) = set else {
            alone.extend(members);
            continue;
        };
        sets.push(members.iter().map(|&position| position as u32).collect());
        for (pattern, position) in members.into_iter().enumerate() {
            if let Some(test) = tests.get_mut(position) {
                *test = RegexTest::Member { set, pattern: pattern as u32 };
            }
        }
    }
    for position in alone {
        let Some(PathRule::Regex(regex)) = routes.get(position).map(|route| &route.path) else { continue };
        let id = regexes.add(regex);
        if let Some(test) = tests.get_mut(position) {
            *test = RegexTest::Single(id);
        }
    }
    (tests, sets)
}

fn source(routes: &[Route], position: usize) -> Option<&str> {
    match routes.get(position).map(|route| &route.path) {
        Some(PathRule::Regex(regex)) => Some(regex.as_str()),
        _ => None,
    }
}
