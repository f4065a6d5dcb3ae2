//! What a worker writes and reads heads with, kept from one to the next.

use std::cell::RefCell;

use http::{HeaderMap, request};

use super::http1::{Reader, encode};
use crate::limits::{KEPT_MAP_FIELDS, KEPT_TEXT_BYTES, SPARE_HEADS};

/// A request is turned into text once, and its fields are let go at once, while they are in the processor's
/// cache: by the time its response comes they are not. A head that is sent again is that text again.
///
/// Memory for both is taken from what was used last, so that no head costs an allocation once there is enough.
#[derive(Default)]
pub(crate) struct HeadSpace {
    texts: RefCell<Vec<Vec<u8>>>,
    maps: RefCell<Vec<HeaderMap>>,
    /// Reads the heads of responses.
    pub(super) reader: RefCell<Reader>,
}

impl HeadSpace {
    /// The head as an instance that speaks HTTP/1.1 gets it.
    pub(super) fn write(&self, head: &request::Parts) -> Vec<u8> {
        let mut text = self.texts.borrow_mut().pop().unwrap_or_default();
        encode(head, &mut text);
        text
    }

    /// Takes the text of a head that is not sent again.
    pub(super) fn keep_text(&self, mut text: Vec<u8>) {
        text.clear();
        let mut texts = self.texts.borrow_mut();
        if (1..=KEPT_TEXT_BYTES).contains(&text.capacity()) && texts.len() < SPARE_HEADS {
            texts.push(text);
        }
    }

    /// Takes the map of a request that has been written, for the next response. hyper keeps that one for the
    /// next request of its connection.
    pub(super) fn keep_map(&self, mut map: HeaderMap) {
        map.clear();
        let mut maps = self.maps.borrow_mut();
        if map.capacity() <= KEPT_MAP_FIELDS && maps.len() < SPARE_HEADS {
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
    fn a_text_is_written_where_another_one_was_unless_that_was_large() {
        let space = HeadSpace::default();
        let mut head = Request::get("/a").header("host", "ex").body(()).unwrap().into_parts().0;
        let text = space.write(&head);
        assert_eq!(text, b"GET /a HTTP/1.1\r\nhost: ex\r\n\r\n");
        let place = text.as_ptr();
        space.keep_text(text);
        let text = space.write(&head);
        assert_eq!((text.as_ptr(), &text[..]), (place, &b"GET /a HTTP/1.1\r\nhost: ex\r\n\r\n"[..]));
        head.headers.insert("x-long", HeaderValue::from_bytes(&[b'a'; KEPT_TEXT_BYTES]).unwrap());
        let text = space.write(&head);
        assert!(text.len() > KEPT_TEXT_BYTES);
        space.keep_text(text);
        assert!(space.texts.borrow().is_empty());
    }

    #[test]
    fn a_map_comes_back_empty_unless_it_is_large() {
        let space = HeadSpace::default();
        space.keep_map(map(3));
        let kept = space.map();
        assert!(kept.is_empty() && kept.capacity() >= 3);
        space.keep_map(map(KEPT_MAP_FIELDS + 1));
        assert_eq!(space.map().capacity(), 0);
    }

    #[test]
    fn so_many_are_kept_and_no_more() {
        let space = HeadSpace::default();
        (0..=SPARE_HEADS).for_each(|_| space.keep_map(map(1)));
        assert_eq!((0..).take_while(|_| space.map().capacity() > 0).count(), SPARE_HEADS);
        (0..=SPARE_HEADS).for_each(|_| space.keep_text(vec![b'x']));
        assert_eq!(space.texts.borrow().len(), SPARE_HEADS);
    }
}
