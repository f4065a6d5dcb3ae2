//! A service under axum whose table of routes is data: the upstreams are parts of the program.
//!
//! `dispatcher` listens on a free port of 127.0.0.1.

use std::error::Error;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use embedding::routing;
use http::StatusCode;
use tokio::net::TcpListener;
use warpdrive_core::Router;
use warpdrive_core::model::Address;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Nobody connects to these: the names of the upstreams are what counts here.
    let router = routing::table(Address::unix("api"), Address::unix("jobs"))?;
    let service = axum::Router::new().fallback(dispatch).with_state(Arc::new(router));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service).await?;
    Ok(())
}

/// Hands the request to the part of the program that the table names.
async fn dispatch(State(router): State<Arc<Router>>, request: Request) -> Response {
    let (head, _body) = request.into_parts();
    match routing::decide(&router, &head) {
        Ok((upstream, target)) => match upstream.as_str() {
            "api" => api(&target).into_response(),
            "jobs" => jobs(&target).into_response(),
            _ => StatusCode::NOT_IMPLEMENTED.into_response(),
        },
        Err(status) => status.into_response(),
    }
}

fn api(target: &str) -> String {
    format!("api answers {target}")
}

fn jobs(target: &str) -> String {
    format!("jobs answers {target}")
}
