//! The admin endpoint: a thread that tells what the proxy is doing to whoever may ask.
//!
//! It is a thread beside the control thread, which blocks on its inbox; workers never wait for it.
//! A socket that cannot be had is a warning: the proxy serves all the same.

mod answer;
mod places;
mod socket;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout;
use warpdrive_core::model::{AdminSocket, ServerSettings};

use crate::limits::{ACCEPT_PAUSE, ADMIN_BUFFER_BYTES, ADMIN_CONNECTIONS, ADMIN_TIME};
use crate::worker::Shared;
use answer::Asker;
pub use places::AdminPlaces;
use socket::AdminListener;

/// What the endpoint listens on, bound and not served yet.
#[derive(Debug, Default)]
pub(crate) struct AdminListeners {
    socket: Option<AdminListener>,
    tcp: Option<TcpListener>,
}

impl AdminListeners {
    /// Binds what the settings ask for, and warns of what cannot be bound. `port` is the first one
    /// that the proxy listens on.
    pub(crate) fn bind(server: &ServerSettings, places: Option<&AdminPlaces>, port: u16) -> Self {
        AdminListeners {
            socket: bind_socket(&server.admin_socket, places, port),
            tcp: server.admin_address.and_then(bind_address),
        }
    }

    /// Where it listens over TCP.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.local_addr().ok()
    }

    /// Where its Unix socket is.
    pub(crate) fn path(&self) -> Option<&std::path::Path> {
        self.socket.as_ref().map(AdminListener::path)
    }
}

fn bind_socket(settings: &AdminSocket, places: Option<&AdminPlaces>, port: u16) -> Option<AdminListener> {
    let tried = match (settings, places) {
        (AdminSocket::Usual, Some(places)) => places.bind(port),
        (AdminSocket::At(path), _) => AdminListener::bind(path),
        // Off; or a program that embeds the proxy and has not asked for a socket.
        _ => return None,
    };
    tried
        .inspect_err(|error| {
            tracing::warn!(
                %error,
                "there is no admin socket, so `warpdrive status` cannot ask this process: name another path with \
                 server.admin_socket (WARPDRIVE_ADMIN_SOCKET), or set it to false"
            );
        })
        .ok()
}

fn bind_address(address: SocketAddr) -> Option<TcpListener> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound
        .inspect_err(|error| {
            tracing::warn!(
                %address,
                %error,
                "cannot listen on server.admin_address (WARPDRIVE_ADMIN_ADDRESS), so there are no metrics"
            );
        })
        .ok()
}

/// The running thread. Dropped, it ends and removes its socket.
#[derive(Debug)]
pub(crate) struct AdminThread {
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl AdminThread {
    /// Starts it; without a listener there is none.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(listeners: AdminListeners, shared: Arc<Shared>) -> io::Result<Self> {
        if listeners.socket.is_none() && listeners.tcp.is_none() {
            return Ok(AdminThread { ending: None, thread: None });
        }
        let (ending, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("warpdrive-admin".to_owned()).spawn(move || {
            if let Err(error) = run(&listeners, &shared, ended) {
                tracing::error!(%error, "the admin endpoint could not be served");
            }
        })?;
        Ok(AdminThread { ending: Some(ending), thread: Some(thread) })
    }
}

impl Drop for AdminThread {
    fn drop(&mut self) {
        drop(self.ending.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(listeners: &AdminListeners, shared: &Arc<Shared>, ended: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
        if let Some(socket) = &listeners.socket {
            let listener = tokio::net::UnixListener::from_std(socket.listener()?)?;
            let accept = async move || listener.accept().await.map(|(stream, _)| stream);
            spawn_local(accept_all(accept, Arc::clone(&places), Arc::clone(shared), Asker::Anyone));
        }
        if let Some(listener) = &listeners.tcp {
            let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
            let accept = async move || listener.accept().await.map(|(stream, _)| stream);
            let is_loopback = listeners.address().is_some_and(|address| address.ip().to_canonical().is_loopback());
            let asker = if is_loopback { Asker::ThisMachine } else { Asker::Anyone };
            spawn_local(accept_all(accept, places, Arc::clone(shared), asker));
        }
        // Also when the sender is dropped, which is how it is told.
        let _ = ended.await;
        Ok::<(), io::Error>(())
    })?;
    runtime.shutdown_timeout(Duration::ZERO);
    Ok(())
}

/// Serves every connection, a few at once: a place is waited for before one is accepted.
async fn accept_all<S>(
    accept: impl AsyncFn() -> io::Result<S>,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
    asker: Asker,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match accept().await {
            Ok(stream) => drop(spawn_local(serve(stream, Arc::clone(&shared), asker, place))),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers one request, and closes.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    shared: Arc<Shared>,
    asker: Asker,
    place: OwnedSemaphorePermit,
) {
    let service = service_fn(|request| std::future::ready(answer::answer(&request, asker, &shared)));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .max_buf_size(ADMIN_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // How it ends is the asker's business; the time bounds reading and writing together.
    let _ = timeout(ADMIN_TIME, connection).await;
    drop(place);
}
