//! Candidate lists: the routes whose host and path hold, in file order, with an index inside
//! every longer list so that failing methods and header values cost nothing.
//!
//! All lists live in one arena. A look-up collects cursors into it and merges them by route
//! number; a candidate that the index offers by mistake is harmless, since every condition is
//! tested again.

use std::hash::Hasher;

use http::HeaderName;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::regexes::{RegexScratch, RegexTest, Regexes};
use super::rule::{Facts, Rule};
use super::view::Fields;
use crate::method::method_bit;
use crate::model::Route;
use crate::pattern::HeaderTest;

/// A list longer than this has an index. Below it, testing is as fast as asking.
const SCAN_AT_MOST: usize = 8;

/// Where a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListId(u32);

/// A stretch of the arena: route positions in rising order. One position alone stands in the
/// cursor itself, where a look-up need not fetch it from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    next: u32,
    end: u32,
}

/// The `end` of a cursor that is one position itself.
const ALONE: u32 = u32::MAX;

impl Cursor {
    fn alone(position: u32) -> Self {
        Cursor { next: position, end: ALONE }
    }

    fn is_empty(self) -> bool {
        self.next >= self.end
    }
}

#[derive(Debug)]
struct List {
    /// Every route of a short list; of a long one, those that no key picks.
    plain: Cursor,
    index: Option<Box<Index>>,
}

#[derive(Debug)]
struct Index {
    /// The field names that some key holds.
    names: Box<[HeaderName]>,
    /// Some key is a method alone.
    by_method: bool,
    /// Sets of expressions whose members are offered only where they match.
    sets: Box<[u32]>,
    /// Keys are hashes of (method or none, field name and value or none). Two keys that fall
    /// together share a bucket, which only costs a test more.
    buckets: FxHashMap<u64, Cursor>,
}

/// Every list of a router.
#[derive(Debug, Default)]
pub(super) struct Lists {
    arena: Vec<u32>,
    lists: Vec<List>,
    /// For each set of expressions, where the routes of its patterns are, in their order.
    set_members: Vec<Cursor>,
}

impl Lists {
    /// Makes room for the routes of each set of expressions, in the order of its patterns.
    pub(super) fn with_sets(sets: &[Vec<u32>]) -> Self {
        let mut lists = Lists::default();
        lists.set_members = sets.iter().map(|members| lists.stretch(members)).collect();
        lists
    }

    /// Adds a list of route positions in rising order. It ends at its first unconditional route.
    pub(super) fn add(&mut self, positions: &[u32], routes: &[Route], rules: &[Rule], index_methods: bool) -> ListId {
        let reachable =
            match positions.iter().position(|&p| rules.get(p as usize).is_some_and(|rule| rule.unconditional)) {
                Some(last) => positions.get(..=last).unwrap_or(positions),
                None => positions,
            };
        let list = if reachable.len() <= SCAN_AT_MOST {
            List { plain: self.store(reachable), index: None }
        } else {
            self.indexed(reachable, routes, rules, index_methods)
        };
        self.lists.push(list);
        ListId((self.lists.len() - 1) as u32)
    }

    fn store(&mut self, positions: &[u32]) -> Cursor {
        if let [position] = positions {
            return Cursor::alone(*position);
        }
        self.stretch(positions)
    }

    fn stretch(&mut self, positions: &[u32]) -> Cursor {
        let next = self.arena.len() as u32;
        self.arena.extend_from_slice(positions);
        Cursor { next, end: self.arena.len() as u32 }
    }

    fn indexed(&mut self, positions: &[u32], routes: &[Route], rules: &[Rule], index_methods: bool) -> List {
        let mut plain = Vec::new();
        let mut keyed: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
        let mut names: FxHashSet<&HeaderName> = FxHashSet::default();
        let mut by_method = false;
        let mut sets: Vec<u32> = Vec::new();
        for &position in positions {
            let (Some(route), Some(rule)) = (routes.get(position as usize), rules.get(position as usize)) else {
                continue;
            };
            let field = route.headers.iter().find_map(|condition| match &condition.test {
                HeaderTest::Exact(value) => Some((&condition.name, value.as_bytes())),
                HeaderTest::Present | HeaderTest::Regex(_) => None,
            });
            let methods = index_methods && !rule.methods.is_any();
            if field.is_none() && !methods {
                match rule.path {
                    RegexTest::Member { set, .. } if sets.contains(&set) => {}
                    RegexTest::Member { set, .. } => sets.push(set),
                    RegexTest::None | RegexTest::Single(_) => plain.push(position),
                }
                continue;
            }
            if let Some((name, _)) = field {
                names.insert(name);
            } else {
                by_method = true;
            }
            let base = field.map_or(0, |(name, value)| field_key(name.as_str().as_bytes(), value));
            let mut put = |method: u64| keyed.entry(key(method, base)).or_default().push(position);
            if methods {
                rule.methods.each_bit().for_each(|bit| put(u64::from(bit)));
                rule.methods.others().iter().for_each(|other| put(method_key(other.as_str())));
            } else {
                put(ANY_METHOD);
            }
        }
        let names = names.into_iter().cloned().collect();
        let buckets = keyed.into_iter().map(|(key, positions)| (key, self.store(&positions))).collect();
        List {
            plain: self.store(&plain),
            index: Some(Box::new(Index { names, by_method, sets: sets.into(), buckets })),
        }
    }

    /// Adds the cursors of the candidates that a list has for a request.
    pub(super) fn open(
        &self,
        id: ListId,
        facts: &Facts<'_>,
        regexes: &Regexes,
        scratch: &mut RegexScratch,
        cursors: &mut Vec<Cursor>,
    ) {
        let Some(list) = self.lists.get(id.0 as usize) else { return };
        push(list.plain, cursors);
        let Some(index) = &list.index else { return };
        if let Some(path) = facts.path {
            for &set in &index.sets {
                let Some(members) = self.set_members.get(set as usize) else { continue };
                regexes.each_match(set, path, scratch, |pattern| {
                    let next = members.next + pattern;
                    push(Cursor { next, end: next + 1 }, cursors);
                });
            }
        }
        let method = method_key(facts.method);
        let mut ask = |method: u64, base: u64| {
            if let Some(&found) = index.buckets.get(&key(method, base)) {
                push(found, cursors);
            }
        };
        if index.by_method {
            ask(method, 0);
        }
        let mut ask_field = |name: &[u8], value: &[u8]| {
            let base = field_key(name, value);
            ask(ANY_METHOD, base);
            ask(method, base);
        };
        if index.names.len() <= facts.fields.len() {
            for name in &index.names {
                facts.fields.any(name, |value| {
                    ask_field(name.as_str().as_bytes(), value);
                    false
                });
            }
        } else {
            Fields::each(facts.fields, ask_field);
        }
    }

    /// The candidates of a list that has no index.
    pub(super) fn plain(&self, id: ListId) -> Option<Cursor> {
        self.lists.get(id.0 as usize).filter(|list| list.index.is_none()).map(|list| list.plain)
    }

    /// Takes the lowest position off the cursors.
    #[inline]
    pub(super) fn next(&self, cursors: &mut [Cursor]) -> Option<u32> {
        if let [cursor] = cursors {
            return self.take(cursor);
        }
        let mut lowest: Option<(u32, &mut Cursor)> = None;
        for cursor in cursors.iter_mut().filter(|cursor| !cursor.is_empty()) {
            let position = self.peek(*cursor);
            if lowest.as_ref().is_none_or(|(low, _)| position < *low) {
                lowest = Some((position, cursor));
            }
        }
        lowest.and_then(|(_, cursor)| self.take(cursor))
    }

    fn peek(&self, cursor: Cursor) -> u32 {
        if cursor.end == ALONE { cursor.next } else { self.arena.get(cursor.next as usize).copied().unwrap_or(ALONE) }
    }

    fn take(&self, cursor: &mut Cursor) -> Option<u32> {
        if cursor.is_empty() {
            return None;
        }
        let position = self.peek(*cursor);
        if cursor.end == ALONE {
            *cursor = Cursor::default();
        } else {
            cursor.next += 1;
        }
        Some(position)
    }

    /// How many positions all lists hold together.
    pub(super) fn positions(&self) -> usize {
        self.arena.len()
    }
}

/// Keeps a cursor that has any candidate.
pub(super) fn push(cursor: Cursor, cursors: &mut Vec<Cursor>) {
    if !cursor.is_empty() {
        cursors.push(cursor);
    }
}

const ANY_METHOD: u64 = 0;

fn method_key(method: &str) -> u64 {
    match method_bit(method) {
        0 => {
            let mut hasher = FxHasher::default();
            hasher.write(method.as_bytes());
            hasher.finish() | 1 << 63
        }
        bit => u64::from(bit),
    }
}

fn field_key(name: &[u8], value: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    for byte in name {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.write(value);
    hasher.finish()
}

fn key(method: u64, field: u64) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u64(method);
    hasher.write_u64(field);
    hasher.finish()
}
