//! The head of a request as an instance gets it.

use http::request;

/// Appends a request head (RFC 9112 sections 3 and 5). What stands in the fields was checked when
/// they were made: no name or value can hold a line end.
pub(in super::super) fn encode(head: &request::Parts, into: &mut Vec<u8>) {
    into.extend_from_slice(head.method.as_str().as_bytes());
    into.push(b' ');
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    into.extend_from_slice(target.as_bytes());
    into.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &head.headers {
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_request_goes_out_as_it_is() {
        let request =
            Request::put("/a?b=c").header("host", "ex").header("x-a", "1").header("x-a", "2").body(()).unwrap();
        let mut bytes = b"before ".to_vec();
        encode(&request.into_parts().0, &mut bytes);
        assert_eq!(bytes, b"before PUT /a?b=c HTTP/1.1\r\nhost: ex\r\nx-a: 1\r\nx-a: 2\r\n\r\n");
    }
}
