//! A small gateway under plain hyper: routes and header rules by warpdrive-core, bodies streamed.
//!
//! `gateway API_PORT JOBS_PORT` listens on a free port of 127.0.0.1 and asks upstreams there.

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use bytes::Bytes;
use embedding::routing;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use warpdrive_core::forwarding::{
    ClientConnection, Credentials, Fresh, PublicOrigin, RequestHead, Scheme, finish_response, forward, kept_request_id,
};
use warpdrive_core::model::{Address, Route};
use warpdrive_core::{Router, Scratch};

type Body = Either<Incoming, Empty<Bytes>>;

thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ports: Vec<u16> = std::env::args().skip(1).map(|port| port.parse()).collect::<Result<_, _>>()?;
    let &[api, jobs] = ports.as_slice() else { return Err("usage: gateway API_PORT JOBS_PORT".into()) };
    let router = routing::table(Address::tcp("127.0.0.1", api), Address::tcp("127.0.0.1", jobs))?;
    // Whoever holds a clone of this can store another router; a request keeps the one it began with.
    let current = Arc::new(ArcSwap::from_pointee(router));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (socket, peer) = listener.accept().await?;
        let current = current.clone();
        let settings = current.load();
        let connection = Arc::new(ClientConnection::new(peer.ip(), Scheme::Http, &settings.model().settings().server));
        drop(settings);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(current.load_full(), connection.clone(), request));
            // A client that goes away or sends no HTTP ends its own connection and nothing else.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    router: Arc<Router>,
    connection: Arc<ClientConnection>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (mut head, body) = request.into_parts();
    let answered = match decide(&router, &connection, &mut head) {
        Ok(decision) => ask(decision, head, body).await.map_err(|_| StatusCode::BAD_GATEWAY),
        Err(status) => Err(status),
    };
    Ok(answered.unwrap_or_else(|status| {
        let mut response = Response::new(Either::Right(Empty::new()));
        *response.status_mut() = status;
        response
    }))
}

/// Where a request goes on to.
struct Decision<'r> {
    route: &'r Route,
    address: &'r Address,
    target: String,
    public: PublicOrigin,
}

/// Routes the request, and turns its header fields into those for the upstream.
fn decide<'r>(router: &'r Router, connection: &ClientConnection, head: &mut Parts) -> Result<Decision<'r>, StatusCode> {
    let target = head.uri.to_string();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let value = |text: String| HeaderValue::try_from(text).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR);
    let request_id = match kept_request_id(&head.headers) {
        Some(id) => id.clone(),
        None => value(format!("{:x}", now.as_nanos()))?,
    };
    let request_start = value(format!("t={}", now.as_millis()))?;
    let fresh = Fresh { request_id: &request_id, request_start: &request_start };
    SCRATCH.with_borrow_mut(|scratch| {
        let line = RequestHead { method: &head.method, version: head.version, target: &target };
        let found = forward(router, line, &mut head.headers, connection, fresh, Credentials::Check, scratch);
        let found = found.map_err(|reject| reject.status)?.ok_or(StatusCode::NOT_FOUND)?;
        if found.upgrade {
            return Err(StatusCode::NOT_IMPLEMENTED);
        }
        let (route, upstream) = (found.matched.route(), found.matched.upstream());
        let instance = upstream.instances.first().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        let target = found.matched.upstream_target().to_owned();
        Ok(Decision { route, address: &instance.address, target, public: found.public })
    })
}

/// Asks the upstream on a connection of its own, and streams both bodies.
async fn ask(
    decision: Decision<'_>,
    mut head: Parts,
    body: Incoming,
) -> Result<Response<Body>, Box<dyn Error + Send + Sync>> {
    let socket = TcpStream::connect(decision.address.to_string()).await?;
    let (mut upstream, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    // It ends with the response, or with the client.
    tokio::spawn(connection);
    head.uri = decision.target.parse()?;
    head.version = Version::HTTP_11;
    let mut response = upstream.send_request(Request::from_parts(head, body)).await?;
    finish_response(decision.route, &decision.public, response.headers_mut());
    Ok(response.map(Either::Left))
}
