//! Frames: the client's masked ones in, our own unmasked ones out.

use bytes::{Buf, BytesMut};

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// What a client did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It broke the rules of framing.
    Protocol,
    /// Its text is not UTF-8.
    Text,
    /// Its message is longer than we take.
    TooLong,
}

impl Fault {
    /// The status code of the close frame (RFC 6455, 7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Fault::Protocol => 1002,
            Fault::Text => 1007,
            Fault::TooLong => 1009,
        }
    }
}

/// A frame from the client, unmasked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) payload: BytesMut,
}

impl Frame {
    /// Takes the next frame off the input; `None` when more input is needed. A data frame may
    /// have at most `limit` bytes of payload, which is known before they are there.
    pub(super) fn decode(input: &mut BytesMut, limit: usize) -> Result<Option<Frame>, Fault> {
        let Some(head) = Head::parse(input)? else {
            return Ok(None);
        };
        let length = usize::try_from(head.length).map_err(|_| Fault::TooLong)?;
        if length > limit && !head.opcode.is_control() {
            return Err(Fault::TooLong);
        }
        if input.len() - head.size < length {
            // Long messages would otherwise grow the buffer step by step.
            input.reserve(head.size + length - input.len());
            return Ok(None);
        }
        input.advance(head.size);
        let mut payload = input.split_to(length);
        for (byte, key) in payload.iter_mut().zip(head.mask.iter().cycle()) {
            *byte ^= key;
        }
        Ok(Some(Frame { last: head.last, opcode: head.opcode, payload }))
    }
}

struct Head {
    last: bool,
    opcode: Opcode,
    mask: [u8; 4],
    length: u64,
    /// Bytes before the payload.
    size: usize,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Option<Head>, Fault> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Fault::Protocol),
        };
        let last = first & 0x80 != 0;
        let short = second & 0x7f;
        // Reserved bits belong to extensions, and none was agreed upon; clients must mask.
        let wrong = first & 0x70 != 0 || second & 0x80 == 0;
        if wrong || (opcode.is_control() && (!last || short > 125)) {
            return Err(Fault::Protocol);
        }
        let (length, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((number, rest)) => (u64::from(u16::from_be_bytes(*number)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((number, rest)) => (u64::from_be_bytes(*number), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let Some((mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let size = bytes.len() - rest.len();
        Ok(Some(Head { last, opcode, mask: *mask, length, size }))
    }
}

/// What stands before the payload of a frame of ours.
pub(super) fn head(opcode: Opcode, length: usize) -> Vec<u8> {
    let mut head = vec![0x80 | opcode as u8];
    match length {
        0..=125 => head.push(length as u8),
        126..=0xffff => {
            head.push(126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

/// The payload of our answer to a close frame: its own code back, or what was wrong with it.
pub(super) fn close_reply(payload: &[u8]) -> Vec<u8> {
    let fault = match payload {
        [] => return Vec::new(),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            match (sendable, std::str::from_utf8(reason)) {
                (true, Ok(_)) => return code.to_be_bytes().to_vec(),
                (true, Err(_)) => Fault::Text,
                (false, _) => Fault::Protocol,
            }
        }
        [_] => Fault::Protocol,
    };
    fault.code().to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Option<Frame>, Fault> {
        Frame::decode(&mut BytesMut::from(bytes), 1 << 20)
    }

    /// The masked text of RFC 6455, 5.7.
    const HELLO: [u8; 11] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];

    #[test]
    fn a_masked_frame_is_taken_off_the_input_once_it_is_whole() {
        for cut in 0..HELLO.len() {
            assert_eq!(decode(&HELLO[..cut]), Ok(None));
        }
        let mut input = BytesMut::from(&HELLO[..]);
        input.extend_from_slice(&HELLO[..3]);
        let frame = Frame::decode(&mut input, 5).unwrap().unwrap();
        assert_eq!((frame.last, frame.opcode), (true, Opcode::Text));
        assert_eq!(&frame.payload[..], b"Hello");
        assert_eq!(&input[..], &HELLO[..3]);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_the_payload_comes() {
        let long = [0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0];
        assert_eq!(decode(&long), Err(Fault::TooLong));
        let huge = [0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(decode(&huge), Err(Fault::TooLong));
    }

    #[test]
    fn what_breaks_the_rules_of_framing_is_refused() {
        let unmasked = [0x81, 0x01, b'a'];
        let reserved_bit = [0xc1, 0x80, 0, 0, 0, 0];
        let reserved_opcode = [0x83, 0x80, 0, 0, 0, 0];
        let long_ping = [0x89, 0xfe, 0, 126, 0, 0, 0, 0];
        let fragmented_ping = [0x09, 0x80, 0, 0, 0, 0];
        for bytes in [&unmasked[..], &reserved_bit, &reserved_opcode, &long_ping, &fragmented_ping] {
            assert_eq!(decode(bytes), Err(Fault::Protocol), "{bytes:?}");
        }
    }

    #[test]
    fn a_close_is_answered_by_its_own_code_unless_it_is_wrong() {
        assert_eq!(close_reply(b""), b"");
        assert_eq!(close_reply(b"\x03\xe8bye"), 1000_u16.to_be_bytes());
        assert_eq!(close_reply(b"\x03"), 1002_u16.to_be_bytes());
        assert_eq!(close_reply(&1005_u16.to_be_bytes()), 1002_u16.to_be_bytes());
        assert_eq!(close_reply(b"\x03\xe8\xff"), 1007_u16.to_be_bytes());
    }

    #[test]
    fn our_own_heads_take_the_shortest_form() {
        assert_eq!(head(Opcode::Pong, 125), [0x8a, 125]);
        assert_eq!(head(Opcode::Binary, 256), [0x82, 126, 1, 0]);
        assert_eq!(head(Opcode::Text, 65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
