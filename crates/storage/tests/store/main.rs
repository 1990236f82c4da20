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
mod audit;
mod auth_log;
mod change_feed;
mod customers;
mod devices;
mod directory;
mod events;
mod fixture;
mod guard;
mod import;
mod key_ring;
mod limits;
mod lists;
mod migrations;
mod operations;
mod partitions;
mod people;
mod recovery;
mod registry_deeds;
mod resources;
mod retention;
mod round_trips;
mod rows;
mod schedules;
mod sealing;
mod search;
mod session_commands;
mod session_news;
mod sessions;
mod spool;
mod statistics;
mod terms;
mod top_ups;
mod units;
