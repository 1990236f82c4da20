//! A load without its sockets: when requests begin, what a reply means, what is sent again or given up.

use std::time::{Duration, Instant};

use radius::code::Code;
use radius::packet::Packet;
use radius::writer::WriteError;

use crate::credentials::Credentials;
use crate::load::mix::Kind;
use crate::load::options::LoadOptions;
use crate::load::port::{Port, Slot, Waiting, code_of, lane_of};
use crate::load::report::Measurement;
use crate::load::script::{Script, Step};
use crate::reply::{Expectation, ReplyFault};
use crate::request::Event;

/// A request that is sent this much after it was due is late.
const LATE_MIN: Duration = Duration::from_millis(1);

/// One thread's part of a load.
pub(crate) struct Generator<'o, S> {
    options: &'o LoadOptions,
    pub(crate) script: S,
    pub(crate) measurement: Measurement,
    begin: Instant,
    last_answer: Instant,
    /// When something was answered last, or there was nothing to answer.
    last_life: Instant,
    /// When no more requests were to be begun.
    stopped: Option<Instant>,
}

impl<'o, S: Script> Generator<'o, S> {
    pub(crate) fn new(options: &'o LoadOptions, script: S, now: Instant) -> Self {
        Self {
            options,
            script,
            measurement: Measurement::new(),
            begin: now,
            last_answer: now,
            last_life: now,
            stopped: None,
        }
    }

    /// Begins no more requests.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.measurement.counts.unsent += self.script.stop(now);
        self.stopped = Some(now);
    }

    /// Learns that nothing is on its way or due.
    pub(crate) const fn rest(&mut self, now: Instant) {
        self.last_life = now;
    }

    /// For how long there has been something to answer and nothing was answered.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_life)
    }

    /// Begins what is due until the port has no room.
    pub(crate) fn refill(&mut self, port: &mut Port, now: Instant) -> Result<(), WriteError> {
        while port.has_room()
            && let Some(step) = self.script.take(now)
        {
            self.begin_request(port, &step, now)?;
        }
        Ok(())
    }

    /// Takes a datagram that came in on a lane.
    pub(crate) fn handle_datagram(
        &mut self,
        port: &mut Port,
        lane: usize,
        datagram: &[u8],
        now: Instant,
    ) {
        let counts = &mut self.measurement.counts;
        let Ok(reply) = Packet::parse(datagram) else {
            counts.malformed += 1;
            return;
        };
        let lanes = port.lanes.as_mut_slice();
        let lane = &mut lanes[lane];
        let is_copy = lane.is_copy(reply.identifier(), reply.authenticator());
        let Some(slot) = lane.find_slot(reply.identifier()) else {
            if is_copy {
                counts.duplicates += 1;
            } else {
                counts.unexpected += 1;
            }
            return;
        };
        let fault = match &port.slots[usize::from(slot)] {
            Slot {
                waiting: Some(waiting),
                request: _,
            } => {
                let authenticator = port.slots[usize::from(slot)].authenticator();
                let user = &self.options.users[self.script.user(&waiting.step)];
                let replies = counts.answers;
                check(self.options, waiting, user, authenticator, &reply, replies).err()
            }
            Slot { .. } => return,
        };
        match fault {
            None => {
                lane.release(reply.identifier(), Some(reply.authenticator()));
                if let Some(waiting) = port.clear_slot(slot) {
                    self.learn_answer(&waiting, &reply, now);
                }
            }
            Some(_) if is_copy => counts.duplicates += 1,
            Some(fault) => self.count_fault(fault),
        }
    }

    /// Sends again what has waited too long, and gives up what was sent often enough.
    pub(crate) fn handle_timeout(&mut self, port: &mut Port, now: Instant) {
        for slot in 0..port.slots.len() as u16 {
            let Some(waiting) = &mut port.slots[usize::from(slot)].waiting else {
                continue;
            };
            if now.saturating_duration_since(waiting.sent) < self.options.timeout {
                continue;
            }
            let lane = lane_of(waiting.step.kind, port.lanes.len());
            if waiting.transmissions < self.options.transmissions_max {
                waiting.transmissions += 1;
                waiting.sent = now;
                self.measurement.counts.retransmits += 1;
                port.lanes[lane].outgoing.push_back(slot);
            } else {
                port.lanes[lane].release(waiting.identifier, None);
                if let Some(waiting) = port.clear_slot(slot) {
                    self.give_up(&waiting, now);
                }
            }
        }
    }

    /// Gives up everything that is still on its way.
    pub(crate) fn abandon(&mut self, port: &mut Port, now: Instant) {
        for slot in 0..port.slots.len() as u16 {
            if let Some(waiting) = port.clear_slot(slot) {
                self.give_up(&waiting, now);
            }
        }
    }

    pub(crate) fn into_measurement(mut self) -> Measurement {
        self.measurement.elapsed = self.elapsed();
        self.measurement.ledger = self.script.into_ledger();
        self.measurement
    }

    /// A server that stalls at the end gets no shorter run for it.
    fn elapsed(&self) -> Duration {
        let end = self
            .stopped
            .map_or(self.last_answer, |stopped| stopped.max(self.last_answer));
        end.saturating_duration_since(self.begin)
    }

    fn begin_request(
        &mut self,
        port: &mut Port,
        step: &Step,
        now: Instant,
    ) -> Result<(), WriteError> {
        let slot = port.take_slot().expect("the port has room");
        let lane_index = lane_of(step.kind, port.lanes.len());
        let lane = &mut port.lanes[lane_index];
        let identifier = lane.acquire(slot);
        lane.outgoing.push_back(slot);
        let slot = &mut port.slots[usize::from(slot)];
        let written = self.script.write(step, identifier, &mut slot.request)?;
        slot.waiting = Some(Waiting {
            step: *step,
            identifier,
            proof: written.proof,
            event: written.event,
            sent: now,
            transmissions: 1,
        });
        let measurement = &mut self.measurement;
        measurement.counts.requests += 1;
        let is_late = LATE_MIN <= now.saturating_duration_since(step.due);
        measurement.counts.late += u64::from(is_late);
        measurement.for_each_tally(step.kind, written.event, |tally| tally.requests += 1);
        Ok(())
    }

    fn learn_answer(&mut self, waiting: &Waiting, reply: &Packet<'_>, now: Instant) {
        (self.last_answer, self.last_life) = (now, now);
        let step = &waiting.step;
        let latency = now.saturating_duration_since(step.due);
        let measurement = &mut self.measurement;
        measurement.for_each_tally(step.kind, waiting.event, |tally| tally.record(latency));
        if waiting.event == Some(Event::Start) {
            measurement.last_start = now.saturating_duration_since(self.begin);
        }
        let counts = &mut measurement.counts;
        counts.answers += 1;
        match (step.kind, reply.code()) {
            (Kind::Accounting, _) => counts.accounting_responses += 1,
            (Kind::Login(_), Code::AccessAccept) => counts.accepts += 1,
            (Kind::Login(_), Code::AccessChallenge) => counts.challenges += 1,
            (Kind::Login(_), _) => counts.rejects += 1,
        }
        self.script.learn_answer(step, reply, now);
    }

    fn give_up(&mut self, waiting: &Waiting, now: Instant) {
        let step = &waiting.step;
        self.measurement.counts.lost += 1;
        self.measurement
            .for_each_tally(step.kind, waiting.event, |tally| tally.lost += 1);
        self.script.learn_loss(step, now);
    }

    const fn count_fault(&mut self, fault: ReplyFault) {
        let counts = &mut self.measurement.counts;
        match fault {
            ReplyFault::Malformed => counts.malformed += 1,
            ReplyFault::Identifier | ReplyFault::Code => counts.unexpected += 1,
            ReplyFault::ResponseAuthenticator
            | ReplyFault::MessageAuthenticatorInvalid
            | ReplyFault::MessageAuthenticatorAbsent
            | ReplyFault::MessageAuthenticatorNotFirst => counts.bad_authenticators += 1,
            ReplyFault::MsChapSuccessAbsent | ReplyFault::MsChapSuccessWrong => {
                counts.bad_proofs += 1;
            }
        }
    }
}

fn check(
    options: &LoadOptions,
    waiting: &Waiting,
    user: &Credentials,
    authenticator: &[u8; 16],
    reply: &Packet<'_>,
    replies_before: u64,
) -> Result<(), ReplyFault> {
    let expectation = Expectation {
        request_code: code_of(waiting.step.kind),
        identifier: waiting.identifier,
        authenticator,
        secret: options.secret.expose(),
        policy: options.reply_policy,
    };
    if !options.verify.is_due(replies_before) {
        return expectation.check_code(reply);
    }
    expectation.check(reply)?;
    if reply.code() == Code::AccessAccept {
        waiting.proof.check(reply, user)?;
    }
    Ok(())
}
