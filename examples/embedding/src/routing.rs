//! The routing part of both programs: a table, and a question to it.

use std::cell::RefCell;
use std::error::Error;

use http::{HeaderValue, StatusCode, header::HOST, request::Parts};
use warpdrive_core::model::Address;
use warpdrive_core::{Fields, Model, RequestView, RouteBuilder, Router, Scratch};

/// The table: `/jobs/7` goes to `jobs` as `/7`, reading `/api` goes to `api`, all else is 404.
pub fn table(api: Address, jobs: Address) -> Result<Router, Box<dyn Error>> {
    let model = Model::builder()
        .upstream("api", [api])
        .upstream("jobs", [jobs])
        .route(RouteBuilder::to("jobs").path_prefix("/jobs").strip_prefix())
        .route(RouteBuilder::to("api").path_prefix("/api").methods(["GET"]))
        .build()?;
    Ok(Router::compile(model)?)
}

thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());

/// The upstream of a request and the target to ask it for, or the status to answer with.
pub fn decide(router: &Router, head: &Parts) -> Result<(String, String), StatusCode> {
    let target = head.uri.to_string();
    let view = RequestView::new(head.method.as_str(), &target).with_fields(Fields::Map(&head.headers));
    let view = RequestView { host: head.headers.get(HOST).map(HeaderValue::as_bytes), ..view };
    SCRATCH.with_borrow_mut(|scratch| match router.route(&view, scratch) {
        Ok(Some(found)) => Ok((found.upstream().name.clone(), found.upstream_target().to_owned())),
        Ok(None) => Err(StatusCode::NOT_FOUND),
        Err(reject) => Err(reject.status),
    })
}
