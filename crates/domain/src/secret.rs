//! A secret in memory: wiped when dropped, never printed.

use std::fmt;

use zeroize::Zeroizing;

/// Octets that must not reach a log, a list or an error. `Debug` prints nothing of them, and
/// there is no `Display` and no serialisation.
///
/// Short ones lie in the value itself, so that comparing one of a million passwords does not wait
/// for memory twice. Moving such a value leaves a copy behind, as moving any value does; what is
/// dropped is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Octets);

#[derive(Clone, PartialEq, Eq)]
enum Octets {
    Short {
        len: u8,
        /// Zero behind `len`.
        octets: Zeroizing<[u8; SHORT_LEN_MAX]>,
    },
    Long(Zeroizing<Box<[u8]>>),
}

/// As many as fit beside a length without making the value larger.
const SHORT_LEN_MAX: usize = 22;

impl Secret {
    pub fn new(octets: impl AsRef<[u8]>) -> Self {
        let given = octets.as_ref();
        let mut octets = Zeroizing::new([0; SHORT_LEN_MAX]);
        match (u8::try_from(given.len()), octets.get_mut(..given.len())) {
            (Ok(len), Some(start)) => {
                start.copy_from_slice(given);
                Self(Octets::Short { len, octets })
            }
            _ => Self(Octets::Long(Zeroizing::new(given.into()))),
        }
    }

    /// The octets themselves. Every caller of this is a place to review.
    pub fn expose(&self) -> &[u8] {
        match &self.0 {
            Octets::Short { len, octets } => &octets[..usize::from(*len)],
            Octets::Long(octets) => octets,
        }
    }

    pub fn len(&self) -> usize {
        self.expose().len()
    }

    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
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
    fn short_and_long_octets_come_back_as_they_were() {
        for len in [
            0,
            1,
            SHORT_LEN_MAX - 1,
            SHORT_LEN_MAX,
            SHORT_LEN_MAX + 1,
            512,
        ] {
            let octets: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let secret = Secret::new(&octets);
            assert_eq!(secret.expose(), octets);
            assert_eq!((secret.len(), secret.is_empty()), (len, len == 0));
            assert_eq!(secret, secret.clone());
            assert_ne!(secret, Secret::new([octets, vec![0]].concat()));
        }
    }

    #[test]
    fn a_secret_is_no_larger_than_a_string() {
        assert_eq!(size_of::<Secret>(), size_of::<String>());
    }

    #[test]
    fn debug_output_hides_the_octets() {
        assert_eq!(
            format!("{:?}", Secret::from("kookaburra")),
            "Secret(hidden)"
        );
    }
}
