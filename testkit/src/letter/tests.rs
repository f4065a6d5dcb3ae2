use super::*;

const GET: &str = "GET %T HTTP/1.1\r\nHost: a\r\n\r\n";

/// Whether these cases fail where there is no proxy at all.
fn fails(cases: &[Case]) -> bool {
    let mut letter = Letter::new(Endpoint::clone);
    for case in cases {
        letter.try_case(case);
    }
    // No proxy means that no connection stays open.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| letter.finish())).is_err()
}

#[test]
fn what_passes_is_no_failure() {
    let post = "POST %T HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    assert!(!fails(&[Case::passed("GET", GET, ""), Case::passed("POST", post, "hello").meaning("%T", "a")]));
}

#[test]
fn everything_else_is_one() {
    assert!(fails(&[Case::passed("another body", GET, "hello")]));
    assert!(fails(&[Case::passed("another target", GET, "").meaning("/", "a")]));
    assert!(fails(&[Case::passed("another host", GET, "").meaning("%T", "b")]));
    assert!(fails(&[Case::refused("not refused", GET, 400)]));
    assert!(fails(&[Case::passed("hop by hop", "GET %T HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n", "")]));
    assert!(fails(&[]));
}
