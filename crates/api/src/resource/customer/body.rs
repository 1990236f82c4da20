//! What bodies say about customers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use domain::customer::contact::{ENTRIES_MAX, PostalAddress};
use domain::customer::field::{CustomFields, FieldValue};
use domain::id::TenantId;
use serde::Deserialize;
use storage::customer::{CustomerPatch, NewCustomer};
use utoipa::ToSchema;

use super::view::{AddressData, FieldData};
use crate::body::{Fields, present};
use crate::problem::Problem;

/// A customer to be added.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomerBody {
    /// The next one, unless it is given.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 32)]
    number: Option<String>,
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    company: Option<String>,
    /// lead, active or closed
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    #[schema(max_items = 16)]
    emails: Vec<String>,
    /// Best with + and the country.
    #[serde(default)]
    #[schema(max_items = 16)]
    phones: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 16)]
    addresses: Vec<AddressData>,
    /// Fields of your own, at most 64.
    #[serde(default)]
    fields: BTreeMap<String, FieldData>,
    #[serde(default)]
    #[schema(max_items = 16)]
    tags: Vec<String>,
}

/// What to change of a customer: what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerPatchBody {
    #[serde(default)]
    #[schema(min_length = 1, max_length = 32)]
    number: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    company: Option<Option<String>>,
    /// lead, active or closed
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    #[schema(max_items = 16)]
    emails: Option<Vec<String>>,
    #[serde(default)]
    #[schema(max_items = 16)]
    phones: Option<Vec<String>>,
    #[serde(default)]
    #[schema(max_items = 16)]
    addresses: Option<Vec<AddressData>>,
    #[serde(default)]
    fields: Option<BTreeMap<String, FieldData>>,
    #[serde(default)]
    #[schema(max_items = 16)]
    tags: Option<Vec<String>>,
}

impl NewCustomerBody {
    pub(super) fn read(self, tenant: TenantId) -> Result<NewCustomer, Problem> {
        let mut fields = Fields::default();
        let name = fields.parse("name", &self.name);
        let new = (
            find(&mut fields, "number", self.number),
            find(&mut fields, "company", self.company),
            find(&mut fields, "state", self.state).unwrap_or_default(),
            list(&mut fields, "emails", &self.emails),
            list(&mut fields, "phones", &self.phones),
            addresses(&mut fields, self.addresses),
            custom(&mut fields, self.fields),
            list(&mut fields, "tags", &self.tags),
        );
        fields.check()?;
        let (number, company, state, emails, phones, addresses, fields, tags) = new;
        Ok(NewCustomer {
            tenant,
            number,
            name: name.ok_or_else(Problem::internal)?,
            company,
            state,
            emails,
            phones,
            addresses,
            fields,
            tags,
        })
    }
}

impl CustomerPatchBody {
    pub(super) fn read(self) -> Result<CustomerPatch, Problem> {
        let mut fields = Fields::default();
        let company = self.company;
        let patch = CustomerPatch {
            number: find(&mut fields, "number", self.number),
            name: find(&mut fields, "name", self.name),
            company: company.map(|company| find(&mut fields, "company", company)),
            state: find(&mut fields, "state", self.state),
            emails: self.emails.map(|raw| list(&mut fields, "emails", &raw)),
            phones: self.phones.map(|raw| list(&mut fields, "phones", &raw)),
            addresses: self.addresses.map(|raw| addresses(&mut fields, raw)),
            fields: self.fields.map(|raw| custom(&mut fields, raw)),
            tags: self.tags.map(|raw| list(&mut fields, "tags", &raw)),
        };
        fields.check()?;
        Ok(patch)
    }
}

fn find<T>(fields: &mut Fields, field: &str, raw: Option<String>) -> Option<T>
where
    T: FromStr<Err: Display>,
{
    fields.parse(field, &raw?)
}

fn list<T>(fields: &mut Fields, field: &str, raw: &[String]) -> Vec<T>
where
    T: FromStr<Err: Display>,
{
    check_few(fields, field, raw.len());
    let parsed = raw.iter().enumerate().filter_map(|(index, raw)| {
        let name = format!("{field}.{index}");
        fields.parse(&name, raw)
    });
    parsed.take(ENTRIES_MAX).collect()
}

fn addresses(fields: &mut Fields, raw: Vec<AddressData>) -> Vec<PostalAddress> {
    check_few(fields, "addresses", raw.len());
    let mut addresses = Vec::with_capacity(raw.len().min(ENTRIES_MAX));
    for (index, address) in raw.into_iter().take(ENTRIES_MAX).enumerate() {
        match address.read() {
            Ok(address) => addresses.push(address),
            Err(error) => fields.wrong(&format!("addresses.{index}"), error.to_string()),
        }
    }
    addresses
}

fn custom(fields: &mut Fields, raw: BTreeMap<String, FieldData>) -> CustomFields {
    let raw = raw.into_iter();
    let values = raw.map(|(name, value)| (name, FieldValue::from(value)));
    match CustomFields::new(values.collect()) {
        Ok(custom) => custom,
        Err(error) => {
            fields.wrong("fields", error.to_string());
            CustomFields::default()
        }
    }
}

fn check_few(fields: &mut Fields, field: &str, count: usize) {
    if ENTRIES_MAX < count {
        fields.wrong(field, format!("at most {ENTRIES_MAX} are kept"));
    }
}
