//! Answers before hyper has a request.

/// An answer that the wire gives by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    HeadTimeout,
    TargetTooLong,
}

impl Refusal {
    pub(super) fn status(self) -> u16 {
        match self {
            Refusal::HeadTimeout => 408,
            Refusal::TargetTooLong => 414,
        }
    }

    pub(super) fn answer(self) -> &'static [u8] {
        match self {
            Refusal::HeadTimeout => {
                b"HTTP/1.1 408 Request Timeout\r\nserver: warpdrive\r\n\
                x-warpdrive-error: client_header_timeout\r\n\
                content-length: 0\r\nconnection: close\r\n\r\n"
            }
            Refusal::TargetTooLong => {
                b"HTTP/1.1 414 URI Too Long\r\nserver: warpdrive\r\n\
                x-warpdrive-error: target_too_long\r\n\
                content-length: 0\r\nconnection: close\r\n\r\n"
            }
        }
    }
}
