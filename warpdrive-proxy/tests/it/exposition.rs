//! A strict reader of Prometheus' text format 0.0.4: what it refuses, a scrape might too.

use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// Every sample of a text.
pub(crate) struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
    histograms: BTreeSet<String>,
}

impl Exposition {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parsed = Exposition { samples: BTreeMap::new(), histograms: BTreeSet::new() };
        let (mut helped, mut typed): (BTreeSet<String>, BTreeSet<String>) = Default::default();
        let (mut family, mut kind) = (String::new(), String::new());
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        for line in text.lines() {
            let wrong = |what: &str| format!("{what}: {line}");
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, _) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
                if !helped.insert(name.to_owned()) {
                    return Err(wrong("a second HELP"));
                }
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, what) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
                if !typed.insert(name.to_owned()) || !helped.contains(name) {
                    return Err(wrong("a second TYPE, or one without HELP"));
                }
                if !["counter", "gauge", "histogram"].contains(&what) || (what == "counter") != name.ends_with("_total")
                {
                    return Err(wrong("a type that does not go with the name"));
                }
                (family, kind) = (name.to_owned(), what.to_owned());
                if kind == "histogram" {
                    parsed.histograms.insert(family.clone());
                }
            } else {
                let (name, labels, value) = sample(line).ok_or_else(|| wrong("no sample"))?;
                let suffix = name.strip_prefix(&family).ok_or_else(|| wrong("a sample outside its family"))?;
                let fits = if kind == "histogram" {
                    ["_bucket", "_sum", "_count"].contains(&suffix)
                } else {
                    suffix.is_empty()
                };
                if !fits || value.is_nan() || (kind != "gauge" && value < 0.0) {
                    return Err(wrong("a sample that is none of its family's"));
                }
                if parsed.samples.insert((name, labels), value).is_some() {
                    return Err(wrong("a second sample"));
                }
            }
        }
        Ok(parsed)
    }

    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// Buckets never fall, and the last one is the count.
    pub(crate) fn check_histograms(&self) {
        assert!(!self.histograms.is_empty());
        for name in &self.histograms {
            let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            for ((sample, labels), value) in &self.samples {
                if *sample == format!("{name}_bucket") {
                    let mut labels = labels.clone();
                    let end = labels.remove("le").unwrap();
                    series.entry(labels).or_default().push((end.parse().unwrap(), *value));
                }
            }
            assert!(!series.is_empty(), "{name}");
            for (labels, mut buckets) in series {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name}{labels:?}: {buckets:?}");
                let (end, most) = buckets.last().unwrap();
                assert_eq!((*end, Some(most)), (f64::INFINITY, self.samples.get(&(format!("{name}_count"), labels))));
            }
        }
    }
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return None;
    }
    let mut labels = Labels::new();
    let value = match rest.strip_prefix('{') {
        None => rest.strip_prefix(' ')?,
        Some(mut rest) => loop {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => break after.strip_prefix("} ")?,
            }
        },
    };
    Some((name.to_owned(), labels, value.parse().ok()?))
}

/// The text up to the closing quotation mark, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            plain => value.push(plain),
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[test]
fn the_reader_refuses_what_is_wrong() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    assert!(Exposition::parse(&format!("{head}a_total{{x=\"1\"}} 2\n")).is_ok());
    for bad in [
        "a_total 1",
        "b 1\n",
        "a_total -1\n",
        "a_total 1\na_total 1\n",
        "a_total{x=\"\\q\"} 1\n",
        "a_total{x=\"\"\"} 1\n",
    ] {
        assert!(Exposition::parse(&format!("{head}{bad}")).is_err(), "{bad:?}");
    }
}
