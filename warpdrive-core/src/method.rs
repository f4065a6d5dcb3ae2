//! Methods, told apart by a bit each where they are usual.

use http::Method;

/// A set of methods as bits for the usual ones, and a list for the rest.
#[derive(Debug, Default)]
pub(crate) struct MethodSet {
    bits: u8,
    others: Box<[Method]>,
}

/// The tag of a method: one bit for a usual one, none for the rest.
#[inline]
pub(crate) fn method_bit(method: &str) -> u8 {
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
    pub(crate) fn new(methods: &[Method]) -> Self {
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

    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.bits == 0 && self.others.is_empty()
    }

    #[inline]
    pub(crate) fn accepts(&self, method: &str, bit: u8) -> bool {
        self.is_any() || self.bits & bit != 0 || (bit == 0 && self.others.iter().any(|other| other.as_str() == method))
    }

    /// The usual methods in it, each as its bit.
    pub(crate) fn each_bit(&self) -> impl Iterator<Item = u8> + '_ {
        (0..7).map(|shift| 1u8 << shift).filter(|bit| self.bits & bit != 0)
    }

    pub(crate) fn others(&self) -> &[Method] {
        &self.others
    }
}
