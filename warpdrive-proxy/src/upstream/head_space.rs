//! What a worker writes the heads of requests into, and the maps that it reads heads into.

use std::cell::{Cell, RefCell};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, request};

use super::http1::encode;
use crate::limits::{HEAD_SPACE_BYTES, KEPT_MAP_FIELDS, SPARE_MAPS};

/// A request is turned into text once, and its fields are let go at once, while they are in the processor's
/// cache: by the time its response comes they are not. A head that is sent again is that text again.
///
/// Heads stand in a block one behind the other, so that none costs an allocation of its own. A block lives as
/// long as one of them.
#[derive(Default)]
pub(crate) struct HeadSpace {
    text: Cell<Vec<u8>>,
    block: Cell<BytesMut>,
    /// Empty maps, the one that was used last at the end.
    maps: RefCell<Vec<HeaderMap>>,
}

impl HeadSpace {
    /// The head as an instance that speaks HTTP/1.1 gets it.
    pub(super) fn write(&self, head: &request::Parts) -> Bytes {
        let mut text = self.text.take();
        text.clear();
        encode(head, &mut text);
        let mut block = self.block.take();
        if block.capacity() < text.len() {
            // The block from its start again where nobody holds a piece of it, else a new one.
            block.reserve(text.len().max(HEAD_SPACE_BYTES));
        }
        block.extend_from_slice(&text);
        let piece = block.split().freeze();
        self.block.set(block);
        self.text.set(text);
        piece
    }

    /// Takes the map of a request that has been written, for the next response. hyper keeps that one for the
    /// next request of its connection, so that no head makes a map or lets one grow once there are enough.
    pub(super) fn keep(&self, mut map: HeaderMap) {
        map.clear();
        let mut maps = self.maps.borrow_mut();
        if map.capacity() <= KEPT_MAP_FIELDS && maps.len() < SPARE_MAPS {
            maps.push(map);
        }
    }

    /// An empty map.
    pub(super) fn map(&self) -> HeaderMap {
        self.maps.borrow_mut().pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Request};

    use super::*;

    fn map(fields: usize) -> HeaderMap {
        let name = |place: usize| HeaderName::from_bytes(format!("x-{place}").as_bytes()).unwrap();
        (0..fields).map(|place| (name(place), HeaderValue::from_static("y"))).collect()
    }

    #[test]
    fn heads_share_a_block_and_a_large_one_has_its_own() {
        let space = HeadSpace::default();
        let short = Request::get("/a").header("host", "ex").body(()).unwrap().into_parts().0;
        let first = space.write(&short);
        let second = space.write(&short);
        assert_eq!(first, "GET /a HTTP/1.1\r\nhost: ex\r\n\r\n");
        assert_eq!(first, second);
        assert_eq!(first.as_ptr().addr() + first.len(), second.as_ptr().addr());
        let mut long = short.clone();
        long.headers.insert("x-long", HeaderValue::from_bytes(&[b'a'; 2 * HEAD_SPACE_BYTES]).unwrap());
        assert!(space.write(&long).len() > 2 * HEAD_SPACE_BYTES);
        assert_eq!(first, space.write(&short));
    }

    #[test]
    fn a_map_comes_back_empty_unless_it_is_large() {
        let space = HeadSpace::default();
        space.keep(map(3));
        let kept = space.map();
        assert!(kept.is_empty() && kept.capacity() >= 3);
        space.keep(map(KEPT_MAP_FIELDS + 1));
        assert_eq!(space.map().capacity(), 0);
    }

    #[test]
    fn so_many_maps_are_kept_and_no_more() {
        let space = HeadSpace::default();
        (0..=SPARE_MAPS).for_each(|_| space.keep(map(1)));
        assert_eq!((0..).take_while(|_| space.map().capacity() > 0).count(), SPARE_MAPS);
    }
}
