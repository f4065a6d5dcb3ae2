//! Bytes as they come over a network.

/// Cuts `bytes` into pieces of sizes that follow from `seed`.
pub fn in_pieces(bytes: &[u8], seed: u8) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut state) = (bytes, u32::from(seed).wrapping_mul(0x9e37_79b9) | 1);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Mostly small, as that is where mistakes are.
        let size = 1 + (state >> 24) as usize % if state & 0x10000 == 0 { 4 } else { 64 };
        let (piece, left) = rest.split_at(size.min(rest.len()));
        rest = left;
        Some(piece)
    })
}
