//! The conditions of one route that the index cannot decide: method, header fields, expression.

use super::regexes::{RegexScratch, RegexTest, Regexes};
use super::view::Fields;
use crate::method::MethodSet;
use crate::model::Route;
use crate::pattern::{HeaderCondition, HeaderTest};

/// What is left to test of a route that the index offers.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) methods: MethodSet,
    pub(super) path: RegexTest,
    /// The program of the first header expression; the others follow in order.
    pub(super) first_header_program: u32,
    /// Whether the route has header conditions. It stands here so that no route is fetched from
    /// memory before it is chosen.
    pub(super) has_headers: bool,
    /// Whether there is nothing left to test: no later candidate can win.
    pub(super) unconditional: bool,
}

/// The parts of a request that rules read.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) method: &'a str,
    pub(super) method_bit: u8,
    /// `None` is the target `*`.
    pub(super) path: Option<&'a str>,
    pub(super) fields: Fields<'a>,
}

impl Rule {
    /// Whether every condition but the method holds.
    #[inline]
    pub(super) fn accepts_but_method<'r>(
        &self,
        route: impl FnOnce() -> Option<&'r Route>,
        facts: &Facts<'_>,
        regexes: &Regexes,
        scratch: &mut RegexScratch,
    ) -> bool {
        if self.has_headers
            && !route().is_some_and(|route| self.accepts_headers(&route.headers, facts.fields, regexes, scratch))
        {
            return false;
        }
        match self.path {
            RegexTest::None => true,
            test => facts.path.is_some_and(|path| regexes.test(test, path, scratch)),
        }
    }

    fn accepts_headers(
        &self,
        conditions: &[HeaderCondition],
        fields: Fields<'_>,
        regexes: &Regexes,
        scratch: &mut RegexScratch,
    ) -> bool {
        let mut program = self.first_header_program;
        conditions.iter().all(|condition| match &condition.test {
            HeaderTest::Exact(wanted) => fields.any(&condition.name, |value| wanted.as_bytes() == value),
            HeaderTest::Present => fields.any(&condition.name, |_| true),
            HeaderTest::Regex(_) => {
                let id = program;
                program += 1;
                fields.any(&condition.name, |value| regexes.is_match(id, value, scratch))
            }
        })
    }
}
