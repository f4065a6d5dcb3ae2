//! `[upstreams.NAME.health]` and the keys beside it: how the health of instances is watched.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::diagnostic::{Code, Report};
use super::reader::{Keys, Raw};
use super::routes::fields_to_set;
use super::rules;
use crate::limits::{MAX_CHECK_FIELDS, MAX_CHECK_STATUSES};
use crate::model::{HealthCheck, HealthSettings, PassiveCheck, Statuses, WhenAllDown};
use crate::pattern;

/// Reads `health`, `passive`, `when_all_down` and `slow_start_secs` of an upstream.
pub(super) fn read(keys: &mut Keys<'_>, report: &mut Report) -> Option<HealthSettings> {
    let check = keys.take("health").map_or(Some(None), |raw| check(&raw, report).map(Some));
    let passive = keys.take("passive").map_or(Some(PassiveCheck::default()), |raw| passive(&raw, report));
    let when_all_down = keys.take("when_all_down").map_or(Some(WhenAllDown::default()), |raw| all_down(&raw, report));
    let slow_start = keys.take("slow_start_secs").map_or(Some(Duration::ZERO), |raw| raw.seconds_or_zero(report));
    Some(HealthSettings { check: check?, passive: passive?, when_all_down: when_all_down?, slow_start: slow_start? })
}

fn check(raw: &Raw<'_>, report: &mut Report) -> Option<HealthCheck> {
    let default = HealthCheck::default();
    let mut keys = raw.table(report)?;
    let path = keys.take("path").map_or(Some(None), |raw| path(&raw, report).map(Some));
    let host = keys.take("host").map_or(Some(None), |raw| host(&raw, report).map(Some));
    let expect = keys.take("expect").map_or(Some(default.expect), |raw| expect(&raw, report));
    let headers = keys.take("headers").map_or(Some(Vec::new()), |raw| {
        let items = raw.array(report)?;
        raw.checked(rules::count(items.len(), MAX_CHECK_FIELDS, "fields"), report)?;
        let fields = fields_to_set(&raw, report);
        raw.checked(rules::no_host_among(&fields), report)?;
        Some(fields)
    });
    let mut seconds = |key, default| keys.take(key).map_or(Some(default), |raw| raw.seconds(report));
    let interval = seconds("interval_secs", default.interval);
    let timeout = seconds("timeout_secs", default.timeout);
    let jitter = keys.take("jitter").map_or(Some(0.1), |raw| raw.share(report));
    let mut threshold = |key, default| keys.take(key).map_or(Some(default), |raw| threshold(&raw, report));
    let unhealthy = threshold("unhealthy_threshold", default.unhealthy_threshold);
    let healthy = threshold("healthy_threshold", default.healthy_threshold);
    keys.finish(report);
    let interval = interval?;
    Some(HealthCheck {
        path: path?,
        host: host?,
        expect: expect?,
        headers: headers?,
        interval,
        jitter: interval.mul_f64(jitter?),
        timeout: timeout?,
        unhealthy_threshold: unhealthy?,
        healthy_threshold: healthy?,
    })
}

fn path(raw: &Raw<'_>, report: &mut Report) -> Option<String> {
    let text = raw.text(report)?;
    // A check may have a query, which patterns may not.
    match pattern::normal_pattern(text.split('?').next().unwrap_or(&text), true) {
        Ok(_) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Some(text),
        Ok(_) => raw.bad("the path has bytes that no request target has", "escape them, such as `%20`", report),
        Err(error) => {
            report.add(Code::BadPath, raw.place(), format!("`{}`: {error}", raw.name)).help(error.hint());
            None
        }
    }
}

fn host(raw: &Raw<'_>, report: &mut Report) -> Option<String> {
    let text = raw.text(report)?;
    raw.checked(rules::check_host(&text), report)?;
    Some(text)
}

/// A number for each status, a text for a range of them.
fn expect(raw: &Raw<'_>, report: &mut Report) -> Option<Statuses> {
    let items = raw.array(report)?;
    raw.checked(rules::count(items.len(), MAX_CHECK_STATUSES, "statuses"), report)?;
    if items.is_empty() {
        return raw.bad("is empty, so no check could pass", "list statuses, or leave the key out", report);
    }
    let read = |item| {
        let item = Raw::file(raw.name.clone(), item);
        if item.is_text() {
            let text = item.text(report)?;
            item.checked(rules::statuses(&text), report)
        } else {
            item.integer(rules::FINAL_STATUS, report).map(|status| status as u16..=status as u16)
        }
    };
    let ranges: Vec<Option<RangeInclusive<u16>>> = items.iter().map(read).collect();
    ranges.into_iter().collect::<Option<Vec<_>>>().map(Statuses::new)
}

fn threshold(raw: &Raw<'_>, report: &mut Report) -> Option<u32> {
    let number = raw.integer(0..=u64::MAX, report)?;
    raw.checked(rules::threshold(number), report)
}

/// `true` and `false`, or a table.
fn passive(raw: &Raw<'_>, report: &mut Report) -> Option<PassiveCheck> {
    if !raw.is_table() {
        return raw.boolean(report).map(|on| if on { PassiveCheck::default() } else { PassiveCheck::off() });
    }
    let default = PassiveCheck::default();
    let mut keys = raw.table(report)?;
    let number = keys.take("threshold").map_or(Some(default.threshold), |raw| threshold(&raw, report));
    let longest = keys.take("max_ejection_secs").map_or(Some(default.max_ejection), |raw| raw.seconds(report));
    keys.finish(report);
    Some(PassiveCheck { threshold: number?, max_ejection: longest?, ..default })
}

fn all_down(raw: &Raw<'_>, report: &mut Report) -> Option<WhenAllDown> {
    match raw.text(report)?.as_str() {
        "503" => Some(WhenAllDown::Refuse),
        "use_all" => Some(WhenAllDown::UseAll),
        other => raw.bad(&format!("there is no `{other}`"), "write \"503\" or \"use_all\"", report),
    }
}
