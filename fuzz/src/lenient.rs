//! A careless server's reading of a path, written by other lines than the library's own, so that
//! a mistake there is not repeated here.

/// The segments that a careless server would see: the path cut at `/`, each segment cut at `;`
/// and decoded once, a slash or backslash that comes to light taken as a separator, empty and dot
/// segments resolved. `None` where `..` climbs above the root.
pub fn lenient_segments(path: &str) -> Option<Vec<Vec<u8>>> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for written in path.split('/') {
        let decoded = decoded(written.split(';').next().unwrap_or_default());
        for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
            match segment {
                b"" | b"." => {}
                b".." => drop(segments.pop()?),
                other => segments.push(other.to_vec()),
            }
        }
    }
    Some(segments)
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((&first, rest)) = bytes.split_first() {
        let escape = rest.split_at_checked(2).filter(|_| first == b'%').and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = escape.unwrap_or((first, rest));
        out.push(byte);
        bytes = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_careless_server_does() {
        for (path, want) in [
            ("/a/..%2fb", Some(vec!["b"])),
            ("/a/..;x/b", Some(vec!["b"])),
            ("/a%5Cb;y//c", Some(vec!["a", "b", "c"])),
            ("/a/..%2f..", None),
            ("/a%3Bb", Some(vec!["a;b"])),
        ] {
            let want = want.map(|segments| segments.into_iter().map(|text| text.as_bytes().to_vec()).collect());
            assert_eq!(lenient_segments(path), want, "{path}");
        }
    }
}
