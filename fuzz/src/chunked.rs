//! The chunked transfer coding read in the plainest way, to compare with (RFC 9112 section 7.1).

/// The data and the length of a chunked body at the front of `bytes`; trailers are skipped. `None` where
/// it is malformed or not whole. Laxer than the proxy may be: any control byte passes in an extension.
pub fn plain_chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let line = line(bytes.get(at..)?)?;
        at += line.len() + 2;
        let text = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
        let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let size = usize::try_from(u64::from_str_radix(digits, 16).ok()?).ok()?;
        if size == 0 {
            break;
        }
        data.extend_from_slice(bytes.get(at..at.checked_add(size)?)?);
        at += size;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    loop {
        let length = line(bytes.get(at..)?)?.len();
        at += length + 2;
        if length == 0 {
            return Some((data, at));
        }
    }
}

/// Up to the next line end.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    bytes.get(..end)
}
