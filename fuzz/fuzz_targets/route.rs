//! The compiled router answers as the plain scan does, and its explanation tells the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use warpdrive_core::{Reason, oracle};
use warpdrive_fuzz::{Asked, Table, router, with_scratch};

fuzz_target!(|table: Table| {
    let router = router(&table.config);
    for asked in &table.requests {
        with_scratch(|scratch| check(&router, asked, scratch));
    }
});

fn check(router: &warpdrive_core::Router, asked: &Asked, scratch: &mut warpdrive_core::Scratch) {
    let view = asked.view();
    let scanned = oracle::first_match(router.model(), &view).map_err(|reject| reject.reason);
    let found = router.route(&view, scratch);
    if let Ok(Some(found)) = &found {
        let target = found.upstream_target();
        assert!(target == "*" || target.starts_with('/'), "{asked:?} sends {target}");
    }
    let found = found.map(|found| found.map(|found| found.route().number)).map_err(|reject| reject.reason);
    match (&found, &scanned) {
        // The plain scan judges neither the target that goes out nor which methods would do.
        (Err(Reason::MethodNotAllowed), Ok(None)) => {
            assert!(router.model().settings().server.method_not_allowed, "{asked:?}");
        }
        (Err(Reason::AmbiguousPath), Ok(Some(number))) => {
            let route = router.model().routes().get(*number as usize - 1);
            let keeps = route.is_some_and(|route| route.action == warpdrive_core::model::PathAction::Keep);
            assert!(!keeps, "{asked:?}: refused for a target that was not changed");
        }
        _ => assert_eq!(found, scanned, "{asked:?}"),
    }
    let explained = router.explain(&view);
    assert_eq!(explained.outcome.map_err(|reject| reject.reason), found, "{asked:?}: the explanation differs");
    let earlier = match found {
        Ok(Some(number)) => number - 1,
        Ok(None) => router.model().routes().len() as u32,
        Err(_) => return,
    };
    // Each earlier route has a condition that failed, and the chosen one has none.
    let numbers: Vec<u32> = explained.considered.iter().map(|considered| considered.number).collect();
    assert_eq!(numbers, (1..=earlier).collect::<Vec<u32>>(), "{asked:?}");
}
