//! What is kept of a request that may have to be sent once more.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::body::Upload;
use crate::limits::KEPT_HEAD_BYTES;

/// The head of the request that was sent last, in one piece of memory that a client connection uses
/// again and again. A clone of the fields would count references and allocate for each request, and
/// would hold on to the buffer that the head was read into; and nearly no request is sent twice.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    method: Option<Method>,
    target: Vec<u8>,
    /// For each field the lengths of its name and its value, then both.
    fields: Vec<u8>,
}

impl Kept {
    /// Keeps this request, which has no body, in place of the one before.
    pub(super) fn keep(&mut self, request: &Request<Upload>) {
        self.fields.clear();
        for (name, value) in request.headers() {
            let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
            // A head has at most 64 KiB; what is added to it is part of a configuration.
            let lengths = [name.len() as u32, value.len() as u32].map(u32::to_ne_bytes);
            self.fields.extend_from_slice(lengths.as_flattened());
            self.fields.extend_from_slice(name);
            self.fields.extend_from_slice(value);
        }
        self.target.clear();
        if let Some(target) = request.uri().path_and_query() {
            self.target.extend_from_slice(target.as_str().as_bytes());
        }
        self.method = Some(request.method().clone());
    }

    /// The request, if one is kept.
    pub(super) fn take(&mut self) -> Option<Request<Upload>> {
        let method = self.method.take()?;
        let mut request = Request::new(Upload::Empty);
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(self.target.as_slice()).ok()?;
        read(&self.fields, request.headers_mut())?;
        self.forget();
        Some(request)
    }

    /// Forgets the request, and gives memory back that an ordinary head does not need.
    pub(super) fn forget(&mut self) {
        self.method = None;
        if self.fields.capacity() + self.target.capacity() > KEPT_HEAD_BYTES {
            *self = Kept::default();
        }
    }
}

fn read(mut fields: &[u8], headers: &mut HeaderMap) -> Option<()> {
    while !fields.is_empty() {
        let (name_length, rest) = fields.split_first_chunk()?;
        let (value_length, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(u32::from_ne_bytes(*name_length) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_ne_bytes(*value_length) as usize)?;
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        fields = rest;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(value: &[u8]) -> Request<Upload> {
        let mut request = Request::new(Upload::Empty);
        *request.method_mut() = Method::DELETE;
        *request.uri_mut() = Uri::from_static("/a?b=c");
        for (name, value) in [("host", &b"ex.com"[..]), ("cookie", b"a=1"), ("x-bytes", value), ("cookie", b"")] {
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    #[test]
    fn a_request_comes_back_as_it_was_and_once() {
        let mut kept = Kept::default();
        for value in [&b"\xff\x80, x"[..], b"second"] {
            let sent = request(value);
            kept.keep(&sent);
            let again = kept.take().unwrap();
            assert_eq!(again.method(), sent.method());
            assert_eq!(again.uri(), sent.uri());
            assert_eq!(again.headers(), sent.headers());
            assert!(kept.take().is_none());
        }
    }

    #[test]
    fn memory_for_a_large_head_is_given_back() {
        let mut kept = Kept::default();
        kept.keep(&request(b"small"));
        kept.forget();
        assert!(kept.fields.capacity() > 0);
        kept.keep(&request(&[b'x'; KEPT_HEAD_BYTES]));
        kept.forget();
        assert_eq!(kept.fields.capacity(), 0);
        assert!(kept.take().is_none());
    }
}
