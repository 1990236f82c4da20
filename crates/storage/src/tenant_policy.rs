//! What holds for everyone of a tenant: the language, the messages, and the policy as nodes load it.

use std::collections::BTreeMap;

use domain::change::Change;
use domain::id::{Id, TenantId};
use domain::message::{Language, MessageTemplate, StateMessage};
use domain::subscriber::state::AccessState;
use domain::tenant::{RowObedience, TenantPolicy};
use sea_orm::{ConnectionTrait, EntityTrait, QueryResult, Value};
use serde::Serialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::column::RowName;
use crate::deed::Deed;
use crate::directory::readable_or_told;
use crate::entity::garden as garden_entity;
use crate::error::{Resource, StoreError};
use crate::garden;
use crate::realm;
use crate::store::Store;
use crate::write::{NO_REVISION, Write};

/// What the audit log shows of a tenant.
#[derive(Serialize)]
struct TenantSeen {
    name: String,
    time_zone: String,
    language: String,
    /// The name of the garden of plans that name none.
    garden: Option<String>,
    rows_obeyed: Option<String>,
}

impl Store {
    /// What every tenant has set.
    pub async fn tenant_policy_all(&self) -> Result<Vec<TenantPolicy>, StoreError> {
        let tenants = self.dialect().statement(
            "SELECT id, time_zone, language, garden, rows_obeyed FROM tenant",
            [],
        );
        let mut policies = BTreeMap::new();
        for row in self.reader().query_all_raw(tenants).await? {
            let policy = policy(&row)?;
            policies.insert(policy.tenant, policy);
        }
        for model in garden_entity::Entity::find().all(self.reader()).await? {
            // A damaged one is as if it were not there: nobody gets more by that.
            if let Some(garden) = readable_or_told(garden::garden(&model))
                && let Some(policy) = policies.get_mut(&garden.tenant)
            {
                policy.gardens.push(garden);
            }
        }
        let sql = "SELECT tenant, state, language, template FROM state_message \
            ORDER BY tenant, state, language";
        let messages = self.dialect().statement(sql, []);
        for row in self.reader().query_all_raw(messages).await? {
            let tenant = Id::from_uuid(row.try_get("", "tenant")?);
            if let Some(message) = readable_or_told(message(&row))
                && let Some(policy) = policies.get_mut(&tenant)
            {
                policy.messages.push(message);
            }
        }
        let sql = "SELECT name, tenant, handling FROM realm ORDER BY name";
        let realms = self.dialect().statement(sql, []);
        for row in self.reader().query_all_raw(realms).await? {
            if let Some(realm) = readable_or_told(realm::realm(&row))
                && let Some(policy) = policies.get_mut(&realm.tenant)
            {
                policy.realms.push(realm);
            }
        }
        Ok(policies.into_values().collect())
    }

    /// What one tenant has set.
    pub async fn tenant_policy(&self, tenant: TenantId) -> Result<TenantPolicy, StoreError> {
        let all = self.tenant_policy_all().await?;
        let found = all.into_iter().find(|policy| policy.tenant == tenant);
        Ok(found.unwrap_or_else(|| TenantPolicy::new(tenant)))
    }

    /// Sets the language in which subscribers are told about their account.
    pub async fn tenant_set_language(
        &self,
        tenant: TenantId,
        language: &Language,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        set(&mut write, tenant, ("language", language.as_str().into())).await?;
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }

    /// Sets how rows are obeyed where the configuration does not say.
    pub async fn tenant_set_rows(
        &self,
        tenant: TenantId,
        rows: RowObedience,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        set(&mut write, tenant, ("rows_obeyed", rows.as_str().into())).await?;
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }

    /// Sets what subscribers in a state are told in a language.
    pub async fn message_set(
        &self,
        tenant: TenantId,
        state: AccessState,
        language: &Language,
        template: &MessageTemplate,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        write.check_revision(Resource::Message, state.as_str(), NO_REVISION)?;
        let before = find_template(&write, tenant, (state, language)).await?;
        let sql = "INSERT INTO state_message (tenant, state, language, template, updated_at) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, state, language) \
            DO UPDATE SET template = excluded.template, updated_at = excluded.updated_at";
        let values = [
            tenant.as_uuid().into(),
            state.as_str().into(),
            language.as_str().into(),
            template.as_str().into(),
            write.at().as_micros().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        write.connection().execute_raw(statement).await?;
        let after = message_seen(state, language, template.as_str());
        write.record(message_deed(
            tenant,
            (state, language),
            (before, Some(after)),
        ));
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }

    /// Goes back to the default for a state in a language.
    pub async fn message_clear(
        &self,
        tenant: TenantId,
        state: AccessState,
        language: &Language,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        write.check_revision(Resource::Message, state.as_str(), NO_REVISION)?;
        let before = find_template(&write, tenant, (state, language)).await?;
        let sql = "DELETE FROM state_message WHERE tenant = $1 AND state = $2 AND language = $3";
        let values = [
            tenant.as_uuid().into(),
            state.as_str().into(),
            language.as_str().into(),
        ];
        let statement = write.dialect().statement(sql, values);
        let done = write.connection().execute_raw(statement).await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NotFound {
                what: Resource::Message,
                name: format!("{state} in {language}"),
            });
        }
        write.record(message_deed(tenant, (state, language), (before, None)));
        write.note(tenant, Change::Tenant(tenant));
        write.commit().await
    }
}

/// Sets one column of a tenant, and records how it was and is.
pub(crate) async fn set(
    write: &mut Write,
    tenant: TenantId,
    (column, value): (&str, Value),
) -> Result<(), StoreError> {
    let before = seen(write, tenant).await?;
    let sql = format!("UPDATE tenant SET {column} = $1, updated_at = $3 WHERE id = $2");
    let at = write.at().as_micros();
    let values = [value, tenant.as_uuid().into(), at.into()];
    let statement = write.dialect().statement(sql, values);
    write.connection().execute_raw(statement).await?;
    let after = seen(write, tenant).await?;
    let what = (tenant, Resource::Tenant);
    let named = (tenant.as_uuid(), after.name.as_str());
    write.record(Deed::changed(what, named, &before, &after));
    Ok(())
}

async fn seen(write: &Write, tenant: TenantId) -> Result<TenantSeen, StoreError> {
    let sql = "SELECT t.name, t.time_zone, t.language, g.name AS garden, t.rows_obeyed \
        FROM tenant t LEFT JOIN garden g ON g.id = t.garden WHERE t.id = $1";
    let statement = write.dialect().statement(sql, [tenant.as_uuid().into()]);
    let row = write.connection().query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StoreError::NotFound {
        what: Resource::Tenant,
        name: tenant.to_string(),
    })?;
    Ok(TenantSeen {
        name: row.try_get("", "name")?,
        time_zone: row.try_get("", "time_zone")?,
        language: row.try_get("", "language")?,
        garden: row.try_get("", "garden")?,
        rows_obeyed: row.try_get("", "rows_obeyed")?,
    })
}

async fn find_template(
    write: &Write,
    tenant: TenantId,
    (state, language): (AccessState, &Language),
) -> Result<Option<Json>, StoreError> {
    let sql = "SELECT template FROM state_message \
        WHERE tenant = $1 AND state = $2 AND language = $3";
    let values = [
        tenant.as_uuid().into(),
        state.as_str().into(),
        language.as_str().into(),
    ];
    let statement = write.dialect().statement(sql, values);
    let row = write.connection().query_one_raw(statement).await?;
    let template: Option<String> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(template.map(|template| message_seen(state, language, &template)))
}

fn message_seen(state: AccessState, language: &Language, template: &str) -> Json {
    json!({ "state": state.as_str(), "language": language.as_str(), "template": template })
}

/// What was done to a message, which was absent before or is absent now.
fn message_deed(
    tenant: TenantId,
    (state, language): (AccessState, &Language),
    (before, after): (Option<Json>, Option<Json>),
) -> Deed {
    let name = format!("{state} in {language}");
    let what = (tenant, Resource::Message);
    let named = (Uuid::nil(), name.as_str());
    let deed = match (before, after) {
        (Some(before), Some(after)) => Deed::changed(what, named, &before, &after),
        (None, Some(after)) => Deed::created(what, named, &after),
        (before, None) => Deed::removed(what, named, &before),
    };
    deed.by_name()
}

/// A language that cannot be read is told, and the default one holds.
fn policy(row: &QueryResult) -> Result<TenantPolicy, StoreError> {
    let id: Uuid = row.try_get("", "id")?;
    let time_zone: String = row.try_get("", "time_zone")?;
    let language: String = row.try_get("", "language")?;
    let garden: Option<Uuid> = row.try_get("", "garden")?;
    let rows: Option<String> = row.try_get("", "rows_obeyed")?;
    let name = RowName {
        table: "tenant",
        id,
    };
    Ok(TenantPolicy {
        time_zone: readable_or_told(name.parse("time_zone", &time_zone)).unwrap_or_default(),
        language: readable_or_told(name.parse("language", &language)).unwrap_or_default(),
        garden: garden.map(Id::from_uuid),
        rows: name.find_parsed("rows_obeyed", rows.as_deref())?,
        ..TenantPolicy::new(Id::from_uuid(id))
    })
}

fn message(row: &QueryResult) -> Result<StateMessage, StoreError> {
    let text = |column: &str| row.try_get::<String>("", column);
    let name = RowName {
        table: "state_message",
        id: row.try_get("", "tenant")?,
    };
    Ok(StateMessage {
        state: name.parse("state", &text("state")?)?,
        language: name.parse("language", &text("language")?)?,
        template: name.parse("template", &text("template")?)?,
    })
}
