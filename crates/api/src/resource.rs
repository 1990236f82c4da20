//! What can be asked for, one room a noun.

pub(crate) mod nas_group;
