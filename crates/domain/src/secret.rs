//! A secret in memory: wiped when dropped, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// Octets that must not reach a log, a list or an error. `Debug` prints nothing of them, and
/// there is no `Display` and no serialisation.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    pub fn new(octets: impl Into<Box<[u8]>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets themselves. Every caller of this is a place to review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_octets() {
        assert_eq!(
            format!("{:?}", Secret::from("kookaburra")),
            "Secret(hidden)"
        );
    }
}
