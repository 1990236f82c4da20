//! Sessions that are online beyond a limit, and what has to become of them.

use std::collections::{BTreeMap, HashMap};
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;
use domain::accounting::SessionKey;
use domain::id::{NasId, SubscriberId, TenantId};
use domain::limit::{AtLimit, Crossing, Refusal};
use domain::time::Timestamp;
use tokio::sync::Notify;
use tracing::info;

use crate::metrics::{Count, Metrics};

/// Sessions that are remembered; those that come on top are counted and told in the log only.
const CROSSINGS_MAX: usize = 65_536;

/// A session that a router reports as going on although a limit is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCrossed {
    pub tenant: TenantId,
    pub subscriber: SubscriberId,
    pub username: CompactString,
    pub nas: NasId,
    pub session: SessionKey,
    pub at: Timestamp,
    pub consequence: Consequence,
}

/// What has to become of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It has to end.
    End(Refusal),
    /// It has to go on on other terms.
    Change { crossing: Crossing, to: AtLimit },
}

/// Crossings that wait for whoever tells of them; what comes on top is not told.
const UNTOLD_MAX: usize = 4_096;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Crossings {
    known: Mutex<Known>,
    has_news: Notify,
}

#[derive(Debug, Default)]
struct Known {
    sessions: BTreeMap<(SubscriberId, SessionKey), LimitCrossed>,
    /// Since when a quota was seen to be used up: who logged in later has the terms for it.
    since: HashMap<SubscriberId, (Crossing, Timestamp)>,
    untold: Vec<LimitCrossed>,
}

impl Crossings {
    /// Remembers a session, and says whether that is news: one that is reported again in the same
    /// state is none.
    pub(super) fn note(&self, metrics: &Metrics, crossed: LimitCrossed) -> bool {
        let key = (crossed.subscriber, crossed.session);
        let known = &mut *self.known();
        let sessions = &mut known.sessions;
        match sessions.get(&key) {
            Some(before) if before.consequence == crossed.consequence => return false,
            Some(_) | None => {}
        }
        metrics.count(Count::LimitCrossed);
        tell(&crossed);
        if known.untold.len() < UNTOLD_MAX {
            known.untold.push(crossed.clone());
            self.has_news.notify_one();
        }
        if sessions.contains_key(&key) || sessions.len() < CROSSINGS_MAX {
            sessions.insert(key, crossed);
        } else {
            metrics.count(Count::LimitWishLost);
        }
        true
    }

    /// Waits for crossings that nobody was told of.
    pub(super) async fn next(&self) -> Vec<LimitCrossed> {
        loop {
            let untold = take(&mut self.known().untold);
            if !untold.is_empty() {
                return untold;
            }
            self.has_news.notified().await;
        }
    }

    /// Since when the quota of a subscriber is used up; from now on, if that is news.
    pub(super) fn since(
        &self,
        subscriber: SubscriberId,
        crossing: Crossing,
        now: Timestamp,
    ) -> Timestamp {
        let since = &mut self.known().since;
        match since.get(&subscriber) {
            Some((known, at)) if *known == crossing => return *at,
            Some(_) | None => {}
        }
        if since.contains_key(&subscriber) || since.len() < CROSSINGS_MAX {
            since.insert(subscriber, (crossing, now));
        }
        now
    }

    /// The session has ended.
    pub(super) fn end(&self, subscriber: SubscriberId, session: SessionKey) {
        self.known().sessions.remove(&(subscriber, session));
    }

    /// The subscriber is within the limits, and whether that is news.
    pub(super) fn clear(&self, subscriber: SubscriberId, session: SessionKey) -> bool {
        let known = &mut *self.known();
        let crossed = known.sessions.remove(&(subscriber, session));
        let since = known.since.remove(&subscriber);
        crossed.is_some() || since.is_some()
    }

    /// The router has begun anew, so none of its sessions goes on.
    pub(super) fn end_nas(&self, nas: NasId) {
        let sessions = &mut self.known().sessions;
        sessions.retain(|_, crossed| crossed.nas != nas);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked left whole entries behind.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(crossed: &LimitCrossed) {
    let (id, name) = (crossed.subscriber, &crossed.username);
    match &crossed.consequence {
        Consequence::End(Refusal::QuotaUsedUp(crossing)) => {
            info!(subscriber.id = %id, "{name} is online and has to be cut: {crossing}");
        }
        Consequence::End(Refusal::OutsideHours { opens_at }) => {
            info!(subscriber.id = %id, "{name} is online outside of the plan's hours, which begin again at {opens_at}");
        }
        Consequence::End(Refusal::NoLongerValid { ended_at }) => {
            info!(subscriber.id = %id, "{name} is online on a plan whose validity ended at {ended_at}");
        }
        Consequence::Change { crossing, .. } => {
            info!(subscriber.id = %id, "{name} is online and has to get other terms: {crossing}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossed(session: u8, nas: u8) -> LimitCrossed {
        LimitCrossed {
            tenant: TenantId::DEFAULT,
            subscriber: SubscriberId::from_bytes([1; 16]),
            username: "ana".into(),
            nas: NasId::from_bytes([nas; 16]),
            session: SessionKey([session; 16]),
            at: Timestamp::from_seconds(1),
            consequence: Consequence::End(Refusal::NoLongerValid {
                ended_at: Timestamp::from_seconds(1),
            }),
        }
    }

    #[test]
    fn a_session_that_has_ended_is_news_when_it_is_heard_of_again() {
        let (crossings, metrics) = (Crossings::default(), Metrics::new());
        let note = |session, nas| crossings.note(&metrics, crossed(session, nas));
        assert!(note(1, 1) && note(2, 1) && note(3, 2));
        assert!(!note(1, 1), "it is known");
        crossings.end(SubscriberId::from_bytes([1; 16]), SessionKey([1; 16]));
        assert!(note(1, 1));
        // A router that begins anew has none of its sessions any more.
        crossings.end_nas(NasId::from_bytes([1; 16]));
        assert!(note(1, 1) && note(2, 1) && !note(3, 2));
    }

    #[tokio::test]
    async fn each_crossing_is_told_once() {
        let (crossings, metrics) = (Crossings::default(), Metrics::new());
        crossings.note(&metrics, crossed(1, 1));
        crossings.note(&metrics, crossed(1, 1));
        assert_eq!(crossings.next().await, [crossed(1, 1)]);
        crossings.note(&metrics, crossed(2, 1));
        assert_eq!(crossings.next().await, [crossed(2, 1)]);
    }
}
