//! Subscribers.

use std::net::Ipv4Addr;

use domain::change::Change;
use domain::credential::{Credential, HashScheme};
use domain::id::{CustomerId, Id, PlanId, SubscriberId, TenantId};
use domain::name::{Name, Username};
use domain::plan::SessionLimit;
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::subscriber::state::{AccessState, Cause, StateChange};
use domain::subscriber::{StaticAddresses, Subscriber, SubscriberStatus};
use domain::time::Timestamp;
use ipnet::Ipv6Net;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    SqlErr, Value,
};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use self::row::{named, new_row, patched_row};
use crate::bulk::select_in;
use crate::customer;
use crate::deed::Deed;
use crate::entity::subscriber::{ActiveModel, Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::keyed::Keyed;
use crate::search::{self, Entry, EntryKind};
use crate::store::Store;
use crate::write::Write;

pub mod list;
pub(crate) mod row;

pub(crate) const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Subscriber,
    tenant: Column::Tenant,
    key: Column::Username,
    updated: Column::UpdatedAt,
};

/// A subscriber to be added.
#[derive(Clone, Debug)]
pub struct NewSubscriber {
    pub tenant: TenantId,
    pub username: Username,
    pub credential: Credential,
    pub plan: PlanId,
    pub status: SubscriberStatus,
    pub starts_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub addresses: StaticAddresses,
    pub sessions: SessionTerms,
    /// Who pays for it.
    pub customer: Option<CustomerId>,
}

/// What to change of a subscriber; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default)]
pub struct SubscriberPatch {
    pub credential: Option<Credential>,
    pub plan: Option<PlanId>,
    pub customer: Option<Option<CustomerId>>,
    pub starts_at: Option<Option<Timestamp>>,
    pub expires_at: Option<Option<Timestamp>>,
    pub ipv4: Option<Option<Ipv4Addr>>,
    pub ipv6_prefix: Option<Option<Ipv6Net>>,
    pub ipv6_delegated: Option<Option<Ipv6Net>>,
    pub session_limit: Option<Option<SessionLimit>>,
    pub session_policy: Option<Option<SessionPolicy>>,
}

/// What kind of credential is stored, without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    Cleartext,
    Hashed(HashScheme),
}

/// A subscriber as lists show them: without the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriberSummary {
    pub id: SubscriberId,
    pub username: Username,
    pub credential_kind: CredentialKind,
    pub plan: Name,
    pub plan_id: PlanId,
    /// Who pays for it, by number and by id.
    pub customer: Option<String>,
    pub customer_id: Option<CustomerId>,
    pub status: SubscriberStatus,
    /// Since when it has this status, if that is known.
    pub status_at: Option<Timestamp>,
    /// What the status and the time make of the account now.
    pub state: AccessState,
    /// Nothing is granted before.
    pub starts_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    #[serde(flatten)]
    pub addresses: StaticAddresses,
    #[serde(flatten)]
    pub sessions: SessionTerms,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl CredentialKind {
    const CLEARTEXT: &str = "cleartext";
    const SCHEMES: [HashScheme; 5] = [
        HashScheme::Bcrypt,
        HashScheme::Argon2,
        HashScheme::Sha256Crypt,
        HashScheme::Sha512Crypt,
        HashScheme::Nt,
    ];

    /// The kind of a credential.
    pub fn of(credential: &Credential) -> Self {
        match credential {
            Credential::Cleartext(_) => Self::Cleartext,
            Credential::Hashed(hash) => Self::Hashed(hash.scheme()),
        }
    }

    /// The name in lists and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cleartext => Self::CLEARTEXT,
            Self::Hashed(scheme) => scheme.as_str(),
        }
    }

    pub(crate) fn parse(stored: &str) -> Option<Self> {
        if stored == Self::CLEARTEXT {
            return Some(Self::Cleartext);
        }
        Self::SCHEMES
            .into_iter()
            .find(|scheme| scheme.as_str() == stored)
            .map(Self::Hashed)
    }
}

impl Serialize for CredentialKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Store {
    /// Adds a subscriber.
    pub async fn subscriber_insert(
        &self,
        new: NewSubscriber,
    ) -> Result<SubscriberSummary, StoreError> {
        let customer = new.customer;
        let subscriber = named(new, self.new_id());
        let mut write = self.write().await?;
        if let Some(customer) = customer {
            customer::check_room(&write, subscriber.tenant, customer).await?;
        }
        let row = new_row(&subscriber, customer, self.keys(), write.at());
        Entity::insert(ActiveModel::from(row))
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| refusal(error, &subscriber.username, Some(subscriber.plan)))?;
        search::put_new(write.connection(), [entry(&subscriber)]).await?;
        let id = subscriber.id.as_uuid();
        let made = self.seen_by_id(&write, id).await?;
        let named = (id, subscriber.username.as_str());
        let kind = (subscriber.tenant, Resource::Subscriber);
        write.record(Deed::created(kind, named, &made));
        write.note(subscriber.tenant, Change::Subscriber(subscriber.id));
        write.commit().await?;
        Ok(made)
    }

    /// The subscriber of this name.
    pub async fn subscriber_find(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<Option<SubscriberSummary>, StoreError> {
        let model = KEYED.one(tenant, username.as_str());
        let models = model.one(self.reader()).await?;
        let found = self.subscriber_summaries(self.reader(), models.into_iter().collect());
        Ok(found.await?.into_iter().next())
    }

    /// Those of these names that are subscribers', all of them folded.
    pub async fn subscriber_names_among(
        &self,
        tenant: TenantId,
        names: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let tenant = self.dialect().id_literal(tenant.as_uuid());
        let head =
            format!("SELECT username FROM subscriber WHERE tenant = {tenant} AND username IN");
        let keys: Vec<Value> = names.iter().map(Value::from).collect();
        let rows = select_in(self.reader(), &head, &keys, "").await?;
        let found: Result<Vec<String>, DbErr> =
            rows.iter().map(|row| row.try_get_by_index(0)).collect();
        let mut found = found?;
        found.sort_unstable();
        Ok(found)
    }

    /// Changes the subscriber of this name.
    pub async fn subscriber_update(
        &self,
        tenant: TenantId,
        username: &Username,
        patch: SubscriberPatch,
    ) -> Result<SubscriberSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, username.as_str()).await?;
        let (id, plan) = (model.id, patch.plan);
        if let Some(Some(customer)) = patch.customer
            && model.customer != Some(customer.as_uuid())
        {
            customer::check_room(&write, tenant, customer).await?;
        }
        let before = self.seen_by_id(&write, id).await?;
        let is_new_credential = patch.credential.is_some();
        patched_row(model, patch, self.keys(), write.at())
            .update(write.connection())
            .await
            .map_err(|error| refusal(error, username, plan))?;
        let after = self.seen_by_id(&write, id).await?;
        // The log shows that there is another password, and not which.
        let mut deed = changed(tenant, &before, &after);
        if is_new_credential && let Some(serde_json::Value::Object(after)) = &mut deed.after {
            after.insert(
                "credential_set_at".to_owned(),
                write.at().to_string().into(),
            );
        }
        write.record(deed);
        write.note(tenant, Change::Subscriber(Id::from_uuid(id)));
        write.commit().await?;
        Ok(after)
    }

    /// Changes how the account of this name stands, as far as its state allows it.
    pub async fn subscriber_transition(
        &self,
        tenant: TenantId,
        username: &Username,
        change: StateChange,
        by: Cause,
    ) -> Result<SubscriberSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, username.as_str()).await?;
        let id = model.id;
        let known = self.seen_by_id(&write, id).await?;
        let status = known
            .state
            .after(change, by)
            .map_err(|source| StoreError::Transition {
                name: username.to_string(),
                source,
            })?;
        if status == known.status {
            return Ok(known);
        }
        let mut row = ActiveModel::from(model);
        row.status = ActiveValue::Set(status.as_str().into());
        row.status_at = ActiveValue::Set(Some(write.at().as_micros()));
        row.updated_at = ActiveValue::Set(write.at().as_micros());
        row.update(write.connection()).await?;
        let after = self.seen_by_id(&write, id).await?;
        write.record(changed(tenant, &known, &after));
        write.note(tenant, Change::Subscriber(Id::from_uuid(id)));
        write.commit().await?;
        Ok(after)
    }

    /// Removes the subscriber of this name; sessions and usage stay.
    pub async fn subscriber_delete(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, username.as_str()).await?;
        let before = self.seen_by_id(&write, model.id).await?;
        search::remove(&write, model.id).await?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        let named = (model.id, username.as_str());
        let kind = (tenant, Resource::Subscriber);
        write.record(Deed::removed(kind, named, &before));
        write.note(tenant, Change::Subscriber(Id::from_uuid(model.id)));
        write.commit().await
    }

    /// How many subscribers a tenant has.
    pub async fn subscriber_count(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let count = Entity::find()
            .filter(Column::Tenant.eq(tenant.as_uuid()))
            .count(self.reader())
            .await?;
        Ok(count)
    }

    /// A subscriber as the transaction sees it, whose row it has locked.
    pub(crate) async fn seen_subscriber(
        &self,
        write: &Write,
        model: Model,
    ) -> Result<SubscriberSummary, StoreError> {
        let found = self.subscriber_summaries(write.connection(), vec![model]);
        let found = found.await?.into_iter().next();
        Ok(found.expect("a row gives a summary or an error"))
    }

    async fn seen_by_id(&self, write: &Write, id: Uuid) -> Result<SubscriberSummary, StoreError> {
        let model = Entity::find_by_id(id).one(write.connection()).await?;
        let model = model.expect("the row is locked by this transaction");
        self.seen_subscriber(write, model).await
    }
}

/// What of a subscriber can be searched for.
pub(crate) fn entry(subscriber: &Subscriber) -> Entry {
    Entry {
        tenant: subscriber.tenant,
        kind: EntryKind::Subscriber,
        object: subscriber.id.as_uuid(),
        content: subscriber.username.as_str().to_owned(),
    }
}

fn changed(tenant: TenantId, before: &SubscriberSummary, after: &SubscriberSummary) -> Deed {
    let named = (after.id.as_uuid(), after.username.as_str());
    Deed::changed((tenant, Resource::Subscriber), named, before, after)
}

/// A value that another subscriber has, a plan that does not exist, or the error as it is.
pub(crate) fn refusal(error: DbErr, username: &Username, plan: Option<PlanId>) -> StoreError {
    match (error.sql_err(), plan) {
        (Some(SqlErr::ForeignKeyConstraintViolation(_)), Some(plan)) => StoreError::NotFound {
            what: Resource::Plan,
            name: plan.to_string(),
        },
        _ => KEYED.refusal(error, username.as_str()),
    }
}
