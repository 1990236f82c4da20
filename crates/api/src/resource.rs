//! What can be asked for, one room a noun.

pub(crate) mod event;
pub(crate) mod nas_group;
pub(crate) mod webhook;
