//! What the worker counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use domain::session_command::RouterAnswer;
use domain::session_command::verdict::CommandState;

/// What came of asking a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Acknowledged,
    Refused,
    Silent,
    NotAsked,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub struct WorkerCounts {
    answers: [AtomicU64; Answer::ALL.len()],
    settled: [AtomicU64; CommandState::ALL.len()],
    failures: AtomicU64,
    buried: AtomicU64,
}

impl Answer {
    pub const ALL: [Self; 4] = [
        Self::Acknowledged,
        Self::Refused,
        Self::Silent,
        Self::NotAsked,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::NotAsked => "not_asked",
        }
    }

    pub(super) const fn of(answer: RouterAnswer) -> Self {
        match answer {
            RouterAnswer::Acknowledged => Self::Acknowledged,
            RouterAnswer::Refused(_) => Self::Refused,
            RouterAnswer::Silent => Self::Silent,
            RouterAnswer::NotAsked(_) => Self::NotAsked,
        }
    }
}

impl WorkerCounts {
    /// Questions to routers with this outcome.
    pub fn answers(&self, answer: Answer) -> u64 {
        self.answers[answer as usize].load(Relaxed)
    }

    /// Commands that got their verdict in this state.
    pub fn settled(&self, state: CommandState) -> u64 {
        self.settled[state as usize].load(Relaxed)
    }

    /// Turns that failed for want of the database, and questions that panicked.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Jobs put aside because they cannot be read.
    pub fn buried(&self) -> u64 {
        self.buried.load(Relaxed)
    }

    pub(super) fn add_answer(&self, answer: Answer) {
        self.answers[answer as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn add_settled(&self, state: CommandState) {
        self.settled[state as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn add_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn add_buried(&self, count: usize) {
        self.buried.fetch_add(count as u64, Relaxed);
    }
}
