//! Answers on their way out: signed together, sent, held back or kept until a record is durable.

use std::sync::Arc;
use std::time::Instant;

use radius::signer::Unsigned;

use super::Engine;
use crate::duplicate::{ENTRIES_MAX, Ticket};
use crate::nas_table::NasEntry;
use crate::signing::Purpose;

impl Engine {
    /// Leaves the signature for when several replies are written, or nothing else is to be done.
    pub(super) fn sign_later(
        &mut self,
        ticket: Ticket,
        purpose: Purpose,
        unsigned: Unsigned,
        nas: &Arc<NasEntry>,
    ) {
        self.signing.push(ticket, purpose, unsigned, nas);
        if self.signing.is_full() {
            self.sign();
        }
    }

    /// Signs what is written, and sends it, holds it back or keeps it.
    pub(super) fn sign(&mut self) {
        if self.signing.is_empty() {
            return;
        }
        self.signing.sign();
        let mut place = 0;
        while let Some((ticket, purpose, reply)) = self.signing.find(place) {
            self.cache.prepare(ticket, reply);
            match purpose {
                Purpose::Send => self.send_prepared(ticket),
                Purpose::HoldBack(since) => self.hold_back(ticket, since),
                Purpose::Keep => {}
            }
            place += 1;
        }
        self.signing.clear();
    }

    fn hold_back(&mut self, ticket: Ticket, since: Instant) {
        if self.context.reject_delay.is_zero() {
            return self.send_prepared(ticket);
        }
        if ENTRIES_MAX <= self.delayed.len()
            && let Some((_, oldest)) = self.delayed.pop_front()
        {
            self.send_prepared(oldest);
        }
        self.delayed
            .push_back((since + self.context.reject_delay, ticket));
    }

    pub(super) fn send_prepared(&mut self, ticket: Ticket) {
        if let Some((key, reply)) = self.cache.answer(ticket) {
            self.outbox.push(key, reply);
        }
    }
}
