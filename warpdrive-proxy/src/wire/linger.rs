//! The end of a connection whose client may not have read the last answer yet.
//!
//! A socket that is closed with bytes unread is reset, and a reset takes away what the client has not
//! read: so the last answer is followed by the end of what is sent, and what comes is read for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Wire;
use super::refusal::Refusal;
use crate::clock;
use crate::limits;

/// Reading on after the last answer, see [`limits::LINGER_BYTES`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Linger {
    until: Instant,
    left: usize,
}

impl Wire {
    /// Answers without hyper, then reads on for a while; for hyper the connection ends after it.
    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, refusal: Refusal) -> Poll<io::Result<()>> {
        self.state.set_bare_status(refusal.status());
        if self.blocked_since.is_none() {
            // The kernel's buffer has room for so few bytes unless the client is gone.
            let _ = self.stream.get_ref().try_write(refusal.answer());
        }
        let _ = Pin::new(self.stream.get_mut()).poll_shutdown(cx);
        self.begin_linger();
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
    }

    pub(super) fn begin_linger(&mut self) {
        self.linger = Some(Linger { until: clock::now() + limits::LINGER, left: limits::LINGER_BYTES });
    }

    /// Ready when the client has closed, or has had its time.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        while let Some(linger) = &mut self.linger {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(self.stream.get_mut()).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buffer.filled().len());
                    if linger.left == 0 {
                        break;
                    }
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.alarm.poll(cx, linger.until));
                    break;
                }
            }
        }
        Poll::Ready(())
    }
}
