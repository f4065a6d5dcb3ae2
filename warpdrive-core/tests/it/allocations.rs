//! A look-up allocates nothing once its scratch is warm.

use warpdrive_core::{Fields, RequestView, Router, Scratch};

use crate::fixtures::suites;

#[test]
fn a_look_up_allocates_nothing() {
    let mut measured = 0;
    for (name, suite) in suites() {
        let router = Router::from_toml(&suite.config).unwrap();
        let mut scratch = Scratch::new();
        for case in suite.cases.iter().filter(|case| case.status.is_none() && !case.health_check) {
            let fields = case.fields();
            let pairs: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            for asked in case.requests() {
                let view = RequestView {
                    method: asked.method,
                    target: asked.target,
                    host: asked.host.map(str::as_bytes),
                    fields: Fields::Pairs(&pairs),
                };
                let warm = router.route(&view, &mut scratch).map(|found| found.is_some());
                let seen = allocation_counter::measure(|| {
                    let again = router.route(&view, &mut scratch).map(|found| found.is_some());
                    assert_eq!(again, warm);
                });
                assert_eq!(seen.count_total, 0, "{name}: {}: {asked:?}", case.name);
                measured += 1;
            }
        }
    }
    assert!(measured > 100);
}

#[test]
fn nor_does_one_among_many_routes_of_every_kind() {
    let mut config = String::from("[upstreams.a]\nport = 1\n");
    for number in 0..200 {
        config.push_str(&format!("[[routes]]\npath_regex = \"^/set/[0-9]+/{number}$\"\nupstream = \"a\"\n"));
        config.push_str(&format!(
            "[[routes]]\npath_prefix = \"/deep/{number}\"\nheader = {{ name = \"X-Tenant\", value = \"{number}\" }}\nupstream = \"a\"\n"
        ));
        config.push_str(&format!("[[routes]]\nheader = {{ name = \"X-Wide\", value = \"{number}\" }}\nmethods = [\"PUT\"]\nupstream = \"a\"\n"));
        config.push_str(&format!("[[routes]]\nhost = \"h{number}.test\"\npath_prefix = \"/h\"\nupstream = \"a\"\n"));
    }
    let router = Router::from_toml(&config).unwrap();
    let mut scratch = Scratch::new();
    let fields: [(&[u8], &[u8]); 2] = [(b"x-tenant", b"150"), (b"x-wide", b"199")];
    for (method, target, host, want) in [
        ("GET", "/set/77/150", "x", Some(601)),
        ("GET", "/deep/150/x/y/z", "x", Some(602)),
        ("PUT", "/other", "x", Some(799)),
        ("GET", "/h/x", "h199.test", Some(800)),
        ("GET", "/set/77/900", "x", None),
        ("GET", "/no%20where/at//all", "x", None),
    ] {
        let view = RequestView { method, target, host: Some(host.as_bytes()), fields: Fields::Pairs(&fields) };
        let look = |scratch: &mut Scratch| router.route(&view, scratch).unwrap().map(|found| found.route().number);
        assert_eq!(look(&mut scratch), want, "{target}");
        let seen = allocation_counter::measure(|| assert_eq!(look(&mut scratch), want));
        assert_eq!(seen.count_total, 0, "{target}");
    }
}
