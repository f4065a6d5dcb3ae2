//! What an answer can carry.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// One piece of filler.
static FILLER: [u8; 64 * 1024] = [b'w'; 64 * 1024];

/// The body of an answer.
#[derive(Debug)]
pub(super) enum EchoBody {
    /// These bytes.
    Full(Bytes),
    /// So many bytes of filler, made as they are sent.
    Filler(u64),
    /// Numbered lines with pauses between them.
    Pieces(Pieces),
}

impl EchoBody {
    pub(super) fn empty() -> Self {
        EchoBody::Full(Bytes::new())
    }
}

/// Numbered lines with pauses between them; the first comes at once.
#[derive(Debug)]
pub(super) struct Pieces {
    sent: u64,
    count: u64,
    gap: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    pub(super) fn new(count: u64, gap: Duration) -> Self {
        Pieces { sent: 0, count, gap, pause: None }
    }

    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.sent == self.count {
            return Poll::Ready(None);
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(context));
        }
        self.sent += 1;
        self.pause = (self.sent < self.count).then(|| Box::pin(sleep(self.gap)));
        Poll::Ready(Some(format!("{} of {}\n", self.sent, self.count).into()))
    }
}

impl Body for EchoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match &mut *self {
            EchoBody::Full(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            EchoBody::Filler(0) => None,
            EchoBody::Filler(left) => {
                let length = FILLER.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= length as u64;
                FILLER.get(..length).map(Bytes::from_static)
            }
            EchoBody::Pieces(pieces) => ready!(pieces.poll_line(context)),
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            EchoBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            EchoBody::Filler(left) => SizeHint::with_exact(*left),
            EchoBody::Pieces(_) => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            EchoBody::Full(bytes) => bytes.is_empty(),
            EchoBody::Filler(left) => *left == 0,
            EchoBody::Pieces(pieces) => pieces.sent == pieces.count,
        }
    }
}
