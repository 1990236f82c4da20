//! The store against both databases.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

mod accounting;
mod accounting_lanes;
mod accounting_numbered;
mod accounting_races;
mod auth_log;
mod change_feed;
mod directory;
mod fixture;
mod import;
mod key_ring;
mod limits;
mod migrations;
mod partitions;
mod recovery;
mod resources;
mod retention;
mod sealing;
mod sessions;
mod spool;
