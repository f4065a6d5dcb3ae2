//! How long it takes to choose an instance.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use warpdrive_core::Router;
use warpdrive_core::balance::{Asked, Balancer};

fn pick(criterion: &mut Criterion) {
    for strategy in ["round_robin", "least_conn", "random", "power_of_two", "ip_hash", "sticky_cookie"] {
        for (size, weighted) in [(3_usize, false), (100, false), (100, true)] {
            let mut config = format!("[upstreams.a]\nstrategy = \"{strategy}\"\n");
            for port in 1..=size {
                let weight = if weighted { port % 4 + 1 } else { 1 };
                config.push_str(&format!("[[upstreams.a.instances]]\nport = {port}\nweight = {weight}\n"));
            }
            let Ok(router) = Router::from_toml(&config) else { return };
            let Some(upstream) = router.model().upstreams().first() else { return };
            let balancer = Balancer::new(upstream);
            // Nobody is idle, so the search for the least busy one looks at all.
            let loads: Vec<usize> = (0..size).map(|instance| 1 + instance * 7 % 5).collect();
            let pin = balancer.pin(size / 2);
            let mut turn = 0;
            criterion.benchmark_group("pick").bench_function(
                BenchmarkId::new(strategy, format!("{size}{}", if weighted { " weighted" } else { "" })),
                |bencher| {
                    bencher.iter(|| {
                        turn += 1;
                        let client = IpAddr::V4(Ipv4Addr::from_bits(turn as u32));
                        let asked =
                            Asked { turn, random: (turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), client, pin };
                        balancer.pick(black_box(&asked), |_| true, |instance| loads.get(instance).copied().unwrap_or(0))
                    });
                },
            );
        }
    }
}

fn configured() -> Criterion {
    let short = std::time::Duration::from_millis(500);
    Criterion::default().warm_up_time(short / 2).measurement_time(short).sample_size(30)
}

criterion_group! { name = picks; config = configured(); targets = pick }
criterion_main!(picks);
