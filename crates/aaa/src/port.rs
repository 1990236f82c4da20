//! What the node needs from the outside, stated as traits that the program implements.

use std::future::Future;
use std::time::Instant;

use compact_str::CompactString;
use domain::access::Claim;
use domain::accounting::{AccountingRecord, Origin, SessionKey};
use domain::auth_log::{AuthLogEntry, Knock};
use domain::change::Change;
use domain::guard::{GuardKey, GuardLock};
use domain::id::{PlanId, SessionId, SubscriberId, TenantId};
use domain::limit::{LimitNews, Meter};
use domain::mac::Mac;
use domain::nas::Nas;
use domain::plan::Plan;
use domain::session::{LiveSession, Session, SessionOutcome};
use domain::session_command::NewCommand;
use domain::session_match::SessionMatch;
use domain::session_news::SessionNews;
use domain::subscriber::Subscriber;
use domain::tenant::TenantPolicy;
use domain::time::Timestamp;
use rows::row::{GroupRows, UserRows};

use crate::session_table::OpenSession;

/// Where time comes from: wall-clock time for what is stored, monotonic time for deadlines.
pub trait Clock: Send + Sync + 'static {
    fn timestamp(&self) -> Timestamp;
    fn instant(&self) -> Instant;
}

/// Something outside did not work. The text, with its causes, is for the operator's log and holds
/// no secret.
#[derive(Debug, thiserror::Error)]
#[error("{line}")]
pub struct PortError {
    /// What was being done and why it failed: loggers that write objects show no causes.
    line: String,
    is_outage: bool,
}

impl PortError {
    pub fn new(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let mut line = doing.into();
        let source = source.into();
        let mut cause: Option<&dyn std::error::Error> = Some(&*source);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat the cause in their own message.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        Self {
            line,
            is_outage: false,
        }
    }

    /// The outside is at fault and not what it was given: the same may work later.
    pub fn outage(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            is_outage: true,
            ..Self::new(doing, source)
        }
    }

    pub const fn is_outage(&self) -> bool {
        self.is_outage
    }
}

/// The rows that FreeRADIUS' tables have for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<Rows> {
    pub name: String,
    pub rows: Rows,
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
    ) -> impl Future<Output = Result<Vec<LiveSession>, PortError>> + Send;
    /// The next users of FreeRADIUS' tables after `after` in the order of their names, at most
    /// `limit`.
    fn row_user_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Named<UserRows>>, PortError>> + Send;
    /// The next groups of FreeRADIUS' tables in the same way.
    fn row_group_page(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Named<GroupRows>>, PortError>> + Send;
    /// These users of FreeRADIUS' tables. A name that is not answered has no rows.
    fn row_user_many(
        &self,
        names: &[&str],
    ) -> impl Future<Output = Result<Vec<Named<UserRows>>, PortError>> + Send;
    /// These groups of FreeRADIUS' tables in the same way.
    fn row_group_many(
        &self,
        names: &[&str],
    ) -> impl Future<Output = Result<Vec<Named<GroupRows>>, PortError>> + Send;
    /// What every tenant has set for all subscribers.
    fn policy_all(&self) -> impl Future<Output = Result<Vec<TenantPolicy>, PortError>> + Send;
    fn plan_many(
        &self,
        ids: &[PlanId],
    ) -> impl Future<Output = Result<Vec<Plan>, PortError>> + Send;
    fn subscriber_many(
        &self,
        ids: &[SubscriberId],
    ) -> impl Future<Output = Result<Vec<Subscriber>, PortError>> + Send;
}

/// What this node and others know of sessions together.
pub trait SessionBoard: Send + Sync + 'static {
    /// These sessions, if they are open now.
    fn session_many(
        &self,
        keys: &[SessionKey],
    ) -> impl Future<Output = Result<Vec<LiveSession>, PortError>> + Send;
    /// The open sessions of all tenants of which all of it holds, at most `limit`.
    fn session_match(
        &self,
        wanted: &SessionMatch,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Session>, PortError>> + Send;
    /// Begins to read news, if that has not begun: what is loaded afterwards misses nothing.
    fn session_news_open(&self) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Waits for news of other nodes. Dropping the future loses nothing.
    fn session_news(&self) -> impl Future<Output = Result<Vec<SessionNews>, PortError>> + Send;
    /// Whether there are other nodes to tell.
    fn has_session_readers(&self) -> bool;
    /// Tells others, all or nothing; when this returns, sessions that have to end are stored.
    fn announce(&self, news: &[SessionNews]) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Takes in what is to be asked of routers about open sessions.
pub trait CommandDesk: Send + Sync + 'static {
    /// Takes commands in, all or none, and says for how many nothing like it was asked before.
    fn ask(&self, commands: &[NewCommand])
    -> impl Future<Output = Result<usize, PortError>> + Send;
}

/// Shows operators who is locked, and hears whom they let go.
pub trait GuardBoard: Send + Sync + 'static {
    /// Shows locks in place of those that were shown before, and says which of these an operator
    /// has let go.
    fn guard_exchange(
        &self,
        shown: &[GuardKey],
        locks: &[GuardLock],
    ) -> impl Future<Output = Result<Vec<GuardKey>, PortError>> + Send;
}

/// Binds devices to subscribers.
pub trait DeviceStore: Send + Sync + 'static {
    /// Binds a device if there is room for it, as one step: of several nodes that try it at once
    /// for the last place, one succeeds. `actor` is kept beside it.
    fn claim(
        &self,
        subscriber: SubscriberId,
        mac: Mac,
        actor: &str,
    ) -> impl Future<Output = Result<Claim, PortError>> + Send;
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

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Committed {
    /// With each record.
    pub stored: Vec<Stored>,
    /// The counters of limits that something was added to, as they are now.
    pub counted: Vec<LimitNews>,
}

/// Makes accounting durable in the database.
pub trait AccountingStore: Send + Sync + 'static {
    /// How many commits at a time it is made for. Sessions belong to one of so many lanes.
    fn lanes(&self) -> usize;

    /// Stores all records or none, in order, and returns when they are durable. What was stored
    /// under the same numbers is not stored again: a commit may be repeated when nobody saw its
    /// end, later and in other parts too, while the numbers of its source come in their order.
    ///
    /// What a record adds to the usage is added to its meters in the same step. Each meter has the
    /// index of its record, and they come in the order of the records.
    fn commit(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
        meters: &[(usize, Meter)],
    ) -> impl Future<Output = Result<Committed, PortError>> + Send;
}

/// A stored fact about limits, and when it was stored by the clock of who stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    pub news: LimitNews,
    pub updated_at: Timestamp,
}

/// Whose usage of a period is asked for that nobody has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitQuestion {
    pub tenant: TenantId,
    pub username: CompactString,
    pub meter: Meter,
}

/// Keeps what counts for the limits of subscribers.
pub trait LimitStore: Send + Sync + 'static {
    /// The next facts after `after`, in one order, at most `limit`.
    fn limit_page(
        &self,
        after: Option<LimitNews>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<LimitRow>, PortError>> + Send;
    /// Facts that were stored at `since` or later, the earliest first, at most `limit`.
    fn limit_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<LimitRow>, PortError>> + Send;
    /// What was used in periods that nobody has counted, as far as that is known.
    fn limit_sums(
        &self,
        questions: &[LimitQuestion],
    ) -> impl Future<Output = Result<Vec<LimitNews>, PortError>> + Send;
    /// Stores first uses; the earliest one of a subscriber stays, whoever heard of it.
    fn limit_note_first_use(
        &self,
        uses: &[(SubscriberId, Timestamp)],
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Records that went into the spool together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its place in the order of the spool.
    pub position: u64,
    pub origin: Origin,
    pub records: Vec<AccountingRecord>,
}

/// Keeps accounting on local disk while the database cannot store it.
pub trait Spool: Send + Sync + 'static {
    /// Appends records, all or none, and returns when they are durable.
    fn append(
        &self,
        origin: Origin,
        records: &[AccountingRecord],
    ) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The oldest parcels in their order, about `records_max` records of them; none only when the
    /// spool is empty.
    fn peek(
        &self,
        records_max: usize,
    ) -> impl Future<Output = Result<Vec<Parcel>, PortError>> + Send;
    /// Removes the parcels up to a position.
    fn remove(&self, through: u64) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Keeps a record aside that the database refuses.
    fn set_aside(
        &self,
        origin: Origin,
        record: &AccountingRecord,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Records that wait.
    fn depth(&self) -> u64;
}

/// Keeps the authentication log and the list of unknown senders.
pub trait AuthLogStore: Send + Sync + 'static {
    /// Stores all or none. An entry that was stored before, when nobody saw the end of it, is not
    /// stored again.
    fn append(
        &self,
        entries: &[&AuthLogEntry],
        knocks: &[Knock],
    ) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Keeps a copy of the directory on local disk, for a start without the database.
pub trait SnapshotStore: Send + Sync + 'static {
    type Draft: SnapshotDraft;
    /// Begins a copy of what was true at `as_of`. The copy before it stays until this one is
    /// finished.
    fn begin(&self, as_of: Timestamp) -> Result<Self::Draft, PortError>;
}

/// A copy that is being written by a thread that may wait for the disk: NAS first, then plans,
/// policies, subscribers, groups and users of FreeRADIUS' tables, and sessions. Dropped before its
/// end, it leaves nothing.
pub trait SnapshotDraft {
    fn add_nas(&mut self, nas: &Nas) -> Result<(), PortError>;
    fn add_plan(&mut self, plan: &Plan) -> Result<(), PortError>;
    fn add_policy(&mut self, policy: &TenantPolicy) -> Result<(), PortError>;
    fn add_subscriber(&mut self, subscriber: &Subscriber) -> Result<(), PortError>;
    fn add_row_group(&mut self, group: Named<GroupRows>) -> Result<(), PortError>;
    fn add_row_user(&mut self, user: Named<UserRows>) -> Result<(), PortError>;
    fn add_session(
        &mut self,
        subscriber: SubscriberId,
        session: &OpenSession,
    ) -> Result<(), PortError>;
    /// Puts the copy in the place of the one before it; when this returns, it is durable.
    fn finish(self) -> Result<(), PortError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("refused: {0}")]
    struct Refused(#[source] std::fmt::Error);

    #[test]
    fn a_failure_tells_its_causes_in_one_line_and_nothing_twice() {
        let problem = PortError::outage("storing accounting", Refused(std::fmt::Error));
        let cause = std::fmt::Error.to_string();
        let expected = format!("storing accounting: refused: {cause}");
        assert_eq!(problem.to_string(), expected);
    }
}
