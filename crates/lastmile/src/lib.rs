//! The program: configuration, command line, output, telemetry, and the server around the parts.

pub mod app;
mod certificate;
pub mod cli;
mod client;
pub mod config;
mod contexts;
mod disk;
mod dry_run;
pub mod exit;
mod first_owner;
mod import;
mod inquiry;
pub mod late_store;
mod output;
mod priority;
mod private_file;
pub mod relay_secret;
mod retention;
pub mod serve;
pub mod supervisor;
mod telemetry;
pub mod wiring;
