//! A scripted instance that speaks HTTP/2, and what it was sent.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// One request with the way to answer it.
pub(super) type Asked = (Request<RecvStream>, SendResponse<Bytes>);

/// A request head as the instance saw it.
pub(super) type Seen = Request<()>;

/// What a test tells a connection to do.
pub(super) type Order = fn(&mut Connection<TcpStream, Bytes>);

pub(super) struct H2Instance {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    orders: tokio::sync::mpsc::UnboundedSender<Order>,
}

impl H2Instance {
    /// Answers each request by `answer`, each in a task of its own.
    pub(super) fn start<F: Future<Output = ()> + Send + 'static>(
        answer: impl Fn(Asked) -> F + Copy + Send + 'static,
    ) -> Self {
        Self::with(&Builder::new(), answer)
    }

    pub(super) fn with<F: Future<Output = ()> + Send + 'static>(
        builder: &Builder,
        answer: impl Fn(Asked) -> F + Copy + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (orders, mut inbox) = unbounded_channel::<Order>();
        let instance = H2Instance {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
            orders,
        };
        let (seen, connections, builder) = (instance.seen.clone(), instance.connections.clone(), builder.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let mut tellers = Vec::new();
                loop {
                    tokio::select! {
                        accepted = listener.accept() => {
                            connections.fetch_add(1, SeqCst);
                            let (tell, told) = unbounded_channel();
                            tellers.push(tell);
                            tokio::spawn(serve(accepted.unwrap().0, builder.clone(), seen.clone(), told, answer));
                        }
                        order = inbox.recv() => match order {
                            Some(order) => {
                                for tell in &tellers {
                                    let _ = tell.send(order);
                                }
                            }
                            None => return,
                        },
                    }
                }
            });
        });
        instance
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(copy).collect()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    /// On every connection that was opened so far.
    pub(super) fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }
}

fn copy(request: &Request<()>) -> Request<()> {
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

async fn serve<F: Future<Output = ()> + Send + 'static>(
    socket: TcpStream,
    builder: Builder,
    seen: Arc<Mutex<Vec<Seen>>>,
    mut told: UnboundedReceiver<Order>,
    answer: impl Fn(Asked) -> F,
) {
    socket.set_nodelay(true).unwrap();
    let Ok(mut connection) = builder.handshake(socket).await else { return };
    loop {
        tokio::select! {
            asked = connection.accept() => {
                let Some(Ok((request, respond))) = asked else { return };
                let (head, body) = request.into_parts();
                let head = Request::from_parts(head, ());
                seen.lock().unwrap().push(copy(&head));
                tokio::spawn(answer((head.map(|()| body), respond)));
            }
            Some(order) = told.recv() => order(&mut connection),
        }
    }
}

/// Reads a body to its end.
pub(super) async fn body(stream: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut bytes = Vec::new();
    while let Some(data) = stream.data().await {
        let Ok(data) = data else { return (bytes, None) };
        stream.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    (bytes, stream.trailers().await.unwrap_or(None))
}

/// Sends all of `data`, as the window allows; whether that went well.
pub(super) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return false };
        let piece = data.split_to(room.min(data.len()));
        if stream.send_data(piece, end && data.is_empty()).is_err() {
            return false;
        }
    }
    true
}

/// A head of a response.
pub(super) fn head(status: u16, fields: &[(&'static str, &'static str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}
