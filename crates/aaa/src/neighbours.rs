//! Follows what other nodes tell of sessions, so that a login is decided by what all of them know.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::accounting::SessionKey;
use domain::id::SubscriberId;
use domain::session_news::SessionNews;
use tracing::{error, info};

use crate::engine::Moment;
use crate::follow::Follow;
use crate::metrics::Count;
use crate::port::{Clock, PortError, Registry, SessionBoard};
use crate::session_table::{self, Device, Login, OpenSession};
use crate::spooling::SpoolState;

/// Sessions read at a time.
const PAGE: u32 = 10_000;

/// Sessions looked up together.
const SLICE: usize = 1_024;

/// Wait before news are read again after a failure, and before everything is loaded while the
/// database does not have what this node has spooled.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the session table up to what other nodes do.
pub struct Neighbours<R> {
    pub(crate) board: Arc<R>,
    pub(crate) follow: Follow,
    pub(crate) spool: Arc<SpoolState>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What was read may not have been applied, so everything is loaded.
    pub(crate) is_behind: bool,
    pub(crate) has_run: bool,
}

impl<R: Registry + SessionBoard> Neighbours<R> {
    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        self.is_behind |= std::mem::replace(&mut self.has_run, true);
        let mut was_failing = false;
        loop {
            match self.follow_once().await {
                Ok(()) if was_failing => {
                    info!("Sessions of other nodes are followed again");
                    was_failing = false;
                }
                Ok(()) => {}
                Err(problem) => {
                    self.is_behind = true;
                    self.follow.metrics.count(Count::SessionNewsFailure);
                    if !std::mem::replace(&mut was_failing, true) {
                        error!(
                            error = &problem as &dyn std::error::Error,
                            "Sessions of other nodes cannot be followed; session limits go by what this node knows"
                        );
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn follow_once(&mut self) -> Result<(), PortError> {
        if self.is_behind && !self.spool.is_spooling() {
            // Opened before everything is loaded, so that nothing falls between the two.
            self.board.session_news_open().await?;
            self.load().await?;
            self.is_behind = false;
        }
        let wait = if self.is_behind { RETRY } else { Duration::MAX };
        let Ok(news) = tokio::time::timeout(wait, self.board.session_news()).await else {
            return Ok(());
        };
        let news = news?;
        let has_readers = self.board.has_session_readers();
        self.follow
            .sessions
            .announcements()
            .set_readers(has_readers);
        self.apply(&news).await
    }

    async fn apply(&mut self, news: &[SessionNews]) -> Result<(), PortError> {
        let mut changed = Vec::new();
        for one in news {
            match one {
                SessionNews::Changed { key, subscriber } => changed.push((*key, *subscriber)),
                SessionNews::Reserved {
                    subscriber,
                    nas,
                    device,
                } => {
                    let login = Login {
                        subscriber: *subscriber,
                        nas: *nas,
                        device: device.as_deref().map(Device::from_calling_station),
                    };
                    let follow = &self.follow;
                    follow.sessions.reserve(login, self.now(), &follow.metrics);
                }
                SessionNews::Ending(ending) => {
                    let is_it = |session: &OpenSession| session.key == ending.key;
                    self.follow.sessions.replace(ending.subscriber, is_it);
                }
                SessionNews::Everything => self.is_behind = true,
            }
        }
        self.look_at(&changed).await?;
        let metrics = &self.follow.metrics;
        metrics.add(Count::SessionNewsApplied, news.len() as u64);
        Ok(())
    }

    /// Looks how sessions stand now. What is not in the database may be in this node's spool.
    async fn look_at(&mut self, sessions: &[(SessionKey, SubscriberId)]) -> Result<(), PortError> {
        for slice in sessions.chunks(SLICE) {
            let keys: Vec<_> = slice.iter().map(|(key, _)| *key).collect();
            let rows = self.board.session_many(&keys).await?;
            let open: HashSet<_> = rows.iter().map(|row| row.session.key).collect();
            let now = self.clock.timestamp();
            for row in &rows {
                self.follow.loaded(row, now);
            }
            if self.spool.is_spooling() {
                self.is_behind = true;
                continue;
            }
            for (key, subscriber) in slice {
                if !open.contains(key) {
                    self.follow.ended(*key, Some(*subscriber));
                }
            }
        }
        Ok(())
    }

    /// Loads all open sessions, and forgets those that are open no more.
    async fn load(&mut self) -> Result<(), PortError> {
        let mut known = Vec::new();
        let collect = self.follow.sessions.try_for_each(|subscriber, session| {
            known.push((session.key, subscriber));
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = collect;
        self.follow.sessions.watch_departures();
        let mut open = HashSet::with_capacity(known.len());
        let mut after = None;
        loop {
            let page = self.board.session_page(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.session.id);
            let now = self.clock.timestamp();
            for row in &page {
                open.insert(row.session.key);
                self.follow.loaded(row, now);
            }
        }
        known.retain(|(key, _)| !open.contains(key));
        match self.follow.sessions.take_departures() {
            // They may have been read before they ended.
            Ok(gone) => known.extend(gone),
            Err(session_table::TooMany) => {
                return Err(PortError::outage(
                    "reading the open sessions",
                    "too many of them ended meanwhile",
                ));
            }
        }
        self.look_at(&known).await?;
        info!(
            sessions = self.follow.sessions.len(),
            "Loaded the open sessions again"
        );
        Ok(())
    }

    fn now(&self) -> Moment {
        Moment {
            instant: self.clock.instant(),
            timestamp: self.clock.timestamp(),
        }
    }
}
