//! Entities: the rows of the registry as SeaORM sees them; they never leave this crate.

pub(crate) mod api_key;
pub(crate) mod customer;
pub(crate) mod garden;
pub(crate) mod nas;
pub(crate) mod nas_group;
pub(crate) mod operator;
pub(crate) mod plan;
pub(crate) mod subscriber;
pub(crate) mod webhook;
