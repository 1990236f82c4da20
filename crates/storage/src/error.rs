//! What can go wrong in the store. Messages are fit for users and never carry a secret.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use domain::garden::GardenError;
use domain::subscriber::state::TransitionError;
use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::key_ring::KeyRingError;

/// A kind of thing that is stored under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    Nas,
    Plan,
    Subscriber,
    Session,
    RowUser,
    RowGroup,
    Tenant,
    Garden,
    NasGroup,
    Device,
    Message,
    Realm,
    TopUp,
    ApiKey,
    Customer,
    CustomerNote,
    PlanVersion,
    PlanChange,
    GuardLock,
    Operator,
    OperatorSession,
    Operation,
    Job,
    Schedule,
    Reconciler,
    Webhook,
    Delivery,
    Directory,
    SessionCommand,
}

impl Resource {
    pub const ALL: [Self; 29] = [
        Self::Nas,
        Self::Plan,
        Self::Subscriber,
        Self::Session,
        Self::RowUser,
        Self::RowGroup,
        Self::Tenant,
        Self::Garden,
        Self::NasGroup,
        Self::Device,
        Self::Message,
        Self::Realm,
        Self::TopUp,
        Self::ApiKey,
        Self::PlanVersion,
        Self::PlanChange,
        Self::GuardLock,
        Self::Operator,
        Self::OperatorSession,
        Self::Operation,
        Self::Job,
        Self::Schedule,
        Self::Reconciler,
        Self::Webhook,
        Self::Delivery,
        Self::Customer,
        Self::CustomerNote,
        Self::SessionCommand,
        Self::Directory,
    ];

    /// The name that programs know it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nas => "nas",
            Self::Plan => "plan",
            Self::Subscriber => "subscriber",
            Self::Session => "session",
            Self::RowUser => "row_user",
            Self::RowGroup => "row_group",
            Self::Tenant => "tenant",
            Self::Garden => "garden",
            Self::NasGroup => "nas_group",
            Self::Device => "device",
            Self::Message => "message",
            Self::Realm => "realm",
            Self::TopUp => "top_up",
            Self::ApiKey => "api_key",
            Self::Customer => "customer",
            Self::CustomerNote => "customer_note",
            Self::PlanVersion => "plan_version",
            Self::PlanChange => "plan_change",
            Self::GuardLock => "guard_lock",
            Self::Operator => "operator",
            Self::OperatorSession => "operator_session",
            Self::Operation => "operation",
            Self::Job => "job",
            Self::Schedule => "schedule",
            Self::Reconciler => "reconciler",
            Self::Webhook => "webhook",
            Self::Delivery => "delivery",
            Self::Directory => "directory",
            Self::SessionCommand => "session_command",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Nas => "NAS",
            Self::Plan => "plan",
            Self::Subscriber => "subscriber",
            Self::Session => "session",
            Self::RowUser => "user with rows",
            Self::RowGroup => "group with rows",
            Self::Tenant => "tenant",
            Self::Garden => "walled garden",
            Self::NasGroup => "NAS group",
            Self::Device => "device",
            Self::Message => "message",
            Self::Realm => "realm",
            Self::TopUp => "top-up",
            Self::ApiKey => "API key",
            Self::Customer => "customer",
            Self::CustomerNote => "note",
            Self::PlanVersion => "version of a plan",
            Self::PlanChange => "scheduled change",
            Self::GuardLock => "lock",
            Self::Operator => "operator",
            Self::OperatorSession => "session of an operator",
            Self::Operation => "operation",
            Self::Job => "job",
            Self::Schedule => "schedule",
            Self::Reconciler => "reconciler",
            Self::Webhook => "webhook",
            Self::Delivery => "delivery",
            Self::Directory => "directory",
            Self::SessionCommand => "session command",
        })
    }
}

/// A field whose value must be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UniqueField {
    Name,
    Source,
    Username,
    Ipv4,
    Ipv6Prefix,
    Ipv6Delegated,
    Number,
}

impl UniqueField {
    /// The name as it is in options and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Source => "address",
            Self::Username => "username",
            Self::Ipv4 => "ipv4",
            Self::Ipv6Prefix => "ipv6-prefix",
            Self::Ipv6Delegated => "ipv6-delegated",
            Self::Number => "number",
        }
    }
}

impl fmt::Display for UniqueField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Why a store method failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no {what} '{name}'")]
    NotFound { what: Resource, name: String },
    #[error("{what} '{name}' cannot be stored: another {what} has the same {field}")]
    Conflict {
        what: Resource,
        name: String,
        field: UniqueField,
    },
    /// Somebody else was faster.
    #[error("{what} '{name}' has been changed since you looked: look again")]
    Stale { what: Resource, name: String },
    #[error("{what} '{name}' is still used, {by}: {users}; move them first")]
    InUse {
        what: Resource,
        name: String,
        by: &'static str,
        users: u64,
    },
    #[error("plan '{name}' applies at the limit of other plans: {plans}; change those first")]
    AppliesAtLimit { name: String, plans: u64 },
    #[error("subscriber '{name}'")]
    Transition {
        name: String,
        #[source]
        source: TransitionError,
    },
    #[error("the walled garden cannot be as it would become")]
    Garden(#[source] GardenError),
    #[error("operator '{name}' is the last active owner: make another one owner first")]
    LastOwner { name: String },
    #[error("the second factor of operator '{name}' {problem}")]
    SecondFactor { name: String, problem: &'static str },
    #[error("the tenant of this installation itself cannot be disabled")]
    HouseTenant,
    #[error("only a hash of the password of '{name}' is stored: give a new password instead")]
    OnlyHashed { name: String },
    #[error("{what} of '{name}' would be {count}: at most {max} are kept")]
    TooMany {
        what: &'static str,
        name: String,
        count: usize,
        max: usize,
    },
    /// It is not in a state in which this can be done.
    #[error("{what} '{name}' is {state}: {remedy}")]
    WrongState {
        what: Resource,
        name: String,
        state: &'static str,
        remedy: &'static str,
    },
    /// The database cannot be reached now; the same call may succeed later.
    #[error("the database cannot be reached")]
    Unavailable(#[source] DatabaseError),
    #[error("the database refused the operation")]
    Refused(#[source] DatabaseError),
    /// A stored value is not one that this program writes.
    #[error("{table}.{column} of row {row} has a value that cannot be read")]
    Corrupt {
        table: &'static str,
        column: &'static str,
        row: String,
    },
    #[error("{table}.{column} of row {row} cannot be unsealed")]
    Sealed {
        table: &'static str,
        column: &'static str,
        row: String,
        #[source]
        source: KeyRingError,
    },
}

/// What the database or its connection said.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(Said);

/// Who said it: the drivers that most of the store uses, or the one of the journal on SQLite.
#[derive(Debug, thiserror::Error)]
enum Said {
    #[error(transparent)]
    Drivers(DbErr),
    #[error(transparent)]
    Journal(rusqlite::Error),
}

impl StoreError {
    /// Whether another attempt at the same transaction may succeed at once: it lost a race that
    /// PostgreSQL resolves by aborting one side (SQLSTATE 40001 and 40P01).
    pub fn is_lost_race(&self) -> bool {
        let Self::Refused(error) = self else {
            return false;
        };
        error
            .code()
            .is_some_and(|code| code == "40001" || code == "40P01")
    }

    /// Whether PostgreSQL did not grant a lock in time, or took it away to end a deadlock (SQLSTATE
    /// 55P03 and 40P01).
    pub(crate) fn is_lock_refused(&self) -> bool {
        let Self::Refused(error) = self else {
            return false;
        };
        error
            .code()
            .is_some_and(|code| code == "55P03" || code == "40P01")
    }
}

impl StoreError {
    /// Whether the disk of the database has no room.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Unavailable(error) | Self::Refused(error) => error.is_disk_full(),
            Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Stale { .. }
            | Self::InUse { .. }
            | Self::AppliesAtLimit { .. }
            | Self::Transition { .. }
            | Self::Garden(_)
            | Self::LastOwner { .. }
            | Self::SecondFactor { .. }
            | Self::HouseTenant
            | Self::OnlyHashed { .. }
            | Self::TooMany { .. }
            | Self::WrongState { .. }
            | Self::Corrupt { .. }
            | Self::Sealed { .. } => false,
        }
    }
}

impl DatabaseError {
    /// SQLSTATE 53100, or SQLITE_FULL, 13, or the index of SQLite's journal that could not grow
    /// (SQLITE_IOERR_SHMSIZE, 4874).
    pub(crate) fn is_disk_full(&self) -> bool {
        self.code()
            .is_some_and(|code| matches!(&*code, "53100" | "13" | "4874"))
    }

    /// Whether a row is not what a constraint of PostgreSQL says (SQLSTATE 23514).
    pub(crate) fn is_check_violated(&self) -> bool {
        self.code().is_some_and(|code| code == "23514")
    }

    /// Whether SQLite found its file damaged (11), or no database at all (26).
    pub(crate) fn is_file_damaged(&self) -> bool {
        self.code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| matches!(code & 0xff, 11 | 26))
    }

    /// The code of the database, when it is the database that spoke and gave one.
    fn code(&self) -> Option<Cow<'_, str>> {
        match &self.0 {
            Said::Drivers(error) => find_sqlx(error)?.as_database_error()?.code(),
            Said::Journal(error) => find_sqlite_code(error).map(|code| code.to_string().into()),
        }
    }

    /// Whether it is the database that spoke.
    fn is_of_database(&self) -> bool {
        match &self.0 {
            Said::Drivers(error) => {
                find_sqlx(error).is_some_and(|error| error.as_database_error().is_some())
            }
            Said::Journal(error) => find_sqlite_code(error).is_some(),
        }
    }
}

impl StoreError {
    /// Whether the store is at fault and not what it was given: away, full, damaged, not let in.
    /// What it was given is at fault when a value does not fit or breaks a rule.
    pub fn is_outage(&self) -> bool {
        let Self::Refused(error) = self else {
            return matches!(self, Self::Unavailable(_));
        };
        error.is_of_database() && error.code().is_none_or(|code| !is_about_values(&code))
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if is_connection_lost(&error) {
            Self::Unavailable(error.into())
        } else {
            Self::Refused(error.into())
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let is_passing = find_sqlite_code(&error).is_some_and(is_sqlite_busy);
        let error = DatabaseError(Said::Journal(error));
        if is_passing {
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        Self::from(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
    }
}

impl From<DbErr> for DatabaseError {
    fn from(error: DbErr) -> Self {
        Self(Said::Drivers(error))
    }
}

impl From<SqlxError> for DatabaseError {
    fn from(error: SqlxError) -> Self {
        DbErr::Conn(RuntimeErr::SqlxError(error.into())).into()
    }
}

/// The field whose uniqueness a statement would have broken. SQLite names the columns, PostgreSQL
/// the index; our indexes are named after their columns.
pub(crate) fn find_conflict(error: &DbErr) -> Option<UniqueField> {
    let sea_orm::SqlErr::UniqueConstraintViolation(message) = error.sql_err()? else {
        return None;
    };
    [
        ("name_key", UniqueField::Name),
        ("source", UniqueField::Source),
        ("username", UniqueField::Username),
        ("ipv4", UniqueField::Ipv4),
        ("ipv6_prefix", UniqueField::Ipv6Prefix),
        ("ipv6_delegated", UniqueField::Ipv6Delegated),
        ("customer.number", UniqueField::Number),
        ("customer_number", UniqueField::Number),
    ]
    .into_iter()
    .find(|(column, _)| message.contains(column))
    .map(|(_, field)| field)
}

fn find_sqlx(error: &DbErr) -> Option<&SqlxError> {
    if let DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error)) = error
    {
        Some(error)
    } else {
        None
    }
}

/// The extended result code of SQLite.
const fn find_sqlite_code(error: &rusqlite::Error) -> Option<i32> {
    if let rusqlite::Error::SqliteFailure(failure, _) = error {
        Some(failure.extended_code)
    } else {
        None
    }
}

/// SQLITE_BUSY, 5, in the low octet.
const fn is_sqlite_busy(code: i32) -> bool {
    code & 0xff == 5
}

fn is_connection_lost(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return true;
    }
    match find_sqlx(error) {
        Some(
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed,
        ) => true,
        Some(SqlxError::Database(error)) => {
            error.code().is_some_and(|code| is_passing_trouble(&code))
        }
        _ => false,
    }
}

/// SQLSTATE; the codes of SQLite are shorter.
const POSTGRES_CODE_LEN: usize = 5;

/// A code of a state that passes: on PostgreSQL class 08, a connection exception, and 57P, a server
/// that stops or starts; on SQLite 5 in the low octet, a writer that takes its time.
fn is_passing_trouble(code: &str) -> bool {
    if code.len() == POSTGRES_CODE_LEN {
        return code.starts_with("57P") || code.starts_with("08");
    }
    code.parse().is_ok_and(is_sqlite_busy)
}

/// A code that speaks of a value: on PostgreSQL classes 22, data, 23, integrity, and 54, limits; on
/// SQLite 18, too big, 19, constraint, 20, mismatch, and 25, range.
fn is_about_values(code: &str) -> bool {
    if code.len() == POSTGRES_CODE_LEN {
        return ["22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    let primary = code.parse::<u32>().map(|code| code & 0xff);
    primary.is_ok_and(|code| matches!(code, 18 | 19 | 20 | 25))
}

/// Why the database could not be opened. Each message is one line with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("database.url is not usable: {reason}")]
    BadUrl { reason: &'static str },
    #[error(
        "the database {place} cannot be reached: check that it runs and that the URL, user and password are right"
    )]
    Unreachable {
        place: String,
        #[source]
        source: DatabaseError,
    },
    #[error(
        "{place} cannot be read as a SQLite database: name another file, or restore it from a backup"
    )]
    Unreadable {
        place: String,
        #[source]
        source: DatabaseError,
    },
    #[error("the disk of {place} is full: free some space on it")]
    DiskFull {
        place: String,
        #[source]
        source: DatabaseError,
    },
    #[error("{} cannot be written: give this user write access, or choose another data directory", path.display())]
    ReadOnly {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the PostgreSQL server at {place} is version {found}: lastmile needs 15 or newer")]
    ServerTooOld { place: String, found: u32 },
    #[error(
        "the schema of {place} is version {found} and this program knows {known}: run the newer lastmile that made it"
    )]
    NewerSchema {
        place: String,
        found: u32,
        known: u32,
    },
    #[error(
        "the schema of {place} is version {found} and this program needs {known}: run `lastmile migrate`"
    )]
    NotMigrated {
        place: String,
        found: u32,
        known: u32,
    },
    #[error("the key ring does not fit the database")]
    KeyRing(#[from] KeyRingError),
    #[error("the database {place} could not be prepared")]
    Failed {
        place: String,
        #[source]
        source: DatabaseError,
    },
}

impl OpenError {
    /// Whether the database is away or does not work now, and may come back as it was. What is
    /// wrong with the configuration, the program or the key ring stays wrong.
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Unreadable { .. }
            | Self::DiskFull { .. }
            | Self::Failed { .. } => true,
            Self::BadUrl { .. }
            | Self::ReadOnly { .. }
            | Self::ServerTooOld { .. }
            | Self::NewerSchema { .. }
            | Self::NotMigrated { .. }
            | Self::KeyRing(_) => false,
        }
    }
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("migration {name} failed; the schema of {place} is as it was")]
    Failed {
        place: String,
        name: &'static str,
        #[source]
        source: DatabaseError,
    },
}

impl MigrateError {
    /// Whether the database is away or does not work now. A migration that it refuses is refused
    /// again.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Open(error) => error.is_outage(),
            Self::Failed { source, .. } => match &source.0 {
                Said::Drivers(error) => is_connection_lost(error),
                Said::Journal(_) => false,
            },
        }
    }

    /// The errors that opening the database has in common with migrating it.
    pub const fn as_open(&self) -> Option<&OpenError> {
        match self {
            Self::Open(error) => Some(error),
            Self::Failed { .. } => None,
        }
    }
}
