//! What can be asked for, one room a noun.

pub(crate) mod garden;
pub(crate) mod knock;
pub(crate) mod message;
pub(crate) mod nas;
pub(crate) mod nas_group;
pub(crate) mod plan;
pub(crate) mod realm;
pub(crate) mod rows;
