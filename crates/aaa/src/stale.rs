//! Ends sessions of which nothing is heard any more: as a record in the journal, at the last instant
//! that they are known to have lasted to.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use domain::accounting::{
    AccountingRecord, SessionEvent, SessionKey, SessionRecord, TerminateCause,
};
use domain::id::NasId;
use domain::session::{LiveSession, Session};
use domain::usage::UsageAmount;
use tokio::time::Instant;
use tracing::{error, info};

use crate::follow::Follow;
use crate::metrics::Count;
use crate::port::{AccountingStore, PortError, SessionBoard, Spool};
use crate::spooling::Spooling;
use vigil::Watched;

pub mod vigil;
mod wheel;

/// How often deadlines are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Sessions that are looked at together.
const BATCH: usize = 512;

/// Time between two log lines about one router.
const LINE_EVERY: Duration = Duration::from_secs(600);

/// Routers that log lines are held back for.
const ROUTERS_MAX: usize = 4_096;

/// Closes what has been silent for too long.
#[derive(Debug)]
pub struct StaleKeeper<B, A, S> {
    board: Arc<B>,
    spooling: Arc<Spooling<A, S>>,
    follow: Follow,
    lines: Lines,
    is_failing: bool,
}

impl<B: SessionBoard, A: AccountingStore, S: Spool> StaleKeeper<B, A, S> {
    pub fn new(board: Arc<B>, spooling: Arc<Spooling<A, S>>, follow: Follow) -> Self {
        Self {
            board,
            spooling,
            follow,
            lines: Lines::default(),
            is_failing: false,
        }
    }

    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        let mut interval = tokio::time::interval(EVERY);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let due = self.follow.sessions.vigil().due(BATCH);
            if !due.is_empty() {
                let outcome = self.look_at(&due).await;
                self.report(outcome);
            }
            self.lines.write();
        }
    }

    /// Looks what the database knows of those that are due. While it is away, or does not have what
    /// routers have reported, nobody is closed.
    async fn look_at(&mut self, due: &[(SessionKey, Watched)]) -> Result<(), PortError> {
        if self.spooling.state().is_spooling() {
            return Ok(());
        }
        let keys: Vec<_> = due.iter().map(|(key, _)| *key).collect();
        let rows = self.board.session_many(&keys).await?;
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.session.key, row)).collect();
        let mut lanes = BTreeMap::<usize, Vec<AccountingRecord>>::new();
        for (key, watched) in due {
            let Some(row) = rows.get(key) else {
                self.follow.ended(*key, watched.subscriber);
                continue;
            };
            if let Some(record) = self.judge(*watched, row) {
                let lane = key.lane(self.spooling.lanes());
                lanes.entry(lane).or_default().push(record);
            }
        }
        for (lane, records) in lanes {
            self.spooling.commit(lane, &records).await?;
            self.lines.note(&records);
        }
        Ok(())
    }

    fn judge(&self, watched: Watched, row: &LiveSession) -> Option<AccountingRecord> {
        let session = &row.session;
        let interim = self
            .follow
            .interim_of(session.tenant, &session.username, session.subscriber);
        let vigil = self.follow.sessions.vigil();
        let seconds = vigil.judge(session.key, watched, session.updated_at, interim)?;
        Some(AccountingRecord::Session(silence(session, seconds)))
    }

    fn report(&mut self, outcome: Result<(), PortError>) {
        let was_failing = std::mem::replace(&mut self.is_failing, outcome.is_err());
        match outcome {
            Ok(()) if was_failing => info!("Sessions without updates are looked at again"),
            Ok(()) => {}
            Err(problem) => {
                self.follow.metrics.count(Count::StaleFailure);
                if !was_failing {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "Sessions without updates could not be looked at; tried again in a minute"
                    );
                }
            }
        }
    }
}

/// What ends a session of which nothing was heard for so long.
fn silence(session: &Session, seconds: u32) -> SessionRecord {
    SessionRecord {
        event: SessionEvent::Silence,
        tenant: session.tenant,
        nas: session.nas,
        key: session.key,
        auth: None,
        terms: None,
        subscriber: session.subscriber,
        username: session.username.as_str().into(),
        at: session.updated_at,
        total: UsageAmount::default(),
        terminate_cause: Some(TerminateCause::Stale { seconds }),
        place: session.place.clone(),
    }
}

/// One line in the log for the sessions of a router that is silent, however many they are.
#[derive(Debug, Default)]
struct Lines {
    routers: HashMap<NasId, Line>,
}

#[derive(Debug)]
struct Line {
    closed: u64,
    next: Instant,
}

impl Lines {
    fn note(&mut self, records: &[AccountingRecord]) {
        for record in records {
            let nas = match record {
                AccountingRecord::Session(record) => record.nas,
                AccountingRecord::NasRestart(_) => continue,
            };
            if self.routers.len() < ROUTERS_MAX || self.routers.contains_key(&nas) {
                let line = self.routers.entry(nas).or_insert_with(|| Line {
                    closed: 0,
                    next: Instant::now(),
                });
                line.closed += 1;
            }
        }
    }

    fn write(&mut self) {
        let now = Instant::now();
        self.routers.retain(|nas, line| {
            if now < line.next {
                return true;
            }
            let closed = std::mem::take(&mut line.closed);
            if closed == 0 {
                return false;
            }
            line.next = now + LINE_EVERY;
            info!(
                nas.id = %nas,
                sessions = closed,
                "Closed {closed} sessions of a router that nothing was heard of for too long"
            );
            true
        });
    }
}
