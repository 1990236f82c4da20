//! What can be asked for, one room a noun.

pub(crate) mod audit;
pub(crate) mod bulk;
pub(crate) mod customer;
pub(crate) mod event;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod job;
pub(crate) mod nas_group;
pub(crate) mod operation;
pub(crate) mod operator;
pub(crate) mod reconciler;
pub(crate) mod schedule;
pub(crate) mod search;
pub(crate) mod secret;
pub(crate) mod sign_in;
pub(crate) mod subscriber;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod webhook;
