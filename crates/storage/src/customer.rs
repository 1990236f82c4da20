//! Customers: who pays for subscribers, and how they are reached.

use std::collections::{BTreeMap, HashMap};

use domain::customer::contact::{EmailAddress, Phone, PostalAddress};
use domain::customer::field::{CustomFields, FieldValue};
use domain::customer::{CustomerNumber, CustomerState, Tag, Title};
use domain::id::{CustomerId, Id, TenantId};
use domain::search::{digits, folded};
use domain::time::Timestamp;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QuerySelect, Value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::bulk::{Insert, select_in};
use crate::column::{RowName, stored_text};
use crate::deed::Deed;
use crate::entity::customer::{ActiveModel, Column, Entity, Model};
use crate::entity::subscriber;
use crate::error::{Resource, StoreError};
use crate::keyed::Keyed;
use crate::listing::MATCHES_MAX;
use crate::page::Page;
use crate::search::{self, Entry, EntryKind};
use crate::store::Store;
use crate::write::Write;

pub mod list;
pub mod note;

pub(crate) const KEYED: Keyed<Entity> = Keyed {
    what: Resource::Customer,
    tenant: Column::Tenant,
    key: Column::Number,
    updated: Column::UpdatedAt,
};

const TAGS: Insert<'static> = Insert {
    table: "customer_tag",
    columns: &[
        "customer",
        "tag",
        "tenant",
        "state",
        "name_key",
        "created_at",
    ],
    on_conflict: "ON CONFLICT DO NOTHING",
};

/// A customer to be added.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    pub tenant: TenantId,
    /// The next free one, unless one is given.
    pub number: Option<CustomerNumber>,
    pub name: Title,
    pub company: Option<Title>,
    pub state: CustomerState,
    pub emails: Vec<EmailAddress>,
    pub phones: Vec<Phone>,
    pub addresses: Vec<PostalAddress>,
    pub fields: CustomFields,
    pub tags: Vec<Tag>,
}

/// What to change of a customer; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct CustomerPatch {
    pub number: Option<CustomerNumber>,
    pub name: Option<Title>,
    pub company: Option<Option<Title>>,
    pub state: Option<CustomerState>,
    pub emails: Option<Vec<EmailAddress>>,
    pub phones: Option<Vec<Phone>>,
    pub addresses: Option<Vec<PostalAddress>>,
    pub fields: Option<CustomFields>,
    pub tags: Option<Vec<Tag>>,
}

/// A customer as lists show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomerSummary {
    pub id: CustomerId,
    pub number: CustomerNumber,
    pub name: Title,
    pub company: Option<Title>,
    pub state: CustomerState,
    pub emails: Vec<EmailAddress>,
    pub phones: Vec<Phone>,
    pub addresses: Vec<PostalAddress>,
    pub fields: CustomFields,
    pub tags: Vec<Tag>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Store {
    /// Adds a customer.
    pub async fn customer_insert(&self, new: NewCustomer) -> Result<CustomerSummary, StoreError> {
        let mut write = self.write().await?;
        let number = match &new.number {
            Some(number) => number.clone(),
            None => next_number(&write, new.tenant).await?,
        };
        let id: CustomerId = self.new_id();
        let at = write.at();
        let summary = CustomerSummary {
            id,
            number,
            name: new.name,
            company: new.company,
            state: new.state,
            emails: new.emails,
            phones: new.phones,
            addresses: new.addresses,
            fields: new.fields,
            tags: once(new.tags),
            created_at: at,
            updated_at: at,
        };
        Entity::insert(ActiveModel::from(stored(&summary, new.tenant)))
            .exec_without_returning(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, summary.number.as_str()))?;
        put_tags(&write, new.tenant, &summary).await?;
        search::put_new(write.connection(), [entry(new.tenant, &summary)]).await?;
        let named = (id.as_uuid(), summary.number.as_str());
        let kind = (new.tenant, Resource::Customer);
        write.record(Deed::created(kind, named, &summary));
        write.commit().await?;
        Ok(summary)
    }

    /// The customer with this number.
    pub async fn customer_find(
        &self,
        tenant: TenantId,
        number: &CustomerNumber,
    ) -> Result<Option<CustomerSummary>, StoreError> {
        let row = KEYED
            .one(tenant, number.as_str())
            .one(self.reader())
            .await?;
        row.as_ref().map(summary).transpose()
    }

    /// Changes the customer with this number.
    pub async fn customer_update(
        &self,
        tenant: TenantId,
        number: &CustomerNumber,
        patch: CustomerPatch,
    ) -> Result<CustomerSummary, StoreError> {
        let mut write = self.write().await?;
        let model = KEYED.lock(&write, tenant, number.as_str()).await?;
        let before = summary(&model)?;
        let after = patched(before.clone(), patch, write.at());
        let row = ActiveModel::from(stored(&after, tenant)).reset_all();
        row.update(write.connection())
            .await
            .map_err(|error| KEYED.refusal(error, after.number.as_str()))?;
        put_tags(&write, tenant, &after).await?;
        search::put(&write, entry(tenant, &after)).await?;
        let named = (model.id, number.as_str());
        let kind = (tenant, Resource::Customer);
        write.record(Deed::changed(kind, named, &before, &after));
        write.commit().await?;
        Ok(after)
    }

    /// Removes the customer with this number, with tags and notes, unless they have subscribers.
    pub async fn customer_delete(
        &self,
        tenant: TenantId,
        number: &CustomerNumber,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        // Nobody is given to a customer whose row is locked: the foreign key waits for it.
        let model = KEYED.lock(&write, tenant, number.as_str()).await?;
        let users = services_count(&write, model.id).await?;
        if 0 < users {
            return Err(StoreError::InUse {
                what: Resource::Customer,
                name: number.to_string(),
                by: "subscribers",
                users,
            });
        }
        let before = summary(&model)?;
        search::remove(&write, model.id).await?;
        Entity::delete_by_id(model.id)
            .exec(write.connection())
            .await?;
        let named = (model.id, number.as_str());
        let kind = (tenant, Resource::Customer);
        write.record(Deed::removed(kind, named, &before));
        write.commit().await
    }

    /// All customers by number, for whoever goes through all of them.
    pub async fn customer_page(
        &self,
        tenant: TenantId,
        page: &Page<CustomerNumber>,
    ) -> Result<Vec<CustomerSummary>, StoreError> {
        let after = page.after.as_ref().map(CustomerNumber::as_str);
        let models = KEYED.page(tenant, after, page.limit());
        let models = models.all(self.reader()).await?;
        models.iter().map(summary).collect()
    }

    /// The customers with these ids, in their order, without those that are gone.
    pub(crate) async fn customers_of(
        &self,
        ids: &[Uuid],
    ) -> Result<Vec<CustomerSummary>, StoreError> {
        let found = Entity::find().filter(Column::Id.is_in(ids.iter().copied()));
        let mut found: HashMap<Uuid, Model> = found
            .all(self.reader())
            .await?
            .into_iter()
            .map(|model| (model.id, model))
            .collect();
        let models = ids.iter().filter_map(|id| found.remove(id));
        models.map(|model| summary(&model)).collect()
    }
}

/// Refuses a customer whom the tenant does not have, and one with too many subscribers.
pub(crate) async fn check_room(
    write: &Write,
    tenant: TenantId,
    customer: CustomerId,
) -> Result<(), StoreError> {
    let row = Entity::find_by_id(customer.as_uuid())
        .filter(Column::Tenant.eq(tenant.as_uuid()))
        .lock_exclusive()
        .one(write.connection())
        .await?;
    let row = row.ok_or_else(|| absent(customer))?;
    let count = services_count(write, row.id).await? + 1;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if MATCHES_MAX < count {
        return Err(StoreError::TooMany {
            what: "subscribers",
            name: row.number,
            count,
            max: MATCHES_MAX,
        });
    }
    Ok(())
}

/// Refuses customers whom the tenant does not have.
pub(crate) async fn check_all(
    write: &Write,
    tenant: TenantId,
    customers: impl Iterator<Item = CustomerId>,
) -> Result<(), StoreError> {
    let mut wanted: Vec<CustomerId> = customers.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let tenant = write.dialect().id_literal(tenant.as_uuid());
    let head = format!("SELECT id FROM customer WHERE tenant = {tenant} AND id IN");
    let keys: Vec<Value> = wanted.iter().map(|one| one.as_uuid().into()).collect();
    let rows = select_in(write.connection(), &head, &keys, "").await?;
    let found: Result<Vec<Uuid>, DbErr> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    let found = found?;
    match wanted.iter().find(|one| !found.contains(&one.as_uuid())) {
        Some(missing) => Err(absent(*missing)),
        None => Ok(()),
    }
}

fn absent(customer: CustomerId) -> StoreError {
    StoreError::NotFound {
        what: Resource::Customer,
        name: customer.to_string(),
    }
}

/// The numbers of customers by their ids.
pub(crate) async fn numbers<C: ConnectionTrait>(
    connection: &C,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, DbErr> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let keys: Vec<Value> = ids.into_iter().map(Value::from).collect();
    let head = "SELECT id, number FROM customer WHERE id IN";
    let rows = select_in(connection, head, &keys, "").await?;
    let read =
        |row: &sea_orm::QueryResult| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?));
    rows.iter().map(read).collect()
}

/// The subscribers of these customers, at most as many as are wanted.
pub(crate) async fn services<C: ConnectionTrait>(
    connection: &C,
    customers: &[Uuid],
    limit: usize,
) -> Result<Vec<Uuid>, DbErr> {
    let keys: Vec<Value> = customers.iter().map(|id| (*id).into()).collect();
    let head = "SELECT id FROM subscriber WHERE customer IN";
    let tail = format!(" ORDER BY customer, username LIMIT {limit}");
    let rows = select_in(connection, head, &keys, &tail).await?;
    let ids: Result<Vec<Uuid>, DbErr> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    let mut ids = ids?;
    ids.truncate(limit);
    Ok(ids)
}

async fn services_count(write: &Write, customer: Uuid) -> Result<u64, DbErr> {
    subscriber::Entity::find()
        .filter(subscriber::Column::Customer.eq(customer))
        .count(write.connection())
        .await
}

/// The next number that nobody has. Who brings a number may have taken one that was to come.
async fn next_number(write: &Write, tenant: TenantId) -> Result<CustomerNumber, StoreError> {
    loop {
        let sql = "UPDATE tenant SET customer_number = customer_number + 1 WHERE id = $1 \
            RETURNING customer_number";
        let statement = write.dialect().statement(sql, [tenant.as_uuid().into()]);
        let row = write.connection().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| StoreError::NotFound {
            what: Resource::Tenant,
            name: tenant.to_string(),
        })?;
        let number: i64 = row.try_get_by_index(0)?;
        let number: CustomerNumber = number
            .to_string()
            .parse()
            .expect("a whole number is a customer number");
        let taken = KEYED.one(tenant, number.as_str());
        if taken.one(write.connection()).await?.is_none() {
            return Ok(number);
        }
    }
}

fn once(mut tags: Vec<Tag>) -> Vec<Tag> {
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn patched(mut customer: CustomerSummary, patch: CustomerPatch, now: Timestamp) -> CustomerSummary {
    if let Some(number) = patch.number {
        customer.number = number;
    }
    if let Some(name) = patch.name {
        customer.name = name;
    }
    if let Some(company) = patch.company {
        customer.company = company;
    }
    if let Some(state) = patch.state {
        customer.state = state;
    }
    if let Some(emails) = patch.emails {
        customer.emails = emails;
    }
    if let Some(phones) = patch.phones {
        customer.phones = phones;
    }
    if let Some(addresses) = patch.addresses {
        customer.addresses = addresses;
    }
    if let Some(fields) = patch.fields {
        customer.fields = fields;
    }
    if let Some(tags) = patch.tags {
        customer.tags = once(tags);
    }
    customer.updated_at = now;
    customer
}

async fn put_tags(
    write: &Write,
    tenant: TenantId,
    customer: &CustomerSummary,
) -> Result<(), DbErr> {
    let sql = "DELETE FROM customer_tag WHERE customer = $1";
    let id = customer.id.as_uuid();
    let statement = write.dialect().statement(sql, [id.into()]);
    write.connection().execute_raw(statement).await?;
    let rows = customer.tags.iter().map(|tag| {
        [
            id.into(),
            tag.as_str().into(),
            tenant.as_uuid().into(),
            customer.state.as_str().into(),
            name_key(&customer.name).into(),
            customer.created_at.as_micros().into(),
        ]
    });
    TAGS.run(write.connection(), rows.collect::<Vec<_>>()).await
}

/// What customers are sorted by.
fn name_key(name: &Title) -> String {
    folded(name.as_str())
}

/// What of a customer can be searched for.
fn entry(tenant: TenantId, customer: &CustomerSummary) -> Entry {
    let mut content = vec![
        folded(customer.name.as_str()),
        folded(customer.number.as_str()),
    ];
    content.extend(
        customer
            .company
            .as_ref()
            .map(|company| folded(company.as_str())),
    );
    content.extend(customer.emails.iter().map(|email| folded(email.as_str())));
    // What was typed may have a zero before it that the world does not dial.
    content.extend(customer.phones.iter().map(Phone::digits));
    content.extend(customer.phones.iter().map(|phone| digits(phone.typed())));
    content.dedup();
    Entry {
        tenant,
        kind: EntryKind::Customer,
        object: customer.id.as_uuid(),
        content: content.join("\n"),
    }
}

fn stored(customer: &CustomerSummary, tenant: TenantId) -> Model {
    Model {
        id: customer.id.as_uuid(),
        tenant: tenant.as_uuid(),
        number: customer.number.as_str().into(),
        name: customer.name.as_str().into(),
        name_key: name_key(&customer.name),
        company: customer.company.as_ref().map(ToString::to_string),
        state: customer.state.as_str().into(),
        emails: json(&customer.emails),
        phones: json(&customer.phones),
        addresses: json(&customer.addresses),
        fields: json(&customer.fields),
        tags: json(&customer.tags),
        created_at: customer.created_at.as_micros(),
        updated_at: customer.updated_at.as_micros(),
    }
}

fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value);
    stored_text(&json.expect("these are texts, numbers and lists"))
}

fn summary(model: &Model) -> Result<CustomerSummary, StoreError> {
    let row = RowName {
        table: "customer",
        id: model.id,
    };
    let tags: Vec<String> = read(row, "tags", &model.tags)?;
    let tags = tags.iter().map(|tag| row.parse("tags", tag));
    let fields: BTreeMap<String, FieldValue> = read(row, "fields", &model.fields)?;
    Ok(CustomerSummary {
        id: Id::from_uuid(model.id),
        number: row.parse("number", &model.number)?,
        name: row.parse("name", &model.name)?,
        company: row.find_parsed("company", model.company.as_deref())?,
        state: row.parse("state", &model.state)?,
        emails: read(row, "emails", &model.emails)?,
        phones: read(row, "phones", &model.phones)?,
        addresses: read(row, "addresses", &model.addresses)?,
        fields: CustomFields::new(fields).map_err(|_| row.corrupt("fields"))?,
        tags: tags.collect::<Result<_, _>>()?,
        created_at: Timestamp::from_micros(model.created_at),
        updated_at: Timestamp::from_micros(model.updated_at),
    })
}

fn read<T: DeserializeOwned>(
    row: RowName,
    column: &'static str,
    stored: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(stored).map_err(|_| row.corrupt(column))
}
