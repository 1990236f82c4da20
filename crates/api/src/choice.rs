//! Words of which one is chosen, as the OpenAPI document shows them: those that the domain knows.

use domain::limit::{Measure, Period};
use domain::nas::{MacAuthentication, MessageAuthenticatorPolicy, NasSharing, OctetView, Vendor};
use domain::plan::access::AfterExpiry;
use domain::plan::change::ChangeState;
use domain::realm::RealmHandling;
use domain::session_policy::SessionPolicy;
use domain::subscriber::state::AccessState;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

pub(crate) fn vendor() -> Object {
    words(Vendor::ALL.map(Vendor::as_str))
}

pub(crate) fn find_vendor() -> Object {
    ObjectBuilder::from(vendor())
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(
            Vendor::ALL
                .map(|vendor| Some(vendor.as_str()))
                .into_iter()
                .chain([None]),
        ))
        .build()
}

pub(crate) fn message_authenticator() -> Object {
    words(MessageAuthenticatorPolicy::ALL.map(MessageAuthenticatorPolicy::as_str))
}

pub(crate) fn octet_view() -> Object {
    words(OctetView::ALL.map(OctetView::as_str))
}

pub(crate) fn mac_authentication() -> Object {
    words(MacAuthentication::ALL.map(MacAuthentication::as_str))
}

pub(crate) fn sharing() -> Object {
    words(NasSharing::ALL.map(NasSharing::as_str))
}

pub(crate) fn session_policy() -> Object {
    words(SessionPolicy::ALL.map(SessionPolicy::as_str))
}

pub(crate) fn measure() -> Object {
    words(Measure::ALL.map(Measure::as_str))
}

pub(crate) fn period() -> Object {
    words(Period::ALL.map(Period::as_str))
}

pub(crate) fn after_expiry() -> Object {
    words(AfterExpiry::ALL.map(AfterExpiry::as_str))
}

pub(crate) fn change_state() -> Object {
    words(ChangeState::ALL.map(ChangeState::as_str))
}

pub(crate) fn access_state() -> Object {
    words(AccessState::ALL.map(AccessState::as_str))
}

pub(crate) fn realm_handling() -> Object {
    words(RealmHandling::ALL.map(RealmHandling::as_str))
}

fn words(words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .build()
}
