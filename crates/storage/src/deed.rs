//! What a transaction has done, for the audit log and for events: both are written by its commit.

use std::borrow::Cow;

use domain::actor::Actor;
use domain::deed::Action;
use domain::event::EventKind;
use domain::id::TenantId;
use domain::time::Timestamp;
use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::bulk::Insert;
use crate::column::stored_text;
use crate::dialect::Dialect;
use crate::error::Resource;
use crate::event;

/// The most octets that one side of a deed takes in the log; more is named and left out.
const SIDE_BYTES_MAX: usize = 64 << 10;

pub(crate) const HASH_LEN: usize = 32;

/// Takes the next numbers of a tenant.
pub(crate) const ADVANCE: &str = "INSERT INTO tenant_log \
    (tenant, audit_seq, audit_hash, event_seq) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (tenant) DO UPDATE SET audit_seq = tenant_log.audit_seq + excluded.audit_seq, \
    event_seq = tenant_log.event_seq + excluded.event_seq \
    RETURNING audit_seq, event_seq, audit_hash";

const AUDIT: Insert<'static> = Insert {
    table: "audit",
    columns: &[
        "tenant",
        "seq",
        "at",
        "actor_kind",
        "actor_id",
        "actor_name",
        "request",
        "action",
        "resource",
        "resource_id",
        "resource_name",
        "before",
        "after",
        "hash",
    ],
    on_conflict: "",
};

const EVENT: Insert<'static> = Insert {
    table: "event",
    columns: &["tenant", "seq", "at", "kind", "resource_id", "data"],
    on_conflict: "",
};

/// One thing that was done. What it carries shows no secret.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deed {
    pub(crate) tenant: TenantId,
    pub(crate) action: Action,
    pub(crate) what: Resource,
    pub(crate) id: Option<Uuid>,
    pub(crate) name: String,
    pub(crate) before: Option<Json>,
    pub(crate) after: Option<Json>,
}

/// Something that happened, beside what was done to the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    pub kind: EventKind,
    pub resource: Option<Uuid>,
    pub data: Json,
}

/// An event as its row has it.
pub(crate) struct EventText {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) resource: Option<Uuid>,
    pub(crate) data: String,
}

/// One line of the audit log, as its hash covers it.
pub(crate) struct AuditLine<'a> {
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) actor_kind: &'a str,
    pub(crate) actor_id: Option<Uuid>,
    pub(crate) actor_name: &'a str,
    pub(crate) request: Option<Uuid>,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) resource_id: Option<Uuid>,
    pub(crate) resource_name: &'a str,
    pub(crate) before: Option<&'a str>,
    pub(crate) after: Option<&'a str>,
}

/// Where a tenant's numbers stood before this transaction.
struct Ends {
    audit: i64,
    event: i64,
    hash: Vec<u8>,
}

impl Deed {
    pub(crate) fn created(
        (tenant, what): (TenantId, Resource),
        (id, name): (Uuid, &str),
        after: &impl Serialize,
    ) -> Self {
        Self {
            tenant,
            action: Action::Created,
            what,
            id: Some(id),
            name: name.to_owned(),
            before: None,
            after: Some(seen(after)),
        }
    }

    pub(crate) fn changed(
        (tenant, what): (TenantId, Resource),
        (id, name): (Uuid, &str),
        before: &impl Serialize,
        after: &impl Serialize,
    ) -> Self {
        Self {
            action: Action::Changed,
            before: Some(seen(before)),
            ..Self::created((tenant, what), (id, name), after)
        }
    }

    pub(crate) fn removed(
        (tenant, what): (TenantId, Resource),
        (id, name): (Uuid, &str),
        before: &impl Serialize,
    ) -> Self {
        Self {
            tenant,
            action: Action::Removed,
            what,
            id: Some(id),
            name: name.to_owned(),
            before: Some(seen(before)),
            after: None,
        }
    }

    /// Many that were brought in at once.
    pub(crate) fn imported(
        (tenant, what): (TenantId, Resource),
        name: &str,
        after: &impl Serialize,
    ) -> Self {
        Self {
            action: Action::Imported,
            ..Self::created((tenant, what), (Uuid::nil(), name), after).by_name()
        }
    }

    /// The same of a thing that has a name and no id.
    pub(crate) fn by_name(self) -> Self {
        Self { id: None, ..self }
    }

    pub(crate) fn signed_in(
        (tenant, what): (TenantId, Resource),
        (id, name): (Uuid, &str),
        after: Json,
    ) -> Self {
        Self {
            action: Action::SignedIn,
            ..Self::created((tenant, what), (id, name), &after)
        }
    }

    pub(crate) fn signed_out(
        (tenant, what): (TenantId, Resource),
        (id, name): (Uuid, &str),
        after: Json,
    ) -> Self {
        Self {
            action: Action::SignedOut,
            ..Self::created((tenant, what), (id, name), &after)
        }
    }

    /// Of somebody who may be nobody that is known.
    pub(crate) fn sign_in_failed(
        (tenant, what): (TenantId, Resource),
        (id, name): (Option<Uuid>, &str),
        after: Json,
    ) -> Self {
        Self {
            tenant,
            action: Action::SignInFailed,
            what,
            id,
            name: name.to_owned(),
            before: None,
            after: Some(after),
        }
    }

    pub(crate) fn locked_out(
        (tenant, what): (TenantId, Resource),
        (id, name): (Option<Uuid>, &str),
        after: Json,
    ) -> Self {
        Self {
            action: Action::LockedOut,
            ..Self::sign_in_failed((tenant, what), (id, name), after)
        }
    }

    /// A secret was shown, for a reason.
    pub(crate) fn revealed(
        (tenant, what): (TenantId, Resource),
        (id, name): (Uuid, &str),
        after: Json,
    ) -> Self {
        Self {
            action: Action::Revealed,
            ..Self::created((tenant, what), (id, name), &after)
        }
    }

    /// The name of its event: `plan.created`.
    fn kind(&self) -> String {
        format!("{}.{}", self.what.as_str(), self.action.as_str())
    }

    /// What its event carries: the thing as it is now, and which of its fields are new.
    fn event(&self, actor: &Actor) -> Json {
        let mut data = Map::new();
        data.insert("id".into(), self.id.map(|id| id.to_string()).into());
        data.insert("name".into(), self.name.clone().into());
        data.insert("actor".into(), actor.to_string().into());
        if let (Some(before), Some(after)) = (&self.before, &self.after) {
            data.insert("changed".into(), changed_fields(before, after).into());
        }
        let now = self.after.as_ref().or(self.before.as_ref());
        data.insert("object".into(), now.cloned().unwrap_or_default());
        Json::Object(data)
    }
}

impl EventText {
    pub(crate) fn of(event: &NewEvent) -> Self {
        Self {
            kind: event.kind.as_str().into(),
            resource: event.resource,
            data: bounded(stored_text(&event.data.to_string())),
        }
    }

    fn of_deed(deed: &Deed, actor: &Actor) -> Self {
        debug_assert!(
            Resource::ALL.contains(&deed.what) && event::is_done_to(deed.what, deed.action),
            "the catalogue has no {}",
            deed.kind()
        );
        Self {
            kind: deed.kind().into(),
            resource: deed.id,
            data: bounded(stored_text(&deed.event(actor).to_string())),
        }
    }
}

impl AuditLine<'_> {
    /// The hash that this line has behind the one before it. Every field is there with its length,
    /// so that nothing can move from one to the next.
    pub(crate) fn hash(&self, previous: &[u8]) -> [u8; HASH_LEN] {
        let mut hash = Sha256::new();
        let mut field = |octets: Option<&[u8]>| {
            let length = octets.map_or(u64::MAX, |octets| octets.len() as u64);
            hash.update(length.to_be_bytes());
            hash.update(octets.unwrap_or_default());
        };
        let text = |text: &'_ str| -> Vec<u8> { text.as_bytes().to_vec() };
        field(Some(previous));
        field(Some(&self.seq.to_be_bytes()));
        field(Some(&self.at.as_micros().to_be_bytes()));
        field(Some(&text(self.actor_kind)));
        field(self.actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
        field(Some(&text(self.actor_name)));
        field(self.request.as_ref().map(|id| id.as_bytes().as_slice()));
        field(Some(&text(self.action)));
        field(Some(&text(self.resource)));
        field(self.resource_id.as_ref().map(|id| id.as_bytes().as_slice()));
        field(Some(&text(self.resource_name)));
        field(self.before.map(str::as_bytes));
        field(self.after.map(str::as_bytes));
        hash.finalize().into()
    }
}

/// Writes deeds into the audit log, and them and what else happened into the events of their tenants.
/// The row that numbers them stays locked until the commit, so this comes last.
pub(crate) async fn write_all<C: ConnectionTrait>(
    connection: &C,
    deeds: &[Deed],
    told: &[(TenantId, NewEvent)],
    (actor, request): (&Actor, Option<Uuid>),
    at: Timestamp,
) -> Result<(), DbErr> {
    let of_deeds = deeds.iter().map(|deed| deed.tenant);
    let mut tenants: Vec<TenantId> = of_deeds
        .chain(told.iter().map(|(tenant, _)| *tenant))
        .collect();
    // In one order, so that no two transactions wait for each other.
    tenants.sort_unstable();
    tenants.dedup();
    for tenant in tenants {
        let deeds: Vec<&Deed> = deeds.iter().filter(|deed| deed.tenant == tenant).collect();
        let told = told.iter().filter(|(of, _)| *of == tenant);
        let told: Vec<&NewEvent> = told.map(|(_, event)| event).collect();
        let ends = advance(connection, tenant, (deeds.len(), deeds.len() + told.len())).await?;
        let events = deeds.iter().map(|deed| EventText::of_deed(deed, actor));
        let events = events.chain(told.iter().map(|event| EventText::of(event)));
        let rows = events.zip(ends.event + 1..).map(|(event, seq)| {
            [
                tenant.as_uuid().into(),
                seq.into(),
                at.as_micros().into(),
                event.kind.into_owned().into(),
                event.resource.into(),
                event.data.into(),
            ]
        });
        let rows: Vec<_> = rows.collect();
        write_lines(connection, tenant, &deeds, ends, (actor, request), at).await?;
        EVENT.run(connection, rows).await?;
    }
    Ok(())
}

/// Writes the lines of a tenant's deeds behind those that there are.
async fn write_lines<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
    deeds: &[&Deed],
    ends: Ends,
    (actor, request): (&Actor, Option<Uuid>),
    at: Timestamp,
) -> Result<(), DbErr> {
    if deeds.is_empty() {
        return Ok(());
    }
    let mut hash = ends.hash;
    let mut lines = Vec::with_capacity(deeds.len());
    for (deed, seq) in deeds.iter().zip(ends.audit + 1..) {
        let (before, after) = (stored_side(&deed.before), stored_side(&deed.after));
        let (actor_name, name) = (stored_text(&actor.name), stored_text(&deed.name));
        let line = AuditLine {
            seq,
            at,
            actor_kind: actor.kind.as_str(),
            actor_id: actor.id,
            actor_name: &actor_name,
            request,
            action: deed.action.as_str(),
            resource: deed.what.as_str(),
            resource_id: deed.id,
            resource_name: &name,
            before: before.as_deref(),
            after: after.as_deref(),
        };
        hash = line.hash(&hash).to_vec();
        lines.push([
            tenant.as_uuid().into(),
            seq.into(),
            at.as_micros().into(),
            line.actor_kind.into(),
            line.actor_id.into(),
            line.actor_name.into(),
            line.request.into(),
            line.action.into(),
            line.resource.into(),
            line.resource_id.into(),
            line.resource_name.into(),
            line.before.into(),
            line.after.into(),
            hash.clone().into(),
        ]);
    }
    AUDIT.run(connection, lines).await?;
    set_hash(connection, tenant, hash).await
}

/// Takes the next numbers of a tenant, and keeps others from taking any until the commit.
async fn advance<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
    (audit, event): (usize, usize),
) -> Result<Ends, DbErr> {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let (audit, event) = (count(audit), count(event));
    let values = [
        tenant.as_uuid().into(),
        audit.into(),
        vec![0_u8; HASH_LEN].into(),
        event.into(),
    ];
    let statement = Dialect::of(connection).statement(ADVANCE, values);
    let row = connection.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("tenant_log".to_owned()))?;
    let (new_audit, new_event): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(Ends {
        audit: new_audit - audit,
        event: new_event - event,
        hash: row.try_get_by_index(2)?,
    })
}

async fn set_hash<C: ConnectionTrait>(
    connection: &C,
    tenant: TenantId,
    hash: Vec<u8>,
) -> Result<(), DbErr> {
    let sql = "UPDATE tenant_log SET audit_hash = $2 WHERE tenant = $1";
    let values = [tenant.as_uuid().into(), hash.into()];
    let statement = Dialect::of(connection).statement(sql, values);
    connection.execute_raw(statement).await?;
    Ok(())
}

/// A thing as the log shows it.
pub(crate) fn seen(thing: &impl Serialize) -> Json {
    serde_json::to_value(thing).expect("what lists show is made of texts, numbers and maps")
}

fn stored_side(side: &Option<Json>) -> Option<String> {
    side.as_ref()
        .map(|json| bounded(stored_text(&json.to_string())))
}

/// Text of JSON within the limit of a column.
fn bounded(json: String) -> String {
    match json.len() {
        length if SIDE_BYTES_MAX < length => {
            serde_json::json!({ "left_out": "too long", "octets": length }).to_string()
        }
        _ => json,
    }
}

fn changed_fields(before: &Json, after: &Json) -> Vec<String> {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return Vec::new();
    };
    let is_new = |(name, value): &(&String, &Json)| before.get(*name) != Some(*value);
    let mut fields: Vec<String> = after
        .iter()
        .filter(is_new)
        .map(|(name, _)| name.clone())
        .collect();
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    fields.extend(gone.cloned());
    fields
}
