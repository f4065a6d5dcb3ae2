//! Any bytes as a response of an instance: the same in whatever pieces it comes, and what plain readers make of it.
#![no_main]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a crash is what a target has to tell"
)]

use libfuzzer_sys::fuzz_target;
use warpdrive_fuzz::{Whole, in_pieces, plain_chunks, read_response};

fuzz_target!(|data: &[u8]| {
    let Some((&seed, bytes)) = data.split_first() else { return };
    let to_head = seed & 1 == 1;
    let whole = read_response([bytes], to_head);
    assert_eq!(read_response(in_pieces(bytes, seed), to_head), whole);
    assert_eq!(read_response(bytes.chunks(1), to_head), whole);
    if let Some(whole) = whole {
        compare(bytes, &whole, to_head);
    }
});

/// What a response says of its connection alone, which nobody else gets to see.
fn is_of_connection(field: &httparse::Header<'_>) -> bool {
    let is_usual = |option: &[u8]| option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive");
    field.name.eq_ignore_ascii_case("keep-alive")
        || (field.name.eq_ignore_ascii_case("connection")
            && field.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).all(is_usual))
}

fn compare(bytes: &[u8], whole: &Whole, to_head: bool) {
    let mut at = 0;
    for (number, (status, fields)) in whole.heads.iter().enumerate() {
        let mut space = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut space);
        let parsed = head.parse(&bytes[at..]).expect("a head that was read");
        at += parsed.unwrap();
        assert_eq!(head.code, Some(*status));
        assert_eq!(*status / 100 != 1 || *status == 101, number + 1 == whole.heads.len());
        let goes_on: Vec<_> = head.headers.iter().filter(|field| !is_of_connection(field)).collect();
        assert_eq!(goes_on.len(), fields.len());
        // Values of one name keep their order; names may not.
        for field in goes_on {
            let name = field.name.to_ascii_lowercase();
            assert!(fields.iter().any(|(have, value)| *have == name && value == field.value), "{name}");
        }
    }
    let Some((status, fields)) = whole.heads.last() else { panic!("no head") };
    let named = |wanted: &str| fields.iter().filter(|(name, _)| name == wanted).collect::<Vec<_>>();
    let rest = &bytes[at..];
    let used = if to_head || [101, 204, 304].contains(status) {
        assert!(whole.body.is_empty());
        0
    } else if let [.., (_, coding)] = named("transfer-encoding")[..] {
        let last = coding.rsplit(|byte| *byte == b',').next().unwrap_or_default();
        if last.to_ascii_lowercase().trim_ascii() == b"chunked" {
            let (data, length) = plain_chunks(rest).expect("chunks that were read");
            assert_eq!(data, whole.body);
            length
        } else {
            assert_eq!(rest, whole.body);
            rest.len()
        }
    } else if let [(_, length)] = named("content-length")[..] {
        let length: usize = std::str::from_utf8(length).unwrap().parse().unwrap();
        assert_eq!(rest.get(..length), Some(&whole.body[..]));
        length
    } else {
        assert!(named("content-length").is_empty());
        assert_eq!(rest, whole.body);
        rest.len()
    };
    assert_eq!(rest[used..], whole.left, "what is behind the response");
}
