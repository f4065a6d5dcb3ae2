//! Every bound of the library in one place, each with its reason and each tested past itself.

/// The longest request target, in bytes. Browsers stop at 2 to 80 KB; a longer one is an attack
/// or a bug, and the answer is 414 (RFC 9110 section 15.5.15).
pub const MAX_TARGET_BYTES: usize = 32 * 1024;

/// The longest host name, in bytes without port (RFC 1035 section 2.3.4).
pub const MAX_HOST_BYTES: usize = 253;

/// The longest `path_prefix`, `path_exact` or `rewrite`, in bytes.
/// Lists are built down the tree, so the depth of a pattern costs memory at compile time.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// The most segments of a path pattern. A look-up may visit one list for each.
pub const MAX_PATTERN_SEGMENTS: usize = 64;

/// The longest regular expression, in bytes of its text.
pub const MAX_REGEX_BYTES: usize = 1024;

/// The memory that one compiled regular expression may take, in bytes. Repetitions such as
/// `(a{1000}){1000}` need far more and are refused.
pub const MAX_REGEX_PROGRAM_BYTES: usize = 1 << 20;

/// The memory that the compiled set of the anchored expressions of one path may take, in bytes.
pub const MAX_REGEX_SET_BYTES: usize = 64 << 20;

/// The most expressions without a leading `^` that one host's table may hold. Each is tried on
/// its own, at every position of the path.
pub const MAX_UNANCHORED_REGEXES: usize = 256;

/// The most routes of one table.
pub const MAX_ROUTES: usize = 1_000_000;

/// The most upstreams of one configuration.
pub const MAX_UPSTREAMS: usize = 65_535;

/// The most instances of one upstream.
pub const MAX_INSTANCES: usize = 1_024;

/// The longest path of a Unix socket, in bytes: `sun_path` of Linux less its end.
pub const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The most header conditions of one route, `header` and `headers` together.
pub const MAX_HEADER_CONDITIONS: usize = 32;

/// The most entries of `health.expect`. Each is compared at each check.
pub const MAX_CHECK_STATUSES: usize = 32;

/// The most entries of `health.headers`.
pub const MAX_CHECK_FIELDS: usize = 32;

/// The largest configuration text, in bytes.
pub const MAX_CONFIG_BYTES: usize = 64 << 20;

/// The most comparisons that one load spends on finding routes in each other's way: a few tenths
/// of a second. A route usually needs one to three.
pub const MAX_FINDING_COMPARISONS: u64 = 2_000_000;

/// The most mistakes, and the most warnings, that one load reports; the rest is counted.
pub const MAX_DIAGNOSTICS: usize = 100;

/// The longest time that a `_secs` key may name: one year.
pub const MAX_SECONDS: f64 = 31_536_000.0;

/// The longest `X-Request-Id` that is kept, in bytes.
pub const MAX_REQUEST_ID_BYTES: usize = 128;

/// The most entries of a trusted peer's `X-Forwarded-For` that are read, from the right.
pub const MAX_FORWARDED_FOR_ENTRIES: usize = 64;

/// The largest weight of an instance.
pub const MAX_WEIGHT: u16 = 1_000;

/// The most turns of one round of weighted instances. Above it weights are scaled down; the list is
/// worked out anew, at a step for each turn and instance, when an instance comes or goes.
pub const MAX_SEQUENCE: usize = 4_096;

/// The groups into which `ip_hash` puts clients; each has one home. It never changes, or every
/// client would move. 32 KiB for each upstream that uses it.
pub const HASH_SLOTS: usize = 16_384;

/// The most requests that may wait for a place at the instances of one upstream.
pub const MAX_QUEUE: usize = 100_000;
