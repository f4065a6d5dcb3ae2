//! In which order instances may be chosen, by their health.

use crate::view::ViewUpstream;

/// An odd number far from any pattern, to draw another number for each instance.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The instances that are looked at in one round of a choice. A round that finds none is followed by
/// the next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Round {
    /// Those that are up, each by the share of its slow start.
    ByShare,
    /// Those that are up.
    Up,
    /// Those that are merely ejected too, because what can only fail costs nothing; and where every
    /// one is down, by `when_all_down`, none or all.
    Last,
}

impl Round {
    /// Whether the instance at that place is one of them, for a request with this number. One
    /// relaxed load, except in the last round.
    pub(super) fn has(self, upstream: &ViewUpstream, place: usize, chance: impl FnOnce() -> u64) -> bool {
        match self {
            Round::ByShare => upstream.pools.get(place).is_some_and(|pool| {
                let drawn = || (chance() ^ (place as u64 + 1).wrapping_mul(SPREAD)).wrapping_mul(SPREAD) >> 32;
                pool.instance().health.takes(drawn)
            }),
            Round::Up => upstream.is_available(place),
            Round::Last => upstream.may_have(place),
        }
    }
}
