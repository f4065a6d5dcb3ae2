//! Regular expressions: where in the tree one belongs, and many anchored ones as one set.
//!
//! Nothing here locks or allocates once the scratch is warm: every program has its own cache in
//! the caller's [`RegexScratch`], made at its first use.

use std::sync::Arc;

use regex_automata::meta::{self, Cache};
use regex_automata::{Anchored, Input, MatchKind, PatternID, PatternSet};
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::limits::MAX_REGEX_SET_BYTES;
use crate::path;
use crate::pattern::{PathRegex, configuration, syntax_rules};

/// Where an expression can match at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `^/literal$`: this very path, and nothing is left to test.
    Exact(String),
    /// `^/literal/…`: at or below this path.
    Under(String),
    /// `^…`: anywhere, but only from the start of the path.
    Anchored,
    /// Anywhere in the path.
    Floating,
}

/// Reads the place off the expression's own syntax tree.
pub(super) fn place(regex: &PathRegex) -> Place {
    // If there is none, the slowest place is the safe one.
    let Some(hir) = regex.tree() else { return Place::Floating };
    if !hir.properties().look_set_prefix().contains(Look::Start) {
        return Place::Floating;
    }
    let HirKind::Concat(parts) = hir.kind() else { return Place::Anchored };
    let Some((HirKind::Look(Look::Start), rest)) = parts.split_first().map(|(first, rest)| (first.kind(), rest)) else {
        return Place::Anchored;
    };
    let Some(HirKind::Literal(literal)) = rest.first().map(Hir::kind) else { return Place::Anchored };
    let Ok(text) = std::str::from_utf8(&literal.0) else { return Place::Anchored };
    let ends_there = matches!(
        rest.get(1..).map(|tail| (tail.len(), tail.first().map(Hir::kind))),
        Some((1, Some(HirKind::Look(Look::End))))
    );
    if ends_there && is_normal(text) {
        return Place::Exact(text.to_owned());
    }
    match text.rsplit_once('/') {
        Some((prefix, _)) if is_normal(prefix) => Place::Under(prefix.to_owned()),
        _ => Place::Anchored,
    }
}

/// A literal in another form than the normal one matches no path: leave it to the engine to say so.
fn is_normal(text: &str) -> bool {
    let mut normal = String::new();
    path::normalise(text, false, &mut normal).is_ok() && normal == text
}

/// How the path expression of a rule is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexTest {
    /// Nothing is left to test.
    None,
    /// This program alone.
    Single(u32),
    /// This pattern of a set that is run once a look-up.
    Member { set: u32, pattern: u32 },
}

/// Every program of a router.
#[derive(Debug, Default)]
pub(super) struct Regexes {
    programs: Vec<Arc<meta::Regex>>,
    /// The programs that are sets, by number of the set.
    sets: Vec<u32>,
    largest_set: usize,
}

/// Caches and results of one look-up at a time.
#[derive(Debug, Default)]
pub(super) struct RegexScratch {
    caches: Vec<Option<Cache>>,
    /// The sets that this look-up has run, and where their results are.
    run: Vec<u32>,
    results: Vec<PatternSet>,
}

impl RegexScratch {
    /// Forgets the results of the look-up before.
    pub(super) fn begin(&mut self) {
        self.run.clear();
    }

    fn cache<'s>(caches: &'s mut Vec<Option<Cache>>, id: u32, program: &meta::Regex) -> Option<&'s mut Cache> {
        let index = id as usize;
        if caches.len() <= index {
            caches.resize_with(index + 1, || None);
        }
        caches.get_mut(index).map(|slot| slot.get_or_insert_with(|| program.create_cache()))
    }
}

impl Regexes {
    /// Adds one program and returns its number.
    pub(super) fn add(&mut self, regex: &PathRegex) -> u32 {
        self.programs.push(regex.program().clone());
        (self.programs.len() - 1) as u32
    }

    /// Adds anchored expressions as one set; `None` where the set would be too large, and each is
    /// then to be added alone.
    pub(super) fn add_set(&mut self, patterns: &[&str]) -> Option<u32> {
        let program = meta::Regex::builder()
            .configure(configuration().match_kind(MatchKind::All).nfa_size_limit(Some(MAX_REGEX_SET_BYTES)))
            .syntax(syntax_rules())
            .build_many(patterns)
            .ok()?;
        self.largest_set = self.largest_set.max(patterns.len());
        self.programs.push(Arc::new(program));
        self.sets.push((self.programs.len() - 1) as u32);
        Some((self.sets.len() - 1) as u32)
    }

    /// Whether one program matches somewhere in the bytes.
    pub(super) fn is_match(&self, id: u32, haystack: &[u8], scratch: &mut RegexScratch) -> bool {
        let Some(program) = self.programs.get(id as usize) else { return false };
        let Some(cache) = RegexScratch::cache(&mut scratch.caches, id, program) else { return false };
        program.is_match_with(cache, &Input::new(haystack))
    }

    /// Whether the path passes a rule's test.
    pub(super) fn test(&self, test: RegexTest, path: &str, scratch: &mut RegexScratch) -> bool {
        match test {
            RegexTest::None => true,
            RegexTest::Single(id) => self.is_match(id, path.as_bytes(), scratch),
            RegexTest::Member { set, pattern } => self.member(set, pattern, path, scratch),
        }
    }

    fn member(&self, set: u32, pattern: u32, path: &str, scratch: &mut RegexScratch) -> bool {
        let id = PatternID::new_unchecked(pattern as usize);
        self.result(set, path, scratch).is_some_and(|result| result.contains(id))
    }

    /// Calls `visit` with each pattern of a set that matches the path.
    pub(super) fn each_match(&self, set: u32, path: &str, scratch: &mut RegexScratch, mut visit: impl FnMut(u32)) {
        if let Some(result) = self.result(set, path, scratch).filter(|result| !result.is_empty()) {
            result.iter().for_each(|pattern| visit(pattern.as_u32()));
        }
    }

    /// What a set says of the path: asked once a look-up.
    fn result<'s>(&self, set: u32, path: &str, scratch: &'s mut RegexScratch) -> Option<&'s PatternSet> {
        let slot = match scratch.run.iter().position(|&run| run == set) {
            Some(slot) => slot,
            None => {
                let slot = scratch.run.len();
                self.run_set(set, slot, path, scratch);
                scratch.run.push(set);
                slot
            }
        };
        scratch.results.get(slot)
    }

    fn run_set(&self, set: u32, slot: usize, path: &str, scratch: &mut RegexScratch) {
        while scratch.results.len() <= slot {
            scratch.results.push(PatternSet::new(self.largest_set));
        }
        let RegexScratch { caches, results, .. } = scratch;
        let Some(result) = results.get_mut(slot) else { return };
        result.clear();
        let Some(&id) = self.sets.get(set as usize) else { return };
        let Some(program) = self.programs.get(id as usize) else { return };
        let Some(cache) = RegexScratch::cache(caches, id, program) else { return };
        let input = Input::new(path).anchored(Anchored::Yes);
        program.which_overlapping_matches_with(cache, &input, result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_expression() {
        for (text, want) in [
            ("^/users/[0-9]+/posts", Place::Under("/users".into())),
            ("^/users/", Place::Under("/users".into())),
            ("^/users", Place::Anchored),
            ("^/a/b/c(/|$)", Place::Under("/a/b".into())),
            ("^/health$", Place::Exact("/health".into())),
            ("^/a b$", Place::Anchored),
            ("^/a b/c/", Place::Anchored),
            (r"^/a/\.\./b/", Place::Anchored),
            ("(?i)^/users/x", Place::Anchored),
            ("^(/a|/b)/c", Place::Anchored),
            (r"^/a/\.\./b/", Place::Anchored),
            ("/a/|^/b/", Place::Floating),
            ("users", Place::Floating),
            ("(?m)^/a/b", Place::Floating),
            ("^", Place::Anchored),
            ("^/", Place::Anchored),
        ] {
            let found = place(&PathRegex::new(text).unwrap());
            // `Under("")` is the root, which is as good as `Anchored`.
            let found = if found == Place::Under(String::new()) { Place::Anchored } else { found };
            assert_eq!(found, want, "{text}");
        }
    }

    #[test]
    fn a_set_says_which_of_its_patterns_match() {
        let mut regexes = Regexes::default();
        let set = regexes.add_set(&["^/a/[0-9]+", "^/a/1", "^/b", "^/a/1$"]).unwrap();
        let mut scratch = RegexScratch::default();
        for _ in 0..2 {
            scratch.begin();
            let hits: Vec<bool> =
                (0..4).map(|pattern| regexes.test(RegexTest::Member { set, pattern }, "/a/12", &mut scratch)).collect();
            assert_eq!(hits, [true, true, false, false]);
        }
    }
}
