//! Accepting connections, and placing each with the worker that has the fewest.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener as BoundListener};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::capacity::{ConnectionCount, Reservation};
use crate::client::serve;
use crate::errno::is_one_of;
use crate::limits::{ACCEPT_PAUSE, PLACE_SLACK};
use crate::worker::{Placed, Stage, Worker};

/// Where a worker's connections come from, and where it can send them.
pub(crate) struct Listeners {
    pub(crate) sockets: Vec<BoundListener>,
    pub(crate) inbox: mpsc::Receiver<Placed>,
    pub(crate) outboxes: Vec<mpsc::Sender<Placed>>,
}

/// What came next.
enum Next {
    Accepted(TcpStream, SocketAddr, Reservation),
    Placed(Placed),
    /// As many connections are open as may be.
    Full,
    /// Accepting failed for want of descriptors or memory.
    Exhausted(io::Error),
}

/// Accepts until a stop has come to the point where the listeners close, and then until their
/// queues are empty: what the kernel has accepted is a client that believes in its connection.
pub(crate) async fn accept(worker: Rc<Worker>, listeners: Listeners) {
    let Listeners { sockets, mut inbox, outboxes } = listeners;
    let mut sockets: Vec<TcpListener> = sockets
        .into_iter()
        .filter_map(|socket| match TcpListener::from_std(socket) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::error!(%error, "a listener could not be registered");
                None
            }
        })
        .collect();
    let mut stage = worker.shared.stage.subscribe();
    loop {
        let closing = *stage.borrow_and_update() >= Stage::Closing;
        let next = tokio::select! {
            biased;
            next = poll_fn(|cx| poll_next(cx, &worker, &mut sockets, &mut inbox)) => next,
            // Ready at once when everything is taken and the listeners should close.
            () = std::future::ready(()), if closing => break,
            _ = stage.changed(), if !closing => continue,
        };
        match next {
            Next::Accepted(stream, peer, reservation) => place(&worker, &outboxes, stream, peer, reservation),
            Next::Placed(placed) => take_over(&worker, placed),
            Next::Full => pause(&worker, &mut inbox).await,
            Next::Exhausted(error) => {
                if let Some(left_out) = worker.warnings.accept.pass() {
                    tracing::warn!(%error, left_out, "accepting pauses: descriptors ran out");
                }
                pause(&worker, &mut inbox).await;
            }
        }
    }
    // Others may have sent connections while this worker came to its end.
    inbox.close();
    while let Ok(placed) = inbox.try_recv() {
        take_over(&worker, placed);
    }
    drop(sockets);
    // The task counts as finished only after this; whoever waits for that looks again then.
    let ended = Rc::clone(&worker);
    tokio::task::spawn_local(async move { ended.connection_ended.notify_waiters() });
}

fn poll_next(
    cx: &mut Context<'_>,
    worker: &Worker,
    sockets: &mut [TcpListener],
    inbox: &mut mpsc::Receiver<Placed>,
) -> Poll<Next> {
    // Those have their reservation, so they come in at the limit too.
    if let Poll::Ready(Some(placed)) = inbox.poll_recv(cx) {
        return Poll::Ready(Next::Placed(placed));
    }
    let capacity = &worker.shared.capacity;
    if !capacity.try_reserve() {
        return Poll::Ready(Next::Full);
    }
    for socket in sockets.iter() {
        loop {
            match socket.poll_accept(cx) {
                Poll::Ready(Ok((stream, peer))) => {
                    return Poll::Ready(Next::Accepted(stream, peer, Reservation::of(&worker.shared)));
                }
                Poll::Ready(Err(error)) if is_exhaustion(&error) => {
                    capacity.release();
                    return Poll::Ready(Next::Exhausted(error));
                }
                // The client gave up while it was in the queue.
                Poll::Ready(Err(_)) => {}
                Poll::Pending => break,
            }
        }
    }
    capacity.release();
    Poll::Pending
}

fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    is_one_of(error, &[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM])
}

/// Accepts nothing for a moment, or less when a connection of this worker ends. Those of other
/// workers are noticed after the moment: to be told of them would cost every connection a wake-up.
async fn pause(worker: &Rc<Worker>, inbox: &mut mpsc::Receiver<Placed>) {
    let moment = tokio::time::sleep(ACCEPT_PAUSE);
    tokio::pin!(moment);
    let ended = worker.connection_ended.notified();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            Some(placed) = inbox.recv() => take_over(worker, placed),
            () = &mut ended => return,
            () = &mut moment => return,
        }
    }
}

/// Serves a connection that another worker has accepted.
fn take_over(worker: &Rc<Worker>, (stream, peer, reservation): Placed) {
    match TcpStream::from_std(stream) {
        Ok(stream) => start(worker, stream, peer, reservation),
        Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
    }
}

/// Keeps a connection, or hands it to the least loaded worker when this one has clearly more.
fn place(
    worker: &Rc<Worker>,
    outboxes: &[mpsc::Sender<Placed>],
    stream: TcpStream,
    peer: SocketAddr,
    reservation: Reservation,
) {
    let own = worker.connections();
    let least =
        worker.shared.counts.iter().map(|count| count.load(Relaxed)).enumerate().min_by_key(|(_, count)| *count);
    if let Some((index, count)) = least
        && index != worker.index
        && is_clearly_more(own, count)
        && let Some(outbox) = outboxes.get(index)
        && let Ok(permit) = outbox.try_reserve()
    {
        match stream.into_std() {
            Ok(stream) => permit.send((stream, peer, reservation)),
            Err(error) => tracing::warn!(%error, "a connection could not be handed over"),
        }
        return;
    }
    start(worker, stream, peer, reservation);
}

fn start(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, reservation: Reservation) {
    let count = ConnectionCount::new(worker, reservation);
    tokio::task::spawn_local(serve(Rc::clone(worker), stream, peer, count));
}

/// More than a quarter above, and not by a handful: to hand a connection over costs as much as a
/// request.
fn is_clearly_more(own: usize, least: usize) -> bool {
    own > least + least / 4 + PLACE_SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handful_or_a_quarter_is_not_clearly_more() {
        assert!(!is_clearly_more(8, 0));
        assert!(is_clearly_more(9, 0));
        assert!(!is_clearly_more(133, 100));
        assert!(is_clearly_more(134, 100));
        assert!(!is_clearly_more(5, 50));
    }

    #[test]
    fn running_out_is_told_from_a_client_that_gave_up() {
        use rustix::io::Errno;
        assert!(is_exhaustion(&Errno::MFILE.into()));
        assert!(is_exhaustion(&Errno::NFILE.into()));
        assert!(!is_exhaustion(&Errno::CONNABORTED.into()));
    }
}
