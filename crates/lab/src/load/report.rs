//! What a load run measured, as values, as JSON and as a table.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::fault::Passage;
use crate::load::ledger::Ledger;
use crate::load::mix::Kind;
use crate::request::Event;

/// Longest latency that is told apart, in microseconds: two minutes.
const LATENCY_US_MAX: u64 = 120_000_000;

/// What a run measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadReport {
    /// What its Acct-Session-Ids begin with.
    pub run: String,
    /// The seed that repeats its choices.
    pub seed: u64,
    /// Why it ended.
    pub ended: Ended,
    /// From the first request to the last answer, or to the end of its time if that was later, in
    /// seconds.
    pub elapsed_seconds: f64,
    /// Answers a second in that time.
    pub throughput_per_second: f64,
    /// Seconds of processor time that the generator used; as many as elapsed for each of its threads
    /// mean that it was the limit.
    pub cpu_seconds: f64,
    /// Everything that was counted.
    pub counts: Counts,
    /// From when a request was due to its answer, over all kinds. In a closed loop that is its first
    /// transmission, and a server that stalls is asked nothing new, so a stall weighs no more than what
    /// was on its way. At a rate it is the moment that the rate sets, whether it was sent then or not.
    pub latency: Latency,
    /// The same by kind of request, for those that were in the mix.
    pub exchanges: Vec<ExchangeReport>,
    /// Which accounting records were answered, when that was asked for.
    pub ledger: Option<Ledger>,
}

/// Why a run ended; of threads that ended differently, the last of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// Its time was over.
    Duration,
    /// All its requests were sent.
    Requests,
    /// The caller stopped it.
    Stopped,
    /// The server had not answered for too long.
    Silence,
}

/// Everything that is counted; each in requests or datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests begun, retransmissions apart.
    pub requests: u64,
    /// Requests answered by a reply that was believed.
    pub answers: u64,
    /// Of these, Access-Accept.
    pub accepts: u64,
    /// Of these, Access-Reject.
    pub rejects: u64,
    /// Of these, Access-Challenge.
    pub challenges: u64,
    /// Of these, Accounting-Response.
    pub accounting_responses: u64,
    /// Replies with a wrong Response Authenticator or Message-Authenticator, or without one that is demanded.
    pub bad_authenticators: u64,
    /// Access-Accepts whose MS-CHAP2-Success is absent or wrong.
    pub bad_proofs: u64,
    /// Datagrams that are no RADIUS packets.
    pub malformed: u64,
    /// Replies that no request waits for, or of the wrong code.
    pub unexpected: u64,
    /// Replies that repeat the one before.
    pub duplicates: u64,
    /// Requests that were sent a millisecond or more after they were due.
    pub late: u64,
    /// Requests that were due and not sent when the run ended.
    pub unsent: u64,
    /// Requests sent again.
    pub retransmits: u64,
    /// Requests given up.
    pub lost: u64,
    /// Times that the server's host said that nobody listens.
    pub port_closed: u64,
    /// Datagrams that the kernel refused to send.
    pub send_errors: u64,
    /// Datagrams of either direction that the bad line swallowed.
    pub line_lost: u64,
    /// Datagrams that it doubled.
    pub line_doubled: u64,
    /// Datagrams that it held back until the next one had passed.
    pub line_held: u64,
}

/// A distribution of latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Answers in it.
    pub count: u64,
    /// Half of them were faster.
    pub p50_us: u64,
    /// 90 % of them were faster.
    pub p90_us: u64,
    /// 99 % of them were faster.
    pub p99_us: u64,
    /// 99.9 % of them were faster.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExchangeReport<K = Kind> {
    /// Which kind.
    pub exchange: K,
    /// Requests begun.
    pub requests: u64,
    /// Requests answered.
    pub answers: u64,
    /// Requests given up.
    pub lost: u64,
    /// How long answers took.
    pub latency: Latency,
}

/// What is measured for one kind while it runs.
#[derive(Clone)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) lost: u64,
    latencies: Histogram<u64>,
}

/// Everything that one thread measures.
pub(crate) struct Measurement {
    pub(crate) counts: Counts,
    tallies: [Tally; Kind::ALL.len()],
    /// Accounting once more, by what the records report.
    records: [Tally; Event::ALL.len()],
    pub(crate) elapsed: Duration,
    /// Processor time of this end.
    pub(crate) cpu: Duration,
    /// When the last Start was acknowledged, from the begin.
    pub(crate) last_start: Duration,
    pub(crate) ended: Ended,
    pub(crate) ledger: Option<Ledger>,
}

impl Tally {
    fn new() -> Self {
        Self {
            requests: 0,
            lost: 0,
            latencies: Histogram::new_with_max(LATENCY_US_MAX, 3)
                .expect("a bounded histogram of three digits is always possible"),
        }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(latency_us);
    }

    pub(crate) fn answers(&self) -> u64 {
        self.latencies.len()
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.lost += other.lost;
        self.latencies
            .add(&other.latencies)
            .expect("all histograms have the same bounds");
    }
}

impl Measurement {
    pub(crate) fn new() -> Self {
        Self {
            counts: Counts::default(),
            tallies: std::array::from_fn(|_| Tally::new()),
            records: std::array::from_fn(|_| Tally::new()),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            last_start: Duration::ZERO,
            ended: Ended::Duration,
            ledger: None,
        }
    }

    /// Every tally that a request belongs to.
    pub(crate) fn for_each_tally(
        &mut self,
        kind: Kind,
        event: Option<Event>,
        mut note: impl FnMut(&mut Tally),
    ) {
        note(&mut self.tallies[kind.index()]);
        if let Some(event) = event {
            note(&mut self.records[event.index()]);
        }
    }

    pub(crate) const fn tally(&self, kind: Kind) -> &Tally {
        &self.tallies[kind.index()]
    }

    pub(crate) const fn record(&self, event: Event) -> &Tally {
        &self.records[event.index()]
    }

    /// Adds what another thread measured at the same time.
    pub(crate) fn merge(&mut self, other: Self) {
        self.counts.add(&other.counts);
        for (tally, other) in self.tallies.iter_mut().zip(&other.tallies) {
            tally.add(other);
        }
        for (tally, other) in self.records.iter_mut().zip(&other.records) {
            tally.add(other);
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
        self.last_start = self.last_start.max(other.last_start);
        self.ended = self.ended.max(other.ended);
        match (&mut self.ledger, other.ledger) {
            (Some(ledger), Some(other)) => ledger.append(other),
            (ledger @ None, other) => *ledger = other,
            (Some(_), None) => {}
        }
    }

    pub(crate) fn into_report(self, run: String, seed: u64) -> LoadReport {
        let elapsed_seconds = self.elapsed.as_secs_f64();
        let mut all = Tally::new();
        self.tallies.iter().for_each(|tally| all.add(tally));
        let throughput_per_second = if elapsed_seconds > 0.0 {
            self.counts.answers as f64 / elapsed_seconds
        } else {
            0.0
        };
        LoadReport {
            run,
            seed,
            ended: self.ended,
            elapsed_seconds,
            throughput_per_second,
            cpu_seconds: self.cpu.as_secs_f64(),
            counts: self.counts,
            latency: Latency::of(&all.latencies),
            exchanges: Kind::ALL
                .into_iter()
                .zip(&self.tallies)
                .filter(|(_, tally)| 0 < tally.requests)
                .map(|(kind, tally)| ExchangeReport::new(kind, tally))
                .collect(),
            ledger: self.ledger,
        }
    }
}

impl<K> ExchangeReport<K> {
    pub(crate) fn new(exchange: K, tally: &Tally) -> Self {
        Self {
            exchange,
            requests: tally.requests,
            answers: tally.latencies.len(),
            lost: tally.lost,
            latency: Latency::of(&tally.latencies),
        }
    }
}

impl Latency {
    fn of(latencies: &Histogram<u64>) -> Self {
        Self {
            count: latencies.len(),
            p50_us: latencies.value_at_quantile(0.5),
            p90_us: latencies.value_at_quantile(0.9),
            p99_us: latencies.value_at_quantile(0.99),
            p999_us: latencies.value_at_quantile(0.999),
            max_us: latencies.max(),
        }
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        for ((_, count), (_, other)) in self.named_mut().into_iter().zip(other.named()) {
            *count += other;
        }
    }

    /// Notes what a bad line did to a datagram.
    pub(crate) const fn note(&mut self, passage: Passage) {
        match passage {
            Passage::Passed => {}
            Passage::Lost => self.line_lost += 1,
            Passage::Doubled => self.line_doubled += 1,
            Passage::Held => self.line_held += 1,
        }
    }

    /// Writes a line with what else was counted, if anything was.
    pub(crate) fn format_details(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.named().into_iter().skip(2);
        let shown: Vec<String> = details
            .filter(|(_, count)| 0 < *count)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if shown.is_empty() {
            return Ok(());
        }
        write!(formatter, "\n{}", shown.join(", "))
    }

    /// Every count with its name in words.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 20] {
        let mut copy = *self;
        copy.named_mut().map(|(name, count)| (name, *count))
    }

    const fn named_mut(&mut self) -> [(&'static str, &mut u64); 20] {
        [
            ("requests", &mut self.requests),
            ("answers", &mut self.answers),
            ("accepts", &mut self.accepts),
            ("rejects", &mut self.rejects),
            ("challenges", &mut self.challenges),
            ("accounting responses", &mut self.accounting_responses),
            ("bad authenticators", &mut self.bad_authenticators),
            ("bad proofs", &mut self.bad_proofs),
            ("malformed", &mut self.malformed),
            ("unexpected", &mut self.unexpected),
            ("duplicates", &mut self.duplicates),
            ("late", &mut self.late),
            ("unsent", &mut self.unsent),
            ("retransmits", &mut self.retransmits),
            ("lost", &mut self.lost),
            ("port closed", &mut self.port_closed),
            ("send errors", &mut self.send_errors),
            ("lost on the line", &mut self.line_lost),
            ("doubled on the line", &mut self.line_doubled),
            ("held on the line", &mut self.line_held),
        ]
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (throughput, seconds) = (self.throughput_per_second, self.elapsed_seconds);
        let ended = self.ended.name();
        writeln!(
            formatter,
            "{throughput:.0} answers/s in {seconds:.3} s; {ended}"
        )?;
        let rows = self.exchanges.iter();
        let rows = rows.map(|exchange| (exchange.exchange.name(), exchange));
        format_exchanges(formatter, rows)?;
        let numbers = (self.counts.requests, self.counts.answers, self.counts.lost);
        writeln!(formatter)?;
        format_row(formatter, "all", numbers, &self.latency)?;
        self.counts.format_details(formatter)
    }
}

/// Writes a heading and a line for each kind of request; the last has no end.
pub(crate) fn format_exchanges<'e, K: 'e>(
    formatter: &mut fmt::Formatter<'_>,
    exchanges: impl Iterator<Item = (&'static str, &'e ExchangeReport<K>)>,
) -> fmt::Result {
    write!(
        formatter,
        "{:<12}{:>12}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "", "requests", "answers", "lost", "p50 us", "p90 us", "p99 us", "p99.9 us", "max us"
    )?;
    for (name, exchange) in exchanges {
        let numbers = (exchange.requests, exchange.answers, exchange.lost);
        writeln!(formatter)?;
        format_row(formatter, name, numbers, &exchange.latency)?;
    }
    Ok(())
}

fn format_row(
    formatter: &mut fmt::Formatter<'_>,
    name: &str,
    (requests, answers, lost): (u64, u64, u64),
    latency: &Latency,
) -> fmt::Result {
    write!(
        formatter,
        "{name:<12}{requests:>12}{answers:>12}{lost:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
        latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us
    )
}

impl Ended {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Duration => "time over",
            Self::Requests => "all requests sent",
            Self::Stopped => "stopped",
            Self::Silence => "the server fell silent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_one_thread_is_told() {
        let ended = |all: &[Ended]| {
            let mut sum = Measurement::new();
            for ended in all {
                let mut one = Measurement::new();
                one.ended = *ended;
                sum.merge(one);
            }
            sum.ended
        };
        assert_eq!(ended(&[Ended::Requests, Ended::Requests]), Ended::Requests);
        assert_eq!(ended(&[Ended::Silence, Ended::Duration]), Ended::Silence);
    }
}
