//! What subscribers are bound to and have bought: read for a lot of them at a time.

use std::collections::HashMap;

use domain::id::Id;
use domain::limit::TopUp;
use domain::mac::Mac;
use domain::subscriber::binding::{Bindings, NasBinding};
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use uuid::Uuid;

use super::readable_or_told;
use crate::bulk::select_in;
use crate::dialect::Dialect;
use crate::top_up::{self, COLUMNS, live_at};

const ALL: &str = "SELECT subscriber, nas, nas_group, mac FROM (\
    SELECT subscriber, nas, NULL AS nas_group, NULL AS mac FROM subscriber_nas \
    UNION ALL SELECT subscriber, NULL, nas_group, NULL FROM subscriber_nas_group \
    UNION ALL SELECT subscriber, NULL, NULL, mac FROM subscriber_device) AS bound";

/// The bindings and top-ups of some subscribers; most have none.
#[derive(Debug, Default)]
pub(super) struct Bound(HashMap<Uuid, Gathered>);

#[derive(Debug, Default)]
struct Gathered {
    nas: NasBinding,
    devices: Vec<Mac>,
    top_ups: Vec<TopUp>,
}

impl Bound {
    /// Those of the subscribers whose ids are greater than `after`, up to `last`.
    pub(super) async fn between<C: ConnectionTrait>(
        connection: &C,
        after: Uuid,
        last: Uuid,
        now: Timestamp,
    ) -> Result<Self, DbErr> {
        let sql = format!("{ALL} WHERE subscriber > $1 AND subscriber <= $2");
        let statement = Dialect::of(connection).statement(sql, [after.into(), last.into()]);
        let mut bound = Self::read(&connection.query_all_raw(statement).await?)?;
        let sql = format!(
            "SELECT {COLUMNS} FROM top_up WHERE subscriber > $1 AND subscriber <= $2 AND {}",
            live_at(now)
        );
        let statement = Dialect::of(connection).statement(sql, [after.into(), last.into()]);
        bound.add(&connection.query_all_raw(statement).await?);
        Ok(bound)
    }

    /// Those of these subscribers.
    pub(super) async fn of<C: ConnectionTrait>(
        connection: &C,
        ids: &[Value],
        now: Timestamp,
    ) -> Result<Self, DbErr> {
        let head = format!("{ALL} WHERE subscriber IN");
        let mut bound = Self::read(&select_in(connection, &head, ids, "").await?)?;
        let live = format!(" AND {}", live_at(now));
        let head = format!("SELECT {COLUMNS} FROM top_up WHERE subscriber IN");
        bound.add(&select_in(connection, &head, ids, &live).await?);
        Ok(bound)
    }

    pub(super) fn take(&mut self, subscriber: Uuid) -> (Bindings, Vec<TopUp>) {
        let Some(mut gathered) = self.0.remove(&subscriber) else {
            return (Bindings::default(), Vec::new());
        };
        // However the database hands them out: equal bindings are to be equal.
        gathered.nas.nas.sort_unstable();
        gathered.nas.groups.sort_unstable();
        gathered.devices.sort_unstable();
        gathered.top_ups.sort_unstable_by_key(|top_up| top_up.id);
        let bindings = Bindings {
            nas: (!gathered.nas.is_empty()).then(|| Box::new(gathered.nas)),
            devices: gathered.devices.into(),
        };
        (bindings, gathered.top_ups)
    }

    fn add(&mut self, rows: &[QueryResult]) {
        // One that cannot be read is worth nothing, and keeps nobody out.
        for (subscriber, top_up) in rows
            .iter()
            .filter_map(|row| readable_or_told(top_up::read(row)))
        {
            self.0.entry(subscriber).or_default().top_ups.push(top_up);
        }
    }

    fn read(rows: &[QueryResult]) -> Result<Self, DbErr> {
        let mut bound = Self::default();
        for row in rows {
            let gathered = bound.0.entry(row.try_get("", "subscriber")?).or_default();
            let nas: Option<Uuid> = row.try_get("", "nas")?;
            let group: Option<Uuid> = row.try_get("", "nas_group")?;
            let mac: Option<String> = row.try_get("", "mac")?;
            gathered.nas.nas.extend(nas.map(Id::from_uuid));
            gathered.nas.groups.extend(group.map(Id::from_uuid));
            // One that cannot be read counts for nobody.
            gathered
                .devices
                .extend(mac.and_then(|mac| mac.parse::<Mac>().ok()));
        }
        Ok(bound)
    }
}
