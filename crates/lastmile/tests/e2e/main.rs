//! The real program against foreign clients, crashes, broken packets and curious eyes.

mod bad_packets;
mod contract;
mod crash;
mod duplicates;
mod hashes;
mod live_changes;
mod noise;
mod outage;
mod peers;
mod reload;
mod scale;
mod secrets;
mod signing;
mod site;
mod starting;
mod storm;
mod web;
mod wire;
mod workers;
