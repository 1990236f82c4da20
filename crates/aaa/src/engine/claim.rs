//! Logins with a new device: they wait until it is bound, and then are decided again.

use std::sync::Arc;

use domain::access::{Claim, Method, Proof};
use domain::mac::Mac;

use super::login::{KeptLogin, LoginRequest, Proven};
use super::{Effect, Engine, Moment};
use crate::directory::SubscriberEntry;
use crate::duplicate::Ticket;
use crate::proof::{self, Checked, MsChapAnswer};

/// A login whose device is being bound.
#[derive(Debug)]
pub(super) struct Claiming {
    login: KeptLogin,
    entry: Arc<SubscriberEntry>,
    proof: Proof,
}

impl Engine {
    /// Has the device bound; the answer comes after that.
    pub(super) fn claim(
        &mut self,
        request: LoginRequest<'_>,
        entry: &Arc<SubscriberEntry>,
        proof: Proof,
        mac: Mac,
    ) {
        let LoginRequest { ticket, nas, .. } = request;
        let claiming = Claiming {
            login: request.keep(),
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
        let Some(Claiming {
            login,
            entry,
            proof,
        }) = self.claiming.remove(&ticket)
        else {
            return;
        };
        login.read(ticket, now, |request| {
            if let Some(current) = self.find_again(request, &entry) {
                let answer = ms_chap_answer(&request, &current, proof);
                let proven = Proven {
                    proof,
                    ms_chap: answer.as_ref(),
                };
                self.decide(request, &current, proven, claim);
            }
        });
    }
}

/// What the reply to MS-CHAP proves, which was not kept.
fn ms_chap_answer(
    request: &LoginRequest<'_>,
    entry: &SubscriberEntry,
    proof: Proof,
) -> Option<MsChapAnswer> {
    match proof {
        Proof::Verified {
            method: Method::MsChapV1 | Method::MsChapV2,
        } => {
            let LoginRequest {
                packet, facts, nas, ..
            } = *request;
            match proof::check(packet, facts, nas.nas.secret.expose(), entry) {
                Checked::MsChap(answer) => Some(answer),
                Checked::Done(_) | Checked::Slow(_) => None,
            }
        }
        Proof::Verified {
            method: Method::Pap | Method::Chap | Method::Eap | Method::EapMd5 | Method::None,
        }
        | Proof::Device { .. }
        | Proof::Mismatch { .. }
        | Proof::Unusable { .. }
        | Proof::Malformed { .. }
        | Proof::Unsupported { .. }
        | Proof::Missing
        | Proof::NotChecked { .. } => None,
    }
}
