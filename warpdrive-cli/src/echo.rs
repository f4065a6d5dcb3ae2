//! `warpdrive echo`: an upstream that answers with what it received.
//!
//! It shows what the proxy does to a request, without an application: the answer is a report of
//! the request as JSON. `?status=418` sets the status, `?bytes=1000000` sends so many bytes
//! instead, a path ending in `/stream` sends pieces of text one after another (`?n=5&ms=200`),
//! and a WebSocket on any path gets its messages back.

mod answer;
mod body;
mod report;
mod websocket;

use std::io::{Error, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The most connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1_000;

/// The arguments of `warpdrive echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    /// The port to listen on, on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The name in its answers
    #[arg(long, default_value = "echo")]
    name: String,
}

/// Serves until the process ends.
pub(crate) fn run(args: EchoArgs) -> ExitCode {
    let served = listen(args.port).and_then(|listener| {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        // Whoever closed the standard output does not want to know.
        let _ = writeln!(std::io::stdout(), "{} listens on http://{address}", args.name);
        serve(listener, &args.name, std::future::pending()).map_err(|error| error.to_string())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Listens on 127.0.0.1; the error is for the person who chose the port with `--port`.
pub(crate) fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::AddrInUse => "the port is in use".to_owned(),
            ErrorKind::PermissionDenied => "this user may not listen below port 1024".to_owned(),
            _ => error.to_string(),
        };
        format!(
            "cannot listen on 127.0.0.1:{port}: {reason}\n  \
             help: choose another port with `--port`; `--port 0` takes any free one"
        )
    })
}

/// An echo server on a thread of its own; it stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Echo {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Begins to serve.
    pub(crate) fn start(listener: TcpListener, name: &str) -> Result<Echo, Error> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let name = name.to_owned();
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            let stopped = async move { drop(stopped.await) };
            if let Err(error) = serve(listener, &name, stopped) {
                let _ = writeln!(std::io::stderr(), "error: echo `{name}` stopped: {error}");
            }
        })?;
        Ok(Echo { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Serves on this thread until `stop` is ready; what is under way then is cut.
fn serve(listener: TcpListener, name: &str, stop: impl Future<Output = ()>) -> Result<(), Error> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(accept_all(listener, Arc::from(name), stop))
}

async fn accept_all(listener: TcpListener, name: Arc<str>, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return Ok(()),
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&name)));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            // Most likely out of descriptors: the end of a connection frees one.
            Err(error) => {
                if connections.join_next().await.is_none() {
                    return Err(error);
                }
            }
        }
    }
}

/// Everything that happens on one connection. Its errors are the client's affair.
async fn converse(stream: TcpStream, name: Arc<str>) {
    // Pieces of a stream go out when they are due, not when the packet is full.
    let _ = stream.set_nodelay(true);
    let tunnel: Mutex<Option<OnUpgrade>> = Mutex::new(None);
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(|request| answer::answer(request, &name, &tunnel)))
        .with_upgrades();
    if connection.await.is_err() {
        return;
    }
    let tunnel = tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        let Ok(upgraded) = tunnel.await else { return };
        if let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() {
            let _ = websocket::echo(parts.io.into_inner(), parts.read_buf).await;
        }
    }
}

#[cfg(test)]
mod tests;
