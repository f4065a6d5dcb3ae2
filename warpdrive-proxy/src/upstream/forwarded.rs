//! A request on its way through the proxy.

use http::header::EXPECT;
use http::{HeaderMap, Method, request};

use super::http1::Outflow;
use crate::body::Upload;

/// A request as an instance gets it.
///
/// Always boxed: it passes from one asynchronous function to the next, and each of them would have a place for
/// it in the memory of the exchange, and copy it there.
pub(crate) struct Forwarded {
    pub(crate) head: request::Parts,
    pub(crate) body: Upload,
}

/// What an instance may do with a request, and what it may be asked a second time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Its response has no body, whatever the fields say.
    pub(crate) is_head: bool,
    /// Asks for something and brings nothing: a slow instance does no harm twice.
    pub(crate) is_plain_read: bool,
    /// Idempotent by definition (RFC 9110 section 9.2.2), and with nothing that a first attempt could have used up.
    pub(crate) may_repeat: bool,
    /// Its body comes when the instance has asked for it.
    pub(crate) holds_body: bool,
}

impl Forwarded {
    /// A request whose body is not known yet.
    pub(crate) fn new(head: request::Parts) -> Box<Self> {
        Box::new(Forwarded { head, body: Upload::Empty })
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    pub(crate) fn kind(&self) -> Kind {
        let method = &self.head.method;
        let is_empty = self.body.is_empty();
        Kind {
            is_head: method == Method::HEAD,
            is_plain_read: is_empty && matches!(*method, Method::GET | Method::HEAD),
            may_repeat: is_empty
                && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE),
            holds_body: !is_empty && self.headers().contains_key(EXPECT),
        }
    }
}

/// A request that is to be sent.
pub(crate) enum Request {
    /// For the first time, or over HTTP/2.
    Fields(Box<Forwarded>),
    /// Once more, over HTTP/1.1.
    Text(Box<Outflow>),
}

impl Request {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Request::Fields(request) => request.kind(),
            Request::Text(outflow) => outflow.kind(),
        }
    }
}
