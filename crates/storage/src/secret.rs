//! The one way in which a stored secret leaves the store for a person: with a line in the audit log.

use domain::id::TenantId;
use domain::name::{Name, Username};
use domain::secret::Secret;
use serde_json::json;
use uuid::Uuid;

use crate::deed::Deed;
use crate::entity::nas as nas_entity;
use crate::entity::subscriber as subscriber_entity;
use crate::error::{Resource, StoreError};
use crate::nas;
use crate::seal::{NAS_SECRET, SUBSCRIBER_CREDENTIAL};
use crate::store::Store;
use crate::subscriber::{self, CredentialKind};
use crate::write::{Ending, Write};

/// Which secret is to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOf {
    /// What a router and we share.
    Nas(Name),
    /// What a subscriber logs in with.
    Subscriber(Username),
}

/// A secret as it is shown once.
#[derive(Clone, Debug)]
pub struct Revealed {
    pub id: Uuid,
    pub name: String,
    /// Absent in a rehearsal, which leaves no line in the log.
    pub secret: Option<Secret>,
}

impl Store {
    /// Shows a secret to somebody who says why.
    pub async fn secret_reveal(
        &self,
        tenant: TenantId,
        of: &SecretOf,
        reason: &str,
    ) -> Result<Revealed, StoreError> {
        let mut write = self.write().await?;
        let (what, mut revealed) = match of {
            SecretOf::Nas(name) => (Resource::Nas, self.of_nas(&write, tenant, name).await?),
            SecretOf::Subscriber(name) => {
                let revealed = self.of_subscriber(&write, tenant, name).await?;
                (Resource::Subscriber, revealed)
            }
        };
        let named = (revealed.id, revealed.name.as_str());
        let after = json!({ "reason": reason });
        write.record(Deed::revealed((tenant, what), named, after));
        write.commit().await?;
        if self.ending() == Ending::Undone {
            revealed.secret = None;
        }
        Ok(revealed)
    }

    async fn of_nas(
        &self,
        write: &Write,
        tenant: TenantId,
        name: &Name,
    ) -> Result<Revealed, StoreError> {
        let model: Option<nas_entity::Model> = nas::KEYED
            .one(tenant, name.key())
            .one(write.connection())
            .await?;
        let model = model.ok_or_else(|| not_found(Resource::Nas, name.as_str()))?;
        Ok(Revealed {
            secret: Some(NAS_SECRET.unseal(self.keys(), model.id, &model.secret)?),
            id: model.id,
            name: model.name,
        })
    }

    async fn of_subscriber(
        &self,
        write: &Write,
        tenant: TenantId,
        name: &Username,
    ) -> Result<Revealed, StoreError> {
        let model: Option<subscriber_entity::Model> = subscriber::KEYED
            .one(tenant, name.as_str())
            .one(write.connection())
            .await?;
        let model = model.ok_or_else(|| not_found(Resource::Subscriber, name.as_str()))?;
        if CredentialKind::parse(&model.credential_kind) != Some(CredentialKind::Cleartext) {
            return Err(StoreError::OnlyHashed {
                name: name.to_string(),
            });
        }
        let secret = SUBSCRIBER_CREDENTIAL.unseal(self.keys(), model.id, &model.credential)?;
        Ok(Revealed {
            secret: Some(secret),
            id: model.id,
            name: model.username,
        })
    }
}

fn not_found(what: Resource, name: &str) -> StoreError {
    StoreError::NotFound {
        what,
        name: name.to_owned(),
    }
}
