//! What the subscribers of one router do: each logs in, reports its Start, and later what else there is.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Instant;

use radius::attribute::kind;
use radius::code::Code;
use radius::packet::Packet;
use radius::writer::WriteError;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::concentrator::Cause;
use crate::load::ledger::Ledger;
use crate::load::life::Life;
use crate::load::mix::Kind;
use crate::load::options::LoadOptions;
use crate::load::script::{Script, Step, Written};
use crate::load::share::Share;
use crate::request::{Event, Login, Nonces, Proof, Record, write_login, write_record};
use crate::router::Session;
use crate::storm::options::StormOptions;

/// One router's part of a storm.
pub(crate) struct Returning<'o> {
    options: &'o StormOptions,
    carrier: &'o LoadOptions,
    share: &'o Share,
    random: Xoshiro256PlusPlus,
    begin: Instant,
    /// In the order in which they log in.
    customers: Vec<Customer>,
    /// Rounds that were begun: that of the logins, and one for each record after the Start.
    round: u32,
    /// Place of the next customer in this round.
    next: usize,
    /// Customers whose next record is due, and since when.
    ready: VecDeque<(usize, Instant)>,
    is_stopped: bool,
    ledger: Option<Ledger>,
}

/// A subscriber and its session.
struct Customer {
    life: Life,
    state: State,
    classes: Vec<Vec<u8>>,
    /// Records that were taken, the Start included.
    taken: u32,
    /// Records that became due while another was on its way.
    owed: u32,
}

/// How far a subscriber is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not logged in.
    Outside,
    /// A record is due or on its way.
    Reporting,
    /// Nothing is.
    Resting,
}

impl<'o> Returning<'o> {
    /// The part of a router; `order` has the places of users in the order of their logins.
    pub(crate) fn new(
        options: &'o StormOptions,
        carrier: &'o LoadOptions,
        share: &'o Share,
        order: &[usize],
        begin: Instant,
    ) -> Self {
        let mine = order.iter().skip(share.thread).step_by(options.routers);
        let customers = (1..).zip(mine).map(|(number, user)| {
            let session_id = format!("{}{number:06x}", share.session_prefix);
            // Sessions of different routers differ in address, too.
            let session = Session::new(session_id, *user as u32 + 1);
            Customer::new(Life::new(session, *user))
        });
        let seed = carrier.seed.wrapping_add(share.thread as u64);
        Self {
            customers: customers.collect(),
            options,
            carrier,
            share,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            begin,
            round: 0,
            next: 0,
            ready: VecDeque::new(),
            is_stopped: false,
            ledger: carrier.ledger.then(Ledger::default),
        }
    }

    /// When the next customer has its turn; each round takes as long as the logins.
    fn next_turn(&self) -> Option<Instant> {
        if self.is_stopped || self.options.rounds() < self.round || self.customers.is_empty() {
            return None;
        }
        let place = self.next * self.options.routers + self.share.thread;
        let arrival = self.options.arrival(place);
        Some(self.begin + self.options.span * self.round + arrival)
    }

    /// Takes the turn of a customer; gives what it sends, if it sends anything.
    fn take_turn(&mut self, due: Instant) -> Option<Step> {
        let (subject, round) = (self.next, self.round);
        self.next += 1;
        if self.next == self.customers.len() {
            self.next = 0;
            self.round += 1;
        }
        if round == 0 {
            return Some(Step {
                kind: Kind::Login(self.options.method),
                subject,
                due,
            });
        }
        let customer = &mut self.customers[subject];
        match customer.state {
            State::Outside => None,
            State::Reporting => {
                customer.owed += 1;
                None
            }
            State::Resting => {
                customer.state = State::Reporting;
                Some(self.take_record(subject, due))
            }
        }
    }

    fn take_record(&mut self, subject: usize, due: Instant) -> Step {
        let customer = &mut self.customers[subject];
        if 0 < customer.taken {
            let event = if customer.taken <= self.carrier.interims {
                Event::Interim
            } else {
                Event::Stop
            };
            customer.life.grow(event, &mut self.random);
        }
        customer.taken += 1;
        Step {
            kind: Kind::Accounting,
            subject,
            due,
        }
    }

    /// Lets in whom the server accepts.
    fn learn_login(&mut self, subject: usize, reply: &Packet<'_>, now: Instant) {
        if reply.code() != Code::AccessAccept || self.is_stopped {
            return;
        }
        let customer = &mut self.customers[subject];
        customer.state = State::Reporting;
        let classes = reply
            .attributes()
            .filter(|attribute| attribute.kind == kind::CLASS);
        customer.classes = classes.map(|attribute| attribute.value.to_vec()).collect();
        if let Some(address) = reply.find(kind::FRAMED_IP_ADDRESS)
            && let Ok(address) = <[u8; 4]>::try_from(address)
        {
            customer.life.session.address = Ipv4Addr::from(address);
        }
        self.ready.push_back((subject, now));
    }

    /// Goes on after a record, whatever became of it.
    fn go_on(&mut self, subject: usize, now: Instant) {
        let customer = &mut self.customers[subject];
        match customer.owed.checked_sub(1) {
            Some(owed) if !self.is_stopped => {
                customer.owed = owed;
                self.ready.push_back((subject, now));
            }
            Some(_) | None => customer.state = State::Resting,
        }
    }
}

impl Customer {
    const fn new(life: Life) -> Self {
        Self {
            life,
            state: State::Outside,
            classes: Vec::new(),
            taken: 0,
            owed: 0,
        }
    }
}

impl Script for Returning<'_> {
    fn take(&mut self, now: Instant) -> Option<Step> {
        if let Some((subject, due)) = self.ready.pop_front() {
            return Some(self.take_record(subject, due));
        }
        while let Some(due) = self.next_turn()
            && due <= now
        {
            if let Some(step) = self.take_turn(due) {
                return Some(step);
            }
        }
        None
    }

    fn next_due(&self, _: Instant) -> Option<Instant> {
        match self.ready.front() {
            Some((_, due)) => Some(*due),
            None => self.next_turn(),
        }
    }

    fn user(&self, step: &Step) -> usize {
        self.customers[step.subject].life.user
    }

    fn write(
        &mut self,
        step: &Step,
        identifier: u8,
        buffer: &mut Vec<u8>,
    ) -> Result<Written, WriteError> {
        let Customer { life, classes, .. } = &mut self.customers[step.subject];
        let user = &self.carrier.users[life.user];
        let (router, service) = (&self.share.router, self.carrier.service);
        let (signing, secret) = (self.carrier.signing, self.carrier.secret.expose());
        if let Kind::Login(method) = step.kind {
            let login = Login {
                router,
                service,
                session: &life.session,
                user,
                method,
                signing,
                secret,
            };
            let nonces = Nonces::draw(&mut self.random);
            let proof = write_login(buffer, identifier, &login, &nonces)?;
            return Ok(Written { proof, event: None });
        }
        let record = Record {
            router,
            service,
            session: &life.session,
            user_name: user.user_name(),
            event: life.event,
            totals: life.totals,
            cause: Cause::UserRequest.number(),
            classes,
            at: None,
            signing,
            secret,
        };
        write_record(buffer, identifier, &record)?;
        life.attempt(self.ledger.as_mut(), user.user_name());
        Ok(Written {
            proof: Proof::None,
            event: Some(life.event),
        })
    }

    fn learn_answer(&mut self, step: &Step, reply: &Packet<'_>, now: Instant) {
        match step.kind {
            Kind::Login(_) => self.learn_login(step.subject, reply, now),
            Kind::Accounting => {
                let customer = &self.customers[step.subject];
                customer.life.acknowledge(self.ledger.as_mut());
                self.go_on(step.subject, now);
            }
        }
    }

    fn learn_loss(&mut self, step: &Step, now: Instant) {
        if step.kind == Kind::Accounting {
            self.go_on(step.subject, now);
        }
    }

    fn stop(&mut self, now: Instant) -> u64 {
        let mut unsent = self.ready.len() as u64;
        self.ready.clear();
        while let Some(due) = self.next_turn()
            && due <= now
        {
            unsent += u64::from(self.take_turn(due).is_some());
        }
        self.is_stopped = true;
        unsent
    }

    fn is_over(&self) -> bool {
        self.ready.is_empty() && self.next_turn().is_none()
    }

    fn into_ledger(self) -> Option<Ledger> {
        self.ledger
    }
}
