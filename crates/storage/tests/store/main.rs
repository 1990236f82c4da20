//! The store against both databases.

mod accounting;
mod accounting_races;
mod auth_log;
mod change_feed;
mod fixture;
mod import;
mod key_ring;
mod migrations;
mod resources;
mod sealing;
mod sessions;
