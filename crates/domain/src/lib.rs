//! The vocabulary and the rules of lastmile: who may be online, at what speed and for how long.
//!
//! Everything here is a pure value or a pure function. Nothing opens a socket or a file, reads a
//! clock or draws a random number; time and randomness come in as arguments.

pub mod access;
pub mod accounting;
pub mod actor;
pub mod auth_log;
pub mod change;
pub mod credential;
pub mod customer;
pub mod deed;
pub mod event;
pub mod garden;
pub mod guard;
pub mod id;
pub mod limit;
pub mod mac;
pub mod message;
pub mod month;
pub mod name;
pub mod nas;
pub mod operation;
pub mod operator;
pub mod permission;
pub mod plan;
pub mod rate_limit;
pub mod realm;
pub mod row_nas;
pub mod schedule;
pub mod search;
pub mod secret;
pub mod session;
pub mod session_command;
pub mod session_identity;
pub mod session_match;
pub mod session_news;
pub mod session_policy;
pub mod subscriber;
pub mod tenant;
pub mod terms;
pub mod time;
pub mod usage;
pub mod webhook;
pub mod why;
