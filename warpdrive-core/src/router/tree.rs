//! The path tree of one set of routes: at every literal path where the set of satisfied path
//! rules changes, the lists of the routes that hold there.
//!
//! matchit answers "most specific", so it is the index and never the judge. A prefix `P` is the
//! entry `P/{*rest}`, an exact path `E` the entry `E` and [`MARK`], and every look-up asks for the
//! path and [`MARK`], which no normalised path contains: one entry a pattern serves `/api`,
//! `/api/` and `/api/x` alike.
//!
//! What lies below a prefix has a matchit router of its own, asked with the rest of the path.
//! In one router for all, a node would hold a literal and a wildcard side by side, and matchit
//! then remembers the wildcard it passed in a vector: an allocation a look-up.

use std::collections::HashMap;

use super::CompileError;
use super::lists::{Cursor, ListId, Lists};
use super::rule::Rule;
use crate::model::Route;

/// Marks the end of every look-up key. It holds a control byte, so that it stands in no normalised
/// path and in no pattern.
pub(super) const MARK: &str = "/\u{1}";

/// The wildcard behind a prefix.
const REST: &str = "{*rest}";

/// The lists that hold at one literal path, and the level of what lies below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The candidates, where they are all in one list without an index: most nodes need no other
    /// memory than their own.
    pub(super) plain: Cursor,
    /// Where the lists of every other node are.
    first: u32,
    count: u32,
    below: u32,
    /// How much of the key a prefix takes, its slash included: what follows is asked below.
    taken: u32,
}

/// No level lies below.
const NOTHING: u32 = u32::MAX;

/// The routes of one host pattern (or of several with the same routes).
#[derive(Debug)]
pub(super) struct Tree {
    /// The first level holds the patterns that lie below no other.
    levels: Box<[matchit::Router<Node>]>,
    node_lists: Box<[ListId]>,
    /// The routes without a path rule, kept once.
    wide: Option<ListId>,
}

/// Where a route stands in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Branch {
    Wide,
    /// Without a trailing slash; never the root.
    Prefix(String),
    Exact(String),
}

/// Positions that were copied into deeper nodes, against the most that may be.
pub(super) struct CopyBudget {
    left: usize,
}

impl CopyBudget {
    pub(super) fn new(routes: usize) -> Self {
        // Flat lists make look-ups fast, but a thousand header routes at `/a` with ten thousand
        // prefixes below would copy ten million positions: past the budget, nodes refer instead.
        CopyBudget { left: routes.saturating_mul(64).max(1 << 18) }
    }

    fn take(&mut self, positions: usize) -> bool {
        let granted = positions <= self.left;
        if granted {
            self.left -= positions;
        }
        granted
    }
}

/// What is shared by all trees while they are built.
pub(super) struct Site<'a> {
    pub(super) routes: &'a [Route],
    pub(super) rules: &'a [Rule],
    pub(super) branches: &'a [Branch],
    pub(super) lists: &'a mut Lists,
    pub(super) budget: &'a mut CopyBudget,
    pub(super) index_methods: bool,
}

/// A prefix node while it is built: the lists that already exist, and positions not yet in one.
struct Draft {
    shared: Vec<ListId>,
    own: Vec<u32>,
    /// The list of `own`, once it is stored.
    stored: Option<ListId>,
}

impl Tree {
    /// Builds the tree of the routes at these positions, given in rising order.
    ///
    /// # Errors
    /// A [`CompileError`] where matchit refuses a pattern, which normalised ones never are.
    pub(super) fn build(positions: &[u32], site: &mut Site<'_>) -> Result<Tree, CompileError> {
        let mut wide = Vec::new();
        let mut prefixes: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut exacts: HashMap<&str, Vec<u32>> = HashMap::new();
        for &position in positions {
            match site.branches.get(position as usize) {
                Some(Branch::Prefix(prefix)) => prefixes.entry(prefix).or_default().push(position),
                Some(Branch::Exact(path)) => exacts.entry(path).or_default().push(position),
                Some(Branch::Wide) | None => wide.push(position),
            }
        }
        let mut tree = Tree { levels: Box::default(), node_lists: Box::default(), wide: None };
        if !wide.is_empty() {
            tree.wide = Some(site.lists.add(&wide, site.routes, site.rules, site.index_methods));
        }
        if prefixes.is_empty() && exacts.is_empty() {
            return Ok(tree);
        }
        let mut node_lists = Vec::new();
        let mut drafts: HashMap<&str, Draft> = HashMap::with_capacity(prefixes.len());
        let mut entries: Vec<Entry<'_>> = Vec::with_capacity(prefixes.len() + exacts.len());
        let mut prefixes: Vec<(&str, Vec<u32>)> = prefixes.into_iter().collect();
        // Parents are shorter than their children, so they are there when these ask for them.
        prefixes.sort_unstable_by_key(|(prefix, _)| (prefix.len(), *prefix));
        for (prefix, own) in prefixes {
            let parent = parent_of(prefix, &drafts);
            let mut draft = inherit(parent.map(|(_, draft)| draft), own, site);
            let lists = finish(&mut draft, &mut node_lists, site);
            entries.push(Entry { parent: parent.map(|(above, _)| above), path: prefix, is_prefix: true, lists });
            drafts.insert(prefix, draft);
        }
        let mut exacts: Vec<(&str, Vec<u32>)> = exacts.into_iter().collect();
        exacts.sort_unstable();
        for (path, own) in exacts {
            let parent =
                drafts.get_key_value(path).map(|(above, draft)| (*above, draft)).or_else(|| parent_of(path, &drafts));
            let mut draft = inherit(parent.map(|(_, draft)| draft), own, site);
            let lists = finish(&mut draft, &mut node_lists, site);
            entries.push(Entry { parent: parent.map(|(above, _)| above), path, is_prefix: false, lists });
        }
        tree.levels = levels(&entries)?;
        tree.node_lists = node_lists.into();
        Ok(tree)
    }

    /// The list of the routes without a path rule.
    pub(super) fn wide(&self) -> Option<ListId> {
        self.wide
    }

    /// The lists of a node, but for its plain candidates.
    pub(super) fn lists(&self, node: &Node) -> &[ListId] {
        self.node_lists.get(node.first as usize..(node.first + node.count) as usize).unwrap_or_default()
    }

    /// The most specific node whose path rule holds, one level after the other. `key` is the path
    /// and [`MARK`].
    pub(super) fn deepest(&self, key: &str) -> Option<&Node> {
        let mut best = None;
        let mut level = self.levels.first();
        let mut rest = key;
        while let Some(found) = level.and_then(|level| level.at(rest).ok()) {
            let node = found.value;
            best = Some(node);
            level = self.levels.get(node.below as usize);
            rest = rest.get(node.taken as usize..).unwrap_or_default();
        }
        best
    }
}

/// A pattern on its way into a level.
struct Entry<'a> {
    /// The prefix that it lies below.
    parent: Option<&'a str>,
    path: &'a str,
    is_prefix: bool,
    lists: NodeLists,
}

/// What a node says of its candidates.
#[derive(Clone, Copy)]
struct NodeLists {
    plain: Cursor,
    first: u32,
    count: u32,
}

/// Makes a matchit router of the patterns below each prefix that has any.
fn levels(entries: &[Entry<'_>]) -> Result<Box<[matchit::Router<Node>]>, CompileError> {
    let mut numbers: HashMap<Option<&str>, u32> = HashMap::from([(None, 0)]);
    for entry in entries {
        let next = numbers.len() as u32;
        numbers.entry(entry.parent).or_insert(next);
    }
    let mut levels: Vec<matchit::Router<Node>> = Vec::new();
    levels.resize_with(numbers.len(), matchit::Router::new);
    for entry in entries {
        let below = if entry.is_prefix { numbers.get(&Some(entry.path)).copied() } else { None };
        let whole = if entry.is_prefix { format!("{}/{REST}", entry.path) } else { format!("{}{MARK}", entry.path) };
        // Below `/a`, the router is asked with what follows `/a/`.
        let pattern = whole.get(entry.parent.map_or(0, |above| above.len() + 1)..).unwrap_or_default();
        // matchit could tell the rest itself, but it checks that it is UTF-8 each time.
        let taken = pattern.strip_suffix(REST).map_or(0, |literal| literal.len() as u32);
        let NodeLists { plain, first, count } = entry.lists;
        let node = Node { plain, first, count, below: below.unwrap_or(NOTHING), taken };
        let level = numbers.get(&entry.parent).and_then(|&number| levels.get_mut(number as usize));
        let inserted = level.map_or(Ok(()), |level| level.insert(pattern, node));
        inserted.map_err(|error| CompileError::Pattern { pattern: whole, problem: error.to_string() })?;
    }
    Ok(levels.into())
}

/// The nearest prefix above a path, by whole segments.
fn parent_of<'d, 'p>(path: &str, drafts: &'d HashMap<&'p str, Draft>) -> Option<(&'p str, &'d Draft)> {
    let mut rest = path;
    while let Some((above, _)) = rest.rsplit_once('/') {
        if let Some((above, draft)) = drafts.get_key_value(above) {
            return Some((above, draft));
        }
        rest = above;
    }
    None
}

/// Joins a node's own routes with those that hold above it.
fn inherit(parent: Option<&Draft>, own: Vec<u32>, site: &mut Site<'_>) -> Draft {
    let Some(parent) = parent else { return Draft { shared: Vec::new(), own, stored: None } };
    if site.budget.take(parent.own.len()) {
        let mut joined = parent.own.clone();
        joined.extend_from_slice(&own);
        joined.sort_unstable();
        // What stands after an unconditional route is never reached.
        if let Some(last) =
            joined.iter().position(|&p| site.rules.get(p as usize).is_some_and(|rule| rule.unconditional))
        {
            joined.truncate(last + 1);
        }
        return Draft { shared: parent.shared.clone(), own: joined, stored: None };
    }
    let mut shared = parent.shared.clone();
    shared.extend(parent.stored);
    Draft { shared, own, stored: None }
}

fn finish(draft: &mut Draft, node_lists: &mut Vec<ListId>, site: &mut Site<'_>) -> NodeLists {
    let list = site.lists.add(&draft.own, site.routes, site.rules, site.index_methods);
    draft.stored = Some(list);
    if let (true, Some(plain)) = (draft.shared.is_empty(), site.lists.plain(list)) {
        return NodeLists { plain, first: 0, count: 0 };
    }
    let first = node_lists.len() as u32;
    node_lists.extend_from_slice(&draft.shared);
    node_lists.push(list);
    NodeLists { plain: Cursor::default(), first, count: node_lists.len() as u32 - first }
}
