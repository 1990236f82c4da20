//! How many decisions came out how, by the hour: kept by who appends to the log, so that nobody has
//! to count the log.

use std::collections::BTreeMap;

use domain::auth_log::{AuthLogEntry, AuthOutcome};
use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use crate::bulk::Insert;
use crate::column::stored_count;
use crate::dialect::Dialect;

/// Whose decisions are counted, as it is stored.
pub(crate) const OF_NAS: &str = "nas";
pub(crate) const OF_TENANT: &str = "tenant";

const TABLE: &str = "auth_hourly";

/// Of one tenant or router in an hour, how decisions came out; nothing stands for accepted.
type Key = (TenantId, &'static str, Uuid, Timestamp, &'static str);

/// Decisions counted, in the order of their primary key, so that writers take their locks in the
/// same order.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<Key, u64>);

impl Counts {
    pub(super) fn add(&mut self, entry: &AuthLogEntry) {
        let reason = match entry.outcome {
            AuthOutcome::Accepted => "",
            AuthOutcome::Rejected(reason) => reason.code(),
        };
        let hour = entry.at.hour_start();
        let of = [
            (OF_NAS, entry.nas.as_uuid()),
            (OF_TENANT, entry.tenant.as_uuid()),
        ];
        for (subject, object) in of {
            let key = (entry.tenant, subject, object, hour, reason);
            let count = self.0.entry(key).or_default();
            *count = count.saturating_add(entry.count);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &u64)> {
        self.0.iter()
    }

    pub(super) async fn store<C: ConnectionTrait>(self, connection: &C) -> Result<(), DbErr> {
        let sum = Dialect::of(connection).sum_assignment(TABLE, "count");
        let on_conflict =
            format!("ON CONFLICT (tenant, subject, object, starts_at, reason) DO UPDATE SET {sum}");
        let insert = Insert {
            table: TABLE,
            columns: &[
                "tenant",
                "subject",
                "object",
                "starts_at",
                "reason",
                "count",
            ],
            on_conflict: &on_conflict,
        };
        let rows = self.0.into_iter().map(|(key, count)| {
            let (tenant, subject, object, starts_at, reason) = key;
            [
                tenant.as_uuid().into(),
                subject.into(),
                object.into(),
                starts_at.as_micros().into(),
                reason.into(),
                stored_count(count).into(),
            ]
        });
        insert.run(connection, rows).await
    }
}
