//! What nodes tell each other, and those who end sessions, about sessions.

use compact_str::CompactString;

use crate::accounting::SessionKey;
use crate::id::{NasId, SubscriberId};

/// Something that other nodes should know. It may be told more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionNews {
    /// A session began or ended: whoever hears of it looks how it stands now.
    Changed {
        key: SessionKey,
        subscriber: SubscriberId,
    },
    /// A device was let in and is about to begin a session.
    Reserved {
        subscriber: SubscriberId,
        nas: NasId,
        /// Calling-Station-Id, canonical if it is a MAC.
        device: Option<CompactString>,
    },
    /// A session has to end.
    Ending(SessionEnding),
    /// News were lost: load all open sessions again.
    Everything,
}

/// A session that has to end, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnding {
    pub key: SessionKey,
    pub nas: NasId,
    pub subscriber: SubscriberId,
    pub reason: EndingReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndingReason {
    /// A later session of the subscriber took its place.
    Replaced,
}

impl EndingReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
        }
    }
}
