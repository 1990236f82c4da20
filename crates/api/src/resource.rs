//! What can be asked for, one room a noun.

pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod event;
pub(crate) mod export;
pub(crate) mod garden;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod knock;
pub(crate) mod message;
pub(crate) mod nas;
pub(crate) mod nas_group;
pub(crate) mod operation;
pub(crate) mod operator;
pub(crate) mod plan;
pub(crate) mod realm;
pub(crate) mod reconciler;
pub(crate) mod rows;
pub(crate) mod schedule;
pub(crate) mod secret;
pub(crate) mod sign_in;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod webhook;
