//! The devices that subscribers are bound to, and who bound and forgot them.

use domain::access::Claim;
use domain::change::Change;
use domain::id::{Id, SubscriberId, TenantId};
use domain::mac::Mac;
use domain::name::Username;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::column::RowName;
use crate::deed::{Deed, NewEvent};
use crate::dialect::Dialect;
use crate::entity::{plan as plan_entity, subscriber as subscriber_entity};
use crate::error::{Resource, StoreError};
use crate::store::Store;
use crate::write::Write;
use crate::{plan, subscriber};

/// Devices that one subscriber has, also on a plan without a limit.
pub const DEVICES_MAX: usize = 200;

/// Events that are kept of one subscriber; older ones go.
const EVENTS_MAX: i64 = 200;

/// A device that is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundDevice {
    pub mac: Mac,
    pub bound_at: Timestamp,
}

/// What happened to a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceEvent {
    pub at: Timestamp,
    pub mac: String,
    pub kind: String,
    /// Who did it: a login, or whoever ran the command.
    pub actor: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EventKind {
    Bound,
    Forgotten,
}

impl EventKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Forgotten => "forgotten",
        }
    }
}

/// A subscriber whose row is locked.
struct Owner {
    tenant: Uuid,
    subscriber: Uuid,
    username: String,
}

impl Owner {
    /// What was done to one of the devices.
    fn deed(&self, kind: EventKind, mac: Mac, actor: &str) -> Deed {
        let seen = serde_json::json!({
            "mac": mac.to_string(),
            "subscriber": self.username,
            "actor": actor,
        });
        let of = (Id::from_uuid(self.tenant), Resource::Device);
        let name = mac.to_string();
        let named = (self.subscriber, name.as_str());
        match kind {
            EventKind::Bound => Deed::created(of, named, &seen),
            EventKind::Forgotten => Deed::removed(of, named, &seen),
        }
    }
}

impl Store {
    /// Binds a device if the plan has room for it. However many nodes try it at once, no more are
    /// bound than the plan allows.
    pub async fn device_claim(
        &self,
        subscriber: SubscriberId,
        mac: Mac,
        actor: &str,
    ) -> Result<Claim, StoreError> {
        let mut write = self.write().await?;
        // Whoever claims for the same subscriber waits here, and then sees what was bound.
        let row = subscriber_entity::Entity::find_by_id(subscriber.as_uuid())
            .lock_exclusive()
            .one(write.connection())
            .await?;
        let Some(row) = row else {
            return Ok(Claim::NoRoom);
        };
        let known = devices(write.connection(), row.id).await?;
        if known.iter().any(|device| device.mac == mac) {
            return Ok(Claim::Bound);
        }
        let plan = plan_entity::Entity::find_by_id(row.plan)
            .one(write.connection())
            .await?;
        let Some(plan) = plan else {
            return Ok(Claim::NoRoom);
        };
        let access = plan::row::access(&plan)?;
        let known: Vec<Mac> = known.iter().map(|device| device.mac).collect();
        if DEVICES_MAX <= known.len() {
            return Ok(Claim::NoRoom);
        }
        if let Some((kind, limit)) = access.limit_of(mac)
            && usize::from(limit.as_devices()) <= access.count(kind, &known)
        {
            return Ok(Claim::NoRoom);
        }
        let sql = "INSERT INTO subscriber_device (subscriber, mac, bound_at) VALUES ($1, $2, $3)";
        let values = [
            row.id.into(),
            mac.to_string().into(),
            write.at().as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let owner = Owner {
            tenant: row.tenant,
            subscriber: row.id,
            username: row.username,
        };
        tell(&write, &owner, mac, EventKind::Bound, actor).await?;
        write.record(owner.deed(EventKind::Bound, mac, actor));
        let told = NewEvent {
            kind: domain::event::EventKind::DeviceBound,
            resource: Some(owner.subscriber),
            data: json!({
                "subscriber_id": owner.subscriber,
                "username": owner.username,
                "mac": mac.to_string(),
                "actor": actor,
            }),
        };
        write.tell(Id::from_uuid(owner.tenant), told);
        write.note(
            Id::from_uuid(owner.tenant),
            Change::Subscriber(Id::from_uuid(owner.subscriber)),
        );
        write.commit().await?;
        Ok(Claim::Bound)
    }

    /// The devices of the subscriber of this name, the oldest first.
    pub async fn device_list(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<Vec<BoundDevice>, StoreError> {
        let select = subscriber::KEYED.one(tenant, username.as_str());
        let row = select.one(self.reader()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: Resource::Subscriber,
            name: username.to_string(),
        })?;
        devices(self.reader(), row.id).await
    }

    /// What happened to the devices of this name, the newest first.
    pub async fn device_event_list(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<Vec<DeviceEvent>, StoreError> {
        let sql = "SELECT at, mac, kind, actor FROM device_event \
            WHERE tenant = $1 AND username = $2 ORDER BY number DESC LIMIT $3";
        let values = [
            tenant.as_uuid().into(),
            username.as_str().into(),
            EVENTS_MAX.into(),
        ];
        let statement = self.dialect().statement(sql, values);
        let rows = self.reader().query_all_raw(statement).await?;
        let events = rows.iter().map(|row| {
            Ok(DeviceEvent {
                at: row.try_get("", "at").map(Timestamp::from_micros)?,
                mac: row.try_get("", "mac")?,
                kind: row.try_get("", "kind")?,
                actor: row.try_get("", "actor")?,
            })
        });
        Ok(events.collect::<Result<_, DbErr>>()?)
    }

    /// Forgets one device of the subscriber of this name, or with `None` all of them. Returns which
    /// were bound.
    pub async fn device_forget(
        &self,
        tenant: TenantId,
        username: &Username,
        mac: Option<Mac>,
        actor: &str,
    ) -> Result<Vec<BoundDevice>, StoreError> {
        let mut write = self.write().await?;
        let row = subscriber::KEYED
            .lock(&write, tenant, username.as_str())
            .await?;
        let mut gone = devices(write.connection(), row.id).await?;
        gone.retain(|device| mac.is_none_or(|mac| mac == device.mac));
        if let Some(mac) = mac
            && gone.is_empty()
        {
            return Err(StoreError::NotFound {
                what: Resource::Device,
                name: mac.to_string(),
            });
        }
        let owner = Owner {
            tenant: row.tenant,
            subscriber: row.id,
            username: row.username,
        };
        for device in &gone {
            let sql = "DELETE FROM subscriber_device WHERE subscriber = $1 AND mac = $2";
            let values = [owner.subscriber.into(), device.mac.to_string().into()];
            let statement = write.dialect().statement(sql, values);
            write.connection().execute_raw(statement).await?;
            tell(&write, &owner, device.mac, EventKind::Forgotten, actor).await?;
            write.record(owner.deed(EventKind::Forgotten, device.mac, actor));
        }
        if !gone.is_empty() {
            let sql = "UPDATE subscriber SET device_forgotten_at = $1 WHERE id = $2";
            let values = [write.at().as_micros().into(), owner.subscriber.into()];
            let statement = write.dialect().statement(sql, values);
            write.connection().execute_raw(statement).await?;
        }
        write.note(tenant, Change::Subscriber(Id::from_uuid(owner.subscriber)));
        write.commit().await?;
        Ok(gone)
    }
}

async fn devices<C: ConnectionTrait>(
    connection: &C,
    subscriber: Uuid,
) -> Result<Vec<BoundDevice>, StoreError> {
    let sql = "SELECT mac, bound_at FROM subscriber_device WHERE subscriber = $1 \
        ORDER BY bound_at, mac";
    let statement = Dialect::of(connection).statement(sql, [subscriber.into()]);
    let rows = connection.query_all_raw(statement).await?;
    let name = RowName {
        table: "subscriber_device",
        id: subscriber,
    };
    rows.iter()
        .map(|row| {
            let mac: String = row.try_get("", "mac")?;
            Ok(BoundDevice {
                mac: name.parse("mac", &mac)?,
                bound_at: row.try_get("", "bound_at").map(Timestamp::from_micros)?,
            })
        })
        .collect()
}

/// Writes who did what, and forgets the oldest of too many.
async fn tell(
    write: &Write,
    owner: &Owner,
    mac: Mac,
    kind: EventKind,
    actor: &str,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO device_event (tenant, subscriber, username, mac, kind, actor, at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        owner.tenant.into(),
        owner.subscriber.into(),
        owner.username.as_str().into(),
        mac.to_string().into(),
        kind.as_str().into(),
        actor.into(),
        write.at().as_micros().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    let sql = "DELETE FROM device_event WHERE tenant = $1 AND username = $2 AND number <= \
        (SELECT number FROM device_event WHERE tenant = $1 AND username = $2 \
        ORDER BY number DESC LIMIT 1 OFFSET $3)";
    let values = [
        owner.tenant.into(),
        owner.username.as_str().into(),
        EVENTS_MAX.into(),
    ];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await.map(drop)
}
