//! A customer as the interface shows it.

use std::collections::BTreeMap;

use domain::customer::contact::{Coordinates, Phone, PostalAddress};
use domain::customer::field::FieldValue;
use domain::id::CustomerId;
use serde::{Deserialize, Serialize};
use storage::customer::CustomerSummary;
use utoipa::ToSchema;

/// A customer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CustomerView {
    #[schema(value_type = Uuid)]
    id: CustomerId,
    number: String,
    name: String,
    company: Option<String>,
    /// lead, active or closed
    state: &'static str,
    emails: Vec<String>,
    phones: Vec<PhoneView>,
    addresses: Vec<AddressData>,
    /// Fields of your own.
    fields: BTreeMap<String, FieldData>,
    tags: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// A telephone number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PhoneView {
    /// As it was typed.
    number: String,
    /// +254712345678, when the country is in what was typed.
    e164: Option<String>,
}

/// A place where a service is, or where letters go.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressData {
    /// What the address is for.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    label: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    street: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    city: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    region: Option<String>,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    postcode: Option<String>,
    /// ISO 3166-1, two letters.
    #[serde(default)]
    #[schema(min_length = 2, max_length = 2, pattern = "^[A-Za-z]{2}$")]
    country: Option<String>,
    #[serde(default)]
    coordinates: Option<CoordinatesData>,
}

/// A place on the Earth, in degrees (WGS 84).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoordinatesData {
    #[schema(minimum = -90, maximum = 90)]
    latitude: f64,
    #[schema(minimum = -180, maximum = 180)]
    longitude: f64,
}

/// The value of a field of your own.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum FieldData {
    Bool(bool),
    Number(f64),
    Text(String),
}

impl From<CustomerSummary> for CustomerView {
    fn from(customer: CustomerSummary) -> Self {
        let fields = customer.fields.into_map().into_iter();
        Self {
            id: customer.id,
            number: customer.number.to_string(),
            name: customer.name.to_string(),
            company: customer.company.map(|company| company.to_string()),
            state: customer.state.as_str(),
            emails: customer
                .emails
                .iter()
                .map(|email| email.as_str().to_owned())
                .collect(),
            phones: customer.phones.iter().map(PhoneView::from).collect(),
            addresses: customer
                .addresses
                .into_iter()
                .map(AddressData::from)
                .collect(),
            fields: fields.map(|(name, value)| (name, value.into())).collect(),
            tags: customer
                .tags
                .iter()
                .map(|tag| tag.as_str().to_owned())
                .collect(),
            created_at: customer.created_at.to_string(),
            updated_at: customer.updated_at.to_string(),
        }
    }
}

impl From<&Phone> for PhoneView {
    fn from(phone: &Phone) -> Self {
        Self {
            number: phone.typed().to_owned(),
            e164: phone.e164().map(ToOwned::to_owned),
        }
    }
}

impl From<PostalAddress> for AddressData {
    fn from(address: PostalAddress) -> Self {
        Self {
            label: address.label,
            street: address.street,
            city: address.city,
            region: address.region,
            postcode: address.postcode,
            country: address.country,
            coordinates: address.coordinates.map(|place| {
                let (latitude, longitude) = place.as_degrees();
                CoordinatesData {
                    latitude,
                    longitude,
                }
            }),
        }
    }
}

impl AddressData {
    /// The address, or what is wrong with it.
    pub(super) fn read(self) -> Result<PostalAddress, domain::customer::contact::ContactError> {
        let place = self.coordinates;
        let place = place.map(|place| Coordinates::from_degrees(place.latitude, place.longitude));
        let address = PostalAddress {
            label: self.label,
            street: self.street,
            city: self.city,
            region: self.region,
            postcode: self.postcode,
            country: self.country,
            coordinates: place.transpose()?,
        };
        address.checked()
    }
}

impl From<FieldValue> for FieldData {
    fn from(value: FieldValue) -> Self {
        match value {
            FieldValue::Bool(value) => Self::Bool(value),
            FieldValue::Number(value) => Self::Number(value),
            FieldValue::Text(value) => Self::Text(value),
        }
    }
}

impl From<FieldData> for FieldValue {
    fn from(value: FieldData) -> Self {
        match value {
            FieldData::Bool(value) => Self::Bool(value),
            FieldData::Number(value) => Self::Number(value),
            FieldData::Text(value) => Self::Text(value),
        }
    }
}
