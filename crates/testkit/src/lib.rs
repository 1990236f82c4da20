//! For tests only: databases, a running node and real peers.

pub mod database;
pub mod peer;
pub mod postgres;
pub mod process;
pub mod server;
