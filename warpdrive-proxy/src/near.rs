//! Looking for a byte that is mostly near.

use memchr::memchr;

/// Where the first such byte is. Of a byte that ends a name or a line: a call that finds out what the processor can do
/// takes as long as looking at forty bytes.
pub(crate) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH_BITS: u64 = ONES << 7;
    /// Times eight bytes.
    const NEAR: usize = 8;
    let mut at = 0;
    for eight in bytes.as_chunks().0.iter().take(NEAR) {
        let differences = u64::from_le_bytes(*eight) ^ (ONES * u64::from(byte));
        // The lowest high bit that is set belongs to the first byte without a difference.
        let same = differences.wrapping_sub(ONES) & !differences & HIGH_BITS;
        if same != 0 {
            return Some(at + same.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr(byte, bytes.get(at..)?).map(|further| at + further)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..150 {
            let mut bytes = vec![b'\x0b'; length];
            assert_eq!(find(b'\n', &bytes), None);
            for place in (0..length).rev() {
                bytes[place] = b'\n';
                assert_eq!(find(b'\n', &bytes), Some(place));
            }
        }
    }
}
