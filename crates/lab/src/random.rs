//! Random octets: from a seed when a run must repeat, otherwise from the operating system.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

pub(crate) fn generator(seed: Option<u64>) -> StdRng {
    match seed {
        Some(seed) => StdRng::seed_from_u64(seed),
        None => StdRng::from_rng(&mut rand::rng()),
    }
}

pub(crate) fn octets<const LENGTH: usize>(random: &mut impl Rng) -> [u8; LENGTH] {
    let mut octets = [0; LENGTH];
    random.fill_bytes(&mut octets);
    octets
}

/// RAND of RFC 5080 §2.2.1: from -0.1 to 0.1.
pub(crate) fn jitter(random: &mut impl Rng) -> f64 {
    random.random_range(-0.1..=0.1)
}
