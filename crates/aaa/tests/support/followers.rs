//! What learns from accounting, of a node that nobody knows anything of.

use std::sync::Arc;
use std::time::Instant;

use aaa::directory::Directory;
use aaa::limits::LimitTable;
use aaa::port::Clock;
use aaa::spooling::Followers;
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
    Followers {
        sessions: Arc::default(),
        limits: Arc::new(LimitTable::new(Arc::default())),
        directory: Arc::new(Directory::new([0; 32])),
        clock: Arc::new(Still),
    }
}
