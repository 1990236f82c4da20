//! What a thread asks: which request is due, what is in it, and what follows from its answer.

use std::time::Instant;

use radius::packet::Packet;
use radius::writer::WriteError;

use crate::load::ledger::Ledger;
use crate::load::mix::Kind;
use crate::request::{Event, Proof};

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: Kind,
    /// What the script knows it by.
    pub(crate) subject: usize,
    /// When it should be sent; latency counts from here.
    pub(crate) due: Instant,
}

/// A request as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// What an Access-Accept has to prove.
    pub(crate) proof: Proof,
    /// What an Accounting-Request reports.
    pub(crate) event: Option<Event>,
}

/// One thread's requests, in the order in which they become due.
pub(crate) trait Script {
    /// Takes the next request, if one is due.
    fn take(&mut self, now: Instant) -> Option<Step>;

    /// When the next request becomes due; `None` while that is up to the answers.
    fn next_due(&self, now: Instant) -> Option<Instant>;

    /// Place in the list of the user whom a request is about.
    fn user(&self, step: &Step) -> usize;

    /// Writes a request that was taken into `buffer`, replacing it.
    fn write(
        &mut self,
        step: &Step,
        identifier: u8,
        buffer: &mut Vec<u8>,
    ) -> Result<Written, WriteError>;

    /// Learns that a request was answered.
    fn learn_answer(&mut self, step: &Step, reply: &Packet<'_>, now: Instant);

    /// Learns that a request was given up.
    fn learn_loss(&mut self, step: &Step, now: Instant);

    /// Lets no more requests become due; gives the number of those that were due and not taken.
    fn stop(&mut self, now: Instant) -> u64;

    /// Whether no more requests become due, unless an answer to those that were taken makes one so.
    fn is_over(&self) -> bool;

    /// What was acknowledged, if that is kept.
    fn into_ledger(self) -> Option<Ledger>;
}
