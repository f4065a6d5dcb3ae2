//! Programs that route with warpdrive-core: `gateway` passes requests on under plain hyper,
//! `dispatcher` answers them itself under axum. Both share [`routing`].

pub mod routing;

/// The blocks of the page on embedding are programs: they are compiled and run like any example.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Page;
