//! One session's records, from Start to Stop, each with larger totals than the one before.

use rand::{Rng, RngExt};

use crate::load::ledger::Ledger;
use crate::request::{Event, Totals};
use crate::router::Session;

/// Most octets that a session adds between two records; the second of two steps often passes 4 GiB.
const INPUT_OCTETS_STEP_MAX: u64 = 1 << 28;
const OUTPUT_OCTETS_STEP_MAX: u64 = 4 << 30;
/// Session time between two records in seconds.
const SECONDS_STEP: u32 = 300;

/// One session and the record that is due or on its way.
pub(crate) struct Life {
    pub(crate) session: Session,
    /// Place in the list of users.
    pub(crate) user: usize,
    pub(crate) event: Event,
    pub(crate) totals: Totals,
    account: Option<usize>,
}

impl Life {
    /// A session that has not begun.
    pub(crate) fn new(session: Session, user: usize) -> Self {
        Self {
            session,
            user,
            event: Event::Start,
            totals: Totals::default(),
            account: None,
        }
    }

    /// Notes that the record is being sent; `user_name` is the name in it.
    pub(crate) fn attempt(&mut self, ledger: Option<&mut Ledger>, user_name: &str) {
        let Some(ledger) = ledger else {
            return;
        };
        if self.event == Event::Start {
            self.account = ledger.open(&self.session.session_id, user_name);
        }
        if let Some(account) = self.account {
            ledger.attempt(account, self.event, self.totals);
        }
    }

    /// Notes that the record was answered.
    pub(crate) fn acknowledge(&self, ledger: Option<&mut Ledger>) {
        if let (Some(ledger), Some(account)) = (ledger, self.account) {
            ledger.acknowledge(account, self.event, self.totals);
        }
    }

    /// Goes on to the next record.
    pub(crate) fn grow(&mut self, event: Event, random: &mut impl Rng) {
        self.event = event;
        let totals = &mut self.totals;
        totals.seconds = totals.seconds.saturating_add(SECONDS_STEP);
        totals.input_octets += random.random_range(1..=INPUT_OCTETS_STEP_MAX);
        totals.output_octets += random.random_range(1..=OUTPUT_OCTETS_STEP_MAX);
    }
}
