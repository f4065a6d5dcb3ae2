//! Routes that stand in each other's way: the same conditions twice, a route that no request
//! reaches, a route that loses requests that it seems made for.

use http::Method;
use rustc_hash::FxHashMap;

use super::conditions::{Conditions, common_host, common_methods};
use super::example::{self, Example};
use super::index::{Budget, Index, Position};
use super::shape::Shape;
use super::{Subject, some_of};
use crate::config::diagnostic::{Code, Diagnostic, Place, Report};
use crate::host::HostPattern;
use crate::model::Route;
use crate::pattern::{HeaderCondition, HeaderTest, PathRule};

/// How many of the earlier routes are tried before a route counts as not shadowed.
const EARLIER_TRIED: usize = 4;

/// Looks at the routes in order, each against those before it, until the budget is used up.
pub(super) fn look(subject: &Subject<'_>, budget: &mut Budget, report: &mut Report) {
    let all: Vec<Conditions<'_>> = subject.routes.iter().map(Conditions::of).collect();
    let mut index = Index::new();
    let mut first_of_kind: FxHashMap<Kind<'_>, Position> = FxHashMap::default();
    for (later, conditions) in (0..).zip(&all) {
        if budget.is_used_up() {
            let count = all.len();
            report
                .add(
                    Code::FindingsIncomplete,
                    Place::Whole,
                    format!(
                        "the search for routes in each other's way was given up before route {} of {count}",
                        later + 1
                    ),
                )
                .help("the routes compare with too many others; requests are routed all the same");
            return;
        }
        let Some(route) = subject.routes.get(later as usize) else { return };
        let first = *first_of_kind.entry(Kind::of(route)).or_insert(later);
        if first != later {
            duplicate(subject, later, first, report);
            continue;
        }
        if let Some(covers) = covers(&index, conditions, &all, budget) {
            unreachable(subject, later, &covers, report);
            continue;
        }
        if let Some(loss) = loss(subject, &index, conditions, &all, budget) {
            shadowed(subject, later, &loss, report);
        }
        index.insert(later, &all, budget);
    }
}

/// The conditions of a route as sets.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'m> {
    hosts: Vec<(u8, &'m str)>,
    path: (u8, &'m str),
    methods: Vec<&'m str>,
    headers: Vec<(&'m str, u8, &'m [u8])>,
}

impl<'m> Kind<'m> {
    fn of(route: &'m Route) -> Self {
        let mut hosts: Vec<(u8, &str)> = if route.hosts.contains(&HostPattern::Any) {
            Vec::new()
        } else {
            let keys = route.hosts.iter().map(|host| match host {
                HostPattern::Any => (0, ""),
                HostPattern::Exact(name) => (1, name.as_str()),
                HostPattern::Wildcard(suffix) => (2, suffix.as_str()),
            });
            keys.collect()
        };
        let path = match &route.path {
            PathRule::Any => (0, "/"),
            PathRule::Prefix(prefix) => (0, prefix.as_str()),
            PathRule::Exact(path) => (1, path.as_str()),
            PathRule::Regex(regex) => (2, regex.as_str()),
        };
        // GET takes HEAD, so naming both is naming GET.
        let has_get = route.methods.contains(&Method::GET);
        let mut methods: Vec<&str> =
            route.methods.iter().filter(|method| !(has_get && **method == Method::HEAD)).map(Method::as_str).collect();
        let mut headers: Vec<(&str, u8, &[u8])> = route.headers.iter().map(header_key).collect();
        sort(&mut hosts);
        sort(&mut methods);
        sort(&mut headers);
        Kind { hosts, path, methods, headers }
    }
}

fn header_key(condition: &HeaderCondition) -> (&str, u8, &[u8]) {
    let (kind, text) = match &condition.test {
        HeaderTest::Present => (0, &[][..]),
        HeaderTest::Exact(value) => (1, value.as_bytes()),
        HeaderTest::Regex(regex) => (2, regex.as_str().as_bytes()),
    };
    (condition.name.as_str(), kind, text)
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// The earlier routes that take everything from this one: one of them alone for each host
/// pattern and method of it.
fn covers(
    index: &Index<'_>,
    later: &Conditions<'_>,
    all: &[Conditions<'_>],
    budget: &mut Budget,
) -> Option<Vec<Position>> {
    let question = index.question(later, budget);
    let mut covers = Vec::new();
    for host in &later.hosts {
        if later.methods.is_empty() {
            covers.push(index.first_cover(&question, host, None, all, budget)?);
        }
        for method in later.methods {
            covers.push(index.first_cover(&question, host, Some(method), all, budget)?);
        }
    }
    sort(&mut covers);
    Some(covers)
}

/// A request that a route seems made for and does not get.
struct Loss {
    example: String,
    to: Position,
    /// How many other earlier routes are in the way as well.
    more: usize,
}

fn loss(
    subject: &Subject<'_>,
    index: &Index<'_>,
    later: &Conditions<'_>,
    all: &[Conditions<'_>],
    budget: &mut Budget,
) -> Option<Loss> {
    let question = index.question(later, budget);
    let mut in_the_way = index.overlapping(&question, all, budget);
    in_the_way
        .retain(|&position| all.get(position as usize).is_some_and(|earlier| is_in_the_way(earlier, later, budget)));
    let paths = if in_the_way.is_empty() { Vec::new() } else { example::paths(&later.shape, subject.server) };
    if paths.is_empty() {
        return None;
    }
    let fields = example::field_lines(later.headers, subject.server)?;
    for &to in in_the_way.iter().take(EARLIER_TRIED) {
        let Some(earlier) = all.get(to as usize) else { continue };
        let found = examples(earlier, later, &paths, &fields, budget)
            .into_iter()
            .find(|example| decides(index, example, all, budget) == Some(to));
        if let Some(example) = found.and_then(|example| example.shown()) {
            // What was decided with half a budget may be wrong.
            return (!budget.is_used_up()).then_some(Loss { example, to, more: in_the_way.len() - 1 });
        }
    }
    None
}

/// Whether a route that takes the paths and passes the header conditions of a later one is in its
/// way: not by a special case of the later one, which is what stands in front for good reason.
fn is_in_the_way(earlier: &Conditions<'_>, later: &Conditions<'_>, budget: &mut Budget) -> bool {
    if common_methods(earlier.methods, later.methods).is_empty() {
        return false;
    }
    let comparisons = if later.shape.covers(&earlier.shape) { earlier.hosts.len() * later.hosts.len() } else { 0 };
    budget.spend(comparisons) && !later.contains(earlier)
}

/// A few requests that both routes take.
fn examples(
    earlier: &Conditions<'_>,
    later: &Conditions<'_>,
    paths: &[String],
    fields: &[HeaderCondition],
    budget: &mut Budget,
) -> Vec<Example> {
    if !budget.spend(earlier.hosts.len() * later.hosts.len()) {
        return Vec::new();
    }
    let common = later.hosts.iter().find_map(|theirs| earlier.hosts.iter().find_map(|own| common_host(own, theirs)));
    let Some(host) = common else { return Vec::new() };
    let mut examples = Vec::new();
    for method in common_methods(earlier.methods, later.methods).into_iter().take(2) {
        for host in example::hosts(host) {
            for path in paths {
                examples.push(Example {
                    method: method.clone(),
                    path: path.clone(),
                    host: host.clone(),
                    fields: fields.to_vec(),
                });
            }
        }
    }
    examples
}

/// The route that gets this request, of those in the index.
fn decides(index: &Index<'_>, example: &Example, all: &[Conditions<'_>], budget: &mut Budget) -> Option<Position> {
    let request = Conditions {
        hosts: vec![&example.host],
        shape: Shape::Exact(example.path.as_str().into()),
        methods: std::slice::from_ref(&example.method),
        headers: &example.fields,
    };
    let question = index.question(&request, budget);
    index.first_cover(&question, &example.host, Some(&example.method), all, budget)
}

fn duplicate(subject: &Subject<'_>, later: Position, first: Position, report: &mut Report) {
    let message = format!(
        "no request reaches {}: it has the same conditions as {}",
        number(later),
        number_and_line(subject, first)
    );
    add(subject, Code::DuplicateRoute, later, first, "the same conditions", message, report)
        .help("change a condition of one of them, or delete one");
}

fn unreachable(subject: &Subject<'_>, later: Position, covers: &[Position], report: &mut Report) {
    let Some(&first) = covers.first() else { return };
    let names: Vec<String> = covers.iter().map(|&position| number_and_line(subject, position)).collect();
    let (verb, role) = match names.len() {
        1 => ("takes", "takes every such request"),
        _ => ("together take", "the first of those that take its requests"),
    };
    let message = format!(
        "no request reaches {}: {} {verb} everything that it asks for",
        number(later),
        some_of(&names, "routes")
    );
    let methods = subject.routes.get(later as usize).map_or(&[][..], |route| &route.methods);
    let why = if methods == [Method::HEAD] { "a route for GET takes HEAD as well: " } else { "" };
    add(subject, Code::UnreachableRoute, later, first, role, message, report)
        .help(format!("{why}move it in front of {}, or delete it", number(first)));
}

fn shadowed(subject: &Subject<'_>, later: Position, loss: &Loss, report: &mut Report) {
    let more = match loss.more {
        0 => String::new(),
        1 => ", and 1 more route is in its way".to_owned(),
        more => format!(", and {more} more routes are in its way"),
    };
    let example = &loss.example;
    let message = format!(
        "{} does not get `{example}`: {} comes first and takes it{more}",
        number(later),
        number_and_line(subject, loss.to)
    );
    add(subject, Code::ShadowedRoute, later, loss.to, "takes it", message, report).help(format!(
        "if {} is the one that is meant, move it in front of {}",
        number(later),
        number(loss.to)
    ));
}

fn add<'r>(
    subject: &Subject<'_>,
    code: Code,
    later: Position,
    earlier: Position,
    role: &str,
    message: String,
    report: &'r mut Report,
) -> &'r mut Diagnostic {
    let span = |position: Position| subject.route_places.get(position as usize).map(|places| places.route.clone());
    let diagnostic = report.add(code, span(later).map_or(Place::Whole, Place::File), message);
    if let Some(earlier) = span(earlier) {
        diagnostic.related(earlier, role);
    }
    diagnostic
}

fn number(position: Position) -> String {
    format!("route {}", position + 1)
}

fn number_and_line(subject: &Subject<'_>, position: Position) -> String {
    match subject.routes.get(position as usize).and_then(|route| route.line) {
        Some(line) => format!("{} in line {line}", number(position)),
        None => number(position),
    }
}
