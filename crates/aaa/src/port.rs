//! What the node needs from the outside, stated as traits that the program implements.

use std::future::Future;
use std::time::Instant;

use domain::accounting::AccountingRecord;
use domain::auth_log::{AuthLogEntry, Knock};
use domain::change::Change;
use domain::id::{PlanId, SessionId, SubscriberId};
use domain::nas::Nas;
use domain::plan::Plan;
use domain::session::{Session, SessionOutcome};
use domain::subscriber::Subscriber;
use domain::time::Timestamp;

/// Where time comes from: wall-clock time for what is stored, monotonic time for deadlines.
pub trait Clock: Send + Sync + 'static {
    fn timestamp(&self) -> Timestamp;
    fn instant(&self) -> Instant;
}

/// Something outside did not work. The text is for the operator's log and holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct PortError {
    doing: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl PortError {
    pub fn new(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

/// The registry that the directory mirrors. An id that is not answered no longer exists.
pub trait Registry: Send + Sync + 'static {
    fn nas_all(&self) -> impl Future<Output = Result<Vec<Nas>, PortError>> + Send;
    fn plan_all(&self) -> impl Future<Output = Result<Vec<Plan>, PortError>> + Send;
    /// The next subscribers after `after` in the order of their ids, at most `limit`.
    fn subscriber_page(
        &self,
        after: Option<SubscriberId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Subscriber>, PortError>> + Send;
    /// The next open sessions after `after` in the order of their ids, at most `limit`.
    fn session_page(
        &self,
        after: Option<SessionId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Session>, PortError>> + Send;
    fn plan_many(
        &self,
        ids: &[PlanId],
    ) -> impl Future<Output = Result<Vec<Plan>, PortError>> + Send;
    fn subscriber_many(
        &self,
        ids: &[SubscriberId],
    ) -> impl Future<Output = Result<Vec<Subscriber>, PortError>> + Send;
}

/// The change feed from one point on. Entries may come more than once and in any order.
pub trait ChangeFeed: Send + 'static {
    /// Waits until there is something; dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Change>, PortError>> + Send;
}

/// What the store did with one accounting record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Session {
        outcome: SessionOutcome,
        is_open: bool,
    },
    NasRestart {
        closed: u64,
    },
    /// The database has had it already, and nothing changed now.
    Before,
}

/// Makes accounting durable.
pub trait AccountingStore: Send + Sync + 'static {
    /// Stores all records or none, in order, and returns when they are durable.
    fn commit(
        &self,
        records: &[AccountingRecord],
    ) -> impl Future<Output = Result<Vec<Stored>, PortError>> + Send;
}

/// Keeps the authentication log and the list of unknown senders.
pub trait AuthLogStore: Send + Sync + 'static {
    fn append(
        &self,
        entries: &[AuthLogEntry],
        knocks: &[Knock],
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}
