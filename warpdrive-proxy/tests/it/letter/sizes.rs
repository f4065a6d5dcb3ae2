//! Every limit of a head, one below, at and one above.

use testkit::Case;

use super::{get, try_all};

/// As `limits.rs` has them.
const TARGET_BYTES: usize = 32 * 1024;
const HEAD_BYTES: usize = 64 * 1024;
const FIELDS: usize = 100;

/// A target of so many bytes, long in its path or in its query.
fn targets(length: usize) -> [String; 2] {
    ["/a", "/?"].map(|start| start.to_owned() + &"a".repeat(length - 2))
}

#[test]
fn a_target_of_32_kib_passes_and_one_byte_more_is_414() {
    let mut cases = Vec::new();
    for (length, passes) in [(TARGET_BYTES - 1, true), (TARGET_BYTES, true), (TARGET_BYTES + 1, false)] {
        for target in targets(length) {
            let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let name = format!("{length} bytes of {:?}", target.get(..2));
            cases.push(if passes { Case::passed(name, bytes, "") } else { Case::refused(name, bytes, 414) });
        }
    }
    try_all(&cases);
}

#[test]
fn a_hundred_fields_pass_and_one_more_is_431() {
    let fields = |count: usize| (2..=count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    try_all(&[
        Case::passed("99", get(&fields(FIELDS - 1)), ""),
        Case::passed("100", get(&fields(FIELDS)), ""),
        Case::refused("101", get(&fields(FIELDS + 1)), 431),
    ]);
}

#[test]
fn a_head_of_64_kib_passes_and_one_byte_more_is_431() {
    let head = |length: usize| {
        let empty = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(length - empty))
    };
    try_all(&[
        Case::passed("one byte less", head(HEAD_BYTES - 1), ""),
        Case::passed("the limit", head(HEAD_BYTES), ""),
        Case::refused("one byte more", head(HEAD_BYTES + 1), 431),
        Case::refused("far more", head(HEAD_BYTES * 4), 431),
    ]);
}
