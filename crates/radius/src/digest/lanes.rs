//! MD5 of four messages side by side, which takes little longer than that of one.
//!
//! Each step of MD5 waits for the one before, so one message leaves most of a core idle. The words
//! of four messages in one array become one register each.

use std::array;

use zeroize::Zeroizing;

use super::{BLOCK, LENGTH_AT};

/// Messages side by side.
pub(crate) const LANES: usize = 4;

/// The same word of each message.
type Words = [u32; LANES];

/// A message that is padded to whole blocks (RFC 1321 §3.1 and §3.2). Secrets are in it.
#[derive(Default)]
pub(crate) struct PaddedMessage(Zeroizing<Vec<u8>>);

impl PaddedMessage {
    /// Replaces the message by one that comes after this many octets of whole blocks.
    pub(crate) fn set<const COUNT: usize>(&mut self, octets_before: usize, parts: [&[u8]; COUNT]) {
        let octets = &mut *self.0;
        octets.clear();
        for part in parts {
            octets.extend_from_slice(part);
        }
        let bits = (octets_before + octets.len()) as u64 * 8;
        octets.push(0x80);
        let padded = (octets.len() + BLOCK - LENGTH_AT).next_multiple_of(BLOCK);
        octets.resize(padded - BLOCK + LENGTH_AT, 0);
        octets.extend_from_slice(&bits.to_le_bytes());
    }

    /// Nothing to hash: the state stays as it is.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn blocks(&self) -> &[[u8; BLOCK]] {
        self.0.as_chunks().0
    }
}

/// The states after the messages, each from its own state before.
pub(crate) fn hash(
    messages: &[PaddedMessage; LANES],
    mut states: [[u32; 4]; LANES],
) -> [[u32; 4]; LANES] {
    let blocks = messages.each_ref().map(PaddedMessage::blocks);
    let rounds = blocks.map(<[_]>::len).into_iter().max().unwrap_or(0);
    let mut words: [Words; 4] = array::from_fn(|word| states.map(|state| state[word]));
    for round in 0..rounds {
        // A message that has ended takes part until the longest has, and nobody looks.
        let current = blocks.map(|blocks| blocks.get(round).unwrap_or(&[0; BLOCK]));
        compress(&mut words, current);
        for (lane, state) in states.iter_mut().enumerate() {
            if round < blocks[lane].len() {
                *state = words.map(|word| word[lane]);
            }
        }
    }
    states
}

/// The rounds of RFC 1321 §3.4 in all lanes.
#[inline(never)]
fn compress(state: &mut [Words; 4], blocks: [&[u8; BLOCK]; LANES]) {
    let message: [Words; 16] =
        array::from_fn(|word| blocks.map(|block| u32::from_le_bytes(block.as_chunks().0[word])));
    let [mut a, mut b, mut c, mut d] = *state;
    macro_rules! four_steps {
        ($round:literal, $first:expr) => {
            a = step::<$round, { $first }>(a, b, c, d, &message);
            d = step::<$round, { $first + 1 }>(d, a, b, c, &message);
            c = step::<$round, { $first + 2 }>(c, d, a, b, &message);
            b = step::<$round, { $first + 3 }>(b, c, d, a, &message);
        };
    }
    macro_rules! round {
        ($round:literal) => {
            four_steps!($round, 0);
            four_steps!($round, 4);
            four_steps!($round, 8);
            four_steps!($round, 12);
        };
    }
    round!(0);
    round!(1);
    round!(2);
    round!(3);
    for (word, added) in state.iter_mut().zip([a, b, c, d]) {
        *word = array::from_fn(|lane| word[lane].wrapping_add(added[lane]));
    }
}

/// One step: everything but the lanes is known when it is compiled.
#[inline(always)]
fn step<const ROUND: usize, const STEP: usize>(
    a: Words,
    b: Words,
    c: Words,
    d: Words,
    message: &[Words; 16],
) -> Words {
    let word = const {
        match ROUND {
            0 => STEP,
            1 => (5 * STEP + 1) % 16,
            2 => (3 * STEP + 5) % 16,
            _ => 7 * STEP % 16,
        }
    };
    array::from_fn(|lane| {
        let (x, y, z) = (b[lane], c[lane], d[lane]);
        let mixed = match ROUND {
            0 => z ^ (x & (y ^ z)),
            1 => y ^ (z & (x ^ y)),
            2 => x ^ y ^ z,
            _ => y ^ (x | !z),
        };
        a[lane]
            .wrapping_add(mixed)
            .wrapping_add(message[word][lane])
            .wrapping_add(SINES[16 * ROUND + STEP])
            .rotate_left(SHIFTS[ROUND][STEP % 4])
            .wrapping_add(x)
    })
}

const SHIFTS: [[u32; 4]; 4] = [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
];

/// 2³² times the sine of 1, 2, 3 and so on, without sign (RFC 1321 §3.4).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::digest::{INITIAL, md5, octets};

    proptest! {
        #[test]
        fn every_lane_is_the_md5_of_its_message(
            messages in vec(vec(any::<u8>(), 0..300), LANES),
            is_used in any::<[bool; LANES]>(),
        ) {
            let mut padded: [PaddedMessage; LANES] = Default::default();
            for (lane, message) in messages.iter().enumerate().filter(|(lane, _)| is_used[*lane]) {
                padded[lane].set(0, [message]);
            }
            let states = hash(&padded, [INITIAL; LANES]);
            for (lane, message) in messages.iter().enumerate() {
                let expected = if is_used[lane] { md5([message]) } else { octets(INITIAL) };
                prop_assert_eq!(octets(states[lane]), expected);
            }
        }
    }

    #[test]
    fn padding_fills_whole_blocks_at_every_length() {
        for length in 0..200 {
            let mut message = PaddedMessage::default();
            message.set(0, [&vec![7; length]]);
            assert_eq!(
                message.0.len(),
                (length + 9).next_multiple_of(BLOCK),
                "{length}"
            );
        }
    }
}
