//! Logins with a new device: they wait until it is bound, and then are decided again.

use std::sync::Arc;

use domain::access::{Claim, Method, Proof};
use domain::mac::Mac;
use radius::packet::Packet;

use super::{Effect, Engine, Moment};
use crate::directory::SubscriberEntry;
use crate::duplicate::Ticket;
use crate::metrics::Drop;
use crate::nas_table::NasEntry;
use crate::proof::{self, Checked};
use crate::request::AccessFacts;

/// A login whose device is being bound, kept so that it can be read again.
#[derive(Debug)]
pub(super) struct Claiming {
    octets: Box<[u8]>,
    nas: Arc<NasEntry>,
    entry: Arc<SubscriberEntry>,
    proof: Proof,
}

impl Engine {
    /// Has the device bound; the answer comes after that.
    pub(super) fn claim(
        &mut self,
        ticket: Ticket,
        packet: &Packet<'_>,
        nas: &Arc<NasEntry>,
        entry: &Arc<SubscriberEntry>,
        proof: Proof,
        mac: Mac,
    ) {
        let claiming = Claiming {
            octets: packet.as_bytes().into(),
            nas: Arc::clone(nas),
            entry: Arc::clone(entry),
            proof,
        };
        self.claiming.insert(ticket, claiming);
        self.effects.push_back(Effect::Claim {
            subscriber: entry.subscriber.id,
            mac,
            nas: Arc::clone(nas),
            ticket,
        });
    }

    pub(super) fn handle_claimed(&mut self, ticket: Ticket, claim: Claim, now: Moment) {
        let Some(claiming) = self.claiming.remove(&ticket) else {
            return;
        };
        let Ok(packet) = Packet::parse(&claiming.octets) else {
            return;
        };
        let facts = AccessFacts::read(&packet);
        let Claiming {
            nas, entry, proof, ..
        } = &claiming;
        // The subscriber may have been changed while the device was bound.
        let Some(current) = self.find_again(entry) else {
            return self.refuse_unknown(ticket, &packet, &facts, nas, now);
        };
        if current.subscriber.credential != entry.subscriber.credential {
            return self.abandon(ticket, Drop::CredentialChanged);
        }
        let answer = match proof {
            Proof::Verified {
                method: Method::MsChapV1 | Method::MsChapV2,
            } => match proof::check(&packet, &facts, nas.nas.secret.expose(), &current) {
                Checked::MsChap(answer) => Some(answer),
                Checked::Done(_) | Checked::Slow(_) => None,
            },
            Proof::Verified {
                method: Method::Pap | Method::Chap | Method::Eap | Method::None,
            }
            | Proof::Device { .. }
            | Proof::Mismatch { .. }
            | Proof::Unusable { .. }
            | Proof::Malformed { .. }
            | Proof::Unsupported { .. }
            | Proof::Missing
            | Proof::NotChecked { .. } => None,
        };
        self.decide(
            ticket,
            &packet,
            &facts,
            nas,
            &current,
            *proof,
            answer.as_ref(),
            claim,
            now,
        );
    }
}
