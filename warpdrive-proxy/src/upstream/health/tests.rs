use warpdrive_core::model::PassiveCheck;

use super::*;

fn refused(errno: Errno) -> ConnectError {
    ConnectError::Refused(io::Error::from_raw_os_error(errno.raw_os_error()))
}

#[test]
fn what_this_machine_lacks_is_no_evidence() {
    let health = Health::default();
    for errno in [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
        for _ in 0..9 {
            assert!(health.request_refused(&refused(errno)).is_none());
        }
    }
    assert_eq!((health.report().request_failures, health.is_available()), (0, true));
    for errno in [Errno::CONNREFUSED, Errno::NOENT] {
        assert!(health.request_refused(&refused(errno)).is_none());
    }
    assert!(matches!(health.request_refused(&ConnectError::Timeout), Some(Told::Ejected { .. })));
    assert!(!health.is_available() && !health.is_down());
}

#[test]
fn a_success_between_begins_anew() {
    let health = Health::default();
    for _ in 0..9 {
        assert!(health.request_refused(&ConnectError::Timeout).is_none());
        assert!(health.request_refused(&ConnectError::Timeout).is_none());
        health.request_succeeded();
    }
    assert!(health.is_available());
}

#[test]
fn other_settings_leave_the_state_while_somebody_can_change_it() {
    let with = |path: &str| {
        let mut check = HealthCheck::default();
        check.path = Some(path.to_owned());
        check.unhealthy_threshold = 1;
        let mut settings = HealthSettings::default();
        settings.check = Some(check);
        Arc::new(settings)
    };
    let health = Health::default();
    health.configure(&with("/a"));
    health.checked(CheckResult::Passed, None);
    assert!(matches!(health.checked(CheckResult::Failed, None), Some(Told::Down { .. })));
    health.configure(&with("/a"));
    assert_eq!((health.is_down(), health.report().failures), (true, 1));
    health.configure(&with("/b"));
    assert_eq!((health.is_down(), health.report().failures), (true, 0));
    health.configure(&Arc::default());
    assert!(health.is_available());
    for _ in 0..3 {
        health.request_refused(&ConnectError::Timeout);
    }
    assert!(!health.is_available());
    let mut settings = HealthSettings::default();
    settings.passive = PassiveCheck::off();
    health.configure(&Arc::new(settings));
    assert!(health.is_available());
}

#[test]
fn a_share_is_a_share_of_the_numbers_drawn() {
    let health = Health::default();
    health.gate.store(OPEN + 250, Relaxed);
    assert_eq!((0..1000).filter(|chance| health.takes(|| *chance)).count(), 250);
    health.gate.store(EJECTED, Relaxed);
    assert!(!health.takes(|| 0));
}
