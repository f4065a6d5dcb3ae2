//! `testdata/routing`, asked of the compiled router and of the plain scan.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use warpdrive_core::forwarding::{RequestHead, is_health_check};
use warpdrive_core::{Fields, RequestView, Router, Scratch, oracle};

use crate::fixtures::{Asked, Case, suites};

#[test]
fn every_case_is_decided_as_written() {
    let mut decided = 0;
    for (suite_name, suite) in suites() {
        let router = Router::from_toml(&suite.config).unwrap_or_else(|errors| panic!("{suite_name}: {errors}"));
        let mut scratch = Scratch::new();
        for case in &suite.cases {
            for asked in case.requests() {
                decide(&router, &mut scratch, case, asked, &suite_name);
                decided += 1;
            }
        }
    }
    assert!(decided > 1000, "only {decided} cases were found");
}

fn decide(router: &Router, scratch: &mut Scratch, case: &Case, asked: Asked<'_>, suite: &str) {
    let what = format!("{suite}: {}: {asked:?}", case.name);
    let fields = case.fields();
    let pairs: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    let mut map = HeaderMap::new();
    for (name, value) in &pairs {
        map.append(HeaderName::from_bytes(name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    let Asked { method, target, host } = asked;
    // What no method or field can hold is no request for the health path either.
    if let (Ok(method), Ok(host)) = (Method::from_bytes(method.as_bytes()), host.map(HeaderValue::from_str).transpose())
    {
        let version = if host.is_some() { Version::HTTP_11 } else { Version::HTTP_10 };
        let mut headers = map.clone();
        headers.extend(host.map(|host| (http::header::HOST, host)));
        let head = RequestHead { method: &method, version, target };
        assert_eq!(is_health_check(router, head, &headers, scratch), case.health_check, "{what}: health check");
    }
    if case.health_check {
        return;
    }
    for fields in [Fields::Pairs(&pairs), Fields::Map(&map)] {
        let view = RequestView { method, target, host: host.map(str::as_bytes), fields };
        let scanned = oracle::first_match(router.model(), &view);
        let found = router.route(&view, scratch);
        match found {
            Ok(Some(found)) => {
                assert_eq!(Some(found.route().number), case.route, "{what}");
                assert_eq!(scanned, Ok(case.route), "{what}: the plain scan");
                for (name, wanted, seen) in [
                    ("upstream", &case.upstream, Some(found.upstream().name.as_str())),
                    ("upstream_target", &case.upstream_target, Some(found.upstream_target())),
                    ("path", &case.path, Some(found.path())),
                    ("host", &case.normal_host, found.host()),
                ] {
                    if wanted.is_some() {
                        assert_eq!(wanted.as_deref(), seen, "{what}: {name}");
                    }
                }
            }
            Ok(None) => {
                assert!(case.no_route, "{what}: no route");
                let status = router.model().settings().server.no_route_status.as_u16();
                assert_eq!(case.status.unwrap_or(status), status, "{what}: no route");
                assert_eq!(scanned, Ok(None), "{what}: the plain scan");
            }
            Err(reject) => {
                assert_eq!(Some(reject.status.as_u16()), case.status, "{what}: {reject}");
                assert_eq!(Some(reject.reason.as_str()), case.reason.as_deref(), "{what}: {reject}");
                if case.allow.is_some() {
                    assert_eq!(
                        reject.allow.as_ref().and_then(|value| value.to_str().ok()),
                        case.allow.as_deref(),
                        "{what}"
                    );
                }
            }
        }
    }
}
