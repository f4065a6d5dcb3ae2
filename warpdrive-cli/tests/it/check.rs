//! `warpdrive check`: every mistake with its place, and an exit code.

use testkit::{Finished, WorkFolder};

use crate::rails::example;
use crate::warpdrive::warpdrive;

fn check(text: &str) -> Finished {
    let folder = WorkFolder::new();
    folder.write("warpdrive.toml", text);
    warpdrive().arg("check").cwd(folder.path()).run()
}

const GOOD: &str = r#"
[upstreams.rails]
host = "127.0.0.1"
port = 3000

[[routes]]
path_prefix = "/"
upstream = "rails"
"#;

#[test]
fn a_good_file_passes() {
    let finished = check(GOOD);
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
}

/// The Rails example needs a token, and is without a warning then.
#[test]
fn the_rails_example_has_no_mistake() {
    let check = || warpdrive().args(["check", "--strict", "--config"]).arg(example().join("warpdrive.toml"));
    let finished = check().env("WARPDRIVE_ADMIN_TOKEN", "s3cret").run();
    assert_eq!(finished.code(), Some(0), "{}{}", finished.stdout, finished.stderr);
    let without = check().run();
    assert_eq!(without.code(), Some(2));
    assert!(without.stderr.contains("WARPDRIVE_ADMIN_TOKEN"), "{}", without.stderr);
}

#[test]
fn an_unknown_key_has_a_place_and_a_suggestion() {
    let finished = check(&GOOD.replace("path_prefix", "path_prefx"));
    assert_eq!(finished.code(), Some(2));
    let said = finished.stderr;
    assert!(said.contains("warpdrive.toml:7:1"), "{said}");
    assert!(said.contains("path_prefix"), "{said}");
}

#[test]
fn all_mistakes_are_told_at_once_sorted_by_place() {
    let text = GOOD.replace("3000", "70000").replace("upstream = \"rails\"", "upstream = \"rials\"");
    let finished = check(&text);
    assert_eq!(finished.code(), Some(2));
    let said = finished.stderr;
    let port = said.find("warpdrive.toml:4").expect("the port has a place");
    let upstream = said.find("warpdrive.toml:8").expect("the upstream has a place");
    assert!(port < upstream, "{said}");
    assert!(said.contains("`rails`"), "{said}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let finished = warpdrive().args(["check", "--config", "/nowhere/warp.toml"]).run();
    assert_eq!(finished.code(), Some(2));
    assert!(finished.stderr.contains("/nowhere/warp.toml"), "{}", finished.stderr);
}

#[test]
fn a_variable_that_cannot_be_parsed_is_named_and_beats_the_file() {
    let folder = WorkFolder::new();
    folder.write("warpdrive.toml", GOOD);
    let program = warpdrive().arg("check").cwd(folder.path());
    let finished = program.env("WARPDRIVE_HTTP_PORT", "http").run();
    assert_eq!(finished.code(), Some(2));
    assert!(finished.stderr.contains("WARPDRIVE_HTTP_PORT"), "{}", finished.stderr);
}

#[test]
fn without_file_and_target_both_ways_are_shown() {
    let folder = WorkFolder::new();
    for command in ["check", "serve"] {
        let finished = warpdrive().arg(command).cwd(folder.path()).run();
        assert_eq!(finished.code(), Some(2), "{command}: {}", finished.stderr);
        let said = finished.stderr;
        assert!(said.contains("WARPDRIVE_TARGET_PORT"), "{command}: {said}");
        assert!(said.contains("warpdrive.toml"), "{command}: {said}");
    }
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let finished = warpdrive().args(["check", "--confg", "x"]).run();
    assert_eq!(finished.code(), Some(64));
    assert!(finished.stderr.contains("--config"), "{}", finished.stderr);
}
