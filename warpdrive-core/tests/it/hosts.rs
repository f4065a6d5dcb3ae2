//! Every host case of the data again, with many other hosts around it: the index of a large table
//! must fold, cut and compare as that of a small one does.

use warpdrive_core::{Fields, RequestView, Router, Scratch};

use crate::fixtures::{Case, suites};

const OTHERS: [usize; 4] = [1, 100, 101, 10_000];

/// Where the other hosts stand.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Around {
    /// In front of the suite's routes, so that its numbers move by as many.
    Before,
    /// Behind them.
    After,
}

#[test]
fn the_host_cases_hold_among_many_hosts() {
    let (_, suite) = suites().into_iter().find(|(name, _)| name == "hosts").unwrap();
    let (head, routes) = suite.config.split_at(suite.config.find("[[routes]]").unwrap());
    let mut asked = 0;
    for count in OTHERS {
        for around in [Around::Before, Around::After] {
            let others: String = (0..count)
                .map(|number| format!("[[routes]]\nhost = \"Other{number}.Filler.example\"\nupstream = \"a\"\n"))
                .collect();
            let (config, moved) = match around {
                Around::Before => (format!("{head}{others}{routes}"), count as u32),
                Around::After => (format!("{head}{routes}{others}"), 0),
            };
            let router = Router::from_toml(&config).unwrap();
            let mut scratch = Scratch::new();
            let first_other = if around == Around::Before { 1 } else { router.model().routes().len() - count + 1 };
            for case in &suite.cases {
                for request in case.requests() {
                    let spellings = request.host.map_or(vec![None], |host| spellings(host, case).map(Some).collect());
                    for host in spellings {
                        let host = host.as_deref();
                        let what = format!("{count} other hosts {around:?}: {}: {request:?} as {host:?}", case.name);
                        let view = RequestView {
                            method: request.method,
                            target: request.target,
                            host: host.map(str::as_bytes),
                            fields: Fields::Pairs(&[]),
                        };
                        let found = router.route(&view, &mut scratch);
                        let number = found.as_ref().map(|found| found.map(|found| found.route().number));
                        match (number, case.status) {
                            (Ok(number), None) => assert_eq!(number, case.route.map(|wanted| wanted + moved), "{what}"),
                            (Err(reject), Some(status)) => assert_eq!(reject.status.as_u16(), status, "{what}"),
                            (seen, wanted) => panic!("{what}: {seen:?}, not {wanted:?}"),
                        }
                        asked += 1;
                    }
                }
            }
            for number in [0, count / 2, count - 1] {
                let name = format!("other{number}.filler.example");
                for host in [&name, &name.to_uppercase(), &format!("{name}.:8443")] {
                    let view = RequestView::new("GET", "/").with_host(host);
                    let found = router.route(&view, &mut scratch).unwrap().unwrap();
                    assert_eq!(found.route().number as usize, first_other + number, "{host}");
                    assert_eq!(found.host(), Some(name.as_str()));
                }
                let beside = format!("x{name}");
                let view = RequestView::new("GET", "/").with_host(&beside);
                assert!(router.route(&view, &mut scratch).unwrap().is_none(), "{beside}");
            }
        }
    }
    assert!(asked > 1000, "only {asked} were asked");
}

/// The host as written, and the other spellings of one that is valid.
fn spellings<'h>(host: &'h str, case: &Case) -> impl Iterator<Item = String> + use<'h> {
    let mut all = vec![host.to_owned()];
    if case.status.is_none() {
        all.extend([host.to_uppercase(), host.to_lowercase()]);
        let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        if !has_port {
            all.push(format!("{host}:8443"));
            if !host.ends_with(['.', ']']) {
                all.extend([format!("{host}."), format!("{}.:80", host.to_uppercase())]);
            }
        }
    }
    all.into_iter()
}
