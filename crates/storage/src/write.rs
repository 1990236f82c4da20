//! Write transactions: the only way to change the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use domain::actor::Actor;
use domain::change::Change;
use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use tokio::time::timeout;

use crate::act::Act;
use crate::bulk::Insert;
use crate::connection::WRITER_TIMEOUT;
use crate::deed::{self, Deed, NewEvent};
use crate::dialect::Dialect;
use crate::error::{Resource, StoreError};
use crate::idempotency;
use crate::store::Store;

/// How often a transaction is tried that loses against another one.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// What a thing has that is shown without a revision: whoever names one has seen something else.
pub(crate) const NO_REVISION: i64 = i64::MIN;

const CHANGES: Insert<'static> = Insert {
    table: "change",
    columns: &["tenant", "kind", "key", "name", "at"],
    on_conflict: "",
};

/// An open write transaction. Dropped without [`Write::commit`] it changes nothing.
pub(crate) struct Write {
    transaction: DatabaseTransaction,
    #[expect(dead_code, reason = "it is held until the transaction has ended")]
    turn: Option<OwnedMutexGuard<()>>,
    changes: Vec<(TenantId, Change)>,
    deeds: Vec<Deed>,
    events: Vec<(TenantId, NewEvent)>,
    act: Option<Arc<Act>>,
    /// The first row that is locked is the one that whoever asks has seen.
    is_revision_checked: AtomicBool,
    at: Timestamp,
    wake: Arc<Notify>,
    ending: Ending,
    /// What this is a part of, which ends it.
    whole: Option<Arc<Whole>>,
}

/// A transaction that others are parts of, until it has ended.
pub(crate) type Whole = Mutex<Option<Write>>;

/// What becomes of a write transaction that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Committed,
    /// Everything was checked by the database, and nothing stays.
    Undone,
}

/// Begins a transaction; on SQLite with `BEGIN IMMEDIATE`, so that it never fails later because
/// another writer came first.
pub(crate) async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    connection.begin_with_options(options).await
}

impl Store {
    /// Begins a write transaction.
    pub(crate) async fn write(&self) -> Result<Write, StoreError> {
        if let Some(whole) = self.whole() {
            return self.part_of(whole).await;
        }
        let turn = match self.dialect() {
            Dialect::Sqlite => Some(self.turn_to_write().await?),
            Dialect::Postgres => None,
        };
        Ok(Write {
            turn,
            transaction: begin(self.writer()).await?,
            changes: Vec::new(),
            deeds: Vec::new(),
            events: Vec::new(),
            act: self.act(),
            is_revision_checked: AtomicBool::new(false),
            at: self.now(),
            wake: self.wake(),
            ending: self.ending(),
            whole: None,
        })
    }

    /// Begins a part of a transaction, which can be undone by itself.
    async fn part_of(&self, whole: Arc<Whole>) -> Result<Write, StoreError> {
        let open = whole.lock().await;
        let Some(write) = open.as_ref() else {
            return Err(DbErr::Custom("the transaction has ended".to_owned()).into());
        };
        let transaction = write.transaction.begin().await?;
        drop(open);
        Ok(Write {
            turn: None,
            transaction,
            changes: Vec::new(),
            deeds: Vec::new(),
            events: Vec::new(),
            act: self.act(),
            is_revision_checked: AtomicBool::new(false),
            at: self.now(),
            wake: self.wake(),
            ending: self.ending(),
            whole: Some(whole),
        })
    }

    /// Waits until no one else in this process writes.
    pub(crate) async fn turn_to_write(&self) -> Result<OwnedMutexGuard<()>, StoreError> {
        match timeout(WRITER_TIMEOUT, self.turn().lock_owned()).await {
            Ok(turn) => Ok(turn),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }
}

impl Write {
    /// Adds an entry to the change feed, in this transaction.
    pub(crate) fn note(&mut self, tenant: TenantId, change: Change) {
        self.changes.push((tenant, change));
    }

    /// Adds a line to the audit log and an event, in this transaction.
    pub(crate) fn record(&mut self, deed: Deed) {
        self.deeds.push(deed);
    }

    /// Adds an event that no deed brings with it, in this transaction.
    pub(crate) fn tell(&mut self, tenant: TenantId, event: NewEvent) {
        self.events.push((tenant, event));
    }

    /// Refuses when whoever asks has seen the row as it was before its last change. Only the first row
    /// of a transaction is looked at.
    pub(crate) fn check_revision(
        &self,
        what: Resource,
        name: &str,
        updated_at: i64,
    ) -> Result<(), StoreError> {
        if self.is_revision_checked.swap(true, Relaxed) {
            return Ok(());
        }
        let expected = self.act.as_ref().and_then(|act| act.revision);
        match expected {
            Some(expected) if expected.as_micros() != updated_at => Err(StoreError::Stale {
                what,
                name: name.to_owned(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Writes the noted changes and deeds and makes everything durable, or undoes it in a rehearsal.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        let Some(whole) = self.whole.clone() else {
            return self.end().await;
        };
        self.transaction.commit().await?;
        if let Some(write) = whole.lock().await.as_mut() {
            write.changes.extend(self.changes);
            write.deeds.extend(self.deeds);
            write.events.extend(self.events);
        }
        Ok(())
    }

    async fn end(self) -> Result<(), StoreError> {
        let has_changes =
            !self.changes.is_empty() || !self.deeds.is_empty() || !self.events.is_empty();
        let rows = self.changes.iter().map(|(tenant, change)| {
            let (kind, key) = change.to_parts();
            [
                tenant.as_uuid().into(),
                kind.into(),
                key.into(),
                change.name().map(ToOwned::to_owned).into(),
                self.at.as_micros().into(),
            ]
        });
        CHANGES.run(&self.transaction, rows).await?;
        let actor = self.actor();
        let request = self.act.as_ref().and_then(|act| act.request);
        let claim = self.act.as_ref().and_then(|act| act.claim.as_ref());
        if let Some(claim) = claim {
            idempotency::mark_done(&self.transaction, claim).await?;
        }
        // Last, because numbers are locked from here to the commit.
        let by = (&actor, request);
        deed::write_all(&self.transaction, &self.deeds, &self.events, by, self.at).await?;
        match self.ending {
            Ending::Undone => self.transaction.rollback().await?,
            Ending::Committed => {
                self.transaction.commit().await?;
                if has_changes {
                    self.wake.notify_waiters();
                }
            }
        }
        Ok(())
    }

    /// From here on somebody else does it.
    pub(crate) fn act_as(&mut self, actor: Actor) {
        self.act = Some(Arc::new(Act::of(actor)));
    }

    /// Who does it: whoever the store acts for, or else the program.
    pub(crate) fn actor(&self) -> Actor {
        match self.act.as_deref() {
            Some(act) => act.actor.clone(),
            None => Actor::system("lastmile"),
        }
    }

    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::of(&self.transaction)
    }

    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }
}
