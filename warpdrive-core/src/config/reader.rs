//! Reading TOML by hand, so that every mistake is found, named and placed.

use std::ffi::OsString;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Code, Diagnostic, Place, Report};
use super::rules::{self, Mistake};
use super::suggest;

/// A value of the file or of the environment, with its name for messages.
#[derive(Clone)]
pub(super) struct Raw<'t> {
    /// Such as `server.http_port` or `WARPDRIVE_HTTP_PORT`.
    pub(super) name: String,
    value: Value<'t>,
}

#[derive(Clone)]
enum Value<'t> {
    File(&'t Spanned<DeValue<'t>>),
    Variable(String),
}

impl<'t> Raw<'t> {
    pub(super) fn file(name: String, value: &'t Spanned<DeValue<'t>>) -> Self {
        Raw { name, value: Value::File(value) }
    }

    pub(super) fn place(&self) -> Place {
        match &self.value {
            Value::File(value) => Place::File(value.span()),
            Value::Variable(_) => Place::Variable(self.name.clone()),
        }
    }

    pub(super) fn span(&self) -> Option<Range<usize>> {
        match &self.value {
            Value::File(value) => Some(value.span()),
            Value::Variable(_) => None,
        }
    }

    fn wrong_type<T>(&self, wanted: &str, report: &mut Report) -> Option<T> {
        if let Value::File(value) = &self.value {
            let found = value.get_ref().type_str();
            report.add(
                Code::WrongType,
                self.place(),
                format!("`{}` takes {wanted}, not {} {found}", self.name, article(found)),
            );
        }
        None
    }

    pub(super) fn bad<T>(&self, problem: &str, help: &str, report: &mut Report) -> Option<T> {
        let joint = if problem.starts_with("is ") { "" } else { ":" };
        report.add(Code::BadValue, self.place(), format!("`{}`{joint} {problem}", self.name)).help(help);
        None
    }

    /// Reports a mistake in this value.
    pub(super) fn refuse<'r>(&self, mistake: Mistake, report: &'r mut Report) -> &'r mut Diagnostic {
        let diagnostic = report.add(mistake.code, self.place(), mistake.message(&self.name));
        diagnostic.help = mistake.help;
        diagnostic
    }

    /// What a rule makes of this value.
    pub(super) fn checked<T>(&self, outcome: Result<T, Mistake>, report: &mut Report) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.refuse(mistake, report);
                None
            }
        }
    }

    pub(super) fn text(&self, report: &mut Report) -> Option<String> {
        match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => self.wrong_type("a text in quotes", report),
            },
            Value::Variable(text) => Some(text.clone()),
        }
    }

    /// A text that is not empty.
    pub(super) fn name_text(&self, report: &mut Report) -> Option<String> {
        let text = self.text(report)?;
        self.checked(rules::not_empty(&text), report)?;
        Some(text)
    }

    /// Whether something is switched off: `false`, or `false` or `off` as text.
    pub(super) fn is_off(&self) -> bool {
        match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::Boolean(flag) => !flag,
                DeValue::String(text) => text == "off",
                _ => false,
            },
            Value::Variable(text) => ["false", "off"].contains(&text.to_ascii_lowercase().as_str()),
        }
    }

    pub(super) fn boolean(&self, report: &mut Report) -> Option<bool> {
        match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::Boolean(flag) => Some(*flag),
                _ => self.wrong_type("true or false", report),
            },
            Value::Variable(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => self.bad(&format!("`{text}` is neither true nor false"), "write true or false", report),
            },
        }
    }

    pub(super) fn integer(&self, range: std::ops::RangeInclusive<u64>, report: &mut Report) -> Option<u64> {
        let parsed: Option<i128> = match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
                _ => return self.wrong_type("a whole number", report),
            },
            Value::Variable(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => return self.bad(&format!("`{text}` is not a whole number"), "write digits only", report),
            },
        };
        let number = parsed.and_then(|number| u64::try_from(number).ok());
        self.checked(rules::whole_number(number, &range), report)
    }

    /// Seconds, with a fraction if need be; more than nothing and at most a year.
    pub(super) fn seconds(&self, report: &mut Report) -> Option<Duration> {
        let seconds = self.number("a number of seconds", report)?;
        self.checked(rules::seconds(seconds), report)
    }

    /// The same, where 0 has a meaning too.
    pub(super) fn seconds_or_zero(&self, report: &mut Report) -> Option<Duration> {
        let seconds = self.number("a number of seconds", report)?;
        self.checked(rules::seconds_or_zero(seconds), report)
    }

    /// A share of something, from 0 to 1.
    pub(super) fn share(&self, report: &mut Report) -> Option<f64> {
        match self.number("a number", report)? {
            Some(share) if (0.0..=1.0).contains(&share) => Some(share),
            _ => self.bad("is out of range", "give a number from 0 to 1", report),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(&self.value, Value::File(value) if value.get_ref().is_str())
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(&self.value, Value::File(value) if value.get_ref().is_table())
    }

    /// The number, `Some(None)` where it is one that no `f64` holds.
    fn number(&self, wanted: &str, report: &mut Report) -> Option<Option<f64>> {
        Some(match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::Integer(number) => {
                    i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
                }
                DeValue::Float(number) => number.as_str().parse().ok(),
                _ => return self.wrong_type(wanted, report),
            },
            Value::Variable(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => {
                    return self.bad(&format!("`{text}` is not a number"), "write seconds, such as 30 or 0.5", report);
                }
            },
        })
    }

    /// A list of texts, each with its place. A variable separates them by commas.
    pub(super) fn texts(&self, report: &mut Report) -> Option<Vec<Raw<'t>>> {
        match &self.value {
            Value::File(_) => {
                let items = self.array(report)?;
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    if item.get_ref().is_str() {
                        texts.push(Raw::file(self.name.clone(), item));
                    } else {
                        let found = item.get_ref().type_str();
                        report.add(
                            Code::WrongType,
                            Place::File(item.span()),
                            format!("`{}` takes a list of texts, and this is {} {found}", self.name, article(found)),
                        );
                    }
                }
                Some(texts)
            }
            Value::Variable(text) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(|part| Raw { name: self.name.clone(), value: Value::Variable(part.to_owned()) })
                    .collect(),
            ),
        }
    }

    /// The items of an array of the file.
    pub(super) fn array(&self, report: &mut Report) -> Option<&'t [Spanned<DeValue<'t>>]> {
        match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::Array(items) => Some(items),
                _ => self.wrong_type("a list in square brackets", report),
            },
            Value::Variable(_) => None,
        }
    }

    /// The keys of a table of the file.
    pub(super) fn table(&self, report: &mut Report) -> Option<Keys<'t>> {
        match &self.value {
            Value::File(value) => match value.get_ref() {
                DeValue::Table(table) => Some(Keys::new(self.name.clone(), table, value.span())),
                _ => self.wrong_type("a table", report),
            },
            Value::Variable(_) => None,
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The keys of one table. What is asked for is known; what nobody asks for is unknown.
pub(super) struct Keys<'t> {
    /// Such as `server` or `routes[2]`, for messages.
    pub(super) name: String,
    table: &'t DeTable<'t>,
    pub(super) span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'t> Keys<'t> {
    pub(super) fn new(name: String, table: &'t DeTable<'t>, span: Range<usize>) -> Self {
        Keys { name, table, span, known: Vec::new() }
    }

    /// The value of a key; `None` where it is absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Raw<'t>> {
        self.known.push(key);
        let value = self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)?;
        Some(Raw::file(self.dotted(key), value))
    }

    fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Every entry, in file order, for tables whose keys are names.
    pub(super) fn entries(&self) -> Vec<(&'t str, Range<usize>, Raw<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .iter()
            .map(|(name, value)| (name.get_ref().as_ref(), name.span(), Raw::file(self.dotted(name.get_ref()), value)))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        entries
    }

    /// Reports every key that nobody asked for, with the nearest one that exists.
    pub(super) fn finish(self, report: &mut Report) {
        for (name, _) in self.table.iter() {
            let key = name.get_ref().as_ref();
            if self.known.contains(&key) {
                continue;
            }
            let section = if self.name.is_empty() { "the file".to_owned() } else { format!("`{}`", self.name) };
            let diagnostic =
                report.add(Code::UnknownKey, Place::File(name.span()), format!("unknown key `{key}` in {section}"));
            match suggest::nearest(key, &self.known) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("it knows {}", self.known.join(", "))),
            };
        }
    }
}

/// The environment, as pairs. Empty variables count as unset.
pub(super) struct Environment {
    variables: Vec<(String, String)>,
    asked: Vec<String>,
}

impl Environment {
    pub(super) fn new(pairs: &[(OsString, OsString)], report: &mut Report) -> Self {
        let mut variables = Vec::new();
        for (name, value) in pairs {
            let Some(name) = name.to_str().filter(|name| name.starts_with("WARPDRIVE_") || *name == "PORT") else {
                continue;
            };
            match value.to_str() {
                Some("") => {}
                Some(value) => variables.push((name.to_owned(), value.to_owned())),
                None => {
                    report
                        .add(Code::BadVariable, Place::Variable(name.to_owned()), "its value is not UTF-8")
                        .help("set it to plain text, or unset it");
                }
            }
        }
        Environment { variables, asked: Vec::new() }
    }

    /// The value of a variable; asking makes the name known.
    pub(super) fn take<'t>(&mut self, name: &str) -> Option<Raw<'t>> {
        self.asked.push(name.to_owned());
        let (name, text) = self.variables.iter().find(|(other, _)| other == name)?;
        Some(Raw { name: name.clone(), value: Value::Variable(text.clone()) })
    }

    /// Warns of every variable of ours that nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        for (name, _) in &self.variables {
            // Kubernetes makes these for a service that is called warpdrive.
            let injected =
                name == "PORT" || name.starts_with("WARPDRIVE_PORT") || name.starts_with("WARPDRIVE_SERVICE_");
            if injected || self.asked.contains(name) {
                continue;
            }
            let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
            let diagnostic =
                report.add(Code::UnknownVariable, Place::Variable(name.clone()), "no setting has this name");
            if let Some(near) = suggest::nearest(name, &known) {
                diagnostic.help(format!("did you mean `{near}`?"));
            }
        }
    }
}

/// One section of scalars, each of which the environment may override.
pub(super) struct Section<'s, 't> {
    pub(super) keys: Keys<'t>,
    pub(super) environment: &'s mut Environment,
    /// `WARPDRIVE_` or `WARPDRIVE_CACHE_` and the like.
    prefix: &'static str,
}

impl<'s, 't> Section<'s, 't> {
    pub(super) fn new(keys: Keys<'t>, environment: &'s mut Environment, prefix: &'static str) -> Self {
        Section { keys, environment, prefix }
    }

    /// The value of a key: the environment's, else the file's.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Raw<'t>> {
        let variable = format!("{}{}", self.prefix, key.to_ascii_uppercase());
        let from_file = self.keys.take(key);
        self.environment.take(&variable).or(from_file)
    }
}
