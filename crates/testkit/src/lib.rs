//! For tests only: databases, a running node and real peers.

pub mod cluster;
pub mod database;
pub mod foreign;
pub mod freeradius;
mod holder;
pub mod mariadb;
pub mod namespace;
pub mod oracle;
pub mod pebble;
pub mod peer;
pub mod port;
pub mod postgres;
pub mod process;
pub mod server;
pub mod small_disk;
