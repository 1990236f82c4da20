//! What subscribers have used of their plans' limits, in memory: read without locks, brought up by
//! what the journal has committed and by what other nodes have stored.
//!
//! Counters are never added to here. The database adds in the journal's transaction and says what
//! a counter is then, and the greatest of what was heard holds; so nothing is counted twice,
//! whatever comes twice, late or out of order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::accounting::{AccountingRecord, SessionEvent, SessionRecord};
use domain::id::SubscriberId;
use domain::limit::{
    self, LimitFact, LimitNews, LimitUsage, Limits, Meter, PERIODS_COUNTED, Standing, ValidityStart,
};
use domain::time::Timestamp;
use foldhash::fast::RandomState;
use papaya::HashMap;

use crate::directory::{Directory, SubscriberEntry};
use crate::metrics::{Count, Metrics};
use crate::port::LimitQuestion;

mod crossing;
mod keeper;
mod wishes;

pub use crossing::{Consequence, LimitCrossed};
pub(crate) use keeper::LimitKeeper;

use crossing::Crossings;
use wishes::Wishes;

/// Facts that are taken over before a login that wants to note one has its turn.
const LEARNT_IN_A_TURN: usize = 256;

/// How far the beginning of a session may be off that is computed from its length.
const BEGIN_SLACK_SECONDS: i64 = 5;

/// The usage of subscribers whose plans have limits.
#[derive(Debug)]
pub struct LimitTable {
    usage: HashMap<SubscriberId, LimitUsage, RandomState>,
    /// Held by who writes: what is written rests on what was read.
    turn: Mutex<()>,
    crossings: Crossings,
    /// What the database is to be asked and told.
    wishes: Wishes,
    metrics: Arc<Metrics>,
}

impl LimitTable {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            usage: HashMap::with_hasher(RandomState::default()),
            turn: Mutex::default(),
            crossings: Crossings::default(),
            wishes: Wishes::default(),
            metrics,
        }
    }

    /// What is known of a subscriber; nothing until something was heard.
    pub fn usage(&self, subscriber: SubscriberId) -> LimitUsage {
        let usage = self.usage.pin();
        usage.get(&subscriber).copied().unwrap_or_default()
    }

    /// The same for a login. A period that nobody has counted yet is asked for; usually it has only
    /// just begun.
    pub(crate) fn usage_at_login(
        &self,
        entry: &SubscriberEntry,
        limits: &Limits,
        now: Timestamp,
    ) -> LimitUsage {
        let subscriber = &entry.subscriber;
        let usage = self.usage(subscriber.id);
        for meter in meters(subscriber.id, limits, now) {
            let counter = usage.counter(meter.period);
            if counter.is_some_and(|counter| counter.span == meter.span) {
                continue;
            }
            let question = LimitQuestion {
                tenant: subscriber.tenant,
                username: subscriber.username.as_str().into(),
                meter,
            };
            if !self.wishes.ask(question) {
                self.metrics.count(Count::LimitWishLost);
            }
        }
        usage
    }

    /// Notes that the subscriber was let in: validity may begin with the first time.
    pub(crate) fn note_use(&self, subscriber: SubscriberId, limits: &Limits, at: Timestamp) {
        let begins_now = limits
            .validity
            .is_some_and(|validity| validity.start == ValidityStart::FirstUse);
        if !begins_now
            || self
                .usage(subscriber)
                .first_use
                .is_some_and(|known| known <= at)
        {
            return;
        }
        // Learnt only when it is going to be stored: if not, the next use is the first one.
        if self.wishes.note_first_use(subscriber, at) {
            self.learn(&[LimitNews {
                subscriber,
                fact: LimitFact::FirstUse(at),
            }]);
        } else {
            self.metrics.count(Count::LimitWishLost);
        }
    }

    /// Takes over what is stored.
    pub fn learn(&self, news: &[LimitNews]) {
        let table = self.usage.pin();
        for some in news.chunks(LEARNT_IN_A_TURN) {
            let _turn = self.turn();
            for LimitNews { subscriber, fact } in some {
                let known = table.get(subscriber).copied().unwrap_or_default();
                let mut usage = known;
                usage.learn_fact(*fact);
                if usage != known {
                    table.insert(*subscriber, usage);
                }
            }
        }
    }

    /// Where the usage of records is to be counted: in the periods of this moment. What happened
    /// in an earlier period decides nothing any more.
    pub(crate) fn meters(
        &self,
        directory: &Directory,
        records: &[AccountingRecord],
        now: Timestamp,
    ) -> Vec<(usize, Meter)> {
        let mut all = Vec::new();
        if !directory.has_limits() {
            return all;
        }
        for (index, record) in records.iter().enumerate() {
            let Some((record, entry)) = find_entry(directory, record) else {
                continue;
            };
            with_limits(&entry, |limits| {
                let meters = meters(entry.subscriber.id, limits, now);
                let current = meters.filter(|meter| meter.span.contains(record.at));
                all.extend(current.map(|meter| (index, meter)));
            });
        }
        all
    }

    /// Looks whose limits are reached, now that records are stored and what they were counted for
    /// is known.
    pub(crate) fn follow(
        &self,
        directory: &Directory,
        records: &[AccountingRecord],
        counted: &[LimitNews],
        now: Timestamp,
    ) {
        self.learn(counted);
        if !directory.has_limits() {
            return;
        }
        for record in records {
            if let Some((record, entry)) = find_entry(directory, record) {
                with_limits(&entry, |limits| {
                    self.note_use(entry.subscriber.id, limits, record.at);
                    self.weigh(&entry, limits, record, now);
                });
            }
        }
    }

    fn weigh(
        &self,
        entry: &SubscriberEntry,
        limits: &Limits,
        record: &SessionRecord,
        now: Timestamp,
    ) {
        let subscriber = &entry.subscriber;
        let usage = self.usage(subscriber.id);
        let standing = Standing {
            usage: &usage,
            purchased_at: subscriber.id.made_at(),
            session: record.total,
        };
        let consequence = match limit::evaluate(limits, &standing, now) {
            Err(refusal) => Consequence::End(refusal),
            Ok(allowance) => match allowance.crossing {
                Some(crossing) => {
                    let since = self.crossings.since(subscriber.id, crossing, now);
                    if since <= began_at(record).plus_seconds(BEGIN_SLACK_SECONDS) {
                        // It began on the terms that apply at the limit.
                        return self.crossings.end(subscriber.id, record.key);
                    }
                    Consequence::Change {
                        crossing,
                        to: limits.at_limit,
                    }
                }
                None => return self.crossings.clear(subscriber.id, record.key),
            },
        };
        if record.event == SessionEvent::Stop {
            return self.crossings.end(subscriber.id, record.key);
        }
        self.crossings.note(
            &self.metrics,
            LimitCrossed {
                subscriber: subscriber.id,
                username: subscriber.username.clone(),
                nas: record.nas,
                session: record.key,
                at: now,
                consequence,
            },
        );
    }

    /// Sessions that are online beyond a limit, as far as they are known, in the order of their
    /// keys.
    pub fn crossed(&self) -> Vec<LimitCrossed> {
        self.crossings.list()
    }

    pub fn len(&self) -> usize {
        self.usage.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everybody who is not kept.
    fn keep(&self, is_kept: impl Fn(SubscriberId) -> bool) {
        let _turn = self.turn();
        self.usage
            .pin()
            .retain(|subscriber, _| is_kept(*subscriber));
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // Whoever panicked left whole entries behind.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the session of a record began, by its own account.
fn began_at(record: &SessionRecord) -> Timestamp {
    let seconds = i64::try_from(record.total.session_seconds).unwrap_or(i64::MAX);
    record.at.plus_seconds(seconds.saturating_neg())
}

/// The periods of this moment that a subscriber's quotas last for.
fn meters(
    subscriber: SubscriberId,
    limits: &Limits,
    now: Timestamp,
) -> impl Iterator<Item = Meter> {
    let periods = PERIODS_COUNTED
        .into_iter()
        .filter(|period| limits.quotas.has(period.period()));
    periods.filter_map(move |period| {
        let span = limits.resets.span(period.period(), &limits.zone, now)?;
        Some(Meter {
            subscriber,
            period,
            span,
        })
    })
}

/// A record of a session, and whose it is.
fn find_entry<'a>(
    directory: &Directory,
    record: &'a AccountingRecord,
) -> Option<(&'a SessionRecord, Arc<SubscriberEntry>)> {
    let AccountingRecord::Session(record) = record else {
        return None;
    };
    let entry = directory.find_subscriber(record.tenant, &record.username)?;
    (record.subscriber == Some(entry.subscriber.id)).then_some((record, entry))
}

fn with_limits(entry: &SubscriberEntry, look: impl FnOnce(&Limits)) {
    let plan = entry.plan.load();
    if let Some(limits) = plan
        .as_deref()
        .and_then(|plan| plan.terms.limits.as_deref())
    {
        look(limits);
    }
}
