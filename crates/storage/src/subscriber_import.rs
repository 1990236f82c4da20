//! Many subscribers at once, all or none.

use std::collections::HashSet;

use domain::change::Change;
use domain::id::TenantId;
use domain::name::Username;
use domain::subscriber::Subscriber;
use sea_orm::{DbErr, Value};

use crate::bulk::{Insert, select_in};
use crate::entity::subscriber::Model;
use crate::error::StoreError;
use crate::store::Store;
use crate::subscriber::{NewSubscriber, named, new_row, refusal};
use crate::write::Write;

/// How many names an error lists.
const NAMES_LISTED_MAX: usize = 1_000;
/// Rows between two reports of progress, and between two chances for other tasks.
const ROWS_PER_STEP: usize = 2_048;

const INSERT: Insert<'static> = Insert {
    table: "subscriber",
    columns: &[
        "id",
        "tenant",
        "username",
        "credential_kind",
        "credential",
        "plan",
        "status",
        "expires_at",
        "ipv4",
        "ipv6_prefix",
        "ipv6_delegated",
        "created_at",
        "updated_at",
    ],
    on_conflict: "",
};

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportReport {
    pub inserted: usize,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The first thousand of the names that are taken, in order.
    #[error(
        "{count} subscribers exist already, '{}' first: nothing was imported",
        first(usernames)
    )]
    Duplicate {
        usernames: Vec<Username>,
        count: usize,
    },
    /// The first thousand of the names that the input has more than once, in order.
    #[error(
        "{count} user names come more than once, '{}' first: nothing was imported",
        first(usernames)
    )]
    Repeated {
        usernames: Vec<Username>,
        count: usize,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Adds all subscribers of `rows` to the tenant, or none. `progress` is told how many rows are
    /// written so far.
    pub async fn subscriber_import(
        &self,
        tenant: TenantId,
        rows: Vec<NewSubscriber>,
        progress: impl Fn(usize) + Send + Sync,
    ) -> Result<ImportReport, ImportError> {
        check_repeated(&rows)?;
        let subscribers: Vec<Subscriber> = rows
            .into_iter()
            .map(|new| named(NewSubscriber { tenant, ..new }, self.new_id()))
            .collect();
        // Sealing takes the processor for a while; it is done before the only writer is taken.
        let mut sealed = Vec::with_capacity(subscribers.len());
        for chunk in subscribers.chunks(ROWS_PER_STEP) {
            let now = self.now();
            sealed.extend(chunk.iter().map(|one| new_row(one, self.keys(), now)));
            tokio::task::yield_now().await;
        }
        let mut write = self.write().await?;
        check_existing(&write, tenant, &subscribers).await?;
        let inserted = subscribers.len();
        let mut sealed = sealed.into_iter();
        let mut done = 0;
        for chunk in subscribers.chunks(ROWS_PER_STEP) {
            let values = sealed.by_ref().take(chunk.len()).map(values);
            INSERT
                .run(write.connection(), values)
                .await
                .map_err(|error| chunk_refusal(error, chunk))?;
            for one in chunk {
                write.note(tenant, Change::Subscriber(one.id));
            }
            done += chunk.len();
            progress(done);
        }
        write.commit().await?;
        Ok(ImportReport { inserted })
    }
}

fn check_repeated(rows: &[NewSubscriber]) -> Result<(), ImportError> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut repeated: Vec<Username> = rows
        .iter()
        .filter(|row| !seen.insert(row.username.as_str()))
        .map(|row| row.username.clone())
        .collect();
    let count = listed(&mut repeated);
    if count == 0 {
        return Ok(());
    }
    Err(ImportError::Repeated {
        usernames: repeated,
        count,
    })
}

async fn check_existing(
    write: &Write,
    tenant: TenantId,
    subscribers: &[Subscriber],
) -> Result<(), ImportError> {
    let head = format!(
        "SELECT username FROM subscriber WHERE tenant = {} AND username IN",
        write.dialect().id_literal(tenant.as_uuid())
    );
    let names: Vec<Value> = subscribers
        .iter()
        .map(|one| one.username.as_str().into())
        .collect();
    let rows = select_in(write.connection(), &head, &names, "")
        .await
        .map_err(StoreError::from)?;
    let mut existing = Vec::with_capacity(rows.len());
    for row in &rows {
        let username: String = row.try_get_by_index(0).map_err(StoreError::from)?;
        existing.extend(username.parse::<Username>());
    }
    let count = listed(&mut existing);
    if count == 0 {
        return Ok(());
    }
    Err(ImportError::Duplicate {
        usernames: existing,
        count,
    })
}

/// Sorts the names, keeps as many as an error lists and says how many there were.
fn listed(names: &mut Vec<Username>) -> usize {
    names.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
    names.dedup();
    let count = names.len();
    names.truncate(NAMES_LISTED_MAX);
    count
}

/// The error of a chunk; which row it was is known only when the chunk is one row.
fn chunk_refusal(error: DbErr, chunk: &[Subscriber]) -> StoreError {
    let plan = chunk
        .iter()
        .all(|one| one.plan == chunk[0].plan)
        .then_some(chunk[0].plan);
    refusal(error, &chunk[0].username, plan)
}

fn values(row: Model) -> [Value; 13] {
    [
        row.id.into(),
        row.tenant.into(),
        row.username.into(),
        row.credential_kind.into(),
        row.credential.into(),
        row.plan.into(),
        row.status.into(),
        row.expires_at.into(),
        row.ipv4.into(),
        row.ipv6_prefix.into(),
        row.ipv6_delegated.into(),
        row.created_at.into(),
        row.updated_at.into(),
    ]
}

fn first(usernames: &[Username]) -> &str {
    usernames.first().map_or("", Username::as_str)
}
