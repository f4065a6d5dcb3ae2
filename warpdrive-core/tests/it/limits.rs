//! Every bound, at it and one past it, through the public interface.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use http::{HeaderMap, HeaderValue, Method, Version};
use warpdrive_core::balance::{Asked, Balancer};
use warpdrive_core::config::{Code, Source, load};
use warpdrive_core::forwarding::{ClientConnection, Credentials, Fresh, RequestHead, Scheme, forward, kept_request_id};
use warpdrive_core::limits::*;
use warpdrive_core::model::{
    Address, HostPattern, Instance, PathRegex, Settings, Strategy as Balancing, TrustedProxies,
};
use warpdrive_core::{CompileError, Model, ModelBuilder, RequestView, RouteBuilder, Router, Scratch, oracle};

fn one() -> ModelBuilder {
    Model::builder().upstream("u", [Address::tcp("127.0.0.1", 1)])
}

/// The only mistake of a table, or nothing.
fn mistake(table: ModelBuilder) -> Option<String> {
    let errors = table.build().err()?;
    assert_eq!(errors.iter().count(), 1, "{errors}");
    Some(errors.to_string())
}

fn load_text(text: &str) -> Result<Model, String> {
    load(Source::file("f", text)).map(|loaded| loaded.model).map_err(|errors| errors.to_string())
}

/// A name of exactly that many bytes, in labels of at most nine.
fn host_of(length: usize) -> String {
    let name: String = "aaaaaaaaa.".chars().cycle().take(length).collect();
    if name.ends_with('.') { format!("{}a", &name[..length - 1]) } else { name }
}

/// What a line of a health check is refused with.
fn check_with(line: &str) -> Option<String> {
    load_text(&format!("[upstreams.u]\nport = 1\n[upstreams.u.health]\n{line}\n")).err()
}

/// What a text of a given length does where texts are bounded: `Some` is the refusal.
type Tried = fn(usize) -> Option<String>;

/// The bounds on a size or count, each with what happens to a thing of that size.
const SIZES: &[(&str, usize, Tried)] = &[
    ("MAX_TARGET_BYTES", MAX_TARGET_BYTES, |length| {
        let router = Router::compile(one().route(RouteBuilder::to("u")).build().unwrap()).unwrap();
        let target = format!("/{}", "a".repeat(length - 1));
        let found = router.route(&RequestView::new("GET", &target), &mut Scratch::new()).map(|found| found.is_some());
        found.err().map(|reject| reject.to_string())
    }),
    ("MAX_TARGET_BYTES of the upstream's target", MAX_TARGET_BYTES, |length| {
        let route = RouteBuilder::to("u").path_prefix("/a").rewrite("/bb");
        let router = Router::compile(one().route(route).build().unwrap()).unwrap();
        let target = format!("/a/{}", "a".repeat(length - 4));
        let found = router.route(&RequestView::new("GET", &target), &mut Scratch::new()).map(|found| {
            assert_eq!(found.unwrap().upstream_target().len(), length);
        });
        found.err().map(|reject| reject.to_string())
    }),
    ("MAX_HOST_BYTES of a request", MAX_HOST_BYTES, |length| {
        let router = Router::compile(one().route(RouteBuilder::to("u")).build().unwrap()).unwrap();
        let host = host_of(length);
        let view = RequestView::new("GET", "/").with_host(&host);
        let found = router.route(&view, &mut Scratch::new()).map(|found| found.is_some());
        found.err().map(|reject| reject.to_string())
    }),
    ("MAX_HOST_BYTES of a pattern", MAX_HOST_BYTES, |length| {
        HostPattern::parse(&host_of(length)).err().map(|error| error.to_string())
    }),
    ("MAX_PATTERN_BYTES of a prefix", MAX_PATTERN_BYTES, |length| {
        mistake(one().route(RouteBuilder::to("u").path_prefix(format!("/{}", "a".repeat(length - 1)))))
    }),
    ("MAX_PATTERN_BYTES of a rewrite", MAX_PATTERN_BYTES, |length| {
        let rewrite = format!("/{}", "a".repeat(length - 1));
        mistake(one().route(RouteBuilder::to("u").path_prefix("/a").rewrite(rewrite)))
    }),
    ("MAX_PATTERN_SEGMENTS", MAX_PATTERN_SEGMENTS, |segments| {
        mistake(one().route(RouteBuilder::to("u").path_exact("/a".repeat(segments))))
    }),
    ("MAX_REGEX_BYTES of a path", MAX_REGEX_BYTES, |length| {
        mistake(one().route(RouteBuilder::to("u").path_regex("a".repeat(length))))
    }),
    ("MAX_REGEX_BYTES of a field", MAX_REGEX_BYTES, |length| {
        mistake(one().route(RouteBuilder::to("u").header_regex("x-a", "a".repeat(length))))
    }),
    ("MAX_HEADER_CONDITIONS in code", MAX_HEADER_CONDITIONS, |count| {
        let route = (0..count).fold(RouteBuilder::to("u"), |route, number| route.header_present(format!("x-{number}")));
        mistake(one().route(route))
    }),
    ("MAX_HEADER_CONDITIONS in a file", MAX_HEADER_CONDITIONS, |count| {
        // `header` and `headers` count together.
        let listed = "{ name = \"x\", present = true }, ".repeat(count - 1);
        let header = "header = { name = \"y\", present = true }\n";
        load_text(&format!("[upstreams.u]\nport = 1\n[[routes]]\nupstream = \"u\"\n{header}headers = [{listed}]\n"))
            .err()
    }),
    ("MAX_INSTANCES", MAX_INSTANCES, |count| {
        mistake(Model::builder().upstream("u", (1..=count).map(|port| Address::tcp("h", port as u16))))
    }),
    ("MAX_WEIGHT in code", MAX_WEIGHT as usize, |weight| {
        let instance = Instance::from(Address::tcp("h", 1)).with_weight(weight as u16);
        mistake(Model::builder().balanced("u", Balancing::LeastConn, [instance]))
    }),
    ("MAX_WEIGHT in a file", MAX_WEIGHT as usize, |weight| {
        load_text(&format!("[[upstreams.u.instances]]\nport = 1\nweight = {weight}\n")).err()
    }),
    ("MAX_QUEUE", MAX_QUEUE, |size| load_text(&format!("[upstreams.u]\nport = 1\nqueue = {size}\n")).err()),
    ("MAX_SOCKET_PATH_BYTES", MAX_SOCKET_PATH_BYTES, |length| {
        mistake(Model::builder().upstream("u", [Address::unix(format!("/{}", "a".repeat(length - 1)))]))
    }),
    ("MAX_UPSTREAMS", MAX_UPSTREAMS, |count| {
        mistake(
            (0..count).fold(Model::builder(), |table, number| {
                table.upstream(number.to_string(), [Address::tcp("127.0.0.1", 1)])
            }),
        )
    }),
    ("MAX_ROUTES", MAX_ROUTES, |count| mistake((0..count).fold(one(), |table, _| table.route(RouteBuilder::to("u"))))),
    ("MAX_CHECK_STATUSES", MAX_CHECK_STATUSES, |count| check_with(&format!("expect = [{}]", "200, ".repeat(count)))),
    ("MAX_CHECK_FIELDS", MAX_CHECK_FIELDS, |count| {
        let fields: String = (0..count).map(|number| format!("{{ name = \"x-{number}\", value = \"1\" }}, ")).collect();
        check_with(&format!("headers = [{fields}]"))
    }),
    ("MAX_CONFIG_BYTES", MAX_CONFIG_BYTES, |length| {
        let text = "[upstreams.u]\nport = 1\n";
        load_text(&format!("{text}#{}", " ".repeat(length - text.len() - 1))).err()
    }),
    ("MAX_REQUEST_ID_BYTES", MAX_REQUEST_ID_BYTES, |length| {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::try_from("a".repeat(length)).unwrap());
        let kept = kept_request_id(&headers);
        // No mistake of a configuration: the proxy makes an id of its own.
        kept.is_none().then(|| format!("an id over {MAX_REQUEST_ID_BYTES} bytes is not kept"))
    }),
];

#[test]
fn at_a_bound_all_is_well_and_one_past_it_is_told() {
    for (name, bound, tried) in SIZES {
        assert_eq!(tried(*bound), None, "{name}");
        let refusal = tried(bound + 1).unwrap_or_else(|| panic!("{name} is not enforced"));
        assert!(refusal.contains(&bound.to_string()), "{name}: {refusal}");
    }
}

/// Each constant stands in the table above or has a test of its own below.
#[test]
fn no_bound_is_left_out() {
    let source = include_str!("../../src/limits.rs");
    let tests = include_str!("limits.rs");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/embedding.md")).unwrap();
    let names: Vec<&str> =
        source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect();
    assert!(names.len() >= 18, "{names:?}");
    for name in names {
        assert!(tests.matches(name).count() >= 2, "{name} has no test");
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/embedding.md");
    }
}

fn balancer(strategy: Balancing, instances: Vec<Instance>) -> Balancer {
    let model = Model::builder().balanced("u", strategy, instances).build().unwrap();
    Balancer::new(&model.upstreams()[0])
}

/// Weights beyond the bound of a round are scaled down, so that it is no longer, and nobody loses a
/// turn altogether.
#[test]
fn a_round_is_at_most_max_sequence_long() {
    let instance = |port: u16| Instance::from(Address::tcp("h", port)).with_weight(990 + port);
    let balancer = balancer(Balancing::RoundRobin, (1..=10).map(instance).collect());
    let turn = |turn| Asked { turn, random: 0, client: Ipv4Addr::LOCALHOST.into(), pin: None };
    let pick = |number| balancer.pick(&turn(number), |_| true, |_| 0).unwrap();
    let round: Vec<usize> = (0..MAX_SEQUENCE).map(pick).collect();
    let repeats = |length: usize| (0..length).all(|number| pick(number) == pick(number + length));
    let length = (MAX_SEQUENCE - 20..=MAX_SEQUENCE).find(|length| repeats(*length));
    assert!(length.is_some());
    for place in 0..10 {
        let turns = round.iter().filter(|chosen| **chosen == place).count();
        assert!((400..=412).contains(&turns), "{turns}");
    }
}

/// Clients are told apart by their group alone, one of HASH_SLOTS, so each instance has a share that
/// is counted in groups.
#[test]
fn clients_are_put_into_hash_slots() {
    const COUNT: usize = 250;
    const CLIENTS: u32 = 100_000;
    let instances = (1..=COUNT).map(|port| Address::tcp("h", port as u16).into()).collect();
    let balancer = balancer(Balancing::IpHash, instances);
    let mut counts = vec![0_u32; COUNT];
    for client in 0..CLIENTS {
        let asked = Asked { turn: 0, random: 0, client: Ipv4Addr::from_bits(client).into(), pin: None };
        counts[balancer.pick(&asked, |_| true, |_| 0).unwrap()] += 1;
    }
    // Each has some 66 groups, and chance deals those, not single clients.
    let even = f64::from(CLIENTS) / COUNT as f64;
    let variance = counts.iter().map(|count| (f64::from(*count) - even).powi(2)).sum::<f64>() / COUNT as f64;
    let by_groups = even * (COUNT as f64 / HASH_SLOTS as f64).sqrt();
    assert!((by_groups * 0.8..by_groups * 1.3).contains(&variance.sqrt()), "{} {by_groups}", variance.sqrt());
}

/// How many comparisons a table needs is the search's business, so the tables here are well below
/// the bound and well past it: each exact path is compared with each expression in its folder.
#[test]
fn a_search_past_its_comparisons_is_given_up_and_says_so() {
    const EXPRESSIONS: u64 = 700;
    let warnings = |comparisons: u64| {
        let route = |condition: String| format!("[[routes]]\nupstream = \"u\"\n{condition}\n");
        let expressions = (0..EXPRESSIONS).map(|n| route(format!("path_regex = \"^/r{n}x\"")));
        let paths = (0..comparisons / EXPRESSIONS).map(|n| route(format!("path_exact = \"/s{n}\"")));
        let text: String = expressions.chain(paths).collect();
        let loaded = load(Source::file("f", &format!("[upstreams.u]\nport = 1\n{text}"))).unwrap();
        loaded.warnings.into_iter().map(|warning| warning.code).collect::<Vec<_>>()
    };
    assert_eq!(warnings(MAX_FINDING_COMPARISONS / 200), []);
    assert_eq!(warnings(MAX_FINDING_COMPARISONS), [Code::FindingsIncomplete]);
}

/// The size of a program is the engine's business, so the bound is found by trying.
fn largest_repetition() -> usize {
    let fits = |count: usize| PathRegex::new(&format!("^/x/(a{{{count}}}){{10}}")).is_ok();
    let (mut fit, mut refused) = (1, 20_000);
    assert!(fits(fit) && !fits(refused));
    while refused - fit > 1 {
        let middle = fit.midpoint(refused);
        if fits(middle) { fit = middle } else { refused = middle }
    }
    fit
}

#[test]
fn the_largest_expression_and_one_repetition_more() {
    let count = largest_repetition();
    let expression = |count: usize| format!("^/x/(a{{{count}}}){{10}}");
    assert_eq!(mistake(one().route(RouteBuilder::to("u").path_regex(expression(count)))), None);
    let refusal = mistake(one().route(RouteBuilder::to("u").path_regex(expression(count + 1)))).unwrap();
    assert!(refusal.contains(&MAX_REGEX_PROGRAM_BYTES.to_string()), "{refusal}");
}

/// Members over `MAX_REGEX_SET_BYTES` are tried one by one: slower, and with the same decisions.
#[test]
fn a_set_that_is_too_large_is_no_set() {
    let count = largest_repetition();
    // Every program is nearly as large as one may be, so one more than fit in a set are too many.
    for members in [4, MAX_REGEX_SET_BYTES / MAX_REGEX_PROGRAM_BYTES + 1] {
        let table = (0..members).fold(one(), |table, member| {
            table.route(RouteBuilder::to("u").path_regex(format!("^/x/(a{{{count}}}){{10}}|^/x/{member}$")))
        });
        let Ok(model) = table.build() else { panic!("each member fits") };
        let router = Router::compile(model).unwrap();
        let mut scratch = Scratch::new();
        for number in [0, members - 1, members] {
            let target = format!("/x/{number}");
            let view = RequestView::new("GET", &target);
            let found = router.route(&view, &mut scratch).unwrap().map(|found| found.route().number);
            assert_eq!(found, (number < members).then_some(number as u32 + 1));
            assert_eq!(oracle::first_match(router.model(), &view), Ok(found));
        }
    }
}

#[test]
fn expressions_without_an_anchor_are_counted_by_host() {
    let table = |count: usize| {
        let route = |number: usize| RouteBuilder::to("u").host("h").path_regex(format!("x{number}$"));
        let elsewhere = RouteBuilder::to("u").host("i").path_regex("y");
        (0..count).fold(one(), |table, number| table.route(route(number))).route(elsewhere).build().unwrap()
    };
    assert!(Router::compile(table(MAX_UNANCHORED_REGEXES)).is_ok());
    let error = Router::compile(table(MAX_UNANCHORED_REGEXES + 1)).unwrap_err();
    assert_eq!(error, CompileError::TooManyUnanchored { count: MAX_UNANCHORED_REGEXES + 1 });
}

#[test]
fn mistakes_beyond_the_bound_are_counted() {
    for past in [0, 1] {
        let count = MAX_DIAGNOSTICS + past;
        let mut keys: String = (0..count).map(|number| format!("key{number} = 1\n")).collect();
        keys.push_str("[upstreams.u]\nport = 1\n");
        let errors = load(Source::file("f", &keys)).unwrap_err();
        assert_eq!((errors.iter().count(), errors.more()), (MAX_DIAGNOSTICS, past));
        let table = (0..count).fold(one(), |table, _| table.route(RouteBuilder::to("x")));
        let errors = table.build().unwrap_err();
        assert_eq!((errors.iter().count(), errors.more()), (MAX_DIAGNOSTICS, past));
    }
}

#[test]
fn a_time_is_at_most_a_year() {
    let time = |seconds: f64| {
        load_text(&format!("[server]\nread_timeout_secs = {seconds:?}\n[upstreams.u]\nport = 1\n")).map(|model| {
            let read = model.settings().server.timeouts.read;
            let built = mistake(one().route(RouteBuilder::to("u").read_timeout(read)));
            assert_eq!(built, None);
            read.as_secs_f64()
        })
    };
    assert_eq!(time(MAX_SECONDS), Ok(MAX_SECONDS));
    assert!(time(MAX_SECONDS + 1.0).unwrap_err().contains("at most a year"));
}

#[test]
fn entries_of_a_forwarded_list_are_read_from_the_right_up_to_the_bound() {
    let mut settings = Settings::default();
    settings.server.trusted_proxies = TrustedProxies::private();
    let table = one().settings(settings).route(RouteBuilder::to("u"));
    let router = Router::compile(table.build().unwrap()).unwrap();
    let connection = ClientConnection::new([10, 0, 0, 1].into(), Scheme::Http, &router.model().settings().server);
    let client = |friends: usize| -> IpAddr {
        let list = format!("192.0.2.7{}", ", 10.0.0.2".repeat(friends));
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("h"));
        headers.insert("x-forwarded-for", HeaderValue::try_from(list).unwrap());
        let empty = HeaderValue::from_static("");
        let fresh = Fresh { request_id: &empty, request_start: &empty };
        let head = RequestHead { method: &Method::GET, version: Version::HTTP_11, target: "/" };
        let mut scratch = Scratch::new();
        let found = forward(&router, head, &mut headers, &connection, fresh, Credentials::Check, &mut scratch);
        found.unwrap().unwrap().client
    };
    assert_eq!(client(MAX_FORWARDED_FOR_ENTRIES - 1), IpAddr::from([192, 0, 2, 7]));
    assert_eq!(client(MAX_FORWARDED_FOR_ENTRIES), IpAddr::from([10, 0, 0, 2]));
}
