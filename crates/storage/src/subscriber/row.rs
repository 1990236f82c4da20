//! Rows of subscribers: how they are written, sealed and read back.

use domain::credential::{Credential, PasswordHash};
use domain::id::{CustomerId, Id, SubscriberId};
use domain::limit::TopUp;
use domain::plan::SessionLimit;
use domain::secret::Secret;
use domain::session_policy::{SessionPolicy, SessionTerms};
use domain::subscriber::binding::Bindings;
use domain::subscriber::{
    Purchase, StaticAddresses, Subscriber, SubscriberInstants, SubscriberStatus,
};
use domain::time::Timestamp;
use ipnet::Ipv6Net;
use sea_orm::ActiveValue;
use uuid::Uuid;

use super::{CredentialKind, NewSubscriber, SubscriberPatch};
use crate::column::RowName;
use crate::entity::subscriber::{ActiveModel, Model};
use crate::error::StoreError;
use crate::key_ring::KeyRing;
use crate::plan::row::stored_limit;
use crate::seal::SUBSCRIBER_CREDENTIAL;

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
pub(crate) fn new_row(
    subscriber: &Subscriber,
    customer: Option<CustomerId>,
    keys: &KeyRing,
    now: Timestamp,
) -> Model {
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
        customer: customer.map(|customer| customer.as_uuid()),
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

    pub(crate) fn credential_kind(self) -> Result<CredentialKind, StoreError> {
        CredentialKind::parse(self.credential_kind)
            .ok_or_else(|| self.row_name().corrupt("credential_kind"))
    }

    pub(crate) fn status(self) -> Result<SubscriberStatus, StoreError> {
        self.row_name().parse("status", self.status)
    }

    pub(crate) fn addresses(self) -> Result<StaticAddresses, StoreError> {
        let row = self.row_name();
        Ok(StaticAddresses {
            ipv4: row.find_parsed("ipv4", self.ipv4)?,
            ipv6_prefix: row.find_parsed("ipv6_prefix", self.ipv6_prefix)?,
            ipv6_delegated: row.find_parsed("ipv6_delegated", self.ipv6_delegated)?,
        })
    }

    pub(crate) fn sessions(self) -> Result<SessionTerms, StoreError> {
        let row = self.row_name();
        let limit = |stored| row.number("session_limit", stored, SessionLimit::new);
        Ok(SessionTerms {
            session_limit: self.session_limit.map(limit).transpose()?,
            session_policy: row.find_parsed("session_policy", self.session_policy)?,
        })
    }

    pub(crate) const fn row_name(self) -> RowName {
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

pub(crate) fn patched_row(
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
    if let Some(customer) = patch.customer {
        row.customer = ActiveValue::Set(customer.map(|customer| customer.as_uuid()));
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
