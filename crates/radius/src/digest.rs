//! MD5 and HMAC-MD5 of messages in parts: how RADIUS signs and hides (RFC 1321, RFC 2104).

pub(crate) mod lanes;

pub(crate) const BLOCK: usize = 64;
/// Where the last block has the length of the message in bits.
const LENGTH_AT: usize = BLOCK - 8;
pub(crate) const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5c;

/// The MD5 of a message that is still being read.
pub(crate) struct Md5 {
    state: [u32; 4],
    block: [u8; BLOCK],
    length: usize,
}

impl Md5 {
    pub(crate) const fn new() -> Self {
        Self {
            state: INITIAL,
            block: [0; BLOCK],
            length: 0,
        }
    }

    /// Goes on after one block, which led to this state.
    const fn after_block(state: [u32; 4]) -> Self {
        Self {
            state,
            block: [0; BLOCK],
            length: BLOCK,
        }
    }

    #[inline]
    pub(crate) fn update(&mut self, part: &[u8]) {
        let filled = self.length % BLOCK;
        self.length += part.len();
        if filled + part.len() < BLOCK {
            self.block[filled..filled + part.len()].copy_from_slice(part);
        } else {
            self.fill_block(filled, part);
        }
    }

    pub(crate) fn finish(mut self) -> [u8; 16] {
        let filled = self.length % BLOCK;
        self.block[filled] = 0x80;
        self.block[filled + 1..].fill(0);
        if LENGTH_AT <= filled {
            compress(&mut self.state, &self.block);
            self.block = [0; BLOCK];
        }
        let bits = (self.length as u64).wrapping_mul(8);
        self.block[LENGTH_AT..].copy_from_slice(&bits.to_le_bytes());
        compress(&mut self.state, &self.block);
        octets(self.state)
    }

    fn fill_block(&mut self, filled: usize, part: &[u8]) {
        let (head, rest) = part.split_at(BLOCK - filled);
        self.block[filled..].copy_from_slice(head);
        compress(&mut self.state, &self.block);
        let (blocks, rest) = rest.as_chunks::<BLOCK>();
        for block in blocks {
            compress(&mut self.state, block);
        }
        self.block[..rest.len()].copy_from_slice(rest);
    }
}

/// The MD5 of the parts one after the other.
#[inline]
pub(crate) fn md5<const COUNT: usize>(parts: [&[u8]; COUNT]) -> [u8; 16] {
    let mut digest = Md5::new();
    for part in parts {
        digest.update(part);
    }
    digest.finish()
}

/// A key for HMAC-MD5, as the two states that it leads to.
#[derive(Clone, Copy)]
pub struct HmacKey {
    pub(crate) inner: [u32; 4],
    pub(crate) outer: [u32; 4],
}

impl HmacKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut padded = [0; BLOCK];
        match padded.get_mut(..key.len()) {
            Some(room) => room.copy_from_slice(key),
            None => padded[..16].copy_from_slice(&md5([key])),
        }
        let state_after = |pad: u8| {
            let mut state = INITIAL;
            compress(&mut state, &padded.map(|octet| octet ^ pad));
            state
        };
        Self {
            inner: state_after(INNER_PAD),
            outer: state_after(OUTER_PAD),
        }
    }

    /// The HMAC-MD5 of the parts one after the other.
    #[inline]
    pub(crate) fn sign<const COUNT: usize>(&self, parts: [&[u8]; COUNT]) -> [u8; 16] {
        let mut inner = Md5::after_block(self.inner);
        for part in parts {
            inner.update(part);
        }
        let mut outer = Md5::after_block(self.outer);
        outer.update(&inner.finish());
        outer.finish()
    }
}

/// One copy of the rounds, which are too many instructions to have one at every call.
#[inline(never)]
fn compress(state: &mut [u32; 4], block: &[u8; BLOCK]) {
    fast_md5::transform(state, block);
}

pub(crate) fn octets(state: [u32; 4]) -> [u8; 16] {
    let mut octets = [0; 16];
    for (word, out) in state.iter().zip(octets.as_chunks_mut::<4>().0) {
        *out = word.to_le_bytes();
    }
    octets
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use md5::Digest;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn md5_is_md5_however_the_message_is_cut(
            first in vec(any::<u8>(), 0..200),
            second in vec(any::<u8>(), 0..200),
            third in vec(any::<u8>(), 0..200),
        ) {
            let expected = md5::Md5::new()
                .chain_update(&first)
                .chain_update(&second)
                .chain_update(&third)
                .finalize();
            prop_assert_eq!(md5([&first, &second, &third]), <[u8; 16]>::from(expected));
        }

        #[test]
        fn hmac_is_hmac_for_keys_of_every_length(
            key in vec(any::<u8>(), 0..130),
            first in vec(any::<u8>(), 0..200),
            second in vec(any::<u8>(), 0..200),
        ) {
            let mut expected = Hmac::<md5::Md5>::new_from_slice(&key).unwrap();
            expected.update(&first);
            expected.update(&second);
            let expected: [u8; 16] = expected.finalize().into_bytes().into();
            prop_assert_eq!(HmacKey::new(&key).sign([&first, &second]), expected);
        }
    }

    /// RFC 1321 §A.5.
    #[test]
    fn md5_of_the_alphabet() {
        let alphabet = b"abcdefghijklmnopqrstuvwxyz";
        let expected = 0xc3fc_d3d7_6192_e400_7dfb_496c_ca67_e13b_u128;
        assert_eq!(md5([alphabet]), expected.to_be_bytes());
    }
}
