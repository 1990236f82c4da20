//! The store: one open database with its clock and its keys.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use domain::id::Id;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, QueryResult};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use crate::accounting;
use crate::act::Act;
use crate::bulk::Insert;
use crate::clock::Clock;
use crate::connection::{Connections, JournalConnection};
use crate::dialect::Dialect;
use crate::error::{DatabaseError, OpenError, StoreError};
use crate::id::IdSource;
use crate::key_ring::{KeyRing, KeyRingError};
use crate::location::Location;
use crate::migration;
use crate::seal::KEY_CHECK;
use crate::write::{self, Ending, Whole};

/// What every key seals once, so that a wrong ring is found before anything else is read.
const KEY_CHECK_PLAIN: &[u8] = b"lastmile";

const KEY_CHECK_INSERT: Insert<'static> = Insert {
    table: "key_check",
    columns: &["key_id", "sealed"],
    on_conflict: "ON CONFLICT (key_id) DO NOTHING",
};

/// Where the database is, and what time it is.
#[derive(Clone)]
pub struct OpenOptions {
    /// `sqlite:` for `lastmile.db` in the data directory, `sqlite:PATH`, or `postgres://…`.
    pub url: String,
    pub data_dir: PathBuf,
    pub clock: Clock,
}

/// The same, with the keys that sealed columns need.
#[derive(Clone)]
pub struct StoreOptions {
    /// `sqlite:` for `lastmile.db` in the data directory, `sqlite:PATH`, or `postgres://…`.
    pub url: String,
    pub data_dir: PathBuf,
    pub clock: Clock,
    pub keys: KeyRing,
}

/// An open database; cheap to clone. Every method is one transaction, or a part of a
/// [`crate::unit::Unit`].
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    ending: Ending,
    act: Option<Arc<Act>>,
    /// The transaction that everything it writes is a part of.
    whole: Option<Arc<Whole>>,
}

struct Inner {
    location: Location,
    place: String,
    connections: Connections,
    clock: Clock,
    keys: KeyRing,
    ids: IdSource,
    wake: Arc<Notify>,
    job_wake: Notify,
    operation_wake: Notify,
    turn: Arc<Mutex<()>>,
    /// Names this node among those that share the database.
    node: Uuid,
    /// Another node is there to hear of sessions.
    has_session_readers: AtomicBool,
}

/// What one key sealed once.
struct KeyCheck {
    row: Uuid,
    sealed: Vec<u8>,
}

impl OpenOptions {
    /// The database, without user and password.
    pub fn place(&self) -> Result<String, OpenError> {
        Ok(Location::parse(&self.url, &self.data_dir)?.place())
    }

    /// How many commits of accounting at a time pay: SQLite has one writer.
    pub fn accounting_lanes(&self) -> Result<usize, OpenError> {
        Ok(match Location::parse(&self.url, &self.data_dir)? {
            Location::Sqlite(_) => 1,
            Location::Postgres(_) => accounting::postgres::LANES,
        })
    }
}

impl StoreOptions {
    /// The part that says where the database is.
    pub fn database(&self) -> OpenOptions {
        OpenOptions {
            url: self.url.clone(),
            data_dir: self.data_dir.clone(),
            clock: Arc::clone(&self.clock),
        }
    }
}

/// Without the URL, which may carry a password.
impl fmt::Debug for StoreOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreOptions")
            .field("data_dir", &self.data_dir)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Without the URL, which may carry a password.
impl fmt::Debug for OpenOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenOptions")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Store")
            .field("place", &self.inner.place)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Connects and checks that schema and keys fit. It changes no schema: that is
    /// [`migration::migrate`].
    pub async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        let location = Location::parse(&options.url, &options.data_dir)?;
        let place = location.place();
        if let Location::Sqlite(path) = &location
            && !path.exists()
        {
            return Err(not_migrated(place, 0));
        }
        let connections = Connections::open(&location).await?;
        let failed = |source| OpenError::Failed {
            place: location.place(),
            source: DatabaseError::from(source),
        };
        let found = migration::find_version(&connections.writer)
            .await
            .map_err(failed)?;
        migration::check_version(&location, found)?;
        if found < migration::known_version() {
            return Err(not_migrated(place, found));
        }
        let checks = key_checks(&connections.writer, &options.keys)
            .await
            .map_err(failed)?;
        check_keys(&options.keys, &checks)?;
        let ids = IdSource::default();
        let node: Id<()> = ids.next((options.clock)());
        Ok(Self {
            inner: Arc::new(Inner {
                location,
                place,
                connections,
                clock: options.clock,
                keys: options.keys,
                ids,
                wake: Arc::new(Notify::new()),
                job_wake: Notify::new(),
                operation_wake: Notify::new(),
                turn: Arc::default(),
                node: node.as_uuid(),
                has_session_readers: AtomicBool::new(false),
            }),
            ending: Ending::Committed,
            act: None,
            whole: None,
        })
    }

    /// The same store for a rehearsal: what it writes is checked and answered as ever, and undone.
    pub fn rehearsal(&self) -> Self {
        Self {
            ending: Ending::Undone,
            ..self.clone()
        }
    }

    /// The same store on behalf of somebody: what it changes is in the audit log under their name.
    pub fn acting(&self, act: Act) -> Self {
        Self {
            act: Some(Arc::new(act)),
            ..self.clone()
        }
    }

    /// The same store within a transaction.
    pub(crate) fn within(&self, whole: Arc<Whole>) -> Self {
        Self {
            whole: Some(whole),
            ..self.clone()
        }
    }

    /// Asks the database for an answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.reader()
            .query_one_raw(self.dialect().statement("SELECT 1", []))
            .await?;
        Ok(())
    }

    /// Closes the connections of all clones; SQLite folds its journal into the file. Methods fail
    /// afterwards.
    pub async fn close(&self) {
        self.inner.connections.clone().close().await;
    }

    /// The database, without user and password.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    pub(crate) fn location(&self) -> &Location {
        &self.inner.location
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.inner.connections.dialect()
    }

    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.inner.connections.reader
    }

    /// For [`crate::write`] alone.
    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.inner.connections.writer
    }

    /// For [`crate::accounting`] alone.
    pub(crate) fn journal(&self) -> &JournalConnection {
        &self.inner.connections.journal
    }

    /// Held by whoever writes to SQLite, which has one writer at a time; in a queue, which is
    /// fairer than asking the file again and again.
    pub(crate) fn turn(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.inner.turn)
    }

    /// On whose behalf it writes.
    pub(crate) fn act(&self) -> Option<Arc<Act>> {
        self.act.clone()
    }

    /// What its write transactions are parts of.
    pub(crate) fn whole(&self) -> Option<Arc<Whole>> {
        self.whole.clone()
    }

    /// What becomes of its write transactions.
    pub(crate) const fn ending(&self) -> Ending {
        self.ending
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    pub(crate) fn new_id<Kind>(&self) -> Id<Kind> {
        self.inner.ids.next(self.now())
    }

    /// What this store is called among the nodes that share its database.
    pub(crate) fn node(&self) -> Uuid {
        self.inner.node
    }

    /// Whether another node is there to hear of sessions.
    pub fn has_session_readers(&self) -> bool {
        self.inner.has_session_readers.load(Relaxed)
    }

    pub(crate) fn set_session_readers(&self, has_readers: bool) {
        self.inner.has_session_readers.store(has_readers, Relaxed);
    }

    /// Woken when this process has added jobs.
    pub(crate) fn job_wake(&self) -> &Notify {
        &self.inner.job_wake
    }

    /// Woken when this process has queued operations.
    pub(crate) fn operation_wake(&self) -> &Notify {
        &self.inner.operation_wake
    }

    /// Woken after every commit of this process that has changes.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.wake)
    }
}

fn not_migrated(place: String, found: u32) -> OpenError {
    OpenError::NotMigrated {
        place,
        found,
        known: migration::known_version(),
    }
}

/// The check values of all keys that the database has seen. The newest key of the ring is added to
/// them, unless the ring lacks one of the others.
async fn key_checks(
    connection: &DatabaseConnection,
    keys: &KeyRing,
) -> Result<Vec<KeyCheck>, DbErr> {
    let newest = keys.newest().0.0;
    let is_known = |checks: &[KeyCheck]| checks.iter().any(|check| check.row == check_row(newest));
    let checks = read_checks(connection).await?;
    if is_known(&checks) {
        return Ok(checks);
    }
    let transaction = write::begin(connection).await?;
    // Of two nodes that begin with rings of their own, one must see the mark of the other.
    migration::lock(&transaction).await?;
    let mut checks = read_checks(&transaction).await?;
    // A ring that cannot open what others have sealed must not leave its mark.
    if !is_known(&checks) && check_keys(keys, &checks).is_ok() {
        let row = check_row(newest);
        let sealed = KEY_CHECK.seal(keys, row, KEY_CHECK_PLAIN);
        KEY_CHECK_INSERT
            .run(
                &transaction,
                [[i64::from(newest).into(), sealed.clone().into()]],
            )
            .await?;
        checks.push(KeyCheck { row, sealed });
    }
    transaction.commit().await?;
    Ok(checks)
}

async fn read_checks<C: ConnectionTrait>(connection: &C) -> Result<Vec<KeyCheck>, DbErr> {
    let select = "SELECT key_id, sealed FROM key_check ORDER BY key_id";
    let statement = Dialect::of(connection).statement(select, []);
    let rows = connection.query_all_raw(statement).await?;
    let read = |row: &QueryResult| {
        let id: i64 = row.try_get_by_index(0)?;
        Ok(KeyCheck {
            // An id that is not one of ours opens with no key.
            row: check_row(u32::try_from(id).unwrap_or(0)),
            sealed: row.try_get_by_index(1)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The id that stands for a key where sealing asks for the id of a row.
fn check_row(key_id: u32) -> Uuid {
    Uuid::from_u128(key_id.into())
}

fn check_keys(keys: &KeyRing, checks: &[KeyCheck]) -> Result<(), KeyRingError> {
    for check in checks {
        KEY_CHECK.open(keys, check.row, &check.sealed)?;
    }
    Ok(())
}
