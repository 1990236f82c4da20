//! Many sessions that live at a time, each with one record on its way at most.

use std::collections::VecDeque;

use rand::{Rng, RngExt};

use crate::load::ledger::Ledger;
use crate::load::life::Life;
use crate::request::Event;
use crate::router::Session;

/// A population of sessions: whoever ends is replaced.
pub(crate) struct Lives {
    lives: Vec<Member>,
    ready: VecDeque<usize>,
    prefix: String,
    born: u32,
    users: usize,
    interims: u32,
    ledger: Option<Ledger>,
}

/// One of the population.
struct Member {
    life: Life,
    interims: u32,
}

impl Lives {
    /// A population that grows to `count` sessions; `prefix` makes their ids unique.
    pub(crate) fn new(
        count: usize,
        prefix: String,
        users: usize,
        interims: u32,
        ledger: Option<Ledger>,
    ) -> Self {
        Self {
            lives: Vec::with_capacity(count),
            ready: VecDeque::with_capacity(count),
            prefix,
            born: 0,
            users,
            interims,
            ledger,
        }
    }

    /// The number of a life whose next record is to be sent now; the population must have one to spare.
    pub(crate) fn take(&mut self, random: &mut impl Rng) -> usize {
        let is_grown = self.lives.len() == self.lives.capacity();
        if is_grown && let Some(number) = self.ready.pop_front() {
            return number;
        }
        let member = self.bear(random);
        self.lives.push(member);
        self.lives.len() - 1
    }

    pub(crate) fn find(&self, number: usize) -> Option<&Life> {
        self.lives.get(number).map(|member| &member.life)
    }

    /// Notes that the record is being sent; `user_name` is the name in it.
    pub(crate) fn attempt(&mut self, number: usize, user_name: &str) {
        if let Some(member) = self.lives.get_mut(number) {
            member.life.attempt(self.ledger.as_mut(), user_name);
        }
    }

    /// Notes that the record was answered, and goes on to the next.
    pub(crate) fn acknowledge(&mut self, number: usize, random: &mut impl Rng) {
        if let Some(member) = self.lives.get(number) {
            member.life.acknowledge(self.ledger.as_mut());
        }
        self.advance(number, random);
    }

    /// Goes on to the next record, whatever became of this one.
    pub(crate) fn advance(&mut self, number: usize, random: &mut impl Rng) {
        let replacement = match self.lives.get(number) {
            Some(member) if member.life.event == Event::Stop => Some(self.bear(random)),
            Some(_) | None => None,
        };
        let Some(member) = self.lives.get_mut(number) else {
            return;
        };
        match replacement {
            Some(replacement) => *member = replacement,
            None => member.grow(self.interims, random),
        }
        self.ready.push_back(number);
    }

    pub(crate) fn into_ledger(self) -> Option<Ledger> {
        self.ledger
    }

    fn bear(&mut self, random: &mut impl Rng) -> Member {
        self.born = self.born.wrapping_add(1);
        let session = Session::new(format!("{}{:06x}", self.prefix, self.born), self.born);
        Member {
            life: Life::new(session, random.random_range(0..self.users)),
            interims: 0,
        }
    }
}

impl Member {
    fn grow(&mut self, interims_max: u32, random: &mut impl Rng) {
        let event = if self.interims < interims_max {
            self.interims += 1;
            Event::Interim
        } else {
            Event::Stop
        };
        self.life.grow(event, random);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn lives_go_from_start_to_stop_and_begin_again() {
        let mut random = random::generator(Some(1));
        let mut lives = Lives::new(1, "ab".into(), 5, 2, Some(Ledger::default()));
        let mut seen = Vec::new();
        for _ in 0..5 {
            let number = lives.take(&mut random);
            lives.attempt(number, "ana");
            let life = lives.find(number).unwrap();
            seen.push((life.session.session_id.clone(), life.event));
            lives.acknowledge(number, &mut random);
        }
        let expected = [
            ("ab000001", Event::Start),
            ("ab000001", Event::Interim),
            ("ab000001", Event::Interim),
            ("ab000001", Event::Stop),
            ("ab000002", Event::Start),
        ];
        assert_eq!(
            seen,
            expected.map(|(session_id, event)| (session_id.to_owned(), event))
        );
    }

    #[test]
    fn ledger_tells_answered_records_from_sent_ones() {
        let mut random = random::generator(Some(1));
        let mut lives = Lives::new(1, "ab".into(), 1, 3, Some(Ledger::default()));
        for is_answered in [true, true, false, true] {
            let number = lives.take(&mut random);
            lives.attempt(number, "ana");
            if is_answered {
                lives.acknowledge(number, &mut random);
            } else {
                lives.advance(number, &mut random);
            }
        }
        let number = lives.take(&mut random);
        lives.attempt(number, "ana");
        let sent = lives.find(number).unwrap().totals;
        let ledger = lives.into_ledger().unwrap();
        let [session] = ledger.sessions.as_slice() else {
            panic!("one session, not {ledger:?}");
        };
        let acknowledged = session.acknowledged;
        assert_eq!(
            (acknowledged.start, acknowledged.interims, acknowledged.stop),
            (true, 2, false)
        );
        assert!(0 < acknowledged.input_octets && acknowledged.input_octets < sent.input_octets);
        assert_eq!(session.attempted.event, Event::Stop);
        assert_eq!(session.attempted.output_octets, sent.output_octets);
    }
}
