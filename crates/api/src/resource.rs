//! What can be asked for, one room a noun.

pub(crate) mod audit;
pub(crate) mod auth_log;
pub(crate) mod bulk;
pub(crate) mod event;
pub(crate) mod export;
pub(crate) mod guard;
pub(crate) mod import;
pub(crate) mod inquiry;
pub(crate) mod job;
pub(crate) mod nas_group;
pub(crate) mod operation;
pub(crate) mod operator;
pub(crate) mod reconciler;
pub(crate) mod schedule;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod sign_in;
pub(crate) mod statistics;
pub(crate) mod system;
pub(crate) mod tenant;
pub(crate) mod token;
pub(crate) mod usage;
pub(crate) mod webhook;
