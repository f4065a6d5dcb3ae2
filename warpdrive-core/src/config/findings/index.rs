//! The routes seen so far, by what a later route must share with one of them to be in its way.
//!
//! A route is kept under host pattern × path × its most telling header condition, so that of a
//! hundred thousand routes only those few are compared that may cover or overlap.

use http::Method;
use rustc_hash::FxHashMap;

use super::conditions::{Conditions, headers_cover, method_taken, methods_cover};
use super::keys::{HeaderKey, HostKey, PathKey, covering_hosts, header_key, headers_above, path_keys, paths_above};
use super::shape::Shape;
use crate::host::HostPattern;

/// Where a route stands in the table, from 0.
pub(super) type Position = u32;

/// How many comparisons are still allowed.
pub(super) struct Budget {
    left: u64,
}

impl Budget {
    pub(super) fn new(comparisons: u64) -> Self {
        Budget { left: comparisons }
    }

    /// Takes comparisons from what is left; `false` where that is not enough.
    pub(super) fn spend(&mut self, comparisons: usize) -> bool {
        match self.left.checked_sub(comparisons as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.left = 0;
                false
            }
        }
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

/// Numbers for keys, so that a route's three kinds of keys are hashed once each and their
/// combinations are cheap.
struct Numbers<K>(FxHashMap<K, u32>);

impl<K: Eq + std::hash::Hash> Numbers<K> {
    fn number(&mut self, key: K) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(key).or_insert(next)
    }

    fn known(&self, keys: impl Iterator<Item = K>) -> Vec<u32> {
        keys.filter_map(|key| self.0.get(&key).copied()).collect()
    }
}

/// A comparison of whole expressions costs about as much as this many others.
const EXPRESSION_COST: usize = 8;

/// How many entries of a list are compared before a route is put into it once more.
const ENTRIES_COMPARED: usize = 8;

pub(super) struct Index<'m> {
    hosts: Numbers<HostKey<'m>>,
    paths: Numbers<PathKey<'m>>,
    headers: Numbers<HeaderKey<'m>>,
    lists: FxHashMap<(u32, u32, u32), Vec<Position>>,
}

impl<'m> Index<'m> {
    /// An empty index.
    pub(super) fn new() -> Self {
        Index {
            hosts: Numbers(FxHashMap::default()),
            paths: Numbers(FxHashMap::default()),
            headers: Numbers(FxHashMap::default()),
            lists: FxHashMap::default(),
        }
    }

    /// Adds a route that some request may reach.
    pub(super) fn insert(&mut self, position: Position, all: &'m [Conditions<'m>], budget: &mut Budget) {
        let Some(route) = all.get(position as usize) else { return };
        let header = self.headers.number(header_key(route.headers));
        let paths: Vec<(u32, bool)> =
            path_keys(&route.shape).map(|(key, tells_all)| (self.paths.number(key), tells_all)).collect();
        for pattern in &route.hosts {
            let host = self.hosts.number(match pattern {
                HostPattern::Any => HostKey::Any,
                HostPattern::Exact(name) => HostKey::Exact(name),
                HostPattern::Wildcard(suffix) => HostKey::Wildcard(suffix),
            });
            if !budget.spend(paths.len()) {
                return;
            }
            for &(path, tells_all) in &paths {
                let list = self.lists.entry((host, path, header)).or_default();
                // A route that gets no request of this host, since one of the same path takes
                // them all, is in nobody's way there.
                let is_idle = tells_all
                    && list.iter().take(ENTRIES_COMPARED).filter_map(|&earlier| all.get(earlier as usize)).any(
                        |earlier| {
                            methods_cover(earlier.methods, route.methods)
                                && headers_cover(earlier.headers, route.headers)
                        },
                    );
                if !is_idle {
                    list.push(position);
                }
            }
        }
    }

    /// The keys of what may be in the way of a route or request.
    pub(super) fn question<'q>(&self, later: &'q Conditions<'q>, budget: &mut Budget) -> Question<'q> {
        let index: &Index<'_> = self;
        let paths = index.paths.known(paths_above(&later.shape));
        let headers = index.headers.known(headers_above(later.headers));
        // What is hashed counts like what is compared.
        budget.spend(later.headers.len());
        Question { later, paths, headers }
    }

    /// The first route that alone takes everything that is asked about on this host and by this
    /// method (`None`: by any). For a single request this is the route that decides it.
    pub(super) fn first_cover(
        &self,
        question: &Question<'_>,
        host: &HostPattern,
        method: Option<&Method>,
        all: &[Conditions<'_>],
        budget: &mut Budget,
    ) -> Option<Position> {
        let mut first: Option<Position> = None;
        self.each_list(question, covering_hosts(host), budget, |list, budget| {
            for &position in list {
                if first.is_some_and(|first| first <= position) || !budget.spend(1) {
                    return;
                }
                let Some(earlier) = all.get(position as usize) else { continue };
                let takes_method = match method {
                    None => earlier.methods.is_empty(),
                    Some(method) => method_taken(earlier.methods, method),
                };
                if takes_method && covers_path_and_headers(earlier, question.later, budget) {
                    first = Some(position);
                    return;
                }
            }
        });
        first
    }

    /// Every route that takes a host pattern of what is asked about, and whose paths and header
    /// conditions include it; in order. A named host in front of a route for more hosts is no such
    /// route: like a header condition, it is what the request itself chose.
    pub(super) fn overlapping(
        &self,
        question: &Question<'_>,
        all: &[Conditions<'_>],
        budget: &mut Budget,
    ) -> Vec<Position> {
        let mut found = Vec::new();
        for host in &question.later.hosts {
            self.each_list(question, covering_hosts(host), budget, |list, budget| {
                for &position in list {
                    if !budget.spend(1) {
                        return;
                    }
                    let Some(earlier) = all.get(position as usize) else { continue };
                    if covers_path_and_headers(earlier, question.later, budget) {
                        found.push(position);
                    }
                }
            });
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn each_list<'k>(
        &self,
        question: &Question<'_>,
        hosts: impl Iterator<Item = HostKey<'k>>,
        budget: &mut Budget,
        mut visit: impl FnMut(&[Position], &mut Budget),
    ) where
        'm: 'k,
    {
        // What is asked about may live shorter than the routes.
        let index: &Index<'k> = self;
        for host in index.hosts.known(hosts) {
            for &path in &question.paths {
                for &header in &question.headers {
                    if !budget.spend(1) {
                        return;
                    }
                    if let Some(list) = index.lists.get(&(host, path, header)) {
                        visit(list, budget);
                    }
                }
            }
        }
    }
}

/// What may have something in its way, with the numbers of the keys where that would be.
pub(super) struct Question<'q> {
    later: &'q Conditions<'q>,
    paths: Vec<u32>,
    headers: Vec<u32>,
}

fn covers_path_and_headers(earlier: &Conditions<'_>, later: &Conditions<'_>, budget: &mut Budget) -> bool {
    if matches!((&earlier.shape, &later.shape), (Shape::Regex(_), Shape::Exact(_))) && !budget.spend(EXPRESSION_COST) {
        return false;
    }
    if !budget.spend(earlier.headers.len() * later.headers.len()) {
        return false;
    }
    earlier.shape.covers(&later.shape) && headers_cover(earlier.headers, later.headers)
}
