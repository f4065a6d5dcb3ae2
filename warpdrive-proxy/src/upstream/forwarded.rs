//! A request on its way through the proxy.

use http::{HeaderMap, Method, request};

use crate::body::Upload;

/// A request as an instance gets it.
///
/// Always boxed: it passes from one asynchronous function to the next, and each of them would have a place for
/// it in the memory of the exchange, and copy it there.
pub(crate) struct Forwarded {
    pub(crate) head: request::Parts,
    pub(crate) body: Upload,
}

impl Forwarded {
    /// A request whose body is not known yet.
    pub(crate) fn new(head: request::Parts) -> Box<Self> {
        Box::new(Forwarded { head, body: Upload::Empty })
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Asks for something and brings nothing: a slow instance does no harm twice.
    pub(crate) fn is_plain_read(&self) -> bool {
        self.body.is_empty() && matches!(self.head.method, Method::GET | Method::HEAD)
    }

    /// Idempotent by definition (RFC 9110 section 9.2.2), and with nothing that a first attempt could have used up.
    pub(crate) fn may_repeat(&self) -> bool {
        self.body.is_empty()
            && matches!(self.head.method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
    }
}
