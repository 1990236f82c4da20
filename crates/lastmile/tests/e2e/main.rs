//! The real program against foreign clients, crashes, broken packets and curious eyes.

mod auth_log;
mod bad_packets;
mod books;
mod contract;
mod crash;
mod crashes;
mod disk_full;
mod duplicates;
mod hashes;
mod live_changes;
mod noise;
mod offline_start;
mod outage;
mod peers;
mod postgres_faults;
mod rough_line;
mod scale;
mod secrets;
mod signing;
mod site;
mod starting;
mod storm;
mod traffic;
mod web;
mod wire;
mod workers;
