//! One search over everything that people look for: names, numbers, addresses and devices.

use std::net::IpAddr;

use domain::id::TenantId;
use domain::mac::Mac;
use domain::search::{Question, QuestionError, digits, folded};
use sea_orm::{QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use super::EntryKind;
use crate::customer::CustomerSummary;
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::listing::{ListError, ListFailure};
use crate::query::Query;
use crate::store::Store;

/// Finds that one search shows.
pub const HITS_MAX: usize = 100;

/// Texts that are looked at to put the best of them first.
const LOOKED_AT_MAX: usize = 200;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    Customer,
    Subscriber,
    Nas,
    Session,
}

/// Something that was found, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    pub kind: HitKind,
    pub id: Uuid,
    /// What people call it.
    pub label: String,
    /// Where the text was found.
    pub field: &'static str,
    /// The value of that field.
    pub value: String,
}

impl Store {
    /// Things of these kinds that a text is found in, the best first.
    pub async fn search(
        &self,
        tenant: TenantId,
        raw: &str,
        kinds: &[HitKind],
        limit: usize,
    ) -> Result<Vec<Hit>, ListFailure> {
        let raw = raw.trim();
        let (address, mac) = (raw.parse::<IpAddr>().ok(), raw.parse::<Mac>().ok());
        let mut hits = Vec::new();
        if let Some(address) = address {
            hits.extend(self.search_address(tenant, address).await?);
        }
        if let Some(mac) = mac {
            hits.extend(self.search_device(tenant, mac).await?);
        }
        match Question::parse(raw) {
            Ok(question) => hits.extend(self.search_names(tenant, &question, kinds).await?),
            // The words of an address may be short, and it is found all the same.
            Err(QuestionError::Short) if address.is_some() || mac.is_some() => {}
            Err(error) => return Err(ListError::Search(error).into()),
        }
        hits.retain(|hit| kinds.contains(&hit.kind));
        hits.truncate(limit.min(HITS_MAX));
        Ok(hits)
    }

    /// Things of these kinds whose names have what is searched for, the best first.
    async fn search_names(
        &self,
        tenant: TenantId,
        question: &Question,
        kinds: &[HitKind],
    ) -> Result<Vec<Hit>, StoreError> {
        let mut named = Vec::new();
        if kinds.contains(&HitKind::Customer) {
            named.extend(self.search_customers(tenant, question).await?);
        }
        if kinds.contains(&HitKind::Subscriber) {
            named.extend(self.search_subscribers(tenant, question).await?);
        }
        if kinds.contains(&HitKind::Nas) {
            named.extend(self.search_routers(tenant, question).await?);
        }
        named.sort_by_cached_key(|hit| (rank(question, hit), hit.kind, hit.label.len()));
        Ok(named)
    }

    async fn search_customers(
        &self,
        tenant: TenantId,
        question: &Question,
    ) -> Result<Vec<Hit>, StoreError> {
        let kind = EntryKind::Customer;
        let ids = self
            .search_ids(tenant, kind, question, LOOKED_AT_MAX)
            .await?;
        let customers = self.customers_of(&ids).await?;
        let hits = customers.iter().map(|customer| {
            let (field, value) = why(customer, question);
            Hit {
                kind: HitKind::Customer,
                id: customer.id.as_uuid(),
                label: customer.name.to_string(),
                field,
                value,
            }
        });
        Ok(hits.collect())
    }

    async fn search_subscribers(
        &self,
        tenant: TenantId,
        question: &Question,
    ) -> Result<Vec<Hit>, StoreError> {
        let kind = EntryKind::Subscriber;
        let ids = self
            .search_ids(tenant, kind, question, LOOKED_AT_MAX)
            .await?;
        let subscribers = self.subscribers_of(&ids).await?;
        let hits = subscribers.iter().map(|subscriber| Hit {
            kind: HitKind::Subscriber,
            id: subscriber.id.as_uuid(),
            label: subscriber.username.to_string(),
            field: "username",
            value: subscriber.username.to_string(),
        });
        Ok(hits.collect())
    }

    /// Routers are few: the names of all that a tenant has are in one index, which is gone through.
    async fn search_routers(
        &self,
        tenant: TenantId,
        question: &Question,
    ) -> Result<Vec<Hit>, StoreError> {
        let has = match self.dialect() {
            Dialect::Sqlite => "instr(name_key, ?) > 0",
            Dialect::Postgres => "strpos(name_key, ?) > 0",
        };
        let first = question.groups().iter().filter_map(|words| words.first());
        let first: Vec<Value> = first.map(Value::from).collect();
        let any = vec![has; first.len()].join(" OR ");
        let mut query = Query::new(self.dialect(), "SELECT id, name FROM router");
        query.and("tenant = ?", [tenant.as_uuid().into()]);
        query.and(&format!("({any})"), first);
        query.end(&format!("ORDER BY name_key LIMIT {LOOKED_AT_MAX}"));
        let rows = query.all(self.reader()).await?;
        let read = |row: &QueryResult| Ok((row.try_get("", "id")?, row.try_get("", "name")?));
        let routers: Result<Vec<(Uuid, String)>, sea_orm::DbErr> = rows.iter().map(read).collect();
        let found = routers?
            .into_iter()
            .filter(|(_, name)| question.is_in(&folded(name)));
        let hits = found.map(|(id, name)| Hit {
            kind: HitKind::Nas,
            id,
            label: name.clone(),
            field: "name",
            value: name,
        });
        Ok(hits.collect())
    }
}

/// Where in a customer the text was found.
fn why(customer: &CustomerSummary, question: &Question) -> (&'static str, String) {
    let mut values = vec![
        ("name", customer.name.to_string()),
        ("number", customer.number.to_string()),
    ];
    values.extend(
        customer
            .company
            .iter()
            .map(|company| ("company", company.to_string())),
    );
    let emails = customer.emails.iter();
    values.extend(emails.map(|email| ("email", email.as_str().to_owned())));
    let phones = customer.phones.iter();
    values.extend(phones.map(|phone| ("phone", phone.to_string())));
    let found = values.iter().position(|(_, value)| question.touches(value));
    values.swap_remove(found.unwrap_or_default())
}

/// 0 for a whole word or number, 1 for the beginning of one, 2 for what is inside of one.
fn rank(question: &Question, hit: &Hit) -> u8 {
    let value = folded(&hit.value);
    let number = digits(&value);
    let mut words: Vec<&str> = value
        .split(|letter: char| !letter.is_alphanumeric())
        .collect();
    words.extend([value.as_str(), number.as_str()]);
    let wanted = || question.groups().iter().flatten();
    let is_any = |holds: &dyn Fn(&str, &str) -> bool| {
        words
            .iter()
            .any(|word| wanted().any(|wanted| holds(word, wanted)))
    };
    if is_any(&|word, wanted| word == wanted) {
        0
    } else if is_any(&|word, wanted| word.starts_with(wanted)) {
        1
    } else {
        2
    }
}
