//! The cookie that keeps a client at its instance (RFC 6265).

use http::HeaderValue;
use sha2::{Digest, Sha256};

use crate::model::{Address, SameSite, StickyCookie};

/// What a sticky cookie says: one instance, without its address.
///
/// It is the start of a SHA-256 of the address, so it is the same in every process and after a
/// restart, and stays with the address when others come and go. It hides the address from the eye;
/// who can guess the address can tell that the guess was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin(u64);

impl Pin {
    pub(super) fn new(address: &Address) -> Self {
        let mut hash = Sha256::new_with_prefix(b"warpdrive sticky cookie\0");
        hash.update(address.to_string());
        let mut start = [0; 8];
        hash.finalize().iter().zip(&mut start).for_each(|(byte, place)| *place = *byte);
        Pin(u64::from_be_bytes(start))
    }
}

impl StickyCookie {
    /// What one `Cookie` field says; `None` where this cookie is not in it, or has a value that no
    /// instance can have. Of several the first counts. Takes time with the length of the field.
    pub fn read(&self, field: &[u8]) -> Option<Pin> {
        let value = field.split(|byte| *byte == b';').find_map(|pair| {
            let rest = pair.trim_ascii().strip_prefix(self.name.as_bytes())?;
            rest.strip_prefix(b"=")
        })?;
        if value.len() != 16 || !value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u64::from_str_radix(str::from_utf8(value).ok()?, 16).ok().map(Pin)
    }

    /// The `Set-Cookie` field that pins a client. `https` is the scheme that the client sees.
    /// Allocates.
    ///
    /// The cookie ends with the browser's session, is hidden from scripts and covers the whole
    /// site, since one session of Socket.IO may use several paths.
    pub fn set(&self, pin: Pin, https: bool) -> Option<HeaderValue> {
        let same_site = match self.same_site {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        };
        let secure = if https { "; Secure" } else { "" };
        let text = format!("{}={:016x}; Path=/; HttpOnly; SameSite={same_site}{secure}", self.name, pin.0);
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(name: &str) -> StickyCookie {
        StickyCookie { name: name.to_owned(), same_site: SameSite::Lax }
    }

    #[test]
    fn a_pin_comes_back_as_it_was_set() {
        let pin = Pin::new(&Address::tcp("10.0.0.7", 3000));
        let set = cookie("w").set(pin, true).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{set}");
        assert!(!set.contains("10.0") && !set.contains("3000"), "{set}");
        let pair = set.split(';').next().unwrap();
        for field in [pair.to_owned(), format!("a=1; {pair}"), format!("ww=0;{pair} ;b"), format!("w2=x; {pair}")] {
            assert_eq!(cookie("w").read(field.as_bytes()), Some(pin), "{field}");
        }
        let lax = StickyCookie { same_site: SameSite::None, ..cookie("w") };
        assert!(lax.set(pin, false).unwrap().to_str().unwrap().ends_with("SameSite=None"));
    }

    /// The cookie of yesterday's version must still be understood.
    #[test]
    fn a_pin_never_changes() {
        assert_eq!(format!("{:016x}", Pin::new(&Address::tcp("127.0.0.1", 3000)).0), "f877f5ee6ccdb5dd");
    }

    #[test]
    fn what_no_instance_can_have_is_no_pin() {
        for field in ["", "w", "w=", "w=12", "w=00000000000000zz", "w=+000000000000001", "w=00000000000000001", "W=0"] {
            assert_eq!(cookie("w").read(field.as_bytes()), None, "{field}");
        }
        assert_eq!(cookie("w").read(b"\xff=\xfe; w=\xff"), None);
    }
}
