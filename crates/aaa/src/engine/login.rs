//! A login on its way to an answer: while it is looked at, and while it waits for something outside.

use std::net::IpAddr;
use std::sync::Arc;

use domain::access::Proof;
use radius::eap::md5::Answer;
use radius::packet::Packet;

use super::Moment;
use crate::duplicate::Ticket;
use crate::nas_table::NasEntry;
use crate::proof::MsChapAnswer;
use crate::request::AccessFacts;

/// A login that is being answered.
#[derive(Clone, Copy)]
pub(super) struct LoginRequest<'a> {
    pub(super) ticket: Ticket,
    pub(super) packet: &'a Packet<'a>,
    pub(super) facts: &'a AccessFacts<'a>,
    pub(super) nas: &'a Arc<NasEntry>,
    pub(super) source: IpAddr,
    pub(super) now: Moment,
}

/// A login that waits for something outside, kept so that it can be read again.
#[derive(Debug)]
pub(super) struct KeptLogin {
    octets: Box<[u8]>,
    /// What the octets answered, which they do not tell.
    eap_md5: Option<Answer>,
    nas: Arc<NasEntry>,
    source: IpAddr,
}

/// How a login proved who it is.
#[derive(Clone, Copy)]
pub(super) struct Proven<'a> {
    pub(super) proof: Proof,
    /// What the reply has to prove in turn.
    pub(super) ms_chap: Option<&'a MsChapAnswer>,
}

impl LoginRequest<'_> {
    pub(super) fn user_name(&self) -> &[u8] {
        self.facts.user_name.unwrap_or_default()
    }

    pub(super) fn keep(&self) -> KeptLogin {
        KeptLogin {
            octets: self.packet.as_bytes().into(),
            eap_md5: self.facts.eap_md5.copied(),
            nas: Arc::clone(self.nas),
            source: self.source,
        }
    }
}

impl KeptLogin {
    /// Reads it again, to go on with it.
    pub(super) fn read(&self, ticket: Ticket, now: Moment, go_on: impl FnOnce(LoginRequest<'_>)) {
        // It was read before.
        if let Ok(packet) = Packet::parse(&self.octets) {
            go_on(LoginRequest {
                ticket,
                packet: &packet,
                facts: &AccessFacts {
                    eap_md5: self.eap_md5.as_ref(),
                    ..AccessFacts::read(&packet)
                },
                nas: &self.nas,
                source: self.source,
                now,
            });
        }
    }
}

impl Proven<'_> {
    /// Nothing has to be proved in turn.
    pub(super) const fn by(proof: Proof) -> Self {
        Self {
            proof,
            ms_chap: None,
        }
    }
}
