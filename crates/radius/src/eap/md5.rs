//! EAP-MD5: a challenge and an answer that is computed like that of CHAP (RFC 3748 §5.4, RFC 1994 §4.1).
//!
//! It proves nothing about the server and yields no keys.

use super::{Response, WrongTurn, next, write_request};
use crate::password::chap;

/// Octets of a challenge that we make.
pub const CHALLENGE_LENGTH: usize = 16;

/// Octets of an MD5 digest, which an answer is.
const DIGEST_LENGTH: usize = 16;

/// The Type field (RFC 3748 §5.4).
const TYPE: u8 = 4;

/// A challenge that is asked once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    identifier: u8,
    value: [u8; CHALLENGE_LENGTH],
}

/// What a peer answered to a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    challenge: [u8; CHALLENGE_LENGTH],
    /// As CHAP-Password has it.
    value: [u8; chap::VALUE_LENGTH],
}

impl Challenge {
    /// A challenge of unpredictable octets, to be asked after a message of this identifier.
    #[must_use]
    pub const fn after(identifier: u8, value: [u8; CHALLENGE_LENGTH]) -> Self {
        Self {
            identifier: next(identifier),
            value,
        }
    }

    /// The EAP packet that asks it, into `out`, replacing what is there.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut data = [0; 1 + CHALLENGE_LENGTH];
        data[0] = u8::try_from(CHALLENGE_LENGTH).expect("16 octets");
        data[1..].copy_from_slice(&self.value);
        write_request(self.identifier, TYPE, &data, out);
    }

    /// Reads the answer. The name behind it is not looked at.
    pub fn read_answer(&self, response: &Response<'_>) -> Result<Answer, WrongTurn> {
        let [size, rest @ ..] = response.answer_to(self.identifier, TYPE)? else {
            return Err(WrongTurn::Malformed);
        };
        let (DIGEST_LENGTH, Some(digest)) = (usize::from(*size), rest.get(..DIGEST_LENGTH)) else {
            return Err(WrongTurn::Malformed);
        };
        let mut value = [self.identifier; chap::VALUE_LENGTH];
        value[1..].copy_from_slice(digest);
        Ok(Answer {
            challenge: self.value,
            value,
        })
    }
}

impl Answer {
    /// Whether it was made from this password.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        chap::verify(&self.value, &self.challenge, password)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    const CHALLENGE: Challenge = Challenge::after(
        0x01,
        [
            0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ],
    );

    /// MD5 of 0x02, "kookaburra" and the challenge, computed with Python's hashlib.
    const DIGEST: [u8; 16] = [
        0x33, 0x4a, 0x43, 0xb1, 0x43, 0x43, 0x6c, 0xe8, 0xab, 0x68, 0xce, 0xb2, 0x21, 0x3a, 0x89,
        0x71,
    ];

    fn response(kind: u8, identifier: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(5 + data.len()).expect("short");
        let [high, low] = length.to_be_bytes();
        [&[2, identifier, high, low, kind][..], data].concat()
    }

    #[track_caller]
    fn check(octets: &[u8], password: &[u8], expected: Result<bool, WrongTurn>) {
        let Ok(Message::Response(response)) = Message::read(octets) else {
            panic!("it is a response: {octets:?}");
        };
        let answer = CHALLENGE.read_answer(&response);
        assert_eq!(answer.map(|answer| answer.verify(password)), expected);
    }

    #[test]
    fn the_challenge_is_asked_as_the_rfc_draws_it() {
        let mut out = vec![0xaa];
        CHALLENGE.write(&mut out);
        let expected = [&[1, 2, 0, 22, 4, 16][..], &CHALLENGE.value].concat();
        assert_eq!(out, expected);
        assert_eq!(Challenge::after(255, [0; 16]).identifier, 0);
    }

    #[test]
    fn the_right_password_makes_the_right_answer() {
        let answer = [&[16][..], &DIGEST].concat();
        check(&response(4, 2, &answer), b"kookaburra", Ok(true));
        check(&response(4, 2, &answer), b"kookaburrA", Ok(false));
        check(&response(4, 2, &answer), b"", Ok(false));
        let named = [&answer[..], b"ana"].concat();
        check(&response(4, 2, &named), b"kookaburra", Ok(true));
        let other = [&[16][..], &[0; 16]].concat();
        check(&response(4, 2, &other), b"kookaburra", Ok(false));
    }

    #[test]
    fn each_wrong_turn_is_told_apart() {
        let answer = [&[16][..], &DIGEST].concat();
        for identifier in [1, 3, 255] {
            let expected = Err(WrongTurn::IdentifierDiffers);
            check(&response(4, identifier, &answer), b"", expected);
        }
        for kind in [2, 5, 13, 254, 255] {
            check(
                &response(kind, 2, &answer),
                b"",
                Err(WrongTurn::MethodDiffers),
            );
        }
        for (wanted, data) in [(25, &[25, 21][..]), (0, &[0]), (0, &[])] {
            check(
                &response(3, 2, data),
                b"",
                Err(WrongTurn::Refused { wanted }),
            );
        }
        let short = [&[16][..], &DIGEST[1..]].concat();
        let small = [&[15][..], &DIGEST].concat();
        let large = [&[17][..], &DIGEST, b"a"].concat();
        for data in [&[][..], &[16], &[0], &short, &small, &large] {
            check(&response(4, 2, data), b"", Err(WrongTurn::Malformed));
        }
    }
}
