//! The store against both databases.

#![expect(
    clippy::unwrap_used,
    reason = "what every test here awaits may fail, and a failure ends the test"
)]

mod access;
mod accounting;
mod accounting_lanes;
mod accounting_numbered;
mod accounting_races;
mod auth_log;
mod change_feed;
mod devices;
mod directory;
mod fixture;
mod import;
mod key_ring;
mod migrations;
mod partitions;
mod recovery;
mod resources;
mod retention;
mod sealing;
mod sessions;
mod spool;
