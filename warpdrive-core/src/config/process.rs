//! `process` of an upstream: what to start for it.

use super::diagnostic::{Code, Place, Report};
use super::findings::ProcessPlaces;
use super::inactive;
use super::reader::Raw;
use crate::model::ProcessSettings;

/// Reads `process`.
pub(super) fn read(raw: &Raw<'_>, report: &mut Report) -> Option<(ProcessSettings, ProcessPlaces)> {
    let mut places = ProcessPlaces::default();
    let mut keys = raw.table(report)?;
    let command = match keys.take("command") {
        Some(raw) => {
            places.command = raw.span().unwrap_or_default();
            raw.name_text(report)
        }
        None => {
            report
                .add(Code::MissingKey, raw.place(), format!("`{}` has no command", raw.name))
                .help("add `process.command = \"…\"`");
            None
        }
    };
    let args = keys.take("args").and_then(|raw| raw.texts(report)).unwrap_or_default();
    places.args = args.iter().map(|arg| arg.span().unwrap_or_default()).collect();
    let args = args.iter().filter_map(|arg| arg.text(report)).collect();
    let mut env = Vec::new();
    if let Some(table) = keys.take("env").and_then(|raw| raw.table(report)) {
        for (name, span, value) in table.entries() {
            if name.is_empty() || name.contains(['=', '\0']) {
                report.add(Code::BadValue, Place::File(span), format!("`{name}` is not a variable's name"));
                continue;
            }
            env.extend(value.text(report).map(|value| (name.to_owned(), value)));
        }
    }
    keys.finish(report);
    inactive(report, raw.place(), "`process`", "start the program yourself");
    Some((ProcessSettings { command: command?, args, env }, places))
}
