//! One meaning: `route-test` answers every case of `testdata/routing` as the library does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use testkit::{Json, WorkFolder};

use crate::fixtures::{Asked, Case, suites};
use crate::warpdrive::warpdrive;

#[test]
fn route_test_decides_every_routing_case_as_written() {
    let folder = WorkFolder::new();
    let suites = suites();
    let mut questions: Vec<(PathBuf, &Case, Asked<'_>)> = Vec::new();
    let mut unspeakable = 0;
    for (suite_name, suite) in &suites {
        let config = folder.write(format!("{suite_name}.toml"), &suite.config);
        for case in &suite.cases {
            for asked in case.requests() {
                // No argument of a program holds a NUL.
                match asked.target.contains('\0') || asked.host.is_some_and(|host| host.contains('\0')) {
                    true => unspeakable += 1,
                    false => questions.push((config.clone(), case, asked)),
                }
            }
        }
    }
    assert!(questions.len() > 1000 && unspeakable < 10, "{} asked, {unspeakable} left out", questions.len());
    // Each answer is a process that one core is busy with.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let differences: Vec<String> = std::thread::scope(|scope| {
        let share = questions.len().div_ceil(cores);
        let threads: Vec<_> = questions
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().flat_map(differences).collect::<Vec<String>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What the answer has otherwise than the case.
fn differences((config, case, asked): &(PathBuf, &Case, Asked<'_>)) -> Vec<String> {
    let mut program = warpdrive().args(["route-test", "--json", "--config"]).arg(config);
    program = match asked.host {
        Some(host) => program.arg("--host").arg(host),
        None => program.arg("--no-host"),
    };
    for (name, value) in case.fields() {
        program = program.arg("-H").arg(OsString::from_vec([name, b": ", &value].concat()));
    }
    // What begins with a hyphen is no option here.
    let finished = program.args(["--", asked.method, asked.target]).run();
    let what = format!("{}: {}: {asked:?}", config.display(), case.name);
    let Ok(answer) = finished.stdout.parse::<Json>() else { return vec![format!("{what}: no answer: {finished:?}")] };
    let wanted_outcome = match (case.route, case.no_route) {
        _ if case.health_check => "health_check",
        (Some(_), _) => "routed",
        (None, true) => "no_route",
        (None, false) => "rejected",
    };
    let status = case.status.or(case.no_route.then_some(404)).or(case.health_check.then_some(200));
    let mut expected = vec![
        ("outcome", &answer["outcome"], Json::from(wanted_outcome)),
        ("route", &answer["route"]["number"], Json::from(case.route)),
        ("status", &answer["status"], Json::from(status)),
        ("code", &answer["code"], Json::from(case.reason.as_deref())),
        ("allow", &answer["allow"], Json::from(case.allow.as_deref())),
    ];
    for (key, wanted) in [
        ("upstream", &case.upstream),
        ("upstream_target", &case.upstream_target),
        ("path", &case.path),
        ("host", &case.normal_host),
    ] {
        if let Some(wanted) = wanted {
            expected.push((key, &answer[key], Json::from(wanted.as_str())));
        }
    }
    let mut wrong: Vec<String> = expected
        .into_iter()
        .filter(|(_, seen, wanted)| *seen != wanted)
        .map(|(key, seen, wanted)| format!("{what}: {key} is {seen}, not {wanted}"))
        .collect();
    let code = if case.route.is_some() || case.health_check { 0 } else { 1 };
    if finished.code() != Some(code) {
        wrong.push(format!("{what}: exit code {:?}, not {code}", finished.code()));
    }
    wrong
}
