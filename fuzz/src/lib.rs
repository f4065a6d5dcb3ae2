//! What the fuzz targets share: tables of routes and requests made from bytes, out of alphabets so
//! small that conditions overlap in every way.

mod lenient;
mod request;
mod table;

pub use lenient::lenient_segments;
pub use request::{Asked, HOSTS_ASKED};
pub use table::{Table, case_config};

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
