//! Smooth weighted round robin, worked out before the first request.

use crate::limits::MAX_SEQUENCE;

/// The order in which instances of these weights take their turns, as places in `weights`.
///
/// The smooth order of nginx: 5, 1, 1 gives a a b a c a a, never five in a row. It is as long as the
/// weights' sum, after division by what they have in common. Where that is more than
/// [`MAX_SEQUENCE`], the weights are scaled down to it and rounded, to at least one turn each.
///
/// Takes a step for each turn and instance: a fraction of a microsecond for a usual pool, some
/// milliseconds for a thousand instances whose weights have nothing in common.
pub(super) fn smooth(weights: &[u16], order: &mut Vec<u16>) {
    order.clear();
    let weights = reduced(weights);
    let total: i64 = weights.iter().sum();
    if weights.iter().all(|weight| *weight == 1) {
        order.extend((0..weights.len()).map(|place| place as u16));
        return;
    }
    let mut current = vec![0_i64; weights.len()];
    for _ in 0..total {
        let mut best: Option<(usize, i64)> = None;
        for (place, (current, weight)) in current.iter_mut().zip(&weights).enumerate() {
            *current += weight;
            if best.is_none_or(|(_, most)| *current > most) {
                best = Some((place, *current));
            }
        }
        let Some((place, _)) = best else { return };
        if let Some(current) = current.get_mut(place) {
            *current -= total;
        }
        order.push(place as u16);
    }
}

/// The weights in the same proportion, or nearly, and small enough.
fn reduced(weights: &[u16]) -> Vec<i64> {
    let common = weights.iter().fold(0, |common, weight| greatest_common_divisor(common, *weight)).max(1);
    let total: usize = weights.iter().map(|weight| usize::from(weight / common)).sum();
    if total <= MAX_SEQUENCE {
        return weights.iter().map(|weight| i64::from(weight / common)).collect();
    }
    // One turn each is kept back, so that the least weight is not lost and the sum holds.
    let (shared, total) = ((MAX_SEQUENCE - weights.len().min(MAX_SEQUENCE)) as i64, total as i64);
    weights.iter().map(|weight| (i64::from(weight / common) * shared / total).max(1)).collect()
}

/// The least number that all weights divide, or one of the size of a `u32` that they nearly do.
pub(super) fn common_multiple(weights: &[u16]) -> u32 {
    let whole = weights.iter().try_fold(1_u32, |whole, weight| {
        let rest = u16::try_from(whole % u32::from((*weight).max(1))).ok()?;
        whole.checked_mul(u32::from(*weight / greatest_common_divisor(*weight, rest)))
    });
    whole.unwrap_or(u32::MAX)
}

fn greatest_common_divisor(one: u16, other: u16) -> u16 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(weights: &[u16]) -> Vec<u16> {
        let mut order = vec![9];
        smooth(weights, &mut order);
        order
    }

    fn names(weights: &[u16]) -> String {
        order(weights).iter().map(|place| char::from(b'a' + *place as u8)).collect()
    }

    #[test]
    fn the_order_is_smooth() {
        assert_eq!(names(&[5, 1, 1]), "aabacaa");
        assert_eq!(names(&[1, 1, 1]), "abc");
        assert_eq!(names(&[2, 1]), "aba");
        assert_eq!(names(&[1000]), "a");
        assert_eq!(names(&[]), "");
        // What weights have in common makes no longer order.
        assert_eq!(names(&[500, 100, 100]), "aabacaa");
        assert_eq!(names(&[7, 7]), "ab");
    }

    #[test]
    fn a_common_multiple_is_exact_while_it_can_be() {
        assert_eq!(common_multiple(&[5, 1, 1]), 5);
        assert_eq!(common_multiple(&[4, 6, 10]), 60);
        assert_eq!(common_multiple(&[]), 1);
        assert_eq!(common_multiple(&[997, 991, 983, 977]), u32::MAX);
    }

    #[test]
    fn each_has_as_many_turns_as_its_weight_says() {
        let weights = [13, 7, 1, 20, 2];
        let order = order(&weights);
        for (place, weight) in weights.iter().enumerate() {
            assert_eq!(order.iter().filter(|turn| usize::from(**turn) == place).count(), usize::from(*weight));
        }
    }

    #[test]
    fn weights_beyond_the_bound_keep_their_proportion_nearly() {
        let weights = [1000, 999, 998, 997, 500, 1];
        let order = order(&weights);
        assert!(order.len() <= MAX_SEQUENCE, "{}", order.len());
        let total: usize = weights.iter().map(|weight| usize::from(*weight)).sum();
        for (place, weight) in weights.iter().enumerate() {
            let turns = order.iter().filter(|turn| usize::from(**turn) == place).count();
            let wanted = order.len() as f64 * f64::from(*weight) / total as f64;
            assert!((turns as f64 - wanted).abs() <= 3.0, "{weight}: {turns}, not {wanted}");
            assert!(turns > 0);
        }
    }
}
