//! How long it takes to choose an instance.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use warpdrive_core::Router;
use warpdrive_core::balance::{Asked, Balancer};

fn pick(criterion: &mut Criterion) {
    for strategy in ["round_robin", "least_conn", "random", "ip_hash"] {
        for size in [3_usize, 100] {
            let mut config = format!("[upstreams.a]\nstrategy = \"{strategy}\"\n");
            for port in 1..=size {
                config.push_str(&format!("[[upstreams.a.instances]]\nport = {port}\n"));
            }
            let Ok(router) = Router::from_toml(&config) else { return };
            let Some(upstream) = router.model().upstreams().first() else { return };
            let balancer = Balancer::new(upstream);
            let loads: Vec<usize> = (0..size).map(|instance| instance * 7 % 5).collect();
            let mut turn = 0;
            criterion.benchmark_group("pick").bench_function(BenchmarkId::new(strategy, size), |bencher| {
                bencher.iter(|| {
                    turn += 1;
                    let client = IpAddr::V4(Ipv4Addr::from_bits(turn as u32));
                    let asked = Asked { turn, random: turn as u64, client };
                    balancer.pick(black_box(&asked), |_| true, |instance| loads.get(instance).copied().unwrap_or(0))
                });
            });
        }
    }
}

fn configured() -> Criterion {
    let short = std::time::Duration::from_millis(500);
    Criterion::default().warm_up_time(short / 2).measurement_time(short).sample_size(30)
}

criterion_group! { name = picks; config = configured(); targets = pick }
criterion_main!(picks);
