//! Of which sessions something was heard, and when the silence of each has lasted too long.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::accounting::SessionKey;
use domain::id::SubscriberId;
use domain::plan::InterimInterval;
use domain::session::{SILENCE_MARGIN_SECONDS, patience_seconds};
use domain::time::Timestamp;
use tokio::time::Instant;

use super::wheel::Wheel;

/// Sessions that are watched over.
pub const SESSIONS_MAX: usize = 1 << 22;

/// How much longer a node waits that did not hear of a session itself: another one may have.
const OTHERS_SECONDS: u32 = 120;

/// What is known of a session that is watched over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The latest instant that it is known to have lasted to.
    pub(crate) known_until: Timestamp,
    /// In which second of this vigil it was heard of; before its beginning when it was loaded.
    heard: i64,
    /// For how many seconds it may be silent.
    patience: u32,
    pub(crate) subscriber: Option<SubscriberId>,
    /// Whether this node heard of it last.
    is_ours: bool,
}

impl Watched {
    /// The first second in which its silence has lasted too long.
    fn due(&self) -> i64 {
        let others = if self.is_ours { 0 } else { OTHERS_SECONDS };
        // One more, because seconds are counted when they begin.
        self.heard + i64::from(self.patience) + i64::from(others) + 1
    }
}

/// All sessions that are watched over.
#[derive(Debug)]
pub struct Vigil {
    begun: Instant,
    wheel: Mutex<Wheel<Watched>>,
}

/// There is no room for one more session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Default for Vigil {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            wheel: Mutex::default(),
        }
    }
}

impl Vigil {
    /// A router reported of a session to this node. `interim` is asked for when it is the first
    /// that is heard of it.
    pub(crate) fn hear(
        &self,
        key: SessionKey,
        subscriber: Option<SubscriberId>,
        at: Timestamp,
        interim: impl FnOnce() -> InterimInterval,
    ) -> Result<(), Full> {
        let heard = self.second();
        let mut wheel = self.wheel();
        let watched = match wheel.find_mut(key).copied() {
            Some(known) => Watched {
                known_until: known.known_until.max(at),
                heard,
                subscriber: subscriber.or(known.subscriber),
                is_ours: true,
                ..known
            },
            None if SESSIONS_MAX <= wheel.len() => return Err(Full),
            None => Watched {
                known_until: at,
                heard,
                patience: patience_seconds(interim()),
                subscriber,
                is_ours: true,
            },
        };
        arm(&mut wheel, key, watched);
        Ok(())
    }

    /// A session is open of which the database knows since `age_seconds`. It gets a chance to be
    /// heard of, however long ago that is: routers may have had nobody to report to.
    pub(crate) fn load(
        &self,
        key: SessionKey,
        subscriber: Option<SubscriberId>,
        known_until: Timestamp,
        age_seconds: i64,
        interim: InterimInterval,
    ) -> Result<(), Full> {
        let now = self.second();
        let mut wheel = self.wheel();
        if let Some(known) = wheel.find_mut(key) {
            // It is watched over already; what others heard is found out when it is due.
            known.subscriber = known.subscriber.or(subscriber);
            return Ok(());
        }
        if SESSIONS_MAX <= wheel.len() {
            return Err(Full);
        }
        let watched = Watched {
            known_until,
            heard: now - age_seconds.max(0),
            patience: patience_seconds(interim),
            subscriber,
            is_ours: false,
        };
        let chance = i64::from(interim.as_seconds() + SILENCE_MARGIN_SECONDS + OTHERS_SECONDS);
        let due = watched.due().max(now + chance);
        wheel.arm(key, due.unsigned_abs(), watched);
        Ok(())
    }

    /// A session has ended.
    pub(crate) fn forget(&self, key: SessionKey) {
        self.wheel().forget(key);
    }

    /// Those that have been silent for too long by now, at most `limit`. They come again in a while
    /// unless they end or are heard of.
    pub(crate) fn due(&self, limit: usize) -> Vec<(SessionKey, Watched)> {
        let now = self.second().unsigned_abs();
        self.wheel().advance(now, limit)
    }

    /// Looks at a session that was due in the light of what the database knows of it, and says
    /// after how many seconds of silence it should be closed, if it should. Who was heard of in the
    /// meantime, or by somebody else, is waited for again.
    pub(crate) fn judge(
        &self,
        key: SessionKey,
        seen: Watched,
        known_until: Timestamp,
        interim: InterimInterval,
    ) -> Option<u32> {
        let now = self.second();
        let mut wheel = self.wheel();
        let known = *wheel.find_mut(key)?;
        let is_news = seen.known_until < known_until;
        let watched = Watched {
            known_until: known.known_until.max(known_until),
            heard: if is_news { now } else { known.heard },
            patience: patience_seconds(interim),
            is_ours: known.is_ours && !is_news,
            ..known
        };
        if watched.due() <= now && known == seen {
            return Some(watched.patience);
        }
        arm(&mut wheel, key, watched);
        None
    }

    /// Sessions that are watched over.
    pub fn len(&self) -> usize {
        self.wheel().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whole seconds since the beginning, on the clock that nobody sets.
    fn second(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_secs()).unwrap_or(i64::MAX)
    }

    fn wheel(&self) -> MutexGuard<'_, Wheel<Watched>> {
        // Whoever panicked left a whole wheel behind.
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn arm(wheel: &mut Wheel<Watched>, key: SessionKey, watched: Watched) {
    wheel.arm(key, u64::try_from(watched.due()).unwrap_or(0), watched);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const KEY: SessionKey = SessionKey([1; 16]);
    const AT: Timestamp = Timestamp::from_seconds(1_800_000_000);
    /// Three intervals of 300 s and a margin, and the second that has begun.
    const LIMIT: u64 = 961;

    fn hear(vigil: &Vigil, at: Timestamp) {
        let heard = vigil.hear(KEY, None, at, || InterimInterval::DEFAULT);
        assert_eq!(heard, Ok(()));
    }

    fn load(vigil: &Vigil, age_seconds: i64) {
        let loaded = vigil.load(KEY, None, AT, age_seconds, InterimInterval::DEFAULT);
        assert_eq!(loaded, Ok(()));
    }

    async fn pass(seconds: u64) {
        advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_report() {
        let vigil = Vigil::default();
        hear(&vigil, AT);
        pass(900).await;
        assert_eq!(vigil.due(10), []);
        hear(&vigil, AT.plus_seconds(900));
        pass(LIMIT - 1).await;
        assert_eq!(vigil.due(10), []);
        pass(1).await;
        let due = vigil.due(10);
        assert_eq!(due.len(), 1);
        let (_, seen) = due[0];
        let known = AT.plus_seconds(900);
        let seconds = vigil.judge(KEY, seen, known, InterimInterval::DEFAULT);
        assert_eq!(seconds, Some(960));
        vigil.forget(KEY);
        assert!(vigil.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_node_heard_is_waited_for_longer() {
        let vigil = Vigil::default();
        hear(&vigil, AT);
        pass(LIMIT).await;
        let (_, seen) = vigil.due(10)[0];
        let later = AT.plus_seconds(700);
        assert_eq!(
            vigil.judge(KEY, seen, later, InterimInterval::DEFAULT),
            None
        );
        let patience = LIMIT + u64::from(OTHERS_SECONDS);
        pass(patience - 1).await;
        assert_eq!(vigil.due(10), []);
        pass(1).await;
        let (_, seen) = vigil.due(10)[0];
        let seconds = vigil.judge(KEY, seen, later, InterimInterval::DEFAULT);
        assert_eq!(seconds, Some(960));
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_interval_of_the_plan_is_waited_for() {
        let vigil = Vigil::default();
        hear(&vigil, AT);
        pass(LIMIT).await;
        let (_, seen) = vigil.due(10)[0];
        let hour = InterimInterval::new(3_600).expect("in range");
        assert_eq!(vigil.judge(KEY, seen, AT, hour), None);
        pass(3 * 3_600 + 60 - LIMIT).await;
        assert_eq!(vigil.due(10), []);
        pass(1).await;
        assert_eq!(vigil.due(10).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_while_it_was_judged_counts() {
        let vigil = Vigil::default();
        hear(&vigil, AT);
        pass(LIMIT).await;
        let (_, seen) = vigil.due(10)[0];
        hear(&vigil, AT.plus_seconds(961));
        assert_eq!(vigil.judge(KEY, seen, AT, InterimInterval::DEFAULT), None);
        pass(LIMIT - 1).await;
        assert_eq!(vigil.due(10), []);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_restart_every_session_gets_a_chance() {
        // However old it seems: the clock may be wrong, or nobody was there to report to.
        for (age, expected) in [
            (0, LIMIT + 120),
            (500, LIMIT + 120 - 500),
            (900, 480),
            (1_000_000, 480),
            (-1_000_000, LIMIT + 120),
        ] {
            let vigil = Vigil::default();
            load(&vigil, age);
            pass(expected - 1).await;
            assert_eq!(vigil.due(10), [], "{age}");
            pass(1).await;
            let (_, seen) = vigil.due(10)[0];
            let seconds = vigil.judge(KEY, seen, AT, InterimInterval::DEFAULT);
            assert_eq!(seconds, Some(960), "{age}");
        }
    }
}
