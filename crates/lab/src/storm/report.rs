//! What came of a storm, as values, as JSON and as a table.

use std::fmt;

use serde::Serialize;

use crate::load::ledger::Ledger;
use crate::load::mix::Kind;
use crate::load::report::{Counts, Ended, ExchangeReport, Measurement, format_exchanges};
use crate::request::Event;
use crate::storm::options::StormOptions;

/// What came of a storm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StormReport {
    /// What its Acct-Session-Ids begin with.
    pub run: String,
    /// The seed that repeats its choices.
    pub seed: u64,
    /// Why it ended.
    pub ended: Ended,
    /// Subscribers that were to return.
    pub subscribers: u64,
    /// Routers that they returned through.
    pub routers: u64,
    /// Subscribers that were accepted and whose Start was acknowledged.
    pub returned: u64,
    /// From the first login to the last of these, in seconds.
    pub returned_after_seconds: f64,
    /// From the first login to the last answer in seconds.
    pub elapsed_seconds: f64,
    /// Seconds of processor time that the routers used.
    pub cpu_seconds: f64,
    /// Everything that was counted.
    pub counts: Counts,
    /// Logins and records, in the order of a session's life. Each latency counts from when the
    /// subscriber had its turn; that of a Start from the Access-Accept.
    pub exchanges: Vec<ExchangeReport<Phase>>,
    /// Which accounting records were answered, when that was asked for.
    pub ledger: Option<Ledger>,
}

/// One thing that every subscriber does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", untagged)]
pub enum Phase {
    /// It logs in.
    #[serde(serialize_with = "serialize_login")]
    Login,
    /// Its router reports.
    Record(Event),
}

impl Phase {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Record(event) => event.name(),
        }
    }
}

impl StormReport {
    pub(crate) fn new(options: &StormOptions, run: String, measured: Measurement) -> Self {
        let login = measured.tally(Kind::Login(options.method));
        let records = Event::ALL.map(|event| (Phase::Record(event), measured.record(event)));
        let exchanges = [(Phase::Login, login)].into_iter().chain(records);
        Self {
            run,
            seed: options.load.seed,
            ended: measured.ended,
            subscribers: options.subscribers as u64,
            routers: options.routers as u64,
            returned: measured.record(Event::Start).answers(),
            returned_after_seconds: measured.last_start.as_secs_f64(),
            elapsed_seconds: measured.elapsed.as_secs_f64(),
            cpu_seconds: measured.cpu.as_secs_f64(),
            counts: measured.counts,
            exchanges: exchanges
                .filter(|(_, tally)| 0 < tally.requests)
                .map(|(phase, tally)| ExchangeReport::new(phase, tally))
                .collect(),
            ledger: measured.ledger,
        }
    }

    /// What a thing that every subscriber does was like; `None` when nobody did it.
    #[must_use]
    pub fn find(&self, phase: Phase) -> Option<&ExchangeReport<Phase>> {
        let mut exchanges = self.exchanges.iter();
        exchanges.find(|exchange| exchange.exchange == phase)
    }

    /// Whether everybody is in.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.returned == self.subscribers
    }
}

impl fmt::Display for StormReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (returned, subscribers) = (self.returned, self.subscribers);
        let (seconds, ended) = (self.returned_after_seconds, self.ended.name());
        writeln!(
            formatter,
            "{returned} of {subscribers} subscribers are back after {seconds:.3} s; {ended}"
        )?;
        let rows = self.exchanges.iter();
        let rows = rows.map(|exchange| (exchange.exchange.name(), exchange));
        format_exchanges(formatter, rows)?;
        self.counts.format_details(formatter)
    }
}

fn serialize_login<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(Phase::Login.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_serialize_as_their_names() {
        for phase in [Phase::Login, Phase::Record(Event::Start)] {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.name());
        }
    }
}
