//! What can be asked for, one room a noun.

pub(crate) mod customer;
pub(crate) mod nas_group;
pub(crate) mod search;
pub(crate) mod subscriber;
