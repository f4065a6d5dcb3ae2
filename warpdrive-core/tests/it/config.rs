//! Configurations: the mission's own, and every kind of mistake.

use std::collections::BTreeSet;
use std::ffi::OsString;

use warpdrive_core::Router;
use warpdrive_core::config::{Code, ConfigErrors, Diagnostic, Loaded, Severity, Source, load};
use warpdrive_core::model::{HealthSettings, Instance, PassiveCheck, SameSite, Strategy, Upstream, WhenAllDown};

use crate::fixtures::files;

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

fn load_with(text: Option<&str>, pairs: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let source = text.map_or_else(Source::without_file, |text| Source::file("warpdrive.toml", text));
    load(source.with_env(&env(pairs)))
}

/// Every example of the mission loads, and its routes compile. The two findings are true: neither
/// process is told the sockets of its upstream.
#[test]
fn the_missions_examples_load() {
    let mut findings = Vec::new();
    for path in files("config/mission", "toml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load_with(Some(&text), &[("WARPDRIVE_ADMIN_TOKEN", "s3cret")])
            .unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
        let health = loaded.warnings.iter().find(|warning| warning.to_string().contains("`health`"));
        assert_eq!(health, None, "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found = loaded.warnings.iter().filter(|warning| warning.code >= Code::DuplicateRoute);
        findings.extend(found.map(|warning| (name.clone(), warning.code, warning.position.unwrap().0)));
        Router::compile(loaded.model).unwrap();
    }
    let files: Vec<(&str, Code, usize)> =
        findings.iter().map(|(name, code, line)| (name.as_str(), *code, *line)).collect();
    assert_eq!(
        files,
        [
            ("16-process-supervision-integration.toml", Code::AddressNotInProcess, 8),
            ("17-complete-real-world-example.toml", Code::AddressNotInProcess, 13),
        ]
    );
}

/// A warning with the place that takes part in it.
fn shown(warning: &Diagnostic) -> String {
    match (&warning.related, warning.related_position) {
        (Some((_, role)), Some((line, column))) => format!("{warning}; {line}:{column}: {role}"),
        _ => warning.to_string(),
    }
}

/// One bad file for each code, with the exact message beside it; every code is covered.
#[test]
fn every_mistake_has_its_message() {
    let mut seen = BTreeSet::new();
    for path in files("config/bad", "toml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let wanted = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        let mut pairs = vec![];
        for line in text.lines().filter_map(|line| line.strip_prefix("# env ")) {
            pairs.push(line.split_once('=').unwrap());
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = if text.contains("# no file") { Source::without_file() } else { Source::file(&name, &text) };
        let installed = |program: &str| text.lines().any(|line| line.strip_prefix("# program ") == Some(program));
        let asks_for_programs = text.contains("# program ");
        let (env, installed) = (env(&pairs), &installed as &dyn Fn(&str) -> bool);
        let source = source.with_env(&env);
        let source = if asks_for_programs { source.with_programs(installed) } else { source };
        let (shown, codes): (String, Vec<Code>) = match load(source) {
            Ok(loaded) => {
                let lines: Vec<String> = loaded.warnings.iter().map(shown).collect();
                (lines.join("\n"), loaded.warnings.iter().map(|warning| warning.code).collect())
            }
            Err(errors) => (errors.to_string(), errors.iter().map(|error| error.code).collect()),
        };
        if std::env::var_os("WARPDRIVE_BLESS_TESTS").is_some() {
            std::fs::write(path.with_extension("txt"), format!("{shown}\n")).unwrap();
        } else {
            assert_eq!(shown.trim(), wanted.trim(), "{name}");
        }
        seen.extend(codes);
    }
    let missing: Vec<&str> = Code::ALL.iter().filter(|code| !seen.contains(code)).map(|code| code.as_str()).collect();
    // A variable that is not text cannot stand in a file of text: tested below.
    // The search for routes in each other's way ends only in a file too large to keep: `findings`.
    assert_eq!(missing, ["bad-variable", "findings-incomplete"]);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text() {
    use std::os::unix::ffi::OsStringExt;
    let pairs = [(OsString::from("WARPDRIVE_HTTP_PORT"), OsString::from_vec(vec![0xff]))];
    let errors = load(Source::file("f", "[upstreams.a]\nport = 1\n").with_env(&pairs)).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "WARPDRIVE_HTTP_PORT: error[bad-variable]: its value is not UTF-8; help: set it to plain text, or unset it"
    );
    // A variable of someone else's may hold anything.
    let pairs =
        [(OsString::from("LS_COLORS"), OsString::from_vec(vec![0xff])), ("WARPDRIVE_TARGET_PORT".into(), "1".into())];
    assert!(load(Source::without_file().with_env(&pairs)).is_ok());
}

#[test]
fn the_environment_beats_the_file_beats_the_defaults() {
    let text =
        "[server]\nhttp_port = 1000\nworker_threads = 3\n[middleware]\nlog_requests = true\n[upstreams.a]\nport = 1\n";
    let loaded = load_with(
        Some(text),
        &[
            ("WARPDRIVE_HTTP_PORT", "2000"),
            ("WARPDRIVE_WORKER_THREADS", ""),
            ("WARPDRIVE_MIDDLEWARE_LOG_REQUESTS", "off"),
            ("WARPDRIVE_TRUSTED_PROXIES", "10.0.0.0/8, private"),
            ("WARPDRIVE_READ_TIMEOUT_SECS", "0.5"),
            ("PORT", "3000"),
            ("WARPDRIVE_PORT_80_TCP", "tcp://1.2.3.4"),
            ("WARPDRIVE_SERVICE_HOST", "1.2.3.4"),
        ],
    )
    .unwrap();
    assert_eq!(loaded.warnings, []);
    let settings = loaded.model.settings();
    assert_eq!(settings.server.http_port, 2000);
    assert_eq!(settings.server.worker_threads.map(|count| count.get()), Some(3));
    assert!(!settings.middleware.log_requests);
    assert!(settings.server.trusted_proxies.contains("10.1.1.1".parse().unwrap()));
    assert_eq!(settings.server.timeouts.read.as_millis(), 500);
    assert_eq!(loaded.model.routes()[0].limits.read_timeout.as_millis(), 500);
}

#[test]
fn the_platforms_port_counts_where_nothing_else_is_set() {
    let port =
        |text: &str, pairs: &[(&str, &str)]| load_with(Some(text), pairs).unwrap().model.settings().server.http_port;
    assert_eq!(port("", &[]), 8080);
    assert_eq!(port("", &[("PORT", "5000")]), 5000);
    assert_eq!(port("[server]\nhttp_port = 1\n", &[("PORT", "5000")]), 1);
    assert_eq!(port("", &[("PORT", "5000"), ("WARPDRIVE_HTTP_PORT", "6000")]), 6000);
}

#[test]
fn the_simple_mode() {
    let loaded = load_with(None, &[("WARPDRIVE_TARGET_PORT", "3000")]).unwrap();
    assert_eq!(loaded.model.upstreams()[0].instances[0].address.to_string(), "127.0.0.1:3000");
    assert!(loaded.model.settings().server.trusted_proxies.contains("10.1.1.1".parse().unwrap()));
    assert_eq!(loaded.model.routes().len(), 1);
    let loaded =
        load_with(None, &[("WARPDRIVE_TARGET_SOCKET", "/tmp/puma.sock"), ("WARPDRIVE_TRUSTED_PROXIES", "1.2.3.4")])
            .unwrap();
    assert_eq!(loaded.model.upstreams()[0].instances[0].address.to_string(), "unix:/tmp/puma.sock");
    assert!(!loaded.model.settings().server.trusted_proxies.contains("10.1.1.1".parse().unwrap()));
    // With a file, nobody is trusted unless it says so, and `default` takes the target's address.
    let text = "[upstreams.default]\n[[routes]]\nupstream = \"default\"\n";
    let loaded =
        load_with(Some(text), &[("WARPDRIVE_TARGET_HOST", "app.internal"), ("WARPDRIVE_TARGET_PORT", "9")]).unwrap();
    assert_eq!(loaded.model.upstreams()[0].instances[0].address.to_string(), "app.internal:9");
    assert!(loaded.model.settings().server.trusted_proxies.is_empty());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn one_upstream_without_routes_takes_everything() {
    let loaded = load_with(Some("[upstreams.a]\nsocket = \"/tmp/a.sock\"\n"), &[]).unwrap();
    assert_eq!(loaded.model.routes().len(), 1);
}

#[test]
fn how_an_upstream_is_balanced() {
    let text = r#"
        [upstreams."a b"]
        strategy = "sticky_cookie"
        sticky_cookie = { same_site = "none" }
        keepalive = false
        queue = 0
        queue_timeout_secs = 1.5
        [[upstreams."a b".instances]]
        port = 1
        weight = 1000
        max_connections = 7
        [[upstreams."a b".instances]]
        port = 2
        backup = true
        [upstreams.plain]
        port = 3
        max_connections = 5
        [[routes]]
        upstream = "a b"
        [[routes]]
        upstream = "plain"
    "#;
    let model = load_with(Some(text), &[]).unwrap().model;
    let [one, plain] = model.upstreams() else { panic!("{model:?}") };
    let Strategy::StickyCookie(cookie) = &one.strategy else { panic!("{:?}", one.strategy) };
    assert_eq!((cookie.name.as_str(), cookie.same_site), ("warpdrive_a_b", SameSite::None));
    assert_eq!((one.keepalive, one.queue.size, one.queue.timeout.as_millis()), (false, 0, 1500));
    let shares = |upstream: &Upstream| -> Vec<(u16, bool, Option<usize>)> {
        let share = |one: &Instance| (one.weight, one.backup, one.max_connections.map(|limit| limit.get()));
        upstream.instances.iter().map(share).collect()
    };
    assert_eq!(shares(one), [(1000, false, Some(7)), (1, true, None)]);
    assert_eq!(shares(plain), [(1, false, Some(5))]);
    assert_eq!((&plain.strategy, plain.keepalive), (&Strategy::RoundRobin, true));
    assert_eq!((plain.queue.size, plain.queue.timeout.as_secs()), (100, 5));
}

#[test]
fn secrets_are_never_quoted() {
    let text =
        "[server]\nadmin_token = \"hush-hush\"\nhtttp_port = 1\n[cache]\nredis_url = \"nonsense://:hush-hush@h\"\n";
    let errors = load_with(Some(text), &[("WARPDRIVE_POSTGRES_URL", "hush-hush")]).unwrap_err();
    assert!(!errors.to_string().contains("hush-hush"), "{errors}");
    assert!(!errors.masked_text().contains("hush-hush"));
    assert!(errors.masked_text().contains("htttp_port = 1"));
    let errors = load_with(Some("[server]\nadmin_token = \"hush-hush\n"), &[]).unwrap_err();
    assert!(!errors.to_string().contains("hush-hush"), "{errors}");
    assert!(!errors.masked_text().contains("hush-hush"));
}

#[test]
fn every_mistake_is_found_at_once_and_sorted() {
    let text = "[[routes]]\nupstream = \"x\"\nhots = \"a\"\n[server]\nhttp_port = \"eighty\"\nbind = [\"x\", 3]\n[upstreams.y]\n";
    let errors = load_with(Some(text), &[]).unwrap_err();
    let positions: Vec<Option<(usize, usize)>> = errors.iter().map(|error| error.position).collect();
    assert_eq!(positions, [Some((2, 12)), Some((3, 1)), Some((5, 13)), Some((6, 9)), Some((6, 14)), Some((7, 12))]);
    assert!(errors.iter().all(|error| error.code.severity() == Severity::Error));
}

#[test]
fn many_mistakes_are_counted() {
    let keys: String = (0..150).map(|number| format!("key{number} = 1\n")).collect();
    let errors = load_with(Some(&format!("{keys}[upstreams.a]\nport = 1\n")), &[]).unwrap_err();
    assert_eq!((errors.iter().count(), errors.more()), (100, 50));
}

/// Every configuration under `examples/` loads without a warning, and its routes compile.
#[test]
fn the_examples_load() {
    for path in files("../examples", "toml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = load_with(Some(&text), &[]).unwrap_or_else(|errors| panic!("{}: {errors}", path.display()));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        Router::compile(loaded.model).unwrap();
    }
}

#[test]
fn health_is_read_with_its_defaults() {
    let text = "[upstreams.a]\nport = 1\nwhen_all_down = \"use_all\"\nslow_start_secs = 30\n\
                passive = { threshold = 5, max_ejection_secs = 8 }\n[upstreams.a.health]\npath = \"/up?full=1\"\n\
                expect = [204, \"300-308\"]\ninterval_secs = 4\n\
                [upstreams.b]\nport = 2\npassive = false\n[upstreams.c]\nport = 3\n\
                [[routes]]\nhosts = [\"*\", \"*.example.com\"]\nupstream = \"a\"\n\
                [[routes]]\nhosts = [\"*.b.example\", \"WWW.example.com\", \"b.example.com\"]\nupstream = \"a\"\n\
                [[routes]]\nupstream = \"b\"\n[[routes]]\nhost = \"c\"\nupstream = \"c\"\n";
    let model = load_with(Some(text), &[]).unwrap().model;
    let [a, b, c] = model.upstreams() else { panic!("three") };
    let check = a.health.check.as_ref().unwrap();
    let millis = [check.interval, check.jitter, check.timeout].map(|time| time.as_millis());
    assert_eq!((check.path.as_deref(), millis), (Some("/up?full=1"), [4000, 400, 2000]));
    assert_eq!((check.unhealthy_threshold, check.healthy_threshold), (3, 2));
    let expected = |status: u16| check.expect.contains(status.try_into().unwrap());
    assert_eq!([200, 204, 205, 300, 308, 309].map(expected), [false, true, false, true, true, false]);
    assert_eq!((a.health.when_all_down, a.health.slow_start.as_secs()), (WhenAllDown::UseAll, 30));
    assert_eq!((a.health.passive.threshold, a.health.passive.max_ejection.as_secs()), (5, 8));
    assert_eq!((b.health.passive, &b.health.check), (PassiveCheck::off(), &None));
    assert_eq!(c.health, HealthSettings::default());
    assert_eq!([0, 1, 2].map(|upstream| model.check_host(upstream)), ["www.example.com", "localhost", "c"]);
}
