//! Checks requests several at a time, which is faster than one after the other.

use crate::authenticator::{
    MessageAuthenticatorCheck, Signature, ZERO, equal, find_message_authenticator, is_signed,
    signed_authenticator, split_packet, verify_message_authenticator, verify_request_authenticator,
};
use crate::digest::lanes::{self, LANES, PaddedMessage};
use crate::digest::{BLOCK, INITIAL, octets};
use crate::packet::{LENGTH_MIN, Packet};
use crate::secret::PreparedSecret;
use crate::secret::sealed::Keyed;

/// Requests that are checked at a time.
pub const SIDE_BY_SIDE: usize = LANES;

/// A request with what it should be signed with.
#[derive(Clone, Copy, Debug)]
pub struct Verifiable<'a> {
    /// The request.
    pub request: Packet<'a>,
    /// The secret shared with whoever sent it.
    pub secret: &'a PreparedSecret,
}

/// Whether a request is from somebody who knows the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticity {
    /// As [`verify_message_authenticator`] says.
    pub message_authenticator: MessageAuthenticatorCheck,
    /// As [`verify_request_authenticator`] says.
    pub is_authenticator_right: bool,
}

/// The memory that checking needs.
#[derive(Default)]
pub struct Verifier {
    messages: [PaddedMessage; LANES],
}

impl Verifier {
    /// Checks at most [`SIDE_BY_SIDE`] requests in constant time; the verdicts are in the same places.
    pub fn verify(&mut self, requests: &[Verifiable<'_>]) -> [Authenticity; SIDE_BY_SIDE] {
        let mut verdicts = [Authenticity {
            message_authenticator: MessageAuthenticatorCheck::Invalid,
            is_authenticator_right: false,
        }; SIDE_BY_SIDE];
        if let [Verifiable { request, secret }] = requests {
            verdicts[0] = Authenticity {
                message_authenticator: verify_message_authenticator(request, *secret),
                is_authenticator_right: verify_request_authenticator(request, *secret),
            };
            return verdicts;
        }
        self.check_message_authenticators(requests, &mut verdicts);
        if requests.iter().any(|one| is_signed(one.request.code())) {
            self.check_authenticators(requests, &mut verdicts);
        }
        verdicts
    }

    fn check_message_authenticators(
        &mut self,
        requests: &[Verifiable<'_>],
        verdicts: &mut [Authenticity; SIDE_BY_SIDE],
    ) {
        let mut inner = [INITIAL; LANES];
        let mut outer = [INITIAL; LANES];
        let mut found = [None; LANES];
        self.messages.iter_mut().for_each(PaddedMessage::clear);
        for (lane, Verifiable { request, secret }) in requests.iter().enumerate() {
            let key = secret.hmac_key();
            (inner[lane], outer[lane]) = (key.inner, key.outer);
            match find_message_authenticator(request) {
                Signature::At(at, value) => {
                    found[lane] = Some(value);
                    let (header, attributes) = split_packet(request.as_bytes());
                    let (before, rest) = attributes.split_at(at - LENGTH_MIN);
                    let (_value, after) = rest.split_at(ZERO.len());
                    let covered = signed_authenticator(request);
                    self.messages[lane].set(BLOCK, [header, covered, before, &ZERO, after]);
                }
                Signature::Wrong(check) => verdicts[lane].message_authenticator = check,
            }
        }
        let inner = lanes::hash(&self.messages, inner);
        for (message, state) in self.messages.iter_mut().zip(inner) {
            message.set(BLOCK, [&octets(state)]);
        }
        let outer = lanes::hash(&self.messages, outer);
        for (lane, value) in found.into_iter().enumerate() {
            if value.is_some_and(|value| equal(&octets(outer[lane]), value)) {
                verdicts[lane].message_authenticator = MessageAuthenticatorCheck::Valid;
            }
        }
    }

    fn check_authenticators(
        &mut self,
        requests: &[Verifiable<'_>],
        verdicts: &mut [Authenticity; SIDE_BY_SIDE],
    ) {
        self.messages.iter_mut().for_each(PaddedMessage::clear);
        for (message, Verifiable { request, secret }) in self.messages.iter_mut().zip(requests) {
            let (header, attributes) = split_packet(request.as_bytes());
            message.set(0, [header, &ZERO, attributes, secret.octets()]);
        }
        let states = lanes::hash(&self.messages, [INITIAL; LANES]);
        for ((state, verdict), one) in states.into_iter().zip(verdicts).zip(requests) {
            verdict.is_authenticator_right =
                is_signed(one.request.code()) && equal(&octets(state), one.request.authenticator());
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Verifier")
    }
}
