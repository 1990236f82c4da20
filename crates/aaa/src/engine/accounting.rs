//! Accounting: a request becomes a record that waits to be durable, and its answer waits with it.

use std::sync::Arc;

use radius::attribute::kind;
use radius::authenticator::MessageAuthenticatorCheck;
use radius::packet::Packet;
use radius::verifier::Authenticity;

use super::{Effect, Engine, Moment, Received, complain};
use crate::accounting::{self, Accounted, Unrecordable};
use crate::duplicate::Ticket;
use crate::metrics::{Count, Drop};
use crate::nas_table::NasEntry;
use crate::reply;
use crate::row_table::id_of;
use crate::signing::Purpose;

impl Engine {
    pub(super) fn handle_accounting(
        &mut self,
        received: &Received<'_>,
        packet: &Packet<'_>,
        nas: &Arc<NasEntry>,
        authenticity: Authenticity,
        now: Moment,
    ) {
        if !authenticity.is_authenticator_right
            || authenticity.message_authenticator == MessageAuthenticatorCheck::Invalid
        {
            self.drop(Drop::RequestAuthenticatorInvalid);
            return complain(
                nas,
                now,
                "Accounting-Request with a wrong authenticator: the shared secrets differ",
            );
        }
        self.tally.count(Count::AccountingRequest);
        let Some(ticket) = self.admit(received, packet, now) else {
            return;
        };
        self.count_misfits(packet);
        let find = |username: &str| {
            let found = self.find_accounted(nas, username);
            found.or_else(|| {
                let user_name = packet.find(kind::USER_NAME)?;
                let user = self.find_row_user(nas, user_name);
                user.map(|_| Accounted {
                    tenant: nas.nas.tenant,
                    subscriber: id_of(user_name),
                    username: None,
                })
            })
        };
        let source = received.peer.ip().to_canonical();
        let record = accounting::read_record(packet, &nas.nas, source, now.timestamp, find);
        let record = match record {
            Ok(record) => record,
            Err(Unrecordable::Incomplete) => {
                return self.abandon(ticket, Drop::AccountingIncomplete);
            }
            Err(Unrecordable::Unsupported) => {
                return self.abandon(ticket, Drop::AccountingUnsupported);
            }
        };
        let reply = self.signing.buffer_mut();
        let Ok(unsigned) = reply::write_accounting_response(reply, packet) else {
            return self.abandon(ticket, Drop::ReplyTooLarge);
        };
        self.sign_later(ticket, Purpose::Keep, unsigned, nas);
        self.storing += 1;
        self.effects.push_back(Effect::Store { record, ticket });
    }

    pub(super) fn abandon_store(&mut self, ticket: Ticket, why: Drop) {
        self.count_stored(ticket);
        self.abandon(ticket, why);
    }

    pub(super) fn count_stored(&mut self, ticket: Ticket) {
        if self.cache.has_issued(ticket) {
            self.storing = self.storing.saturating_sub(1);
        }
    }
}
