//! Simulations: shares, moves and stand-ins, for every strategy.

use std::net::Ipv4Addr;

use super::hash::mixed;
use super::*;
use crate::limits::HASH_SLOTS;
use crate::model::{Address, Instance, StickyCookie};

fn every_strategy() -> [Strategy; 6] {
    [
        Strategy::RoundRobin,
        Strategy::LeastConn,
        Strategy::Random,
        Strategy::PowerOfTwo,
        Strategy::IpHash,
        Strategy::StickyCookie(StickyCookie::of("app")),
    ]
}

fn of(strategy: Strategy, instances: Vec<Instance>) -> Balancer {
    Balancer::new(&Upstream { strategy, ..Upstream::new("app".into(), instances) })
}

fn instance(port: u16) -> Instance {
    Address::tcp("127.0.0.1", port).into()
}

fn balancer(strategy: Strategy, ports: &[u16]) -> Balancer {
    of(strategy, ports.iter().map(|port| instance(*port)).collect())
}

fn weighted(strategy: Strategy, weights: &[u16]) -> Balancer {
    of(strategy, (1..).zip(weights).map(|(port, weight)| instance(port).with_weight(*weight)).collect())
}

fn turn(turn: usize) -> Asked {
    let random = mixed((turn as u64).wrapping_add(1));
    let client = IpAddr::V4(Ipv4Addr::from_bits(turn as u32));
    Asked { turn, random, client, pin: None }
}

fn counts(balancer: &Balancer, requests: usize, usable: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut counts = vec![0; balancer.pool.weights.len()];
    for number in 0..requests {
        counts[balancer.pick(&turn(number), &usable, |_| 0).unwrap()] += 1;
    }
    counts
}

/// Each count is what the weights say, but for a part.
fn assert_shares(counts: &[usize], weights: &[u16], tolerance: f64) {
    let (requests, total): (usize, u16) = (counts.iter().sum(), weights.iter().sum());
    for (count, weight) in counts.iter().zip(weights) {
        let wanted = requests as f64 * f64::from(*weight) / f64::from(total);
        assert!((*count as f64 - wanted).abs() <= wanted * tolerance, "{counts:?} for {weights:?}");
    }
}

fn names(balancer: &Balancer, turns: std::ops::Range<usize>, usable: impl Fn(usize) -> bool) -> String {
    let chosen = turns.map(|number| balancer.pick(&turn(number), &usable, |_| 0).unwrap());
    chosen.map(|place| char::from(b'a' + place as u8)).collect()
}

#[test]
fn turns_are_smooth_also_among_those_that_are_left() {
    let mut balancer = weighted(Strategy::RoundRobin, &[5, 1, 1]);
    assert_eq!(names(&balancer, 0..14, |_| true), "aabacaaaabacaa");
    balancer.set_available(|place| place != 0);
    assert_eq!(names(&balancer, 0..4, |place| place != 0), "bcbc");
    balancer.set_available(|place| place != 1);
    assert_eq!(names(&balancer, 0..6, |place| place != 1), "aaacaa");
    balancer.set_available(|_| true);
    assert_eq!(names(&balancer, 7..14, |_| true), "aabacaa");
}

#[test]
fn a_round_is_fair_also_when_one_is_missing_of_which_nobody_has_told() {
    let plain = balancer(Strategy::RoundRobin, &[1, 2, 3]);
    assert_eq!(counts(&plain, 300, |_| true), [100, 100, 100]);
    assert_eq!(counts(&plain, 300, |instance| instance != 1), [150, 0, 150]);
    // A counter that wraps around loses nothing but the order of one round.
    assert!(plain.pick(&turn(usize::MAX), |_| true, |_| 0).is_some());
    let uneven = weighted(Strategy::RoundRobin, &[5, 1, 2]);
    // Each of the five turns is passed on to the others in the proportion of their weights.
    assert_eq!(counts(&uneven, 8 * 300, |instance| instance != 0), [0, 800, 1600]);
    assert_eq!(counts(&uneven, 8 * 300, |instance| instance != 1), [1714, 0, 686]);
}

#[test]
fn every_strategy_keeps_to_the_weights() {
    for weights in [&[1, 1, 1, 1][..], &[5, 1, 1], &[1, 2, 3, 4], &[100, 50, 50, 7]] {
        for strategy in every_strategy() {
            // A draw of two evens out what chance does, so idle instances have their shares alone
            // where all weigh the same.
            if matches!(strategy, Strategy::PowerOfTwo) && weights != [1, 1, 1, 1] {
                continue;
            }
            let tolerance = match strategy {
                Strategy::RoundRobin | Strategy::LeastConn | Strategy::StickyCookie(_) => 0.01,
                _ => 0.12,
            };
            let name = format!("{strategy:?}");
            let balancer = weighted(strategy, weights);
            let counts = counts(&balancer, 40_000, |_| true);
            println!("{name}: {counts:?}");
            assert_shares(&counts, weights, tolerance);
        }
    }
}

/// Requests come and go: each stays for a hundred others.
fn under_way(balancer: &Balancer, requests: usize) -> Vec<usize> {
    let mut loads = vec![0_usize; balancer.pool.weights.len()];
    let mut busy = std::collections::VecDeque::new();
    let mut sums = vec![0; loads.len()];
    for number in 0..requests {
        if busy.len() == 100 {
            loads[busy.pop_front().unwrap_or_default()] -= 1;
        }
        let place = balancer.pick(&turn(number), |_| true, |place| loads[place]).unwrap();
        loads[place] += 1;
        busy.push_back(place);
        sums.iter_mut().zip(&loads).for_each(|(sum, load)| *sum += load);
    }
    sums
}

#[test]
fn who_looks_at_the_load_keeps_it_at_the_weights() {
    for weights in [&[1, 1, 1, 1][..], &[4, 2, 2], &[6, 3, 1]] {
        for strategy in [Strategy::LeastConn, Strategy::PowerOfTwo] {
            assert_shares(&under_way(&weighted(strategy, weights), 20_000), weights, 0.15);
        }
    }
}

#[test]
fn two_draws_keep_the_worst_load_below_that_of_one() {
    let worst = |strategy| {
        let balancer = balancer(strategy, &(1..=20).collect::<Vec<u16>>());
        let mut loads = [0_usize; 20];
        for number in 0..2_000 {
            loads[balancer.pick(&turn(number), |_| true, |place| loads[place]).unwrap()] += 1;
        }
        loads.into_iter().max().unwrap()
    };
    let (one, two) = (worst(Strategy::Random), worst(Strategy::PowerOfTwo));
    // 100 each would be even; of one draw the largest of twenty is some twenty more.
    assert!(two <= 104 && two + 8 < one, "{two} and {one}");
}

#[test]
fn idle_instances_share_serial_requests_evenly() {
    let balancer = balancer(Strategy::LeastConn, &[1, 2, 3, 4, 5]);
    assert_eq!(counts(&balancer, 1000, |_| true), [200; 5]);
}

#[test]
fn the_least_busy_is_chosen_whoever_has_the_turn() {
    let balancer = balancer(Strategy::LeastConn, &[1, 2, 3]);
    let load = [2, 1, 1];
    let chosen: Vec<Option<usize>> =
        (0..3).map(|number| balancer.pick(&turn(number), |_| true, |instance| load[instance])).collect();
    assert_eq!(chosen, [Some(1), Some(1), Some(2)]);
    assert_eq!(balancer.pick(&turn(0), |instance| instance == 0, |instance| load[instance]), Some(0));
}

fn home(balancer: &Balancer, client: u32, usable: impl Fn(usize) -> bool) -> usize {
    balancer.pick(&turn(client as usize), usable, |_| 0).unwrap()
}

#[test]
fn of_n_instances_one_that_leaves_moves_its_own_clients_alone() {
    for count in [2_u16, 3, 5, 10, 100] {
        let ports: Vec<u16> = (3000..3000 + count).collect();
        let all = balancer(Strategy::IpHash, &ports);
        let fewer = balancer(Strategy::IpHash, &ports[1..]);
        let mut moved = 0;
        for client in 0..20_000 {
            let own = home(&all, client, |_| true);
            let other = home(&all, client, |instance| instance != 0);
            assert!(own == 0 || own == other, "client {client} moved from {own} to {other}");
            // Whether a reload takes it out or it does not answer, its clients find the same place.
            assert_eq!(home(&fewer, client, |_| true) + 1, other);
            moved += usize::from(own == 0);
        }
        // Its share is a count of groups: 1/n give or take three standard deviations.
        let share = 1.0 / f64::from(count);
        let most = share + 3.0 * (share / HASH_SLOTS as f64).sqrt() + 3.0 * (share / 20_000.0).sqrt();
        assert!((moved as f64 / 20_000.0) < most, "{moved} of 20000 for {count}");
    }
}

#[test]
fn the_order_of_the_file_moves_nobody() {
    let ports = [3000, 3001, 3002, 3003, 3004];
    let all = balancer(Strategy::IpHash, &ports);
    let turned = balancer(Strategy::IpHash, &[3004, 3003, 3002, 3001, 3000]);
    for client in 0..500 {
        assert_eq!(ports[home(&all, client, |_| true)], 3004 - home(&turned, client, |_| true) as u16);
    }
}

#[test]
fn a_weight_that_grows_draws_clients_from_all_and_moves_none_between_the_others() {
    let (before, after) = (weighted(Strategy::IpHash, &[1, 1, 1, 1]), weighted(Strategy::IpHash, &[1, 3, 1, 1]));
    for client in 0..20_000 {
        let (was, is) = (home(&before, client, |_| true), home(&after, client, |_| true));
        assert!(was == is || is == 1, "client {client} moved from {was} to {is}");
    }
}

#[test]
fn a_pinned_client_stays_until_its_instance_is_down_and_returns_to_it() {
    let balancer = balancer(Strategy::StickyCookie(StickyCookie::of("app")), &[1, 2, 3]);
    let pin = balancer.pin(1).unwrap();
    assert_eq!(balancer.pinned(pin), Some(1));
    for number in 0..10 {
        let asked = Asked { pin: Some(pin), ..turn(number) };
        assert_eq!(balancer.pick(&asked, |_| true, |_| 0), Some(1));
        let other = balancer.pick(&asked, |place| place != 1, |_| 0).unwrap();
        assert!(other != 1 && balancer.pin(other) != Some(pin));
    }
    // An instance of another configuration: the client is no worse off than a new one.
    let stranger = Pin::new(&Address::tcp("10.9.9.9", 1));
    assert_eq!(balancer.pinned(stranger), None);
    assert_eq!(balancer.pick(&Asked { pin: Some(stranger), ..turn(4) }, |_| true, |_| 0), Some(1));
}

#[test]
fn a_backup_stands_in_only_where_no_other_can() {
    for strategy in every_strategy() {
        let name = format!("{strategy:?}");
        let instances = vec![instance(1).as_backup(), instance(2), instance(3), instance(4).as_backup()];
        let mut balancer = of(strategy, instances);
        for told in [false, true] {
            let counted = counts(&balancer, 600, |_| true);
            assert!(counted[0] == 0 && counted[3] == 0, "{name}: {counted:?}");
            assert_eq!(counts(&balancer, 600, |place| place != 1), [0, 0, 600, 0], "{name}");
            let counted = counts(&balancer, 600, |place| place == 0 || place == 3);
            assert!(counted[0] > 200 && counted[3] > 200, "{name}: {counted:?}");
            if !told {
                balancer.set_available(|place| place == 0 || place == 3);
            }
        }
    }
}

#[test]
fn none_usable_is_none_and_what_is_told_late_is_found() {
    for strategy in every_strategy() {
        let name = format!("{strategy:?}");
        let mut balancer = balancer(strategy, &[1, 2]);
        assert_eq!(balancer.pick(&turn(1), |_| false, |_| 0), None, "{name}");
        balancer.set_available(|_| false);
        assert_eq!(balancer.pick(&turn(1), |_| false, |_| 0), None, "{name}");
        assert_eq!(balancer.pick(&turn(1), |place| place == 1, |_| 0), Some(1), "{name}");
    }
    assert_eq!(balancer(Strategy::RoundRobin, &[]).pick(&turn(1), |_| true, |_| 0), None);
}

/// Any weights, any availability told and true: the choice is always one that is usable, and a
/// backup only where it must be.
#[test]
fn a_choice_is_always_usable() {
    let bit = |number: u64, place: usize| mixed(number) >> (place % 64) & 1 == 1;
    for case in 0..600_u64 {
        let count = 1 + (mixed(case) % 9) as usize;
        let instances = (0..count).map(|place| {
            let weight = 1 + (mixed(case * 31 + place as u64) % 30) as u16;
            let instance = instance(place as u16 + 1).with_weight(weight);
            if bit(case + 7, place) && place > 0 { instance.as_backup() } else { instance }
        });
        let [one, two, three, four, five, six] = every_strategy();
        let strategy = [one, two, three, four, five, six][(case % 6) as usize].clone();
        let mut balancer = of(strategy, instances.collect());
        balancer.set_available(|place| bit(case + 1, place));
        let usable = |place| bit(case + 2, place);
        let is_backup = |place: usize| balancer.pool.backups.iter().any(|member| usize::from(member.place) == place);
        for number in 0..20 {
            let asked = Asked { random: mixed(case * 20 + number), ..turn((case + number) as usize) };
            match balancer.pick(&asked, usable, |place| place % 3) {
                Some(place) => {
                    assert!(usable(place));
                    assert!(!is_backup(place) || !(0..count).any(|other| usable(other) && !is_backup(other)));
                }
                None => assert!(!(0..count).any(usable)),
            }
        }
    }
}

/// No strategy allocates when a request comes.
#[test]
fn a_choice_allocates_nothing() {
    for strategy in every_strategy() {
        let balancer = weighted(strategy, &[3, 2, 1]);
        let asked = Asked { pin: balancer.pin(0), ..turn(3) };
        let measured = allocation_counter::measure(|| {
            for gone in 0..4 {
                std::hint::black_box(balancer.pick(&asked, |place| place != gone, |place| place));
            }
        });
        assert_eq!(measured.count_total, 0);
    }
}
