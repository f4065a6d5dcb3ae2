//! Sequences of events against references that look at the whole history.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::PassiveCheck;
use CheckResult::{Failed, Passed, Unexpected};

const SECOND: Duration = Duration::from_secs(1);

fn changes(results: &[CheckResult], thresholds: Thresholds) -> Vec<(usize, Change)> {
    let mut health = ActiveHealth::default();
    let record =
        |(at, result): (usize, &CheckResult)| health.record(*result, thresholds).map(|change| (at + 1, change));
    results.iter().enumerate().filter_map(record).collect()
}

#[test]
fn the_opposite_result_begins_anew() {
    let results = [Failed, Passed, Failed, Failed, Failed, Passed, Passed];
    let found = changes(&results, Thresholds { unhealthy: 3, healthy: 2 });
    assert_eq!(found, [(5, Change::Down), (7, Change::Up)]);
    let found = changes(&[Failed, Failed, Failed, Passed, Failed, Passed], Thresholds { unhealthy: 3, healthy: 2 });
    assert_eq!(found, [(3, Change::Down)]);
}

#[test]
fn a_check_that_never_passed_is_doubted_once() {
    let thresholds = Thresholds { unhealthy: 2, healthy: 1 };
    assert_eq!(changes(&[Unexpected; 9], thresholds), [(2, Change::Doubtful)]);
    // Once it has passed it is believed.
    assert_eq!(changes(&[Passed, Unexpected, Unexpected], thresholds), [(3, Change::Down)]);
    // A real failure is one all the same, and the answers of before bring the instance back.
    let results = [Unexpected, Unexpected, Failed, Failed, Unexpected, Unexpected];
    assert_eq!(changes(&results, thresholds), [(2, Change::Doubtful), (4, Change::Down), (5, Change::Up)]);
}

#[test]
fn another_question_begins_anew_and_leaves_the_state() {
    let (thresholds, patient) = (Thresholds { unhealthy: 1, healthy: 2 }, Thresholds { unhealthy: 3, healthy: 2 });
    let mut health = ActiveHealth::default();
    health.record(Passed, thresholds);
    health.record(Failed, thresholds);
    health.record(Passed, thresholds);
    health.ask_anew();
    assert!(health.is_down());
    assert_eq!(health.record(Unexpected, patient), None);
    assert_eq!(health.record(Unexpected, patient), Some(Change::Up));
}

proptest! {
    /// The state follows from the longest run at the end of every beginning of the history.
    #[test]
    fn active_health_agrees_with_a_look_at_the_history(
        results in vec(prop_oneof![Just(Passed), Just(Unexpected), Just(Failed)], 0..60),
        unhealthy in 1_u32..5,
        healthy in 1_u32..5,
    ) {
        let thresholds = Thresholds { unhealthy, healthy };
        let mut health = ActiveHealth::default();
        let mut down = false;
        for at in 0..results.len() {
            let is_good = |place: usize| match results[place] {
                Passed => true,
                Failed => false,
                Unexpected => !results[..place].contains(&Passed),
            };
            let run = (0..=at).rev().take_while(|place| is_good(*place) == is_good(at)).count() as u32;
            let change = health.record(results[at], thresholds);
            let flips = if down { is_good(at) && run >= healthy } else { !is_good(at) && run >= unhealthy };
            prop_assert_eq!(flips, matches!(change, Some(Change::Up | Change::Down)));
            down ^= flips;
            prop_assert_eq!(health.is_down(), down);
            prop_assert_eq!(if is_good(at) { health.successes() } else { health.failures() }, run);
        }
    }

    /// Whatever clients do to it, an instance that answers its owner is never ejected.
    #[test]
    fn closed_connections_alone_never_eject(
        events in vec((any::<bool>(), 0_u64..5000), 0..200),
        threshold in 1_u32..5,
    ) {
        let settings = PassiveCheck { threshold, ..PassiveCheck::default() };
        let mut health = PassiveHealth::default();
        let mut now = Duration::ZERO;
        for (closed, wait) in events {
            now += Duration::from_millis(wait);
            if !closed {
                health.succeeded();
            } else if health.failed(Evidence::Closed, now, &settings) == Some(Verdict::Ask) {
                prop_assert_eq!(health.tried(true, now, &settings), None);
            }
            prop_assert!(!health.is_ejected());
        }
    }

    /// An ejection needs a run of refusals, lasts what it says, and ends by a trial alone.
    #[test]
    fn passive_health_agrees_with_a_look_at_the_history(
        events in vec((0_u8..5, 0_u64..3000), 0..300),
        threshold in 1_u32..4,
    ) {
        let settings = PassiveCheck { threshold, max_ejection: 8 * SECOND, ..PassiveCheck::default() };
        let mut health = PassiveHealth::default();
        let (mut now, mut run, mut until) = (Duration::ZERO, 0, None);
        let (mut length, mut back) = (None::<Duration>, Duration::ZERO);
        for (event, wait) in events {
            now += Duration::from_millis(wait);
            let mut next = || {
                let next = length.map_or(SECOND, |length| (2 * length).min(8 * SECOND));
                length = Some(next);
                now + next
            };
            match (event, until) {
                (0..=2, None) => {
                    run += 1;
                    let verdict = health.failed(Evidence::NoConnection, now, &settings);
                    if run == threshold {
                        if now - back >= 8 * SECOND {
                            length = None;
                        }
                        let end = length.map_or(SECOND, |length| (2 * length).min(8 * SECOND));
                        length = Some(end);
                        until = Some(now + end);
                        run = 0;
                    }
                    prop_assert_eq!(verdict, until.map(|until| Verdict::Ejected { until }));
                }
                (0..=2, Some(_)) => prop_assert_eq!(health.failed(Evidence::NoConnection, now, &settings), None),
                (3, _) => {
                    health.succeeded();
                    run = 0;
                }
                (_, None) => prop_assert!(!health.trial_is_due(now)),
                (_, Some(end)) => {
                    prop_assert_eq!(health.trial_is_due(now), now >= end);
                    if now >= end {
                        let answered = wait % 2 == 0;
                        let verdict = health.tried(answered, now, &settings);
                        if answered {
                            prop_assert_eq!(verdict, Some(Verdict::Readmitted));
                            (until, back, run) = (None, now, 0);
                        } else {
                            let again = next();
                            prop_assert_eq!(verdict, Some(Verdict::Ejected { until: again }));
                            until = Some(again);
                        }
                    }
                }
            }
            prop_assert_eq!(health.is_ejected(), until.is_some());
        }
    }

    #[test]
    fn a_share_rises_and_is_whole_at_the_end(first in 0_u64..10_000, later in 0_u64..10_000, whole in 1_u64..10_000) {
        let after = |millis| share(Some(Duration::from_millis(millis)), Duration::from_millis(whole));
        let (first, later) = (first.min(later), first.max(later));
        prop_assert!(after(first) <= after(later));
        prop_assert!((0.05..=1.0).contains(&after(first)));
        prop_assert!(later < whole || after(later) == 1.0);
    }
}

#[test]
fn closed_connections_eject_what_does_not_answer_its_owner_either() {
    let settings = PassiveCheck::default();
    let mut health = PassiveHealth::default();
    for _ in 0..2 {
        assert_eq!(health.failed(Evidence::Closed, SECOND, &settings), None);
    }
    assert_eq!(health.failed(Evidence::Closed, SECOND, &settings), Some(Verdict::Ask));
    // Not asked twice at a time.
    assert_eq!(health.failed(Evidence::Closed, SECOND, &settings), None);
    assert_eq!(health.tried(false, SECOND, &settings), Some(Verdict::Ejected { until: 2 * SECOND }));
    // An answer to a question that nobody asked changes nothing.
    assert_eq!(PassiveHealth::default().tried(false, SECOND, &settings), None);
}

#[test]
fn turned_off_it_never_ejects_and_ends_what_it_did() {
    let mut health = PassiveHealth::default();
    for _ in 0..3 {
        health.failed(Evidence::NoConnection, SECOND, &PassiveCheck::default());
    }
    assert!(health.is_ejected());
    assert_eq!(health.readmit(SECOND), Some(Verdict::Readmitted));
    assert_eq!(health.readmit(SECOND), None);
    for _ in 0..9 {
        assert_eq!(health.failed(Evidence::NoConnection, SECOND, &PassiveCheck::off()), None);
    }
}

#[test]
fn what_was_up_from_the_start_has_its_whole_share() {
    assert_eq!(share(None, 10 * SECOND), 1.0);
    assert_eq!(share(Some(Duration::ZERO), Duration::ZERO), 1.0);
    assert_eq!(share(Some(5 * SECOND), 10 * SECOND), 0.5);
}
