//! Tests of bytes, sixteen at a time: loops over arrays, which compilers turn into vector
//! instructions. Hosts and paths are read on the way of every request.

const LANES: usize = 16;

/// What short text is filled up with, and what stands behind the last byte: no test may hold for
/// it and itself.
const FILLER: u8 = b'a';

/// Whether the test holds for any byte; it is given the byte and the one behind it, which is `a`
/// for the last. A test that holds for two `a` gives true for every short text.
pub(crate) fn any(bytes: &[u8], test: impl Fn(u8, u8) -> bool) -> bool {
    let Some(most) = bytes.len().checked_sub(LANES + 1) else {
        let mut padded = [FILLER; LANES + 1];
        if let Some(start) = padded.get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
        }
        return any_of(&padded, 0, &test);
    };
    let mut found = false;
    let mut at = 0;
    while at < most {
        found |= any_of(bytes, at, &test);
        at += LANES;
    }
    // The last block overlaps the one before, which is cheaper than a shorter one.
    found | any_of(bytes, most, &test) | bytes.last().is_some_and(|&last| test(last, FILLER))
}

#[inline]
fn any_of(bytes: &[u8], at: usize, test: &impl Fn(u8, u8) -> bool) -> bool {
    let block = |at: usize| bytes.get(at..).and_then(|rest| rest.first_chunk::<LANES>());
    let (Some(these), Some(next)) = (block(at), block(at + 1)) else { return true };
    let mut found = 0u8;
    for (&byte, &behind) in these.iter().zip(next) {
        found |= u8::from(test(byte, behind));
    }
    found != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_pair_is_seen() {
        for length in 0..70 {
            let plain = vec![b'c'; length];
            assert!(!any(&plain, |byte, _| byte == b'x'), "{length}");
            for at in 0..length {
                let mut bytes = plain.clone();
                bytes[at] = b'x';
                assert!(any(&bytes, |byte, _| byte == b'x'), "{at} of {length}");
                let behind = if at + 1 < length { b'c' } else { b'a' };
                assert!(any(&bytes, |byte, next| byte == b'x' && next == behind), "{at} of {length}");
                assert_eq!(any(&bytes, |byte, next| byte == b'c' && next == b'x'), at > 0, "{at} of {length}");
            }
        }
    }
}
