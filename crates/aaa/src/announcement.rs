//! What is to be told outside of this node about sessions, gathered beside the packet path and told
//! by a task of its own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::id::SubscriberId;
use domain::session_news::{EndingReason, SessionEnding, SessionNews};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::metrics::{Count, Metrics};
use crate::port::SessionBoard;
use crate::session_table::{Device, Login, OpenSession, SessionTable};

/// News that may wait.
const QUEUE: usize = 16_384;

/// News that are told together.
const BATCH: usize = 1_024;

/// Wait before news are told again that could not be told.
const RETRY: Duration = Duration::from_secs(1);

/// News in the order in which they came.
#[derive(Debug, Default)]
pub struct Announcements {
    queue: Mutex<VecDeque<SessionNews>>,
    lost: AtomicU64,
    has_readers: AtomicBool,
    wake: Notify,
}

impl Announcements {
    /// A session has to end.
    pub(crate) fn end(&self, subscriber: SubscriberId, session: &OpenSession) {
        self.push(SessionNews::Ending(SessionEnding {
            key: session.key,
            nas: session.nas,
            subscriber,
            reason: EndingReason::Replaced,
        }));
    }

    /// A login was let in.
    pub(crate) fn reserve(&self, login: &Login) {
        self.push(SessionNews::Reserved {
            subscriber: login.subscriber,
            nas: login.nas,
            device: login.device.as_ref().map(Device::to_text),
        });
    }

    /// Whether other nodes are there to hear who was let in.
    pub(crate) fn has_readers(&self) -> bool {
        self.has_readers.load(Relaxed)
    }

    pub(crate) fn set_readers(&self, has_readers: bool) {
        self.has_readers.store(has_readers, Relaxed);
    }

    /// News that wait to be told.
    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    fn push(&self, news: SessionNews) {
        let mut queue = self.queue();
        if QUEUE <= queue.len() {
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        queue.push_back(news);
        drop(queue);
        self.wake.notify_one();
    }

    /// The oldest news, which stay until they are [`Self::told`].
    fn peek(&self) -> Vec<SessionNews> {
        let queue = self.queue();
        queue.iter().take(BATCH).cloned().collect()
    }

    fn told(&self, count: usize) {
        self.queue().drain(..count);
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<SessionNews>> {
        // Whoever panicked left whole news behind.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what is to be told.
#[derive(Debug)]
pub struct Announcer<B> {
    pub board: Arc<B>,
    pub sessions: Arc<SessionTable>,
    pub metrics: Arc<Metrics>,
    pub is_failing: bool,
}

impl<B: SessionBoard> Announcer<B> {
    /// Never ends. After a panic it may be called again.
    pub async fn run(&mut self) {
        loop {
            let announcements = self.sessions.announcements();
            let lost = announcements.lost.swap(0, Relaxed);
            if 0 < lost {
                self.metrics.add(Count::AnnouncementLost, lost);
            }
            let news = announcements.peek();
            if news.is_empty() {
                announcements.wake.notified().await;
                continue;
            }
            announcements.set_readers(self.board.has_session_readers());
            if let Err(wait) = self.tell(&news).await {
                tokio::time::sleep(wait).await;
            }
        }
    }

    async fn tell(&mut self, news: &[SessionNews]) -> Result<(), Duration> {
        match self.board.announce(news).await {
            Ok(()) => {
                self.sessions.announcements().told(news.len());
                let is_ending = |one: &&SessionNews| matches!(one, SessionNews::Ending(_));
                let ended = news.iter().filter(is_ending).count();
                self.metrics.add(Count::SessionReplaced, ended as u64);
                if std::mem::take(&mut self.is_failing) {
                    info!("News of sessions are stored again");
                }
                Ok(())
            }
            Err(problem) => {
                self.metrics.count(Count::SessionNewsFailure);
                if !std::mem::replace(&mut self.is_failing, true) {
                    error!(
                        error = &problem as &dyn std::error::Error,
                        "News of sessions cannot be stored yet"
                    );
                }
                Err(RETRY)
            }
        }
    }
}
