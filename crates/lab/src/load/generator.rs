//! The closed loop without its sockets: which request comes next, what a reply means, what is late.

use std::time::{Duration, Instant};

use radius::code::Code;
use radius::packet::Packet;
use radius::writer::WriteError;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::load::ledger::Ledger;
use crate::load::lives::Lives;
use crate::load::mix::Kind;
use crate::load::options::LoadOptions;
use crate::load::port::{Lane, Port, Slot, Waiting, code_of, lane_of};
use crate::load::report::Measurement;
use crate::method::Method;
use crate::reply::{Expectation, ReplyFault};
use crate::request::{Login, Nonces, Proof, Record, write_login, write_record};
use crate::router::Session;

/// Sessions that logins take turns with; only their attributes matter.
const LOGIN_SESSIONS: u32 = 256;

/// One thread's part of a load.
pub(crate) struct Generator<'o> {
    options: &'o LoadOptions,
    random: Xoshiro256PlusPlus,
    lives: Lives,
    login_sessions: Vec<Session>,
    scratch: Vec<u8>,
    /// Requests that may still be begun.
    budget: u64,
    pub(crate) measurement: Measurement,
    begin: Instant,
    last_answer: Instant,
    /// When no more requests were to be begun.
    stopped: Option<Instant>,
}

/// One thread's share of the options.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) thread: usize,
    pub(crate) outstanding: usize,
    pub(crate) ports: usize,
    pub(crate) sessions: usize,
    pub(crate) requests_max: u64,
    pub(crate) session_prefix: String,
}

impl<'o> Generator<'o> {
    pub(crate) fn new(options: &'o LoadOptions, share: &Share, now: Instant) -> Self {
        let session = |number| {
            let session_id = format!("{}l{number:05x}", share.session_prefix);
            Session::new(session_id, number)
        };
        Self {
            options,
            random: Xoshiro256PlusPlus::seed_from_u64(
                options.seed.wrapping_add(share.thread as u64),
            ),
            lives: Lives::new(
                share.sessions.max(share.outstanding),
                share.session_prefix.clone(),
                options.users.len(),
                options.interims,
                options.ledger.then(Ledger::default),
            ),
            login_sessions: (0..LOGIN_SESSIONS).map(session).collect(),
            scratch: Vec::new(),
            budget: share.requests_max,
            measurement: Measurement::new(),
            begin: now,
            last_answer: now,
            stopped: None,
        }
    }

    /// Begins no more requests.
    pub(crate) const fn stop(&mut self, now: Instant) {
        self.budget = 0;
        self.stopped = Some(now);
    }

    /// Whether no more requests are begun.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.budget == 0
    }

    /// How long ago the last believed answer came, or the run began.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_answer)
    }

    /// Begins requests until the port has no room or the budget is spent.
    pub(crate) fn refill(&mut self, port: &mut Port, now: Instant) -> Result<(), WriteError> {
        while 0 < self.budget {
            let Some(slot) = port.take_slot() else {
                return Ok(());
            };
            self.begin_request(port, slot, now)?;
            self.budget -= 1;
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
                check(self.options, waiting, authenticator, &reply).err()
            }
            Slot { .. } => return,
        };
        match fault {
            None => {
                lane.release(reply.identifier(), Some(reply.authenticator()));
                if let Some(waiting) = port.clear_slot(slot) {
                    self.learn_answer(&waiting, reply.code(), now);
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
            let lane = lane_of(waiting.kind, port.lanes.len());
            if waiting.transmissions < self.options.transmissions_max {
                waiting.transmissions += 1;
                waiting.sent = now;
                self.measurement.counts.retransmits += 1;
                port.lanes[lane].outgoing.push_back(slot);
            } else {
                port.lanes[lane].release(waiting.identifier, None);
                if let Some(waiting) = port.clear_slot(slot) {
                    self.give_up(&waiting);
                }
            }
        }
    }

    /// Gives up everything that is still on its way.
    pub(crate) fn abandon(&mut self, port: &mut Port) {
        for slot in 0..port.slots.len() as u16 {
            if let Some(waiting) = port.clear_slot(slot) {
                self.give_up(&waiting);
            }
        }
    }

    pub(crate) fn into_measurement(mut self) -> Measurement {
        self.measurement.elapsed = self.elapsed();
        self.measurement.ledger = self.lives.into_ledger();
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
        slot: u16,
        now: Instant,
    ) -> Result<(), WriteError> {
        let kind = self.options.mix.pick(&mut self.random);
        let lane_index = lane_of(kind, port.lanes.len());
        let lane: &mut Lane = &mut port.lanes[lane_index];
        let identifier = lane.acquire(slot);
        lane.outgoing.push_back(slot);
        let (user, life, proof) = match kind {
            Kind::Login(method) => {
                let user = self.random.random_range(0..self.options.users.len());
                (user, None, self.write_login(identifier, method, user)?)
            }
            Kind::Accounting => {
                let life = self.lives.take(&mut self.random);
                (
                    self.write_record(identifier, life)?,
                    Some(life),
                    Proof::None,
                )
            }
        };
        let slot = &mut port.slots[usize::from(slot)];
        slot.request.clear();
        slot.request.extend_from_slice(&self.scratch);
        slot.waiting = Some(Waiting {
            kind,
            identifier,
            user,
            life,
            proof,
            first_sent: now,
            sent: now,
            transmissions: 1,
        });
        self.measurement.counts.requests += 1;
        self.measurement.tally(kind).requests += 1;
        Ok(())
    }

    fn write_login(
        &mut self,
        identifier: u8,
        method: Method,
        user: usize,
    ) -> Result<Proof, WriteError> {
        let nonces = Nonces::draw(&mut self.random);
        let session = usize::from(nonces.identifier) % self.login_sessions.len();
        let login = Login {
            router: &self.options.router,
            service: self.options.service,
            session: &self.login_sessions[session],
            user: &self.options.users[user],
            method,
            signing: self.options.signing,
            secret: self.options.secret.expose(),
        };
        write_login(&mut self.scratch, identifier, &login, &nonces)
    }

    /// Writes the next record of a life; gives its user.
    fn write_record(&mut self, identifier: u8, number: usize) -> Result<usize, WriteError> {
        let life = self
            .lives
            .find(number)
            .expect("the number was just taken from the population");
        let user = life.user;
        let user_name = self.options.users[user].user_name();
        let record = Record {
            router: &self.options.router,
            service: self.options.service,
            session: &life.session,
            user_name,
            event: life.event,
            totals: life.totals,
            classes: &[],
            at: None,
            signing: self.options.signing,
            secret: self.options.secret.expose(),
        };
        write_record(&mut self.scratch, identifier, &record)?;
        self.lives.attempt(number, user_name);
        Ok(user)
    }

    fn learn_answer(&mut self, waiting: &Waiting, code: Code, now: Instant) {
        self.last_answer = now;
        let latency = now.saturating_duration_since(waiting.first_sent);
        self.measurement.tally(waiting.kind).record(latency);
        let counts = &mut self.measurement.counts;
        counts.answers += 1;
        match (waiting.kind, code) {
            (Kind::Accounting, _) => counts.accounting_responses += 1,
            (Kind::Login(_), Code::AccessAccept) => counts.accepts += 1,
            (Kind::Login(_), Code::AccessChallenge) => counts.challenges += 1,
            (Kind::Login(_), _) => counts.rejects += 1,
        }
        if let Some(life) = waiting.life {
            self.lives.acknowledge(life, &mut self.random);
        }
    }

    fn give_up(&mut self, waiting: &Waiting) {
        self.measurement.counts.lost += 1;
        self.measurement.tally(waiting.kind).lost += 1;
        if let Some(life) = waiting.life {
            self.lives.advance(life, &mut self.random);
        }
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
    authenticator: &[u8; 16],
    reply: &Packet<'_>,
) -> Result<(), ReplyFault> {
    Expectation {
        request_code: code_of(waiting.kind),
        identifier: waiting.identifier,
        authenticator,
        secret: options.secret.expose(),
        policy: options.reply_policy,
    }
    .check(reply)?;
    if reply.code() == Code::AccessAccept {
        waiting.proof.check(reply, &options.users[waiting.user])?;
    }
    Ok(())
}
