//! An upgraded connection: bytes both ways until both sides are done or both are silent.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::access_log::Record;
use crate::alarm::Alarm;
use crate::client::Client;
use crate::upstream::{Lease, Opened, Pool, Socket};
use crate::wire::Wire;

/// What a tunnel keeps until its end.
pub(crate) struct Tunnel {
    pub(crate) client: Rc<Client>,
    pub(crate) record: Option<Box<Record>>,
    /// The instance is busy with this tunnel.
    pub(crate) lease: Lease,
    /// The instance's side.
    pub(crate) far: Side<Socket>,
    /// Counts the connection to the instance.
    pub(crate) opened: Option<Opened>,
    /// How long both sides may be silent.
    pub(crate) idle: Duration,
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides closed.
    Closed,
    /// Nothing was said for too long.
    Idle,
    /// One side's connection broke.
    Broken,
}

impl Tunnel {
    /// Waits for the client's upgrade, then relays. A dropped tunnel, as at the end of a stop, writes its
    /// log line too.
    pub(crate) async fn run(self, on_client: OnUpgrade) {
        let Tunnel { client, record, lease, far, opened, idle } = self;
        let count = client.count();
        let mut line = Line { client, record };
        line.reason(Some("upgrade_incomplete"));
        if let Ok(client) = on_client.await
            && let Some(near) = near_side(client)
        {
            line.relay(near, far, idle, lease.pool()).await;
        }
        drop((line, lease, count, opened));
    }
}

/// The log line of a tunnel, written when this is dropped.
struct Line {
    client: Rc<Client>,
    record: Option<Box<Record>>,
}

impl Line {
    async fn relay(&mut self, near: Side<Wire>, far: Side<Socket>, idle: Duration, pool: &Pool) {
        let Side { io: mut near, early } = near;
        let mut up = Direction::new(early);
        let Side { io: mut far, early } = far;
        let mut down = Direction::new(early);
        // Stands where a stop cuts the tunnel.
        self.reason(Some("drain_timeout"));
        let worker = &self.client.worker;
        let record = &mut self.record;
        let mut alarm = Alarm::new();
        let mut quiet_since = Instant::now();
        let end = poll_fn(|cx| {
            let before = (up.bytes, down.bytes);
            let mut space = worker.tunnel_space.borrow_mut();
            let upward = up.poll(cx, &mut near, &mut far, &mut space);
            let downward = down.poll(cx, &mut far, &mut near, &mut space);
            drop(space);
            pool.count(|counters| {
                counters.sent.add(up.bytes - before.0);
                counters.received.add(down.bytes - before.1);
            });
            if let Some(record) = record.as_mut() {
                record.received = up.bytes;
                record.sent = down.bytes;
            }
            match (upward, downward) {
                (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(End::Closed),
                (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => {
                    return Poll::Ready(End::Broken);
                }
                _ => {}
            }
            if before != (up.bytes, down.bytes) {
                quiet_since = Instant::now();
            }
            ready!(alarm.poll(cx, quiet_since + idle));
            Poll::Ready(End::Idle)
        })
        .await;
        self.reason(match end {
            End::Closed => None,
            End::Idle => Some("tunnel_idle_timeout"),
            End::Broken => Some("tunnel_broken"),
        });
    }

    fn reason(&mut self, reason: Option<&'static str>) {
        if let Some(record) = &mut self.record {
            record.reason = reason;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.client.log(record);
        }
    }
}

/// One end of a tunnel, and what its peer sent before the upgrade was complete.
pub(crate) struct Side<T> {
    pub(crate) io: T,
    pub(crate) early: Bytes,
}

fn near_side(upgraded: Upgraded) -> Option<Side<Wire>> {
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<Wire>>().ok()?;
    Some(Side { io: io.into_inner(), early: read_buf })
}

/// One direction of a tunnel. It owns memory only while the receiver is slower than the sender.
struct Direction {
    /// Read and not written yet.
    pending: Bytes,
    /// The sender has closed.
    ended: bool,
    /// The receiver was told.
    closed: bool,
    bytes: u64,
}

impl Direction {
    fn new(early: Bytes) -> Self {
        Direction { pending: early, ended: false, closed: false, bytes: 0 }
    }

    /// Moves what can be moved; ready when the sender has closed and the receiver knows.
    ///
    /// An end is passed on as an end of this direction alone: the other may go on.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W, space: &mut [u8]) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.pending.is_empty() {
                let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending))?;
                self.wrote(written)?;
                self.pending.advance(written);
            }
            // Gives back what a slow receiver made this direction keep.
            self.pending = Bytes::new();
            if self.ended {
                if !self.closed {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.closed = true;
                }
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(space);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
            let mut read = buffer.filled();
            self.ended = read.is_empty();
            while !read.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, read)? {
                    Poll::Ready(written) => {
                        self.wrote(written)?;
                        read = read.get(written..).unwrap_or_default();
                    }
                    Poll::Pending => {
                        self.pending = Bytes::copy_from_slice(read);
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn wrote(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes += bytes as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn early_bytes_come_first_and_an_end_is_passed_on() {
        let (mut sender, mut from) = duplex(64);
        let (mut to, mut receiver) = duplex(64);
        sender.write_all(b" world").await.unwrap();
        sender.shutdown().await.unwrap();
        let mut direction = Direction::new(Bytes::from_static(b"hello"));
        let mut space = [0; 4];
        poll_fn(|cx| direction.poll(cx, &mut from, &mut to, &mut space)).await.unwrap();
        let mut text = String::new();
        receiver.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello world");
        assert_eq!(direction.bytes, 11);
    }

    #[tokio::test]
    async fn a_slow_receiver_bounds_what_is_read() {
        let (mut sender, mut from) = duplex(1 << 20);
        let (mut to, _receiver) = duplex(10);
        sender.write_all(&[7; 1000]).await.unwrap();
        let mut direction = Direction::new(Bytes::new());
        let mut space = [0; 100];
        let mut cx = Context::from_waker(Waker::noop());
        assert!(direction.poll(&mut cx, &mut from, &mut to, &mut space).is_pending());
        assert_eq!(direction.bytes, 10);
        assert_eq!(direction.pending.len(), 90);
    }
}
