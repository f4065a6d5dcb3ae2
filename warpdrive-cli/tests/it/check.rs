//! `warpdrive check`: every mistake with its place, and an exit code.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
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

const IN_THE_WAY: &str = r#"
[upstreams.rails]
host = "127.0.0.1"
port = 3000

[[routes]]
methods = ["GET"]
upstream = "rails"

[[routes]]
path_prefix = "/api"
upstream = "rails"
"#;

#[test]
fn a_route_in_anothers_way_is_a_warning_and_fails_a_strict_check() {
    let folder = WorkFolder::new();
    folder.write("warpdrive.toml", IN_THE_WAY);
    let check = || warpdrive().arg("check").cwd(folder.path());
    let finished = check().run();
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    assert!(finished.stderr.contains("shadowed-route"), "{}", finished.stderr);
    assert!(finished.stderr.contains("`GET /api`"), "{}", finished.stderr);
    assert!(finished.stdout.contains("1 warning"), "{}", finished.stdout);
    assert_eq!(check().arg("--strict").run().code(), Some(1));
    // The example is one that `route-test` takes, and tells the same.
    let asked = warpdrive().args(["route-test", "GET", "/api"]).cwd(folder.path()).run();
    assert!(asked.stdout.contains("route 1"), "{}", asked.stdout);
}

#[test]
fn a_finding_as_json_has_both_places() {
    let folder = WorkFolder::new();
    folder.write("warpdrive.toml", IN_THE_WAY);
    let finished = warpdrive().args(["check", "--json"]).cwd(folder.path()).run();
    assert_eq!(finished.code(), Some(0), "{finished:?}");
    let said: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(said["more"], 0);
    let finding = &said["diagnostics"][0];
    assert_eq!(finding["code"], "shadowed-route");
    assert_eq!((&finding["line"], &finding["column"]), (&json!(10), &json!(1)));
    let related = &finding["related"];
    assert_eq!((&related["line"], &related["column"]), (&json!(6), &json!(1)));
    assert_eq!(related["message"], "takes it");
    let bytes = related["bytes"][0].as_u64().unwrap() as usize;
    assert!(IN_THE_WAY[bytes..].starts_with("[[routes]]"));
}

#[test]
fn a_program_is_looked_up_in_path_and_bin() {
    let folder = WorkFolder::new();
    let text = "[upstreams.a]\nport = 3001\nprocess.command = \"PROGRAM\"\nprocess.args = [\"-p\", \"3001\"]\n";
    let check = |program: &str| {
        folder.write("warpdrive.toml", text.replace("PROGRAM", program));
        warpdrive().arg("check").cwd(folder.path()).run().stderr
    };
    for program in ["sh", "/bin/sh"] {
        assert!(!check(program).contains("program-not-found"), "{program}");
    }
    assert!(check("own-server").contains("the program `own-server` is found neither in PATH nor in `bin/`"));
    std::fs::create_dir(folder.join("bin")).unwrap();
    let file = folder.write("bin/own-server", "#!/bin/sh\n");
    assert!(check("own-server").contains("program-not-found"), "a file without the executable bit");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    for program in ["own-server", "bin/own-server", "./bin/own-server"] {
        assert!(!check(program).contains("program-not-found"), "{program}");
    }
}

#[test]
fn warnings_beyond_the_limit_are_counted() {
    let route = "[[routes]]\npath_prefix = \"/a\"\nupstream = \"rails\"\n";
    let finished = check(&format!("{}{}", IN_THE_WAY, route.repeat(151)));
    assert_eq!(finished.code(), Some(0));
    assert!(finished.stderr.contains("52 more warnings are not shown"), "{}", finished.stderr);
    assert!(finished.stdout.contains("152 warnings"), "{}", finished.stdout);
}
