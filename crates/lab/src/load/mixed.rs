//! A mix of requests, each user and session picked at random: as fast as answers come, or at a rate.

use std::time::{Duration, Instant};

use radius::packet::Packet;
use radius::writer::WriteError;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::concentrator::Cause;
use crate::load::ledger::Ledger;
use crate::load::lives::Lives;
use crate::load::mix::Kind;
use crate::load::options::{LoadOptions, Pace};
use crate::load::script::{Script, Step, Written};
use crate::load::share::Share;
use crate::method::Method;
use crate::request::{Login, Nonces, Proof, Record, write_login, write_record};
use crate::router::Session;

/// Sessions that logins take turns with; only their attributes matter.
const LOGIN_SESSIONS: u32 = 256;

const NANOSECONDS_PER_SECOND: u128 = 1_000_000_000;

/// One thread's part of a mixed load.
pub(crate) struct Mixed<'o> {
    options: &'o LoadOptions,
    share: &'o Share,
    random: Xoshiro256PlusPlus,
    lives: Lives,
    login_sessions: Vec<Session>,
    begin: Instant,
    /// Requests that were taken.
    taken: u64,
    /// Requests that may be taken in all.
    requests_max: u64,
}

impl<'o> Mixed<'o> {
    pub(crate) fn new(options: &'o LoadOptions, share: &'o Share, begin: Instant) -> Self {
        let session = |number| {
            let session_id = format!("{}l{number:05x}", share.session_prefix);
            Session::new(session_id, number)
        };
        let seed = options.seed.wrapping_add(share.thread as u64);
        Self {
            options,
            share,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            lives: Lives::new(
                share.sessions.max(share.outstanding),
                share.session_prefix.clone(),
                options.users.len(),
                options.interims,
                options.ledger.then(Ledger::default),
            ),
            login_sessions: (0..LOGIN_SESSIONS).map(session).collect(),
            begin,
            taken: 0,
            requests_max: share.requests_max,
        }
    }

    /// When the request of this number is due at this rate; threads take turns.
    fn due(&self, number: u64, per_second: u32) -> Instant {
        let threads = self.options.threads as u128;
        let number = u128::from(number) * threads + self.share.thread as u128;
        let nanoseconds = number * NANOSECONDS_PER_SECOND / u128::from(per_second);
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        self.begin + Duration::from_nanos(nanoseconds)
    }

    fn write_login(
        &mut self,
        method: Method,
        user: usize,
        identifier: u8,
        buffer: &mut Vec<u8>,
    ) -> Result<Proof, WriteError> {
        let nonces = Nonces::draw(&mut self.random);
        let session = usize::from(nonces.identifier) % self.login_sessions.len();
        let login = Login {
            router: &self.share.router,
            service: self.options.service,
            session: &self.login_sessions[session],
            user: &self.options.users[user],
            method,
            signing: self.options.signing,
            secret: self.options.secret.expose(),
        };
        write_login(buffer, identifier, &login, &nonces)
    }

    /// Writes the next record of a life.
    fn write_record(
        &mut self,
        number: usize,
        identifier: u8,
        buffer: &mut Vec<u8>,
    ) -> Result<Written, WriteError> {
        let life = self
            .lives
            .find(number)
            .expect("the number was just taken from the population");
        let user_name = self.options.users[life.user].user_name();
        let event = life.event;
        let record = Record {
            router: &self.share.router,
            service: self.options.service,
            session: &life.session,
            user_name,
            event,
            totals: life.totals,
            cause: Cause::UserRequest.number(),
            classes: &[],
            at: None,
            signing: self.options.signing,
            secret: self.options.secret.expose(),
        };
        write_record(buffer, identifier, &record)?;
        self.lives.attempt(number, user_name);
        Ok(Written {
            proof: Proof::None,
            event: Some(event),
        })
    }
}

impl Script for Mixed<'_> {
    fn take(&mut self, now: Instant) -> Option<Step> {
        let due = self.next_due(now).filter(|due| *due <= now)?;
        self.taken += 1;
        let kind = self.options.mix.pick(&mut self.random);
        let subject = match kind {
            Kind::Login(_) => self.random.random_range(0..self.options.users.len()),
            Kind::Accounting => self.lives.take(&mut self.random),
        };
        Some(Step { kind, subject, due })
    }

    fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        match self.options.pace {
            Pace::Answers => Some(now),
            Pace::PerSecond(per_second) => Some(self.due(self.taken, per_second)),
        }
    }

    fn user(&self, step: &Step) -> usize {
        match step.kind {
            Kind::Login(_) => step.subject,
            Kind::Accounting => self.lives.find(step.subject).map_or(0, |life| life.user),
        }
    }

    fn write(
        &mut self,
        step: &Step,
        identifier: u8,
        buffer: &mut Vec<u8>,
    ) -> Result<Written, WriteError> {
        match step.kind {
            Kind::Login(method) => Ok(Written {
                proof: self.write_login(method, step.subject, identifier, buffer)?,
                event: None,
            }),
            Kind::Accounting => self.write_record(step.subject, identifier, buffer),
        }
    }

    fn learn_answer(&mut self, step: &Step, _: &Packet<'_>, _: Instant) {
        if step.kind == Kind::Accounting {
            self.lives.acknowledge(step.subject, &mut self.random);
        }
    }

    fn learn_loss(&mut self, step: &Step, _: Instant) {
        if step.kind == Kind::Accounting {
            self.lives.advance(step.subject, &mut self.random);
        }
    }

    fn stop(&mut self, now: Instant) -> u64 {
        let unsent = match self.options.pace {
            Pace::Answers => 0,
            Pace::PerSecond(per_second) => {
                let numbers = self.taken..self.requests_max;
                let is_due = |number: &u64| self.due(*number, per_second) <= now;
                numbers.take_while(is_due).count() as u64
            }
        };
        self.requests_max = self.taken;
        unsent
    }

    fn is_over(&self) -> bool {
        self.requests_max <= self.taken
    }

    fn into_ledger(self) -> Option<Ledger> {
        self.lives.into_ledger()
    }
}
