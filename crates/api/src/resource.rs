//! What can be asked for, one room a noun.

pub(crate) mod bulk;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod nas_group;
pub(crate) mod operation;
pub(crate) mod reconciler;
pub(crate) mod schedule;
