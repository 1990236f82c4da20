//! Many subscribers at once, all or none.

use std::collections::HashSet;
use std::fmt;

use domain::change::Change;
use domain::deed::Action;
use domain::id::{CustomerId, TenantId};
use domain::subscriber::{StaticAddresses, Subscriber};
use sea_orm::{DbErr, Value};

use crate::bulk::{Insert, select_in};
use crate::change_feed::ENTRIES_MAX;
use crate::deed::Deed;
use crate::entity::subscriber::Model;
use crate::error::{Resource, StoreError, UniqueField};
use crate::store::Store;
use crate::subscriber::row::{named, new_row};
use crate::subscriber::{NewSubscriber, entry, refusal};
use crate::write::Write;
use crate::{customer, search};

/// How many rows an error lists.
const LISTED_MAX: usize = 1_000;
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
        "session_limit",
        "session_policy",
        "created_at",
        "updated_at",
        "status_at",
        "starts_at",
        "customer",
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
    /// A value that must be unique is that of a subscriber who exists.
    #[error("{field} of {rows}: others exist with the same; nothing was imported")]
    Taken { field: UniqueField, rows: RowList },
    /// A value that must be unique comes more than once among the rows.
    #[error("{field} of {rows}: others before have the same; nothing was imported")]
    Repeated { field: UniqueField, rows: RowList },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Some of the rows of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowList {
    /// The first thousand of them, in order, counted from 0.
    pub indexes: Vec<usize>,
    /// How many there are.
    pub count: usize,
}

/// What must be unique, and the value of a row.
type Unique = (UniqueField, &'static str, fn(&Model) -> Option<&str>);

const UNIQUE: [Unique; 4] = [
    (UniqueField::Username, "username", |row| {
        Some(row.username.as_str())
    }),
    (UniqueField::Ipv4, "ipv4", |row| row.ipv4.as_deref()),
    (UniqueField::Ipv6Prefix, "ipv6_prefix", |row| {
        row.ipv6_prefix.as_deref()
    }),
    (UniqueField::Ipv6Delegated, "ipv6_delegated", |row| {
        row.ipv6_delegated.as_deref()
    }),
];

impl FromIterator<usize> for RowList {
    fn from_iter<Indexes: IntoIterator<Item = usize>>(indexes: Indexes) -> Self {
        let mut list = Self {
            indexes: Vec::new(),
            count: 0,
        };
        for index in indexes {
            if list.indexes.len() < LISTED_MAX {
                list.indexes.push(index);
            }
            list.count += 1;
        }
        list
    }
}

impl fmt::Display for RowList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.indexes.first() {
            Some(first) if 1 < self.count => {
                write!(formatter, "{} rows, row {} first", self.count, first + 1)
            }
            Some(first) => write!(formatter, "row {}", first + 1),
            None => formatter.write_str("no row"),
        }
    }
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
        let customers: Vec<Option<CustomerId>> = rows.iter().map(|new| new.customer).collect();
        let subscribers: Vec<Subscriber> = rows
            .into_iter()
            .map(|new| named(NewSubscriber { tenant, ..new }, self.new_id()))
            .collect();
        // Sealing takes the processor for a while; it is done before the only writer is taken.
        let mut sealed = Vec::with_capacity(subscribers.len());
        let mut of = customers.iter();
        for chunk in subscribers.chunks(ROWS_PER_STEP) {
            let now = self.now();
            let chunk = chunk.iter().zip(of.by_ref());
            sealed.extend(chunk.map(|(one, of)| new_row(one, *of, self.keys(), now)));
            tokio::task::yield_now().await;
        }
        check_repeated(&sealed)?;
        let mut write = self.write().await?;
        check_existing(&write, tenant, &sealed).await?;
        customer::check_all(&write, tenant, customers.into_iter().flatten()).await?;
        let inserted = subscribers.len();
        let mut sealed = sealed.into_iter();
        let mut done = 0;
        for chunk in subscribers.chunks(ROWS_PER_STEP) {
            let values = sealed.by_ref().take(chunk.len()).map(values);
            INSERT
                .run(write.connection(), values)
                .await
                .map_err(|error| chunk_refusal(error, chunk))?;
            search::put_new(write.connection(), chunk.iter().map(entry))
                .await
                .map_err(StoreError::from)?;
            done += chunk.len();
            progress(done);
        }
        if 0 < inserted {
            write.record(Deed {
                tenant,
                action: Action::Imported,
                what: Resource::Subscriber,
                id: None,
                name: String::new(),
                before: None,
                after: Some(serde_json::json!({ "subscribers": inserted })),
            });
        }
        for change in changes(&subscribers) {
            write.note(tenant, change);
        }
        write.commit().await?;
        Ok(ImportReport { inserted })
    }
}

impl Store {
    /// Those of these addresses that subscribers of the tenant have, as they are shown.
    pub async fn subscriber_addresses_taken(
        &self,
        tenant: TenantId,
        addresses: &[StaticAddresses],
    ) -> Result<HashSet<String>, StoreError> {
        let shown = |one: &StaticAddresses| {
            [
                one.ipv4.map(|address| address.to_string()),
                one.ipv6_prefix.map(|net| net.to_string()),
                one.ipv6_delegated.map(|net| net.to_string()),
            ]
        };
        let columns = ["ipv4", "ipv6_prefix", "ipv6_delegated"];
        let mut taken = HashSet::new();
        for (at, column) in columns.into_iter().enumerate() {
            let values = addresses.iter().filter_map(|one| shown(one)[at].clone());
            let values: Vec<Value> = values.map(Value::from).collect();
            let tenant = self.dialect().id_literal(tenant.as_uuid());
            let head =
                format!("SELECT {column} FROM subscriber WHERE tenant = {tenant} AND {column} IN");
            for row in select_in(self.reader(), &head, &values, "").await? {
                taken.insert(row.try_get_by_index(0)?);
            }
        }
        Ok(taken)
    }
}

/// What the change feed says of an import: each subscriber, or one entry that stands for more than
/// any reader tells apart.
fn changes(subscribers: &[Subscriber]) -> Vec<Change> {
    if ENTRIES_MAX < subscribers.len() {
        return vec![Change::Everything];
    }
    let each = subscribers.iter().map(|one| Change::Subscriber(one.id));
    each.collect()
}

fn check_repeated(rows: &[Model]) -> Result<(), ImportError> {
    for (field, _, value) in UNIQUE {
        let mut seen = HashSet::with_capacity(rows.len());
        let rows = rows_where(rows, value, |value| !seen.insert(value));
        if 0 < rows.count {
            return Err(ImportError::Repeated { field, rows });
        }
    }
    Ok(())
}

async fn check_existing(
    write: &Write,
    tenant: TenantId,
    rows: &[Model],
) -> Result<(), ImportError> {
    for (field, column, value) in UNIQUE {
        let head = format!(
            "SELECT {column} FROM subscriber WHERE tenant = {} AND {column} IN",
            write.dialect().id_literal(tenant.as_uuid())
        );
        let values: Vec<Value> = rows.iter().filter_map(value).map(Value::from).collect();
        let existing = select_in(write.connection(), &head, &values, "")
            .await
            .map_err(StoreError::from)?;
        let taken = existing
            .iter()
            .map(|row| row.try_get_by_index(0))
            .collect::<Result<HashSet<String>, DbErr>>()
            .map_err(StoreError::from)?;
        let rows = rows_where(rows, value, |value| taken.contains(value));
        if 0 < rows.count {
            return Err(ImportError::Taken { field, rows });
        }
    }
    Ok(())
}

/// The rows that have a value of which something holds.
fn rows_where<'r>(
    rows: &'r [Model],
    value: fn(&Model) -> Option<&str>,
    mut holds: impl FnMut(&'r str) -> bool,
) -> RowList {
    let values = rows.iter().map(value).enumerate();
    values
        .filter_map(|(index, value)| holds(value?).then_some(index))
        .collect()
}

/// The error of a chunk: a plan that is gone, or what another writer has just taken. Which row it
/// was is not known.
fn chunk_refusal(error: DbErr, chunk: &[Subscriber]) -> StoreError {
    let plan = chunk
        .iter()
        .all(|one| one.plan == chunk[0].plan)
        .then_some(chunk[0].plan);
    refusal(error, &chunk[0].username, plan)
}

fn values(row: Model) -> [Value; 18] {
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
        row.session_limit.into(),
        row.session_policy.into(),
        row.created_at.into(),
        row.updated_at.into(),
        row.status_at.into(),
        row.starts_at.into(),
        row.customer.into(),
    ]
}

#[cfg(test)]
mod tests {
    use domain::credential::Credential;
    use domain::id::{PlanId, SubscriberId};
    use domain::secret::Secret;
    use domain::session_policy::SessionTerms;
    use domain::subscriber::SubscriberStatus;
    use domain::subscriber::binding::Bindings;
    use domain::subscriber::{StaticAddresses, SubscriberInstants};

    use super::*;

    #[test]
    fn more_subscribers_than_readers_tell_apart_are_one_change() {
        let one = Subscriber {
            id: SubscriberId::from_bytes([1; 16]),
            tenant: TenantId::DEFAULT,
            username: "ana".parse().expect("a valid user name"),
            credential: Credential::Cleartext(Secret::from("kookaburra")),
            plan: PlanId::from_bytes([2; 16]),
            status: SubscriberStatus::Active,
            expires_at: None,
            addresses: StaticAddresses::default(),
            sessions: SessionTerms::default(),
            bindings: Bindings::default(),
            changed: SubscriberInstants::default(),
            purchase: None,
        };
        let mut many = vec![one; ENTRIES_MAX];
        assert_eq!(changes(&many).len(), ENTRIES_MAX);
        many.extend(many.first().cloned());
        assert_eq!(changes(&many), [Change::Everything]);
    }
}
