//! The real program as operators and scripts type it, on a database of its own.

mod access;
mod commands;
mod errors;
mod formats;
mod import;
mod people;
mod place;
mod remote;
mod scripted;
mod secrets;
mod server;
