//! Events: told to whoever listens, read from the table once and shared by all of them.
//!
//! The table is the truth. The hub follows it and keeps what came last in memory; who was away for
//! longer reads the table in pages and joins in where memory begins.

pub mod catalogue;
mod fold;
pub mod hub;
pub mod news;
pub mod reader;
pub mod ring;
pub mod telling;
