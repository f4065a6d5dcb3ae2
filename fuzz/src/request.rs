//! Requests to ask of a table.

use arbitrary::{Arbitrary, Result, Unstructured};
use warpdrive_core::{Fields, RequestView};

/// Hosts in several spellings, some of which are none.
pub const HOSTS_ASKED: &[&str] =
    &["a.test", "B.test:80", "x.a.test", "y.x.A.test.", "test", "[::1]", "[0:0::1]:8", "192.0.2.1", "zzz", "a..b", ""];
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "get", "CONNECT", "TRACE", "G T"];
const SEGMENTS: &[&str] = &[
    "a", "b", "c", "ab", "", ".", "..", "%2e%2e", "a%2Fb", "a%2fb", "a;b", "..;", "..%2f", "..%5c", "%61", "A", "%41",
    "é", "%C3%A9", "x;/y", "%3b", "%", "%00", " ",
];
const TAILS: &[&str] = &["", "", "", "/", "?", "?x=/a/../b", "#/b", "?q#f"];
const STARTS: &[&str] = &["", "", "", "", "/", "http://a.test", "HTTPS://B.test:1", "http://u@a.test", "ftp://a.test"];
const WHOLE: &[&str] = &["*", "", "a", "http://b.test", "http://a.test?x", "/"];
const NAMES: &[&str] = &["x-a", "X-A", "x-b", "X-c", "other"];
const VALUES: &[&[u8]] = &[b"1", b"2", b"", b"12", b"\xff1", b"1, 2"];

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Any text where a method belongs.
    pub method: &'static str,
    /// Any text where a target belongs.
    pub target: String,
    /// The value of the Host field.
    pub host: Option<&'static str>,
    /// Names and values.
    pub fields: Vec<(&'static [u8], &'static [u8])>,
}

impl Asked {
    /// As the router sees it.
    pub fn view(&self) -> RequestView<'_> {
        RequestView {
            method: self.method,
            target: &self.target,
            host: self.host.map(str::as_bytes),
            fields: Fields::Pairs(&self.fields),
        }
    }
}

impl<'a> Arbitrary<'a> for Asked {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let method = u.choose(METHODS)?;
        let host = if u.ratio(3, 4)? { Some(*u.choose(HOSTS_ASKED)?) } else { None };
        let fields = (0..u.int_in_range(0..=3)?)
            .map(|_| Ok((u.choose(NAMES)?.as_bytes(), *u.choose(VALUES)?)))
            .collect::<Result<_>>()?;
        Ok(Asked { method, target: target(u)?, host, fields })
    }
}

fn target(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 16)? {
        return Ok((*u.choose(WHOLE)?).to_owned());
    }
    let mut target = (*u.choose(STARTS)?).to_owned();
    for _ in 0..u.int_in_range(1..=5)? {
        target.push('/');
        target.push_str(u.choose(SEGMENTS)?);
    }
    target.push_str(u.choose(TAILS)?);
    Ok(target)
}
