//! The conditions of one route that the index cannot decide: method, header fields, expression.

use http::Method;

use super::regexes::{RegexScratch, RegexTest, Regexes};
use super::view::Fields;
use crate::model::Route;
use crate::pattern::{HeaderCondition, HeaderTest};

/// A set of methods as bits for the usual ones, and a list for the rest.
#[derive(Debug, Default)]
pub(super) struct MethodSet {
    bits: u8,
    others: Box<[Method]>,
}

/// The tag of a method: one bit for a usual one, none for the rest.
pub(super) fn method_bit(method: &str) -> u8 {
    match method {
        "GET" => 1,
        "HEAD" => 1 << 1,
        "POST" => 1 << 2,
        "PUT" => 1 << 3,
        "DELETE" => 1 << 4,
        "PATCH" => 1 << 5,
        "OPTIONS" => 1 << 6,
        _ => 0,
    }
}

impl MethodSet {
    pub(super) fn new(methods: &[Method]) -> Self {
        let mut set = MethodSet {
            bits: methods.iter().fold(0, |bits, method| bits | method_bit(method.as_str())),
            others: methods.iter().filter(|method| method_bit(method.as_str()) == 0).cloned().collect(),
        };
        // RFC 9110 section 9.3.2: whoever answers GET answers HEAD.
        if set.bits & method_bit("GET") != 0 {
            set.bits |= method_bit("HEAD");
        }
        set
    }

    pub(super) fn is_any(&self) -> bool {
        self.bits == 0 && self.others.is_empty()
    }

    pub(super) fn accepts(&self, method: &str, bit: u8) -> bool {
        self.is_any() || self.bits & bit != 0 || (bit == 0 && self.others.iter().any(|other| other.as_str() == method))
    }

    /// The usual methods in it, each as its bit.
    pub(super) fn each_bit(&self) -> impl Iterator<Item = u8> + '_ {
        (0..7).map(|shift| 1u8 << shift).filter(|bit| self.bits & bit != 0)
    }

    pub(super) fn others(&self) -> &[Method] {
        &self.others
    }
}

/// What is left to test of a route that the index offers.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) methods: MethodSet,
    pub(super) path: RegexTest,
    /// The program of the first header expression; the others follow in order.
    pub(super) first_header_program: u32,
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
    pub(super) fn accepts_but_method(
        &self,
        route: &Route,
        facts: &Facts<'_>,
        regexes: &Regexes,
        scratch: &mut RegexScratch,
    ) -> bool {
        if !route.headers.is_empty() && !self.accepts_headers(&route.headers, facts.fields, regexes, scratch) {
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
