//! The host map: from a canonical host to the trees that may hold its routes.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::host::HostPattern;
use crate::model::Route;

/// The position of a tree in the router.
pub(super) type TreeId = u32;

/// Trees by exact host, by wildcard suffix, and the one for any host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: FxHashMap<Box<[u8]>, TreeId>,
    /// Keyed by `.example.com`.
    wildcard: FxHashMap<Box<[u8]>, TreeId>,
    any: Option<TreeId>,
}

impl Hosts {
    /// Groups routes by host pattern. Returns the map and, for each tree, its route positions in
    /// rising order; patterns with the same routes share a tree.
    pub(super) fn group(routes: &[Route]) -> (Hosts, Vec<Vec<u32>>) {
        let mut by_pattern: BTreeMap<HostKey<'_>, Vec<u32>> = BTreeMap::new();
        for (position, route) in routes.iter().enumerate() {
            let position = position as u32;
            let mut put = |key| {
                let list: &mut Vec<u32> = by_pattern.entry(key).or_default();
                // A host named twice in one route counts once.
                if list.last() != Some(&position) {
                    list.push(position);
                }
            };
            if route.hosts.is_empty() || route.hosts.contains(&HostPattern::Any) {
                put(HostKey::Any);
                continue;
            }
            for host in &route.hosts {
                match host {
                    HostPattern::Any => {}
                    HostPattern::Exact(name) => put(HostKey::Exact(name)),
                    HostPattern::Wildcard(suffix) => put(HostKey::Wildcard(suffix)),
                }
            }
        }
        let mut hosts = Hosts::default();
        let mut trees: Vec<Vec<u32>> = Vec::new();
        let mut known: FxHashMap<Vec<u32>, TreeId> = FxHashMap::default();
        for (key, positions) in by_pattern {
            let tree = *known.entry(positions).or_insert_with_key(|positions| {
                trees.push(positions.clone());
                (trees.len() - 1) as TreeId
            });
            match key {
                HostKey::Any => hosts.any = Some(tree),
                HostKey::Exact(name) => drop(hosts.exact.insert(name.as_bytes().into(), tree)),
                HostKey::Wildcard(suffix) => drop(hosts.wildcard.insert(suffix.as_bytes().into(), tree)),
            }
        }
        (hosts, trees)
    }

    /// The tree of an exact host.
    #[inline]
    pub(super) fn exact(&self, host: &[u8]) -> Option<TreeId> {
        if self.exact.is_empty() { None } else { self.exact.get(host).copied() }
    }

    /// Calls `visit` with the tree of each wildcard that takes the host.
    #[inline]
    pub(super) fn each_wildcard(&self, host: &[u8], mut visit: impl FnMut(TreeId)) {
        if self.wildcard.is_empty() {
            return;
        }
        for dot in memchr::memchr_iter(b'.', host).filter(|&dot| dot > 0) {
            if let Some(&tree) = host.get(dot..).and_then(|suffix| self.wildcard.get(suffix)) {
                visit(tree);
            }
        }
    }

    /// The tree of the routes that take any host, also none.
    #[inline]
    pub(super) fn any(&self) -> Option<TreeId> {
        self.any
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum HostKey<'a> {
    Any,
    Exact(&'a str),
    Wildcard(&'a str),
}
