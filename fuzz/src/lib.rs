//! What the fuzz targets share: tables of routes and requests made from bytes, out of alphabets so
//! small that conditions overlap in every way.

mod chunked;
mod http1;
mod lenient;
#[expect(dead_code, reason = "a part of the proxy's limits is used here")]
#[path = "../../warpdrive-proxy/src/limits.rs"]
mod limits;
mod pieces;
mod request;
mod table;
mod wire;

pub use chunked::plain_chunks;
pub use http1::{Head, Whole, read as read_response};
pub use lenient::lenient_segments;
pub use pieces::in_pieces;
pub use request::{Asked, HOSTS_ASKED};
pub use table::{Table, case_config};
pub use wire::{ChunkedEnd, chunked_end};

use std::cell::RefCell;

use warpdrive_core::{Router, Scratch};

/// Compiles a configuration that is known to be right.
///
/// # Panics
/// Where it is not: the harness itself is then wrong.
pub fn router(config: &str) -> Router {
    Router::from_toml(config).unwrap_or_else(|errors| panic!("{errors}\n{config}"))
}

/// Lends the one scratch of this thread, so that what a look-up leaves behind meets the next one.
pub fn with_scratch<T>(run: impl FnOnce(&mut Scratch) -> T) -> T {
    thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new()));
    SCRATCH.with_borrow_mut(run)
}
