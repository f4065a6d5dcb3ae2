//! The routing cases as data.

use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    pub(crate) config: String,
    #[serde(rename = "case")]
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    method: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    target: Option<String>,
    #[serde(default)]
    targets: Vec<String>,
    host: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    headers_hex: Vec<(String, String)>,
    pub(crate) route: Option<u32>,
    #[serde(default)]
    pub(crate) no_route: bool,
    #[serde(default)]
    pub(crate) health_check: bool,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) upstream: Option<String>,
    pub(crate) upstream_target: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) normal_host: Option<String>,
}

/// One of the requests of a case, still without header fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'c> {
    pub(crate) method: &'c str,
    pub(crate) target: &'c str,
    pub(crate) host: Option<&'c str>,
}

impl Case {
    /// Every request of the case.
    pub(crate) fn requests(&self) -> Vec<Asked<'_>> {
        let mut methods: Vec<&str> = self.method.iter().chain(&self.methods).map(String::as_str).collect();
        if methods.is_empty() {
            methods.push("GET");
        }
        let targets: Vec<&str> = self.target.iter().chain(&self.targets).map(String::as_str).collect();
        assert!(!targets.is_empty(), "the case {:?} asks for nothing", self.name);
        let mut requests = Vec::new();
        for method in methods {
            for &target in &targets {
                requests.extend(self.hosts().into_iter().map(|host| Asked { method, target, host }));
            }
        }
        requests
    }

    /// The header fields in bytes, those written in hexadecimal last.
    pub(crate) fn fields(&self) -> Vec<(&[u8], Vec<u8>)> {
        let text = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.clone().into_bytes()));
        text.chain(self.headers_hex.iter().map(|(name, value)| (name.as_bytes(), bytes_of_hex(value)))).collect()
    }

    fn hosts(&self) -> Vec<Option<&str>> {
        match self.hosts.as_slice() {
            [] => vec![self.host.as_deref()],
            hosts => hosts.iter().map(|host| Some(host.as_str())).collect(),
        }
    }
}

fn bytes_of_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    assert!(digits.len().is_multiple_of(2), "{text:?} has half a byte");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name)
}

/// Every file of a folder with that ending, in order of names.
pub(crate) fn files(name: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{name} holds no .{ending} file");
    files
}

pub(crate) fn suites() -> Vec<(String, Suite)> {
    files("routing", "toml")
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let suite = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), suite)
        })
        .collect()
}
