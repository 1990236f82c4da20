//! Keeps what dashboards show that nobody keeps while it happens: how much there is of everything,
//! and who moved most.

use std::error::Error;
use std::time::Duration;

use domain::time::Timestamp;
use storage::clock::Clock;
use storage::error::StoreError;
use storage::store::Store;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, warn};

/// How often it is looked how much there is.
const SAMPLE_SECONDS: i64 = 60;

/// How often who moved most is found anew, at least so long after it was found.
const TOP_SECONDS: i64 = 300;

/// Looking rests for so many times as long as it took.
const REST: u32 = 50;

/// For how long after midnight the day before is still added to by what comes late.
const LATE_SECONDS: i64 = 2 * 3_600;

/// For how long all this is kept.
const KEPT_SECONDS: i64 = 400 * 86_400;

const DAY_SECONDS: i64 = 86_400;

/// What keeps statistics.
pub struct Statistics {
    pub store: Store,
    pub clock: Clock,
}

impl Statistics {
    /// Looks again and again, until it is dropped. Of several nodes one looks at a time.
    pub async fn run(self) {
        let mut ticks = interval(Duration::from_secs(SAMPLE_SECONDS.unsigned_abs()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut sample_from, mut top_from) = (Instant::now(), Instant::now());
        loop {
            let begun = ticks.tick().await;
            if sample_from <= begun {
                tell("how much there is", self.sample().await);
                sample_from = begun + begun.elapsed() * REST;
            }
            let begun = Instant::now();
            if top_from <= begun {
                tell("who moved most", self.find_top().await);
                top_from = begun + begun.elapsed() * REST;
                tell("what is old", self.forget().await);
            }
        }
    }

    /// Writes down how many sessions are open and how accounts stand, if it is time to.
    pub async fn sample(&self) -> Result<(), StoreError> {
        // A tick may come a moment early.
        if !self.is_due("gauges", SAMPLE_SECONDS - 1).await? {
            return Ok(());
        }
        let followed = self.store.session_plans_follow().await?;
        debug!(followed, "Looked how much there is");
        self.store.gauge_sample().await
    }

    /// Finds who has moved most today, and while its records may still come, the day before.
    pub async fn find_top(&self) -> Result<(), StoreError> {
        if !self.is_due("usage_top", TOP_SECONDS - 1).await? {
            return Ok(());
        }
        let now = (self.clock)();
        self.store.usage_top_find(now).await?;
        if now.seconds_since(now.day_start()) < LATE_SECONDS {
            let before = now.plus_seconds(-DAY_SECONDS);
            self.store.usage_top_find(before).await?;
        }
        Ok(())
    }

    async fn forget(&self) -> Result<(), StoreError> {
        if self.is_due("forgetting", DAY_SECONDS).await? {
            let before = (self.clock)().plus_seconds(-KEPT_SECONDS);
            self.store.statistic_prune(oldest(before)).await?;
        }
        Ok(())
    }

    async fn is_due(&self, name: &str, seconds: i64) -> Result<bool, StoreError> {
        self.store.statistic_turn(name, seconds).await
    }
}

/// Whole days are kept.
fn oldest(before: Timestamp) -> Timestamp {
    before.day_start()
}

fn tell(what: &str, outcome: Result<(), StoreError>) {
    if let Err(problem) = outcome {
        warn!(
            error = &problem as &dyn Error,
            "Statistics go without {what} this time"
        );
    }
}
