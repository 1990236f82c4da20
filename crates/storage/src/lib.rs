//! The database: entities, migrations, the store, sealed columns and the change feed.
//!
//! The only crate with SQL. Domain types go in and come out; time and keys are given by the caller.
//! Everything works the same on SQLite and on PostgreSQL 15 or newer.

pub mod accounting;
pub mod auth_log;
mod bulk;
pub mod change_feed;
pub mod clock;
mod column;
mod connection;
mod dialect;
pub mod directory;
mod entity;
pub mod error;
pub mod foreign;
pub mod garden;
pub mod guard;
mod id;
mod job;
pub mod key_ring;
mod keyed;
pub mod limit;
mod location;
pub mod migration;
pub mod nas;
pub mod nas_group;
pub mod page;
pub mod partition;
pub mod plan;
mod query;
pub mod realm;
pub mod retention;
pub mod row_import;
pub mod rows;
mod seal;
pub mod session;
pub mod session_command;
pub mod session_import;
pub mod session_match;
pub mod session_news;
pub mod snapshot;
pub mod spool;
mod sqlite_writer;
pub mod store;
pub mod subscriber;
pub mod subscriber_binding;
pub mod subscriber_device;
pub mod subscriber_import;
pub mod tenant;
pub mod tenant_policy;
pub mod top_up;
pub mod usage;
mod write;
