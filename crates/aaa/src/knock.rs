//! Unknown senders, noted until it is time to report them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use domain::auth_log::Knock;

use crate::engine::Moment;

/// Senders noted between two reports.
const SENDERS_MAX: usize = 256;

/// How long the first sender of a report waits for others.
const INTERVAL: Duration = Duration::from_secs(1);

/// The senders since the last report.
#[derive(Debug, Default)]
pub(crate) struct KnockList {
    by_source: HashMap<IpAddr, Knock>,
    due: Option<Instant>,
}

/// The sender was not noted, because too many knocked at once.
#[derive(Debug)]
pub(crate) struct Full;

impl KnockList {
    pub(crate) fn note(&mut self, source: IpAddr, now: Moment) -> Result<(), Full> {
        let source = source.to_canonical();
        if !self.by_source.contains_key(&source) && SENDERS_MAX <= self.by_source.len() {
            return Err(Full);
        }
        let knock = self.by_source.entry(source).or_insert(Knock {
            source,
            last_at: now.timestamp,
            packets: 0,
        });
        knock.packets += 1;
        knock.last_at = now.timestamp;
        self.due.get_or_insert_with(|| now.instant + INTERVAL);
        Ok(())
    }

    /// The report, when it is time for one.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Vec<Knock>> {
        if now < self.due? {
            return None;
        }
        self.due = None;
        Some(self.by_source.drain().map(|(_, knock)| knock).collect())
    }

    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}
