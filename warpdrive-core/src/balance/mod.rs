//! Which instance of an upstream gets a request, as a state machine whose turn, chance, load and
//! availability are arguments.
//!
//! [`Balancer`] chooses, [`Slots`] counts what is in flight and holds it to a limit, [`Pin`] is what
//! a sticky cookie says. None of them allocates, locks or waits when a request comes.

mod hash;
mod sequence;
mod slots;
mod sticky;

use std::net::IpAddr;
use std::sync::Arc;

pub use slots::Slots;
pub use sticky::Pin;

use hash::Homes;

use crate::model::{Strategy, Upstream};

/// Chooses among the instances of one upstream by its [`Strategy`].
///
/// Cloning is cheap: clones share what is large. Each thread keeps one of its own and tells it with
/// [`Balancer::set_available`] what health checks have found.
///
/// ```
/// use warpdrive_core::balance::{Asked, Balancer};
/// use warpdrive_core::Router;
///
/// let router = Router::from_toml(r#"
///     [upstreams.rails]
///     strategy = "least_conn"
///     [[upstreams.rails.instances]]
///     socket = "/tmp/puma.0.sock"
///     [[upstreams.rails.instances]]
///     socket = "/tmp/puma.1.sock"
/// "#)?;
/// let balancer = Balancer::new(&router.model().upstreams()[0]);
///
/// let in_flight = [3, 1];
/// let asked = Asked { turn: 0, random: 0, client: "203.0.113.9".parse()?, pin: None };
/// assert_eq!(balancer.pick(&asked, |_| true, |instance| in_flight[instance]), Some(1));
/// // The second one has just refused a connection.
/// assert_eq!(balancer.pick(&asked, |instance| instance != 1, |instance| in_flight[instance]), Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Balancer {
    pool: Arc<Pool>,
    /// What [`Balancer::set_available`] was told last, for every instance.
    available: Vec<bool>,
    /// Whose turn it is, in one round of the available instances that are no backups.
    sequence: Vec<u16>,
}

/// What never changes of an upstream's instances.
#[derive(Debug)]
struct Pool {
    strategy: Strategy,
    weights: Box<[u16]>,
    /// All weights are the same.
    is_even: bool,
    /// The instances that are no backups, and the others, both in file order.
    primaries: Box<[Member]>,
    backups: Box<[Member]>,
    /// Only for [`Strategy::IpHash`].
    homes: Option<Homes>,
    /// Only for [`Strategy::StickyCookie`]: one for each instance.
    pins: Box<[Pin]>,
    /// The same with their places, sorted.
    places: Box<[(Pin, u16)]>,
}

/// An instance as a search meets it: with all that is compared, in one place of memory.
#[derive(Clone, Copy, Debug)]
struct Member {
    /// In the list of the upstream.
    place: u16,
    weight: u16,
    /// What one request counts at this weight, beside those at other weights.
    burden: u32,
}

/// What a choice depends on beside the instances themselves.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Counts the requests of the upstream, wherever they are counted, from any start. A random
    /// start keeps many proxies from beginning at the same instance. See [`Balancer::uses_turn`].
    pub turn: usize,
    /// A random number, new for each request. See [`Balancer::uses_random`].
    pub random: u64,
    /// The client, as trusted proxies name it. Only [`Strategy::IpHash`] looks at it.
    pub client: IpAddr,
    /// What the client's cookie says. Only [`Strategy::StickyCookie`] looks at it.
    pub pin: Option<Pin>,
}

impl Balancer {
    /// A balancer for the instances of an upstream, which keep their places; all are available.
    ///
    /// Takes some nanoseconds an instance; with weights that have little in common up to
    /// milliseconds, and with [`Strategy::IpHash`] 20 to 200 microseconds an instance.
    pub fn new(upstream: &Upstream) -> Self {
        let instances = &upstream.instances;
        let weights: Box<[u16]> = instances.iter().map(|instance| instance.weight).collect();
        let whole = sequence::common_multiple(&weights);
        let members = |backup: bool| -> Box<[Member]> {
            let marked = (0..).zip(instances).filter(|(_, instance)| instance.backup == backup);
            let member =
                |(place, weight): (u16, u16)| Member { place, weight, burden: whole / u32::from(weight.max(1)) };
            marked.map(|(place, instance)| member((place, instance.weight))).collect()
        };
        let primaries = members(false);
        let addresses = || instances.iter().map(|instance| &instance.address);
        let homes = matches!(upstream.strategy, Strategy::IpHash).then(|| Homes::new(addresses(), &primaries));
        let pins: Box<[Pin]> = match upstream.strategy {
            Strategy::StickyCookie(_) => addresses().map(Pin::new).collect(),
            _ => Box::default(),
        };
        let mut by_pin: Box<[(Pin, u16)]> = pins.iter().copied().zip(0..).collect();
        by_pin.sort_unstable();
        let pool = Pool {
            strategy: upstream.strategy.clone(),
            is_even: weights.iter().all(|weight| weights.first() == Some(weight)),
            weights,
            primaries,
            backups: members(true),
            homes,
            pins,
            places: by_pin,
        };
        let mut balancer = Balancer { pool: Arc::new(pool), available: Vec::new(), sequence: Vec::new() };
        balancer.set_available(|_| true);
        balancer
    }

    /// Tells which instances can be had at all, as health checks find it.
    ///
    /// It makes turns smooth and choices quick, no more: what [`Balancer::pick`] is told by `usable`
    /// holds at once, also against this. Where nothing has changed it costs a nanosecond an
    /// instance, else as much as [`Balancer::new`] does without a hash.
    pub fn set_available(&mut self, available: impl Fn(usize) -> bool) {
        let now = 0..self.pool.weights.len();
        if self.available.len() == now.len()
            && self.available.iter().zip(now.clone()).all(|(was, at)| *was == available(at))
        {
            return;
        }
        self.available = now.map(available).collect();
        let is_available = |member: &&Member| self.available.get(usize::from(member.place)) == Some(&true);
        let members: Vec<&Member> = self.pool.primaries.iter().filter(is_available).collect();
        let weights: Vec<u16> = members.iter().map(|member| member.weight).collect();
        sequence::smooth(&weights, &mut self.sequence);
        for turn in &mut self.sequence {
            *turn = members.get(usize::from(*turn)).map_or(0, |member| member.place);
        }
    }

    /// Whether a choice depends on [`Asked::turn`]: where not, nobody needs to count.
    pub fn uses_turn(&self) -> bool {
        matches!(self.pool.strategy, Strategy::RoundRobin | Strategy::LeastConn | Strategy::StickyCookie(_))
    }

    /// Whether a choice depends on [`Asked::random`]: where not, no number needs to be drawn.
    pub fn uses_random(&self) -> bool {
        matches!(self.pool.strategy, Strategy::Random | Strategy::PowerOfTwo)
    }

    /// The place of the instance that a client is pinned to, whatever its state.
    pub fn pinned(&self, pin: Pin) -> Option<usize> {
        let found = self.pool.places.binary_search_by_key(&pin, |(pin, _)| *pin).ok()?;
        self.pool.places.get(found).map(|(_, place)| usize::from(*place))
    }

    /// What pins a client to the instance at this place; `None` for other strategies.
    pub fn pin(&self, place: usize) -> Option<Pin> {
        self.pool.pins.get(place).copied()
    }

    /// The place of the chosen instance in [`Upstream::instances`]; `None` where none is usable.
    ///
    /// `usable` tells whether an instance may get this request; `load` how many requests it has in
    /// flight. While the first that comes to mind is usable, `usable` and `load` are asked twice at
    /// most; where it is not, `usable` is asked up to twice more for each instance.
    /// [`Strategy::LeastConn`] asks both for each instance until it finds an idle one. Backups are
    /// chosen where no other is usable.
    ///
    /// Allocates nothing and takes no lock.
    pub fn pick(&self, asked: &Asked, usable: impl Fn(usize) -> bool, load: impl Fn(usize) -> usize) -> Option<usize> {
        let pool = &*self.pool;
        match &pool.strategy {
            Strategy::RoundRobin => self.in_turn(asked.turn as u64, &usable),
            Strategy::Random => self.in_turn(asked.random, &usable),
            Strategy::StickyCookie(_) => {
                let home = asked.pin.and_then(|pin| self.pinned(pin)).filter(|place| usable(*place));
                home.or_else(|| self.in_turn(asked.turn as u64, &usable))
            }
            Strategy::LeastConn => {
                let first = self.in_turn(asked.turn as u64, &usable)? as u16;
                let is_backup = pool.backups.binary_search_by_key(&first, |member| member.place).is_ok();
                let group = if is_backup { &pool.backups } else { &pool.primaries };
                if pool.is_even {
                    least::<true>(group, first, &usable, &load)
                } else {
                    least::<false>(group, first, &usable, &load)
                }
            }
            Strategy::PowerOfTwo => self.better_of_two(asked.random, &usable, &load),
            Strategy::IpHash => {
                let homes = pool.homes.as_ref()?;
                let slot = hash::slot(asked.client);
                let home = homes.of(slot).filter(|place| usable(*place));
                let other = |group: &[Member]| homes.among(slot, group, &usable);
                home.or_else(|| other(&pool.primaries)).or_else(|| other(&pool.backups))
            }
        }
    }

    /// The instance whose turn it is at this number.
    fn in_turn(&self, number: u64, usable: &impl Fn(usize) -> bool) -> Option<usize> {
        let length = self.sequence.len() as u64;
        let (round, at) = number.checked_div(length).map_or((number, 0), |round| (round, number % length));
        if let Some(place) = self.sequence.get(at as usize).map(|place| usize::from(*place))
            && usable(place)
        {
            return Some(place);
        }
        // Its share is spread over all that are usable, and not left to its neighbour. At each turn
        // of the sequence they are chosen one after the other, and neighbouring turns begin with
        // different ones.
        let number = round.wrapping_add(at);
        let pool = &*self.pool;
        pool.by_weight(&pool.primaries, number, usable).or_else(|| pool.by_weight(&pool.backups, number, usable))
    }

    /// Of two instances, drawn by weight, the one with less to do.
    fn better_of_two(
        &self,
        random: u64,
        usable: &impl Fn(usize) -> bool,
        load: &impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let pool = &*self.pool;
        let drawn = |half: u64| {
            let at = (half * self.sequence.len() as u64) >> 32;
            self.sequence.get(at as usize).copied()
        };
        let (low, high) = (random & u64::from(u32::MAX), random >> 32);
        let (Some(one), Some(mut other)) = (drawn(low), drawn(high)) else { return self.in_turn(random, usable) };
        if one == other {
            // Any other, so that a heavy one is compared with something too.
            let others = pool.primaries.len().saturating_sub(1);
            let at = pool.primaries.partition_point(|member| member.place < one);
            let step = (hash::mixed(random) as usize).checked_rem(others).map_or(0, |step| step + 1);
            other = pool.primaries.get((at + step) % pool.primaries.len()).map_or(one, |member| member.place);
        }
        let (one, other) = (usize::from(one), usize::from(other));
        match (usable(one), usable(other)) {
            (true, true) if pool.is_less(other, load(other), one, load(one)) => Some(other),
            (true, _) => Some(one),
            (false, true) => Some(other),
            (false, false) => self.in_turn(random, usable),
        }
    }
}

impl Pool {
    fn weight(&self, place: usize) -> u16 {
        self.weights.get(place).copied().unwrap_or(1)
    }

    /// Whether one has less to do for its weight than another.
    fn is_less(&self, one: usize, load: usize, other: usize, other_load: usize) -> bool {
        load * usize::from(self.weight(other)) < other_load * usize::from(self.weight(one))
    }

    /// The usable one of a group at this number, each counted as often as its weight, round and
    /// round.
    fn by_weight(&self, group: &[Member], number: u64, usable: &impl Fn(usize) -> bool) -> Option<usize> {
        let usable = || group.iter().filter(|member| usable(usize::from(member.place)));
        let total: u64 = usable().map(|member| u64::from(member.weight)).sum();
        let mut left = number.checked_rem(total)?;
        // An instance may have changed between the two looks: then any will do.
        let chosen = usable().find(|member| {
            let weight = u64::from(member.weight);
            let is_here = left < weight;
            left = left.saturating_sub(weight);
            is_here
        });
        chosen.or_else(|| usable().next()).map(|member| usize::from(member.place))
    }
}

/// The one of a group that has the least to do for its weight; the first from `first` on where
/// several have. Where all weights are the same there is nothing to multiply, for each of a hundred.
fn least<const IS_EVEN: bool>(
    group: &[Member],
    first: u16,
    usable: &impl Fn(usize) -> bool,
    load: &impl Fn(usize) -> usize,
) -> Option<usize> {
    let (before, from) = group.split_at(group.partition_point(|member| member.place < first));
    let (mut best, mut least) = (None, u64::MAX);
    for part in [from, before] {
        for member in part {
            let place = usize::from(member.place);
            if !usable(place) {
                continue;
            }
            let burden = load(place) as u64 * if IS_EVEN { 1 } else { u64::from(member.burden) };
            if burden < least {
                (best, least) = (Some(place), burden);
                if burden == 0 {
                    return best;
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests;
