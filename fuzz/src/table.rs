//! Tables of routes, as configuration text.

use arbitrary::{Arbitrary, Result, Unstructured};

const HOSTS: &[&str] = &["*", "a.test", "b.test", "*.test", "*.a.test", "[::1]", "x.a.test", "192.0.2.1"];
const SEGMENTS: &[&str] = &["a", "b", "c", "ab", "a%2Fb", "a;b", "%61", "A", "é"];
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "get"];
const NAMES: &[&str] = &["x-a", "X-B", "x-c"];
const VALUES: &[&str] = &["1", "2", "", "12"];
/// The parts between the anchors of an expression.
const PIECES: &[&str] = &["/", "/a", "/b", "a", "b", "[a-z]+", "(b|c)", ".*", "[^/]*", "/a/", "%2F", "/ab?", "c{2}"];
const MOST_ROUTES: usize = 40;
/// Many, since compiling a table takes thirty times as long as asking it.
const MOST_REQUESTS: usize = 32;

/// A table of routes as configuration text, and requests to ask of it.
#[derive(Debug)]
pub struct Table {
    /// The whole configuration.
    pub config: String,
    /// What is asked of it.
    pub requests: Vec<crate::Asked>,
}

/// `[server]` and the one upstream of every table here.
pub fn case_config(merge_slashes: bool, method_not_allowed: bool, routes: &str) -> String {
    format!(
        "[server]\nmerge_slashes = {merge_slashes}\nmethod_not_allowed = {method_not_allowed}\n[upstreams.u]\nport = 1\n{routes}"
    )
}

impl<'a> Arbitrary<'a> for Table {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let (merge, answer_405) = (u.arbitrary()?, u.arbitrary()?);
        let count = u.int_in_range(1..=MOST_REQUESTS)?;
        let requests = (0..count).map(|_| u.arbitrary()).collect::<Result<Vec<crate::Asked>>>()?;
        let mut routes = String::new();
        for _ in 0..MOST_ROUTES {
            if u.is_empty() {
                break;
            }
            route(u, &mut routes)?;
        }
        if routes.is_empty() {
            return Err(arbitrary::Error::NotEnoughData);
        }
        Ok(Table { config: case_config(merge, answer_405, &routes), requests })
    }
}

fn route(u: &mut Unstructured<'_>, out: &mut String) -> Result<()> {
    out.push_str("[[routes]]\nupstream = \"u\"\n");
    match u.int_in_range(0..=15)? {
        0 => {}
        1..=7 => {
            let path = path(u)?;
            out.push_str(&format!("path_prefix = {path:?}\n"));
            if u.ratio(1, 4)? {
                out.push_str("strip_prefix = true\n");
            }
        }
        8..=12 => out.push_str(&format!("path_exact = {:?}\n", path(u)?)),
        _ => out.push_str(&format!("path_regex = {:?}\n", expression(u)?)),
    }
    if u.ratio(1, 2)? {
        out.push_str(&format!("hosts = {:?}\n", some(u, HOSTS, 3)?));
    }
    if u.ratio(1, 3)? {
        out.push_str(&format!("methods = {:?}\n", some(u, METHODS, 3)?));
    }
    if u.ratio(1, 3)? {
        let count = u.int_in_range(1..=2)?;
        let conditions = (0..count).map(|_| condition(u)).collect::<Result<Vec<String>>>()?;
        out.push_str(&format!("headers = [{}]\n", conditions.join(", ")));
    }
    Ok(())
}

fn path(u: &mut Unstructured<'_>) -> Result<String> {
    let mut path = String::new();
    for _ in 0..u.int_in_range(0..=4)? {
        path.push('/');
        path.push_str(u.choose(SEGMENTS)?);
    }
    if path.is_empty() || u.ratio(1, 4)? {
        path.push('/');
    }
    Ok(path)
}

fn expression(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    text.push_str(u.choose(&["^", "^", "^", "", "(?i)^", "(?m)^", "^(/a|/b)"])?);
    for _ in 0..u.int_in_range(0..=4)? {
        text.push_str(u.choose(PIECES)?);
    }
    text.push_str(u.choose(&["", "", "$", "/", "(/|$)", "|^/b"])?);
    Ok(text)
}

fn condition(u: &mut Unstructured<'_>) -> Result<String> {
    let (name, value) = (u.choose(NAMES)?, u.choose(VALUES)?);
    // Few expressions, which take most of the time.
    Ok(match u.int_in_range(0..=7)? {
        0..=4 => format!("{{ name = {name:?}, value = {value:?} }}"),
        5 | 6 => format!("{{ name = {name:?}, present = true }}"),
        _ => format!("{{ name = {name:?}, regex = \"^{value}\" }}"),
    })
}

/// At least one of them.
fn some<'t>(u: &mut Unstructured<'_>, from: &[&'t str], most: usize) -> Result<Vec<&'t str>> {
    (0..u.int_in_range(1..=most)?).map(|_| u.choose(from).copied()).collect()
}
