//! Every fixed buffer, queue and limit of the proxy, each with its reason. What a user may set is
//! in the model's settings instead.

use std::time::Duration;

/// Connections that may wait in a listener's queue. The usual 128 left a third of 200 clients that
/// came at once hanging for seconds; the kernel cuts this to `net.core.somaxconn`.
pub(crate) const ACCEPT_QUEUE: i32 = 4096;

/// Accepted connections that may be on their way from one worker to another. When it is full the
/// worker keeps the connection.
pub(crate) const PLACED_CONNECTIONS: usize = 256;

/// How many connections more than a quarter above the least loaded worker a worker may hold before
/// it hands new ones over.
pub(crate) const PLACE_SLACK: usize = 8;

/// How long accepting pauses when descriptors or connections have run out and none comes free.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Descriptors kept back for listeners, logs, name look-ups and the runtime itself when
/// `max_connections` is derived from the descriptor limit, besides those of [`PIPES`].
pub(crate) const RESERVED_DESCRIPTORS: u64 = 64;

/// The most connections that are derived from the descriptor limit; a container without a limit
/// would otherwise promise a thousand million.
pub(crate) const MAX_DERIVED_CONNECTIONS: usize = 100_000;

/// The longest request target in bytes. What is longer is answered 414.
pub(crate) const TARGET_BYTES: usize = 32 * 1024;

/// The longest request head in bytes, all lines together. hyper answers 431 beyond it.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;

/// The largest chunk of a body in bytes: what ten gigabits a second fill in two days and a
/// half, and what readers that count with a sign or in floating point read right. A larger size is
/// malformed.
pub(crate) const CHUNK_BYTES: u64 = 1 << 48;

/// The number of header fields that a head may have; hyper parses so many without an allocation.
pub(crate) const FREE_HEADER_FIELDS: usize = 100;

/// What hyper may buffer for one client connection in one direction. Twice a head, so that a head
/// of the full size always fits.
pub(crate) const CLIENT_BUFFER_BYTES: usize = 128 * 1024;

/// The longest head of a response in bytes. A longer one is no HTTP response.
pub(crate) const RESPONSE_HEAD_BYTES: usize = 128 * 1024;

/// What the first read of a response asks for, in bytes: most heads, and small answers whole. It
/// doubles while reads are filled.
pub(crate) const UPSTREAM_READ_BYTES: usize = 8 * 1024;

/// The least, the first and the most that is read of a response's body at once, in bytes. A piece that
/// the client takes at once is held by nobody; after one that was not taken whole the next is half as
/// large. With 128 KiB a body of a megabyte costs 0.6 of the CPU time that it does with 32.
pub(crate) const PIECE_BYTES: (usize, usize, usize) = (16 * 1024, 32 * 1024, 128 * 1024);

/// What the pieces of all clients of a worker may come to while a piece may be larger than the first, in
/// bytes.
pub(crate) const PIECE_SHARE_BYTES: usize = 64 * 1024 * 1024;

/// The block that heads and small pieces are kept in, in bytes. A client that takes nothing of a small
/// answer holds one of them.
pub(crate) const READ_SPACE_BYTES: usize = 16 * 1024;

/// The most that goes into that block, in bytes; more keeps the memory that it was read into.
pub(crate) const SMALL_READ_BYTES: usize = 2 * 1024;

/// How much of a body must be to come so that the rest of it is spliced from socket to socket, in bytes. To copy less
/// costs no more.
pub(crate) const SPLICED_BYTES: u64 = 16 * 1024;

/// Pipes for what is spliced, of all workers together, each of a largest piece: as much as a user who is not root may
/// have in pipes. Fewer where descriptors are few. A client has one while it has not taken all of its
/// piece; where none is left bodies are copied.
pub(crate) const PIPES: usize = 512;

/// What an HTTP/2 instance may send ahead on one stream and on one connection, in bytes.
pub(crate) const H2C_WINDOW_BYTES: (u32, u32) = (64 * 1024, 1024 * 1024);

/// The longest list of header fields that an HTTP/2 instance may send, in bytes.
pub(crate) const H2C_HEAD_BYTES: u32 = 64 * 1024;

/// What may wait to be sent on one stream to an HTTP/2 instance, in bytes.
pub(crate) const H2C_SEND_BYTES: usize = 64 * 1024;

/// The most requests at once on one connection to an HTTP/2 instance; fewer where the instance says so. More
/// connections are opened beyond it.
pub(crate) const H2C_STREAMS: usize = 100;

/// The longest line with the size of a chunk of a response, its extensions included, in bytes.
pub(crate) const CHUNK_LINE_BYTES: usize = 4 * 1024;

/// The longest trailers of a response in bytes.
pub(crate) const TRAILER_BYTES: usize = 16 * 1024;

/// The least and the most that one read of a client connection may bring, in bytes. hyper's read buffer is
/// at most twice that.
pub(crate) const READ_BYTES: (usize, usize) = (32 * 1024, 64 * 1024);

/// What the reads of all connections of a worker may bring together while each may bring more than
/// the least, in bytes.
pub(crate) const READ_SHARE_BYTES: usize = 8 * 1024 * 1024;

/// What is read from a client after an early answer, so that the kernel's reset for unread bytes
/// cannot overtake that answer.
pub(crate) const LINGER_BYTES: usize = 1024 * 1024;

/// How long a client may take to notice an early answer before its connection is closed.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// How long a stopping proxy waits for the first request of a connection that it has just accepted.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// The longest answer, head and body, that is copied to be written as one piece, in bytes.
pub(crate) const JOINED_BYTES: usize = 1024;

/// What the first read of a request head brings at most, in bytes: most heads whole.
pub(crate) const CLIENT_READ_BYTES: usize = 4 * 1024;

/// Tasks that a worker runs at most between two looks at its sockets and timers. A look costs a system call;
/// so many tasks take some two milliseconds.
pub(crate) const EVENT_INTERVAL: u32 = 256;

/// Room for the text of a request head that is kept from head to head, in bytes. A larger head has memory of its
/// own.
pub(crate) const KEPT_TEXT_BYTES: usize = 4096;

/// Names of response fields that a worker keeps.
pub(crate) const KEPT_NAMES: usize = 128;

/// The longest of them, in bytes: as long as the names that servers and frameworks send.
pub(crate) const KEPT_NAME_BYTES: usize = 40;

/// The longest value that is kept with a name, in bytes. One a name at most is given memory, and never freed.
pub(crate) const KEPT_VALUE_BYTES: usize = 64;

/// Empty maps for fields, and empty texts, that a worker keeps. As many are out of use as requests wait for their
/// instances.
pub(crate) const SPARE_HEADS: usize = 1024;

/// Fields that a map has room for which is kept from head to head. A larger head
/// has a map of its own.
pub(crate) const KEPT_MAP_FIELDS: usize = 48;

/// Idle connections kept for one instance by one worker. Between two looks at its sockets a worker
/// may take back as many as it has requests under way, and use them again at once; with 128 a
/// thousand busy clients cost a new connection for every third request.
pub(crate) const IDLE_PER_INSTANCE: usize = 512;

/// How long an idle upstream connection is kept: below the 5 s after which Node closes.
pub(crate) const IDLE_UPSTREAM: Duration = Duration::from_secs(4);

/// How often a worker looks for idle upstream connections that are too old, and for a new snapshot.
pub(crate) const SWEEP: Duration = Duration::from_secs(1);

/// The first and the longest wait before a connect is tried again that a full queue or a want of
/// descriptors has refused.
pub(crate) const CONNECT_RETRY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// The least and the longest time that an answer for a name is used before it is asked for again; the
/// name's own time to live (RFC 1035 section 3.2.1) between them. Also the least time between two
/// questions after a connection that failed.
pub(crate) const NAME_TTL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// The first and the longest wait after a question for a name that failed.
pub(crate) const NAME_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How long a server of names may take for one question, of which two are tried.
pub(crate) const NAME_ATTEMPT: Duration = Duration::from_secs(2);

/// Addresses of one name that are used; a name that has more is cut here.
pub(crate) const NAME_ADDRESSES: usize = 64;

/// What one read of a tunnel takes. One buffer of this size serves all tunnels of a worker; a
/// tunnel owns memory only for what the other side has not taken yet.
pub(crate) const TUNNEL_READ_BYTES: usize = 16 * 1024;

/// Health checks and trials under way at once; more wait for their turn, which is no part of their
/// time.
pub(crate) const CHECKS_AT_ONCE: usize = 64;

/// The longest head of an answer to a health check, in bytes. A longer one fails the check. Nothing
/// of its body is read.
pub(crate) const CHECK_HEAD_BYTES: usize = 64 * 1024;

/// How long an instance that requests failed at may take to let a trial connect, and then to close
/// that connection again; one that says nothing for so long does not drop everybody.
pub(crate) const TRIAL_TIME: Duration = Duration::from_secs(2);

/// The longest access-log line in bytes: follows from the two below.
pub(crate) const LOG_LINE_BYTES: usize = 8 * 1024;

/// The longest target in an access-log line in bytes, as written there.
pub(crate) const LOG_TARGET_BYTES: usize = 4 * 1024;

/// The longest other value in an access-log line in bytes, as written there.
pub(crate) const LOG_VALUE_BYTES: usize = 512;

/// A worker hands its log lines on when it has gathered this much. To hand on and to wake the log thread
/// takes some five system calls.
pub(crate) const LOG_UNIT_BYTES: usize = 64 * 1024;

/// A worker hands its log lines on after this time at the latest.
pub(crate) const LOG_DELAY: Duration = Duration::from_millis(100);

/// Units of log lines that may wait for the log thread. Beyond it less than a unit waits with its worker, and
/// more is lost and counted.
pub(crate) const LOG_UNITS: usize = 64;

/// How long the end of the proxy waits for a reader of the log that takes nothing.
pub(crate) const LOG_FAREWELL: Duration = Duration::from_secs(2);

/// The shortest time between two warnings of one kind that a client can cause.
pub(crate) const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The longest reload, stop and start messages that may wait for the control thread.
pub(crate) const CONTROL_QUEUE: usize = 64;

/// How often the control thread looks whether a retired snapshot is still in use.
pub(crate) const RETIRE_CHECK: Duration = Duration::from_millis(500);

/// Interim responses (1xx) that an instance may send for one request. Real ones are one or two.
pub(crate) const INTERIM_RESPONSES: usize = 32;

/// The longest head of an interim response in bytes. It is held until it is whole, and is refused
/// beyond this.
pub(crate) const INTERIM_HEAD_BYTES: usize = 16 * 1024;

/// Bytes of interim responses that may wait for a client that reads slowly.
pub(crate) const INTERIM_BYTES: usize = 64 * 1024;

/// How long a body under `Expect: 100-continue` waits for an instance that says nothing, which is
/// how long curl waits: not every server knows the field (RFC 9110 section 10.1.1).
pub(crate) const EXPECT_WAIT: Duration = Duration::from_secs(1);

/// What `Retry-After` of a 503 says, in seconds.
pub(crate) const RETRY_AFTER_SECS: &str = "1";

/// Connections that the admin endpoint serves at once; more wait to be accepted.
pub(crate) const ADMIN_CONNECTIONS: usize = 8;

/// How long one question at the admin endpoint may take, from accepting to the last byte.
pub(crate) const ADMIN_TIME: Duration = Duration::from_secs(3);

/// What may be buffered of a request at the admin endpoint in bytes, and so its longest head. hyper
/// accepts no smaller number.
pub(crate) const ADMIN_BUFFER_BYTES: usize = 8 * 1024;

/// Connections that may wait at the admin socket.
pub(crate) const ADMIN_QUEUE: i32 = 16;

#[cfg(test)]
mod tests {
    /// The page that people read names every bound.
    #[test]
    fn every_limit_is_on_its_page() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md")).unwrap();
        let names = include_str!("limits.rs").lines().filter_map(|line| line.strip_prefix("pub(crate) const "));
        let names: Vec<&str> = names.filter_map(|rest| rest.split(':').next()).collect();
        assert!(names.len() > 25, "{names:?}");
        for name in names {
            assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/limits.md");
        }
    }
}
