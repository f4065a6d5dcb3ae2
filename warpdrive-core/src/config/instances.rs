//! `[[upstreams.NAME.instances]]`: where each listens and how much of the work it gets.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;

use super::diagnostic::{Code, Place, Report};
use super::reader::{Keys, Raw};
use super::rules;
use super::upstreams::{Own, address};
use crate::limits::MAX_INSTANCES;
use crate::model::{Address, Instance};

/// Reads the list; each instance comes with the place of its address.
pub(super) fn read(raw: &Raw<'_>, report: &mut Report) -> Option<(Vec<Instance>, Vec<Place>)> {
    let items = raw.array(report)?;
    if items.is_empty() {
        return raw.checked(Err(rules::no_instance()), report);
    }
    raw.checked(rules::count(items.len(), MAX_INSTANCES, "instances"), report)?;
    let mut seen: HashMap<Address, Range<usize>> = HashMap::new();
    let mut instances = Vec::with_capacity(items.len());
    let mut places = Vec::with_capacity(items.len());
    let mut sound = true;
    for (number, item) in items.iter().enumerate() {
        let Some(mut keys) = Raw::file(format!("{}[{number}]", raw.name), item).table(report) else {
            sound = false;
            continue;
        };
        match address(&mut keys, report) {
            Own::Address(address, span) => {
                if let Some(first) = seen.get(&address) {
                    let mistake = rules::listens_twice(&address);
                    let diagnostic = report.add(mistake.code, Place::File(span.clone()), mistake.problem);
                    diagnostic.related(first.clone(), "the first one").help = mistake.help;
                    sound = false;
                } else {
                    seen.insert(address.clone(), span.clone());
                }
                places.push(Place::File(span));
                instances.extend(work(&mut keys, address, report));
            }
            Own::Absent => {
                report
                    .add(Code::MissingKey, Place::File(item.span()), format!("`{}` has no address", keys.name))
                    .help("give it `socket`, or `host` and `port`");
                work(&mut keys, Address::tcp("", 0), report);
                sound = false;
            }
            Own::Mistaken => {
                work(&mut keys, Address::tcp("", 0), report);
                sound = false;
            }
        }
        keys.finish(report);
    }
    if instances.len() == items.len() && !instances.iter().any(|instance| !instance.backup) {
        return raw.checked(Err(rules::only_backups()), report);
    }
    (sound && instances.len() == items.len()).then_some((instances, places))
}

/// Reads how much of the work an instance gets. The keys are read, and their mistakes told, also
/// where the address has a mistake of its own.
fn work(keys: &mut Keys<'_>, address: Address, report: &mut Report) -> Option<Instance> {
    let mut instance = Instance::from(address);
    let weight =
        keys.take("weight").map_or(Some(u64::from(instance.weight)), |raw| raw.integer(rules::WEIGHTS, report));
    let backup = keys.take("backup").map_or(Some(false), |raw| raw.boolean(report));
    let limit = keys.take("max_connections").map_or(Some(None), |raw| max_connections(&raw, report).map(Some));
    instance.weight = weight? as u16;
    instance.backup = backup?;
    instance.max_connections = limit?;
    Some(instance)
}

/// The most requests that an instance has at once.
pub(super) fn max_connections(raw: &Raw<'_>, report: &mut Report) -> Option<NonZeroUsize> {
    NonZeroUsize::new(raw.integer(rules::MAX_CONNECTIONS, report)? as usize)
}
