//! The real program against foreign clients, crashes, broken packets and curious eyes.

mod bad_packets;
mod contract;
mod crash;
mod duplicates;
mod hashes;
mod live_changes;
mod noise;
mod offline_start;
mod outage;
mod peers;
mod scale;
mod secrets;
mod signing;
mod site;
mod starting;
mod web;
mod wire;
mod workers;
