//! Signs replies several at a time, which is faster than one after the other.

use crate::digest::lanes::{self, LANES, PaddedMessage};
use crate::digest::{BLOCK, INITIAL, md5, octets};
use crate::packet::AUTHENTICATOR;
use crate::secret::sealed::Keyed;
use crate::secret::{PreparedSecret, SharedSecret};

/// Replies that are signed at a time; more are signed in turns.
pub const SIDE_BY_SIDE: usize = LANES;

/// A packet that is written and not signed. Its Authenticator field has what the signature covers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsigned {
    pub(crate) message_authenticator_at: Option<usize>,
}

/// A reply with what signs it.
#[derive(Debug)]
pub struct Signable<'a> {
    /// What [`crate::writer::PacketWriter::finish_unsigned`] left in the buffer.
    pub octets: &'a mut [u8],
    /// What it gave.
    pub unsigned: Unsigned,
    /// The secret shared with whoever asked.
    pub secret: &'a PreparedSecret,
}

/// The memory that signing needs.
#[derive(Default)]
pub struct Signer {
    messages: [PaddedMessage; LANES],
}

impl Signer {
    /// Signs every reply (RFC 2865 §3, RFC 3579 §3.2).
    pub fn sign(&mut self, replies: &mut [Signable<'_>]) {
        for group in replies.chunks_mut(SIDE_BY_SIDE) {
            match group {
                [reply] => reply.unsigned.sign(reply.octets, reply.secret),
                group => self.sign_side_by_side(group),
            }
        }
    }

    fn sign_side_by_side(&mut self, group: &mut [Signable<'_>]) {
        if group
            .iter()
            .any(|reply| reply.unsigned.message_authenticator_at.is_some())
        {
            self.write_message_authenticators(group);
        }
        self.messages.iter_mut().for_each(PaddedMessage::clear);
        for (message, reply) in self.messages.iter_mut().zip(&*group) {
            message.set(0, [&*reply.octets, reply.secret.octets()]);
        }
        let states = lanes::hash(&self.messages, [INITIAL; LANES]);
        for (state, reply) in states.into_iter().zip(group) {
            reply.octets[AUTHENTICATOR].copy_from_slice(&octets(state));
        }
    }

    fn write_message_authenticators(&mut self, group: &mut [Signable<'_>]) {
        let mut inner = [INITIAL; LANES];
        let mut outer = [INITIAL; LANES];
        self.messages.iter_mut().for_each(PaddedMessage::clear);
        for (lane, reply) in group.iter().enumerate() {
            let key = reply.secret.hmac_key();
            (inner[lane], outer[lane]) = (key.inner, key.outer);
            if reply.unsigned.message_authenticator_at.is_some() {
                self.messages[lane].set(BLOCK, [&*reply.octets]);
            }
        }
        let inner = lanes::hash(&self.messages, inner);
        for (message, state) in self.messages.iter_mut().zip(inner) {
            message.set(BLOCK, [&octets(state)]);
        }
        let outer = lanes::hash(&self.messages, outer);
        for (state, reply) in outer.into_iter().zip(group) {
            if let Some(at) = reply.unsigned.message_authenticator_at {
                reply.octets[at..at + 16].copy_from_slice(&octets(state));
            }
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer")
    }
}

impl Unsigned {
    /// Signs a packet with what its Authenticator field has.
    pub(crate) fn sign(self, packet: &mut [u8], secret: &(impl SharedSecret + ?Sized)) {
        self.write_message_authenticator(packet, secret);
        let signature = md5([packet, secret.octets()]);
        packet[AUTHENTICATOR].copy_from_slice(&signature);
    }

    /// The value is zeros until it is computed (RFC 3579 §3.2).
    pub(crate) fn write_message_authenticator(
        self,
        packet: &mut [u8],
        secret: &(impl SharedSecret + ?Sized),
    ) {
        if let Some(at) = self.message_authenticator_at {
            let value = secret.hmac_key().sign([packet]);
            packet[at..at + value.len()].copy_from_slice(&value);
        }
    }
}
