//! What learns from accounting, of a node that nobody knows anything of.

use std::sync::Arc;
use std::time::Instant;

use aaa::directory::Directory;
use aaa::follow::{Follow, Followers};
use aaa::limits::LimitTable;
use aaa::port::Clock;
use domain::time::Timestamp;

/// A clock that stands.
struct Still;

impl Clock for Still {
    fn timestamp(&self) -> Timestamp {
        Timestamp::default()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

pub(crate) fn followers() -> Followers {
    let sessions = Follow {
        directory: Arc::new(Directory::new([0; 32])),
        sessions: Arc::default(),
        metrics: Arc::default(),
    };
    Followers {
        limits: Arc::new(LimitTable::new(Arc::clone(&sessions.metrics))),
        sessions,
        clock: Arc::new(Still),
    }
}
