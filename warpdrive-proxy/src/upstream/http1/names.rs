//! The names of response fields, and their usual values, kept from one response to the next.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::framing::Role;
use crate::limits::{KEPT_NAME_BYTES, KEPT_NAMES, KEPT_VALUE_BYTES};

/// Fields as instances write them. Nearly every response has the names of others before it: to find one here
/// costs a third of what reading it anew does, and no memory.
///
/// Most have some of their values, too: `Server`, `Content-Type`, a framework's security fields. Such a value is
/// given memory that is never freed, once for each place, so that its copies need no count of references; counting
/// them takes as long as a hundred other instructions.
#[derive(Default)]
pub(super) struct Names {
    /// Each place has the name that was read there last.
    kept: Vec<Option<Name>>,
    /// The last one that is too long to be kept.
    long: Option<Name>,
}

pub(super) struct Name {
    written: Short<KEPT_NAME_BYTES>,
    pub(super) name: HeaderName,
    pub(super) role: Role,
    usual: Usual,
    /// Memory was given to a value in this place.
    spent: bool,
}

/// A value that comes again and again.
enum Usual {
    /// Perhaps this one.
    Perhaps {
        value: Short<KEPT_VALUE_BYTES>,
        responses: u32,
        again: u32,
    },
    Known(HeaderValue),
}

/// One response in so many is asked for a value that may be usual.
const SAMPLE: u32 = 64;

/// A value is usual that was in so many of them, one after the other.
const AGAIN: u32 = 4;

impl Names {
    /// The name that is written so; nothing where it is no name.
    pub(super) fn find(&mut self, written: &[u8]) -> Option<&mut Name> {
        let place = place(written)?;
        if !matches!(self.kept.get(place), Some(Some(kept)) if kept.written.is(written)) {
            return self.read(written, place);
        }
        self.kept.get_mut(place)?.as_mut()
    }

    #[cold]
    fn read(&mut self, written: &[u8], place: usize) -> Option<&mut Name> {
        let name = HeaderName::from_bytes(written).ok()?;
        if self.kept.is_empty() {
            self.kept.resize_with(KEPT_NAMES, || None);
        }
        let short = Short::of(written);
        let kept = if short.is_some() { self.kept.get_mut(place)? } else { &mut self.long };
        let spent = short.is_none() || kept.as_ref().is_some_and(|kept| kept.spent);
        let role = Role::of(&name);
        Some(kept.insert(Name { written: short.unwrap_or_default(), name, role, usual: Usual::default(), spent }))
    }
}

impl Name {
    /// The value of its field, where it is the usual one.
    pub(super) fn usual(&mut self, value: &[u8]) -> Option<HeaderValue> {
        match &mut self.usual {
            Usual::Known(usual) => (usual.as_bytes() == value).then(|| usual.clone()),
            Usual::Perhaps { .. } if self.spent => None,
            Usual::Perhaps { responses, .. } => {
                *responses += 1;
                if *responses == SAMPLE {
                    self.spent = self.usual.sample(value);
                }
                None
            }
        }
    }
}

impl Default for Usual {
    fn default() -> Self {
        Usual::Perhaps { value: Short::default(), responses: 0, again: 0 }
    }
}

impl Usual {
    /// Looks whether this value came before. Says whether memory was given to it.
    #[cold]
    fn sample(&mut self, now: &[u8]) -> bool {
        let Usual::Perhaps { value, responses, again } = self else { return false };
        *responses = 0;
        if value.is(now) {
            *again += 1;
        } else if let Some(now) = Short::of(now) {
            (*value, *again) = (now, 1);
        } else {
            *again = 0;
        }
        if *again < AGAIN {
            return false;
        }
        let lasting: &'static [u8] = Box::leak(now.into());
        if let Ok(known) = HeaderValue::from_maybe_shared(Bytes::from_static(lasting)) {
            *self = Usual::Known(known);
        }
        true
    }
}

/// Some bytes, in place.
struct Short<const MOST: usize> {
    bytes: [u8; MOST],
    length: usize,
}

impl<const MOST: usize> Default for Short<MOST> {
    fn default() -> Self {
        Short { bytes: [0; MOST], length: 0 }
    }
}

impl<const MOST: usize> Short<MOST> {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut short = Short { length: bytes.len(), ..Self::default() };
        short.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(short)
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.bytes.get(..self.length) == Some(bytes)
    }
}

/// Where a name is kept. Of the factors that were tried, these part the names that servers and frameworks send.
fn place(written: &[u8]) -> Option<usize> {
    let (first, last) = (written.first()?, written.last()?);
    Some((usize::from(*first) * 13 + usize::from(*last) * 63 + written.len()) % KEPT_NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(names: &mut Names, written: &str) -> (String, Role) {
        let found = names.find(written.as_bytes()).unwrap();
        (found.name.as_str().to_owned(), found.role)
    }

    #[test]
    fn a_name_is_the_same_the_first_time_and_later() {
        let mut names = Names::default();
        for _ in 0..2 {
            assert_eq!(name(&mut names, "Content-Length"), ("content-length".to_owned(), Role::Length));
            assert_eq!(name(&mut names, "X-Own"), ("x-own".to_owned(), Role::Other));
        }
    }

    #[test]
    fn names_that_share_a_place_are_told_apart() {
        let mut names = Names::default();
        assert_eq!(place(b"x-abcd"), place(b"x-bacd"));
        for written in ["x-abcd", "x-bacd", "x-abcd", "x-Abcd"] {
            assert_eq!(name(&mut names, written).0, written.to_ascii_lowercase());
        }
    }

    #[test]
    fn a_long_name_is_read_and_not_kept() {
        let mut names = Names::default();
        let longest = "x".repeat(KEPT_NAME_BYTES);
        assert_eq!(name(&mut names, &longest).0, longest);
        let longer = "y".repeat(KEPT_NAME_BYTES + 1);
        assert_eq!(name(&mut names, &longer).0, longer);
        assert_eq!(names.kept.iter().flatten().count(), 1);
    }

    #[test]
    fn what_is_no_name_is_none() {
        let mut names = Names::default();
        assert!(names.find(b"").is_none());
        assert!(names.find(b"a b").is_none());
    }

    /// How many of so many responses had their value from here.
    fn usual(names: &mut Names, written: &str, value: &[u8], responses: u32) -> u32 {
        let mut count = 0;
        for _ in 0..responses {
            if let Some(usual) = names.find(written.as_bytes()).unwrap().usual(value) {
                assert_eq!(usual.as_bytes(), value);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_value_that_comes_again_and_again_is_kept() {
        let mut names = Names::default();
        assert_eq!(usual(&mut names, "Server", b"Puma", SAMPLE * AGAIN), 0);
        assert_eq!(usual(&mut names, "Server", b"Puma", 9), 9);
        assert_eq!(usual(&mut names, "Server", b"nginx", 3 * SAMPLE * AGAIN), 0);
        assert_eq!(usual(&mut names, "Server", b"Puma", 9), 9);
    }

    #[test]
    fn a_value_that_changes_or_is_long_is_not() {
        let mut names = Names::default();
        for number in 0..4 * SAMPLE * AGAIN {
            assert_eq!(usual(&mut names, "ETag", number.to_string().as_bytes(), 1), 0);
        }
        let longest = [b'x'; KEPT_VALUE_BYTES];
        assert_eq!(usual(&mut names, "Link", &longest, SAMPLE * AGAIN + 1), 1);
        let longer = [b'x'; KEPT_VALUE_BYTES + 1];
        assert_eq!(usual(&mut names, "Vary", &longer, 4 * SAMPLE * AGAIN), 0);
    }

    #[test]
    fn a_place_keeps_one_value_whatever_its_name() {
        let mut names = Names::default();
        assert_eq!(usual(&mut names, "x-abcd", b"1", SAMPLE * AGAIN + 1), 1);
        assert_eq!(usual(&mut names, "x-bacd", b"2", 4 * SAMPLE * AGAIN), 0);
    }
}
