//! One request on its way to its reply: retransmissions and which reply is believed; no socket, no clock.

use std::time::Duration;

use radius::client::{Retransmission, Schedule, Step};
use radius::code::Code;
use radius::packet::Packet;

use crate::credentials::Credentials;
use crate::reply::{Expectation, ReplyFault, ReplyPolicy};
use crate::request::Proof;

/// Refused replies that an exchange remembers.
const DISCARDED_MAX: usize = 16;

/// A request that waits for a reply worth believing.
pub(crate) struct Exchange<'a> {
    request: Packet<'a>,
    secret: &'a [u8],
    policy: ReplyPolicy,
    proof: Option<(Proof, &'a Credentials)>,
    retransmission: Retransmission,
    discarded: Vec<ReplyFault>,
}

/// A schedule for tools that a person waits for: three transmissions, seven seconds in all.
pub(crate) const SCHEDULE_INTERACTIVE: Schedule = Schedule {
    initial: Duration::from_secs(1),
    interval_max: Some(Duration::from_secs(4)),
    transmissions_max: Some(3),
    duration_max: Some(Duration::from_secs(10)),
};

impl<'a> Exchange<'a> {
    /// An exchange that has not begun. `request` is a whole packet of ours; a schedule without end gets one.
    pub(crate) fn new(
        request: &'a [u8],
        secret: &'a [u8],
        policy: ReplyPolicy,
        mut schedule: Schedule,
    ) -> Self {
        if schedule.duration_max.is_none() && schedule.transmissions_max.is_none() {
            schedule.duration_max = Schedule::RECOMMENDED.duration_max;
        }
        Self {
            request: Packet::parse(request).expect("requests come from our own writer"),
            secret,
            policy,
            proof: None,
            retransmission: Retransmission::new(schedule),
            discarded: Vec::new(),
        }
    }

    /// Demands of an Access-Accept what the login's method has it prove.
    pub(crate) fn proving(mut self, proof: Proof, user: &'a Credentials) -> Self {
        self.proof = Some((proof, user));
        self
    }

    /// What to do when `elapsed` has passed since the first call.
    pub(crate) fn poll(&mut self, elapsed: Duration, jitter: f64) -> Step {
        self.retransmission.poll(elapsed, jitter)
    }

    /// Takes a datagram: the reply, or why it is none.
    pub(crate) fn handle_datagram<'d>(
        &mut self,
        datagram: &'d [u8],
    ) -> Result<Packet<'d>, ReplyFault> {
        let checked = self.check(datagram);
        if let Err(fault) = checked
            && self.discarded.len() < DISCARDED_MAX
        {
            self.discarded.push(fault);
        }
        checked
    }

    /// The request as it goes over the wire.
    pub(crate) const fn request(&self) -> &'a [u8] {
        self.request.as_bytes()
    }

    /// How often it has been sent.
    pub(crate) const fn transmissions(&self) -> u32 {
        self.retransmission.transmissions()
    }

    /// Why replies were refused, the first 16 of them.
    pub(crate) fn into_discarded(self) -> Vec<ReplyFault> {
        self.discarded
    }

    fn check<'d>(&self, datagram: &'d [u8]) -> Result<Packet<'d>, ReplyFault> {
        let request = &self.request;
        let reply = Packet::parse(datagram).map_err(|_| ReplyFault::Malformed)?;
        Expectation {
            request_code: request.code(),
            identifier: request.identifier(),
            authenticator: request.authenticator(),
            secret: self.secret,
            policy: self.policy,
        }
        .check(&reply)?;
        match &self.proof {
            Some((proof, user)) if reply.code() == Code::AccessAccept => {
                proof.check(&reply, user)?;
            }
            Some(_) | None => {}
        }
        Ok(reply)
    }
}
