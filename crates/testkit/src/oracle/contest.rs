//! Two servers over the same rows: where they differ, and the fewest rows that still make them differ.

use std::cell::Cell;
use std::slice;
use std::time::Instant;

use crate::database::Database;
use crate::oracle::ask::{Asked, Reply};
use crate::oracle::case::{Case, Difference, Method, Question, Row, Table, inserts};

/// Numbers of cases that shrinking makes begin here.
const SHRUNK_FROM: u64 = 10_000_000;

/// What is left of a window counts from the full minute.
const CLOCK_SECONDS: u64 = 60;

/// FreeRADIUS, and whatever answers for us.
pub struct Contest<'a, O> {
    pub database: &'a Database,
    pub reference: Asked<'a>,
    /// Answers the questions of cases whose rows are in the database, and behind them those of a sentinel.
    pub ours: O,
    next: Cell<u64>,
}

/// What a round found.
#[derive(Debug, Default)]
pub struct Round {
    pub differences: Vec<Difference>,
    pub questions: usize,
    /// Questions that the reference accepted.
    pub accepted: usize,
    /// Questions that the reference did not answer: some rows make it crash.
    pub unanswered: usize,
}

impl<'a, O: Fn(&Case, &[Case]) -> Vec<Vec<Reply>>> Contest<'a, O> {
    pub fn new(database: &'a Database, reference: Asked<'a>, ours: O) -> Self {
        Self {
            database,
            reference,
            ours,
            next: Cell::new(SHRUNK_FROM),
        }
    }

    /// Inserts the rows of the cases and asks both servers everything.
    pub async fn play(&self, cases: &[Case]) -> Round {
        let sentinel = sentinel(self.number());
        for statement in [inserts(cases), inserts(slice::from_ref(&sentinel))].concat() {
            self.database.execute(&statement).await;
        }
        let mut round = self.ask(&sentinel, cases);
        // A window may have closed, or a period begun, between two questions: not a second time.
        let (timed, differences) = round
            .differences
            .into_iter()
            .partition(|difference| difference.case.has_clock());
        round.differences = differences;
        let timed: Vec<Difference> = timed;
        if !timed.is_empty() {
            let again: Vec<Case> = timed
                .into_iter()
                .map(|difference| difference.case)
                .collect();
            round
                .differences
                .extend(self.ask(&sentinel, &again).differences);
        }
        round
    }

    /// Asks both servers everything about cases whose rows are in the database.
    pub fn ask(&self, sentinel: &Case, cases: &[Case]) -> Round {
        let begun = Instant::now();
        let reference = self.reference.ask(cases);
        let ours = (self.ours)(sentinel, cases);
        let slack_seconds = begun.elapsed().as_secs() + CLOCK_SECONDS;
        let mut round = Round::default();
        for ((case, reference), mut ours) in cases.iter().zip(reference).zip(ours) {
            let slack_seconds = if case.has_clock() { slack_seconds } else { 0 };
            for (reference, ours) in reference.iter().zip(&mut ours) {
                if *reference == Reply::Silence {
                    round.unanswered += 1;
                }
                if *reference == Reply::Silence || reference.is_alike(ours, slack_seconds) {
                    ours.clone_from(reference);
                }
            }
            let accepted = reference
                .iter()
                .filter(|reply| matches!(reply, Reply::Accept(_)));
            round.accepted += accepted.count();
            round.questions += reference.len();
            if reference != ours {
                round.differences.push(Difference {
                    case: case.clone(),
                    reference,
                    ours,
                });
            }
        }
        round
    }

    /// Leaves out questions, and then rows as long as the servers still differ.
    pub async fn shrink(&self, mut difference: Difference) -> Difference {
        difference.ask_once();
        loop {
            let case = &difference.case;
            let candidates: Vec<Case> = (0..case.size())
                .map(|index| Case {
                    number: self.number(),
                    ..case.without(index)
                })
                .collect();
            if candidates.is_empty() {
                return difference;
            }
            let mut round = self.play(&candidates).await;
            if round.differences.is_empty() {
                return difference;
            }
            difference = round.differences.swap_remove(0);
        }
    }

    fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }
}

/// A user that is accepted by whoever has read the rows that came before its own.
pub fn sentinel(number: u64) -> Case {
    let user = "sentinel-§".to_owned();
    let password = "sentinel-password".to_owned();
    Case {
        number,
        rows: vec![Row {
            table: Table::Check,
            owner: user.clone(),
            attribute: "Cleartext-Password".to_owned(),
            op: ":=".to_owned(),
            value: password.clone(),
        }],
        memberships: Vec::new(),
        questions: vec![Question {
            user,
            method: Method::Pap,
            password,
            attributes: Vec::new(),
        }],
    }
}
