//! The program: configuration, command line, output, telemetry, and the server around the parts.

pub mod app;
pub mod cli;
pub mod config;
pub mod exit;
mod import;
pub mod late_store;
mod output;
mod priority;
mod retention;
pub mod serve;
pub mod supervisor;
mod telemetry;
pub mod wiring;
