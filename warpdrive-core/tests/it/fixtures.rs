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
    #[serde(default = "get")]
    pub(crate) method: String,
    target: Option<String>,
    #[serde(default)]
    targets: Vec<String>,
    host: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) route: Option<u32>,
    #[serde(default)]
    pub(crate) no_route: bool,
    pub(crate) status: Option<u16>,
    pub(crate) reason: Option<String>,
    pub(crate) allow: Option<String>,
    pub(crate) upstream: Option<String>,
    pub(crate) upstream_target: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) normal_host: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Case {
    pub(crate) fn targets(&self) -> Vec<&str> {
        self.target.iter().chain(&self.targets).map(String::as_str).collect()
    }

    pub(crate) fn hosts(&self) -> Vec<Option<&str>> {
        match self.hosts.as_slice() {
            [] => vec![self.host.as_deref()],
            hosts => hosts.iter().map(|host| Some(host.as_str())).collect(),
        }
    }
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
