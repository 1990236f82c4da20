//! Subscribers.

use std::net::Ipv4Addr;

use domain::change::Change;
use domain::credential::{Credential, HashScheme, PasswordHash};
use domain::id::{Id, PlanId, SubscriberId, TenantId};
use domain::limit::TopUp;
use domain::name::{Name, Username};
use domain::plan::SessionLimit;
use domain::secret::Secret;
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::subscriber::binding::Bindings;
use domain::subscriber::state::{AccessState, Cause, StateChange};
use domain::subscriber::{
    Purchase, StaticAddresses, Subscriber, SubscriberInstants, SubscriberStatus,
};
use domain::time::Timestamp;
use ipnet::Ipv6Net;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, Condition, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, Select, SelectTwo, SqlErr, Value,
};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::bulk::select_in;
use crate::column::{MICROS_PER_DAY, RowName};
use crate::entity::plan;
use crate::entity::subscriber::{ActiveModel, Column, Entity, Model};
use crate::error::{Resource, StoreError};
use crate::key_ring::KeyRing;
use crate::keyed::Keyed;
use crate::page::Page;
use crate::plan::row::stored_limit;
use crate::seal::SUBSCRIBER_CREDENTIAL;
use crate::store::Store;

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
}

/// What to change of a subscriber; `None` leaves a field as it is, `Some(None)` empties it.
#[derive(Clone, Debug, Default)]
pub struct SubscriberPatch {
    pub credential: Option<Credential>,
    pub plan: Option<PlanId>,
    pub starts_at: Option<Option<Timestamp>>,
    pub expires_at: Option<Option<Timestamp>>,
    pub ipv4: Option<Option<Ipv4Addr>>,
    pub ipv6_prefix: Option<Option<Ipv6Net>>,
    pub ipv6_delegated: Option<Option<Ipv6Net>>,
    pub session_limit: Option<Option<SessionLimit>>,
    pub session_policy: Option<Option<SessionPolicy>>,
}

/// Which subscribers to list; everything that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SubscriberFilter {
    /// A part of the user name, in any case.
    pub search: Option<String>,
    pub plan: Option<PlanId>,
    /// How the account stands now.
    pub state: Option<AccessState>,
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
    pub async fn subscriber_insert(&self, new: NewSubscriber) -> Result<Subscriber, StoreError> {
        let subscriber = named(new, self.new_id());
        let mut write = self.write().await?;
        let row = new_row(&subscriber, self.keys(), write.at());
        Entity::insert(ActiveModel::from(row))
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| refusal(error, &subscriber.username, Some(subscriber.plan)))?;
        write.note(subscriber.tenant, Change::Subscriber(subscriber.id));
        write.commit().await?;
        Ok(subscriber)
    }

    /// Subscribers by user name.
    pub async fn subscriber_list(
        &self,
        tenant: TenantId,
        filter: &SubscriberFilter,
        page: &Page<Username>,
    ) -> Result<Vec<SubscriberSummary>, StoreError> {
        let after = page.after.as_ref().map(Username::as_str);
        let mut select = KEYED.page(tenant, after, page.limit());
        if let Some(plan) = filter.plan {
            select = select.filter(Column::Plan.eq(plan.as_uuid()));
        }
        if let Some(state) = filter.state {
            select = select.filter(is_in_state(state, self.now()));
        }
        if let Some(search) = &filter.search {
            select = select.filter(Column::Username.like(pattern(search)));
        }
        let rows = with_plan(select).all(self.reader()).await?;
        let now = self.now();
        rows.iter().map(|row| summary(row, now)).collect()
    }

    /// The subscriber of this name.
    pub async fn subscriber_find(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<Option<SubscriberSummary>, StoreError> {
        let select = KEYED.one(tenant, username.as_str());
        let row = with_plan(select).one(self.reader()).await?;
        row.as_ref().map(|row| summary(row, self.now())).transpose()
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
        patched_row(model, patch, self.keys(), write.at())
            .update(write.connection())
            .await
            .map_err(|error| refusal(error, username, plan))?;
        let row = with_plan(Entity::find_by_id(id))
            .one(write.connection())
            .await?
            .expect("the row is locked by this transaction");
        write.note(tenant, Change::Subscriber(Id::from_uuid(id)));
        write.commit().await?;
        summary(&row, self.now())
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
        let find = || with_plan(Entity::find_by_id(id)).one(write.connection());
        let row = find()
            .await?
            .expect("the row is locked by this transaction");
        let known = summary(&row, write.at())?;
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
        let mut changed = ActiveModel::from(model);
        changed.status = ActiveValue::Set(status.as_str().into());
        changed.status_at = ActiveValue::Set(Some(write.at().as_micros()));
        changed.updated_at = ActiveValue::Set(write.at().as_micros());
        changed.update(write.connection()).await?;
        let row = find()
            .await?
            .expect("the row is locked by this transaction");
        write.note(tenant, Change::Subscriber(Id::from_uuid(id)));
        write.commit().await?;
        summary(&row, self.now())
    }

    /// Removes the subscriber of this name; sessions and usage stay.
    pub async fn subscriber_delete(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, username.as_str()).await?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
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
}

/// The subscriber that `new` describes, under its id.
pub(crate) fn named(new: NewSubscriber, id: SubscriberId) -> Subscriber {
    Subscriber {
        id,
        tenant: new.tenant,
        username: new.username,
        credential: new.credential,
        plan: new.plan,
        status: new.status,
        expires_at: new.expires_at,
        addresses: new.addresses,
        sessions: new.sessions,
        bindings: Bindings::default(),
        changed: SubscriberInstants::default(),
        purchase: Purchase::new(new.starts_at, Vec::new()),
    }
}

/// The row of a new subscriber, its credential sealed.
pub(crate) fn new_row(subscriber: &Subscriber, keys: &KeyRing, now: Timestamp) -> Model {
    let addresses = &subscriber.addresses;
    let id = subscriber.id.as_uuid();
    Model {
        id,
        tenant: subscriber.tenant.as_uuid(),
        username: subscriber.username.as_str().into(),
        credential_kind: CredentialKind::of(&subscriber.credential).as_str().into(),
        credential: seal(keys, subscriber.id, &subscriber.credential),
        plan: subscriber.plan.as_uuid(),
        status: subscriber.status.as_str().into(),
        expires_at: subscriber.expires_at.map(Timestamp::as_micros),
        ipv4: addresses.ipv4.map(|address| address.to_string()),
        ipv6_prefix: addresses.ipv6_prefix.map(stored_prefix),
        ipv6_delegated: addresses.ipv6_delegated.map(stored_prefix),
        session_limit: subscriber.sessions.session_limit.map(stored_limit),
        session_policy: subscriber.sessions.session_policy.map(stored_policy),
        created_at: now.as_micros(),
        updated_at: now.as_micros(),
        status_at: Some(now.as_micros()),
        credential_set_at: None,
        device_forgotten_at: None,
        starts_at: subscriber.starts_at().map(Timestamp::as_micros),
    }
}

/// What a row says, borrowed from wherever it was read.
#[derive(Clone, Copy)]
pub(crate) struct StoredSubscriber<'r> {
    pub(crate) id: Uuid,
    pub(crate) tenant: Uuid,
    pub(crate) username: &'r str,
    pub(crate) credential_kind: &'r str,
    pub(crate) credential: &'r [u8],
    pub(crate) plan: Uuid,
    pub(crate) status: &'r str,
    pub(crate) expires_at: Option<i64>,
    pub(crate) ipv4: Option<&'r str>,
    pub(crate) ipv6_prefix: Option<&'r str>,
    pub(crate) ipv6_delegated: Option<&'r str>,
    pub(crate) session_limit: Option<i64>,
    pub(crate) session_policy: Option<&'r str>,
    pub(crate) credential_set_at: Option<i64>,
    pub(crate) device_forgotten_at: Option<i64>,
    pub(crate) starts_at: Option<i64>,
}

impl<'r> From<&'r Model> for StoredSubscriber<'r> {
    fn from(model: &'r Model) -> Self {
        Self {
            id: model.id,
            tenant: model.tenant,
            username: &model.username,
            credential_kind: &model.credential_kind,
            credential: &model.credential,
            plan: model.plan,
            status: &model.status,
            expires_at: model.expires_at,
            ipv4: model.ipv4.as_deref(),
            ipv6_prefix: model.ipv6_prefix.as_deref(),
            ipv6_delegated: model.ipv6_delegated.as_deref(),
            session_limit: model.session_limit,
            session_policy: model.session_policy.as_deref(),
            credential_set_at: model.credential_set_at,
            device_forgotten_at: model.device_forgotten_at,
            starts_at: model.starts_at,
        }
    }
}

impl StoredSubscriber<'_> {
    /// The whole subscriber with the credential, for the node that checks it.
    pub(crate) fn unsealed(
        self,
        keys: &KeyRing,
        bindings: Bindings,
        top_ups: Vec<TopUp>,
    ) -> Result<Subscriber, StoreError> {
        let row = self.row_name();
        let plain = SUBSCRIBER_CREDENTIAL.unseal(keys, self.id, self.credential)?;
        let kind = self.credential_kind()?;
        Ok(Subscriber {
            id: Id::from_uuid(self.id),
            tenant: Id::from_uuid(self.tenant),
            username: row.parse("username", self.username)?,
            credential: credential(kind, plain).ok_or_else(|| row.corrupt("credential"))?,
            plan: Id::from_uuid(self.plan),
            status: self.status()?,
            expires_at: self.expires_at.map(Timestamp::from_micros),
            addresses: self.addresses()?,
            sessions: self.sessions()?,
            bindings,
            changed: SubscriberInstants::new(
                self.credential_set_at.map(Timestamp::from_micros),
                self.device_forgotten_at.map(Timestamp::from_micros),
            ),
            purchase: Purchase::new(self.starts_at.map(Timestamp::from_micros), top_ups),
        })
    }

    fn credential_kind(self) -> Result<CredentialKind, StoreError> {
        CredentialKind::parse(self.credential_kind)
            .ok_or_else(|| self.row_name().corrupt("credential_kind"))
    }

    fn status(self) -> Result<SubscriberStatus, StoreError> {
        self.row_name().parse("status", self.status)
    }

    fn addresses(self) -> Result<StaticAddresses, StoreError> {
        let row = self.row_name();
        Ok(StaticAddresses {
            ipv4: row.find_parsed("ipv4", self.ipv4)?,
            ipv6_prefix: row.find_parsed("ipv6_prefix", self.ipv6_prefix)?,
            ipv6_delegated: row.find_parsed("ipv6_delegated", self.ipv6_delegated)?,
        })
    }

    fn sessions(self) -> Result<SessionTerms, StoreError> {
        let row = self.row_name();
        let limit = |stored| row.number("session_limit", stored, SessionLimit::new);
        Ok(SessionTerms {
            session_limit: self.session_limit.map(limit).transpose()?,
            session_policy: row.find_parsed("session_policy", self.session_policy)?,
        })
    }

    const fn row_name(self) -> RowName {
        RowName {
            table: "subscriber",
            id: self.id,
        }
    }
}

fn credential(kind: CredentialKind, plain: Secret) -> Option<Credential> {
    match kind {
        CredentialKind::Cleartext => Some(Credential::Cleartext(plain)),
        CredentialKind::Hashed(_) => std::str::from_utf8(plain.expose())
            .ok()?
            .parse::<PasswordHash>()
            .ok()
            .map(Credential::Hashed),
    }
}

fn seal(keys: &KeyRing, id: SubscriberId, credential: &Credential) -> Vec<u8> {
    let plain = match credential {
        Credential::Cleartext(password) => password.expose(),
        Credential::Hashed(hash) => hash.text().as_bytes(),
    };
    SUBSCRIBER_CREDENTIAL.seal(keys, id.as_uuid(), plain)
}

/// Without host bits, so that one prefix has one text.
fn stored_prefix(prefix: Ipv6Net) -> String {
    prefix.trunc().to_string()
}

fn stored_policy(policy: SessionPolicy) -> String {
    policy.as_str().into()
}

fn with_plan(select: Select<Entity>) -> SelectTwo<Entity, plan::Entity> {
    select.find_also_related(plan::Entity)
}

/// What rows of a state have; for a query that joins the plan.
fn is_in_state(state: AccessState, now: Timestamp) -> Condition {
    let has = |status: SubscriberStatus| Condition::all().add(Column::Status.eq(status.as_str()));
    let grace = Expr::col(plan::Column::GraceDays.as_column_ref()).mul(MICROS_PER_DAY);
    let ends_at = Expr::col(Column::ExpiresAt.as_column_ref()).add(grace);
    let active = has(SubscriberStatus::Active);
    match state {
        AccessState::Pending => has(SubscriberStatus::Pending),
        AccessState::SuspendedWalled => has(SubscriberStatus::SuspendedWalled),
        AccessState::SuspendedHard => has(SubscriberStatus::SuspendedHard),
        AccessState::Disabled => has(SubscriberStatus::Disabled),
        AccessState::Active => active.add(
            Condition::any()
                .add(Column::ExpiresAt.is_null())
                .add(Column::ExpiresAt.gt(now.as_micros())),
        ),
        AccessState::Grace => active
            .add(Column::ExpiresAt.lte(now.as_micros()))
            .add(ends_at.gt(now.as_micros())),
        AccessState::Expired => active.add(ends_at.lte(now.as_micros())),
    }
}

/// A pattern for `LIKE` that finds the text anywhere and takes its `%` and `_` as they are.
fn pattern(search: &str) -> sea_orm::sea_query::LikeExpr {
    let mut escaped = String::with_capacity(search.len() + 2);
    escaped.push('%');
    for letter in search.to_ascii_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped.push('%');
    sea_orm::sea_query::LikeExpr::new(escaped).escape('\\')
}

fn patched_row(
    model: Model,
    patch: SubscriberPatch,
    keys: &KeyRing,
    now: Timestamp,
) -> ActiveModel {
    let id = Id::from_uuid(model.id);
    let mut row = ActiveModel::from(model);
    if let Some(credential) = &patch.credential {
        row.credential_kind = ActiveValue::Set(CredentialKind::of(credential).as_str().into());
        row.credential = ActiveValue::Set(seal(keys, id, credential));
        row.credential_set_at = ActiveValue::Set(Some(now.as_micros()));
    }
    if let Some(plan) = patch.plan {
        row.plan = ActiveValue::Set(plan.as_uuid());
    }
    if let Some(starts_at) = patch.starts_at {
        row.starts_at = ActiveValue::Set(starts_at.map(Timestamp::as_micros));
    }
    if let Some(expires_at) = patch.expires_at {
        row.expires_at = ActiveValue::Set(expires_at.map(Timestamp::as_micros));
    }
    if let Some(address) = patch.ipv4 {
        row.ipv4 = ActiveValue::Set(address.map(|address| address.to_string()));
    }
    if let Some(prefix) = patch.ipv6_prefix {
        row.ipv6_prefix = ActiveValue::Set(prefix.map(stored_prefix));
    }
    if let Some(prefix) = patch.ipv6_delegated {
        row.ipv6_delegated = ActiveValue::Set(prefix.map(stored_prefix));
    }
    if let Some(limit) = patch.session_limit {
        row.session_limit = ActiveValue::Set(limit.map(stored_limit));
    }
    if let Some(policy) = patch.session_policy {
        row.session_policy = ActiveValue::Set(policy.map(stored_policy));
    }
    row.updated_at = ActiveValue::Set(now.as_micros());
    row
}

fn summary(
    (model, plan): &(Model, Option<plan::Model>),
    now: Timestamp,
) -> Result<SubscriberSummary, StoreError> {
    let stored = StoredSubscriber::from(model);
    let row = stored.row_name();
    let plan = plan.as_ref().ok_or_else(|| row.corrupt("plan"))?;
    let status = stored.status()?;
    let expires_at = model.expires_at.map(Timestamp::from_micros);
    let grace = crate::plan::row::access(plan)?.grace_days;
    Ok(SubscriberSummary {
        id: Id::from_uuid(model.id),
        username: row.parse("username", &model.username)?,
        credential_kind: stored.credential_kind()?,
        plan: row.parse("plan", &plan.name)?,
        plan_id: Id::from_uuid(model.plan),
        status,
        status_at: model.status_at.map(Timestamp::from_micros),
        state: AccessState::at(status, expires_at, grace, now),
        starts_at: model.starts_at.map(Timestamp::from_micros),
        expires_at,
        addresses: stored.addresses()?,
        sessions: stored.sessions()?,
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
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
