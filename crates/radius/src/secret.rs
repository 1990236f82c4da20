//! The secret that a NAS and its server share, as octets or prepared for many packets.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::digest::HmacKey;

/// What both sides sign and hide with: octets, or a [`PreparedSecret`].
pub trait SharedSecret: sealed::Keyed {}

impl<S: sealed::Keyed + ?Sized> SharedSecret for S {}

/// A secret with what every signature begins with computed once: worth it for whoever signs many packets.
#[derive(Clone)]
pub struct PreparedSecret {
    octets: Box<[u8]>,
    key: HmacKey,
}

impl PreparedSecret {
    /// Prepares a secret of any length.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        Self {
            octets: octets.into(),
            key: HmacKey::new(octets),
        }
    }
}

impl Drop for PreparedSecret {
    fn drop(&mut self) {
        self.octets.zeroize();
        self.key.inner.zeroize();
        self.key.outer.zeroize();
    }
}

impl ZeroizeOnDrop for PreparedSecret {}

impl fmt::Debug for PreparedSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PreparedSecret(hidden)")
    }
}

pub(crate) mod sealed {
    use super::PreparedSecret;
    use crate::digest::HmacKey;

    pub trait Keyed {
        fn octets(&self) -> &[u8];
        fn hmac_key(&self) -> HmacKey;
    }

    impl<S: AsRef<[u8]> + ?Sized> Keyed for S {
        fn octets(&self) -> &[u8] {
            self.as_ref()
        }

        fn hmac_key(&self) -> HmacKey {
            HmacKey::new(self.as_ref())
        }
    }

    impl Keyed for PreparedSecret {
        fn octets(&self) -> &[u8] {
            &self.octets
        }

        fn hmac_key(&self) -> HmacKey {
            self.key
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_octets() {
        let secret = PreparedSecret::new(b"kookaburra");
        assert_eq!(format!("{secret:?}"), "PreparedSecret(hidden)");
    }
}
